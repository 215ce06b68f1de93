"""Where objects come from: something with a label for the person at the screen and a way to open the bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable


@runtime_checkable
class Source(Protocol):
    """One object to be read. `label` is for the screen only; it may name a patient and never reaches a log."""

    @property
    def label(self) -> str:
        """Name for the person at the screen, for example the path."""
        ...

    def open(self) -> BinaryIO:
        """Return a file-like object open for reading, at its beginning; the caller closes it."""
        ...


@dataclass(frozen=True, slots=True)
class PathSource:
    """A file."""

    path: Path

    @property
    def label(self) -> str:
        """The path."""
        return str(self.path)

    def open(self) -> BinaryIO:
        """Open the file for reading."""
        return self.path.open("rb")


@dataclass(frozen=True, slots=True)
class OpenerSource:
    """Anything that a callable opens, for example an object of the library."""

    label: str
    opener: Callable[[], BinaryIO]

    def open(self) -> BinaryIO:
        """Call the opener."""
        return self.opener()


class ProgressCallback(Protocol):
    """What is told how far the work is; `lightbox.core.jobs.Job.report` fits."""

    def __call__(self, done: int, total: int = 0, *, unit: str = "", message: str = "") -> None:
        """Take note of the progress."""
        ...
