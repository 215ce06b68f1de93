"""Find the files of an import: files, folders, DICOMDIR file-sets. Symbolic links are followed, circles are not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightbox.library import validate
from lightbox.library.records import Refusal


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file. ``named`` is set when a person or a DICOMDIR named it, not a walk through a folder."""

    path: str
    named: bool = False


def find(paths: Sequence[Path], *, own: Path | None = None) -> Iterator[FoundFile | Refusal]:
    """Iterate over the regular files under `paths`; what cannot be walked comes as a `Refusal`.

    The folder `own` of the library itself is left out.
    """
    seen: set[tuple[int, int]] = set()
    if own is not None:
        state = own.stat()
        seen.add((state.st_dev, state.st_ino))
    for path in paths:
        try:
            state = path.stat()
        except OSError as error:
            yield Refusal(str(path), _words(error), validate.UNREADABLE)
            continue
        if stat.S_ISDIR(state.st_mode):
            yield from _walk(str(path), seen)
        elif stat.S_ISREG(state.st_mode):
            yield FoundFile(str(path.absolute()), named=True)
        else:
            yield Refusal(str(path), _KINDS.get(stat.S_IFMT(state.st_mode), _OTHER), validate.UNSUPPORTED)


_OTHER = "not a regular file"
_KINDS = {
    stat.S_IFIFO: "a named pipe is not a file",
    stat.S_IFSOCK: "a socket is not a file",
    stat.S_IFCHR: "a device is not a file",
    stat.S_IFBLK: "a device is not a file",
}


def _walk(top: str, seen: set[tuple[int, int]]) -> Iterator[FoundFile | Refusal]:
    """Walk a folder depth first in order of names, each real folder once."""
    pending = [os.path.abspath(top)]  # noqa: PTH100 (a walk over many files stays with strings)
    while pending:
        folder = pending.pop()
        try:
            state = os.stat(folder)  # noqa: PTH116
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Refusal(folder, _words(error), validate.UNREADABLE)
            continue
        folders: list[str] = []
        for entry in entries:
            try:
                if entry.is_dir():
                    folders.append(entry.path)
                elif entry.is_file():
                    yield FoundFile(entry.path)
                else:
                    mode = stat.S_IFMT(entry.stat().st_mode)
                    yield Refusal(entry.path, _KINDS.get(mode, _OTHER), validate.UNSUPPORTED)
            except OSError as error:
                yield Refusal(entry.path, _words(error), validate.UNREADABLE)
        pending.extend(reversed(folders))


def _words(error: OSError) -> str:
    """Return why something could not be read, for a person."""
    return {
        "FileNotFoundError": "there is no such file or folder",
        "PermissionError": "it may not be read by this user",
    }.get(type(error).__name__, error.strerror or type(error).__name__)


words_of = _words
