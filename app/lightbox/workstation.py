"""Floor 7: the composition root. One `Workstation` opens what a data folder holds; ``ui`` and ``cli`` start here."""

from __future__ import annotations

from pathlib import Path

from lightbox.core import paths
from lightbox.core.jobs import JobRunner
from lightbox.core.settings import Settings
from lightbox.network.peers import PeerBook


class Workstation:
    """Everything behind the screen and the command line, for one data folder.

    Parameters
    ----------
    home : Path, optional
        The data folder; default as in `lightbox.core.paths.home`.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = paths.home(home)
        self.settings = Settings(self.home)
        self.peers = PeerBook(self.settings)
        self.jobs = JobRunner()

    def close(self) -> None:
        """Stop background work."""
        self.jobs.close()
