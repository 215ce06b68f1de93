"""The demonstration: the whole main job on a synthetic study in an embedded archive, with a window or without one."""

from __future__ import annotations

from pathlib import Path


def run(out: Path, *, headless: bool, home: Path | None = None) -> int:
    """Run the demonstration.

    Parameters
    ----------
    out : Path
        Folder for pictures, export and report (headless).
    headless : bool
        Without a window; also chosen when there is no display.
    home : Path, optional
        Data folder; default: a temporary one that is removed at the end, so that nothing mixes with a person's library.

    Returns
    -------
    int
        0 when every step worked, 1 otherwise.
    """
    from lightbox.demo import tour

    if headless or not tour.has_display():
        return tour.headless(out, home)
    return tour.on_screen(home)
