"""Entry point: ``lightbox`` starts the workstation, ``lightbox COMMAND`` does one thing without a screen."""

from __future__ import annotations

import sys
from pathlib import Path

from lightbox.core import log


def start_gui(home: Path | None) -> int:
    """Start the workstation on the screen and return its exit code."""
    from lightbox.ui.app import run

    return run(home)


def start_demo(home: Path | None, out: Path, headless: bool) -> int:
    """Run the demonstration and return its exit code."""
    from lightbox.demo import run

    return run(out, headless=headless, home=home)


def main(argv: list[str] | None = None) -> int:
    """Run Lightbox.

    Returns
    -------
    int
        0 when it worked, 1 when it failed, 2 when the command line makes no sense.
    """
    log.set_up()
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments:
        return start_gui(None)
    from lightbox.cli.main import run

    return run(arguments, gui=start_gui, demo=start_demo)


if __name__ == "__main__":
    sys.exit(main())
