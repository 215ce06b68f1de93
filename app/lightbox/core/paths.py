"""Where Lightbox keeps its data on this computer."""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "LIGHTBOX_HOME"


def home(override: str | os.PathLike[str] | None = None) -> Path:
    """Return the data folder, created if it does not exist.

    Order: `override` (``--home``), the environment variable ``LIGHTBOX_HOME``, the per-user data folder of the
    operating system. The folder is readable by its owner only.
    """
    if override:
        folder = Path(override)
    elif os.environ.get(HOME_VARIABLE):
        folder = Path(os.environ[HOME_VARIABLE])
    else:
        import platformdirs

        folder = Path(platformdirs.user_data_dir("Lightbox", appauthor=False))
    folder = folder.expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
