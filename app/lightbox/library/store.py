"""The object store: the only place that knows where the bytes of an object lie.

An object is stored once under its key, the SHA-256 of its bytes in hexadecimal; no name on disk tells anything about a
patient. Objects that must not be indexed are kept on a shelf of their own. Linked objects stay where they are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from lightbox.core.errors import LightboxError, NotFoundError
from lightbox.library import durable


class Shelf(Enum):
    """Where a stored object belongs."""

    OBJECTS = "objects"
    QUARANTINE = "quarantine"


class LinkedFileError(LightboxError):
    """A linked file is missing or no longer the one that was indexed."""


@dataclass(frozen=True, slots=True)
class Link:
    """A file outside the store, as it was when it was indexed. ``mtime_ns`` is nanoseconds since 1970."""

    path: str
    size: int
    mtime_ns: int


class ObjectStore:
    """Objects of one data folder.

    Parameters
    ----------
    root : Path
        Folder of the library; created if it does not exist.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        for shelf in Shelf:
            (root / shelf.value).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root_name = str(root)
        self._known_folders: set[str] = set()

    def open(self, key: str, shelf: Shelf = Shelf.OBJECTS) -> BinaryIO:
        """Open a stored object for reading, seekable.

        Raises
        ------
        NotFoundError
            The store has no such object.
        """
        try:
            return self._path(key, shelf).open("rb")
        except FileNotFoundError:
            raise NotFoundError(
                "A stored object is missing",
                where=key[:12],
                why="its file is no longer in the data folder",
                todo="Import it again, or rebuild the index",
            ) from None

    def open_linked(self, link: Link) -> BinaryIO:
        """Open a linked object for reading after checking that it is still the file that was indexed.

        Raises
        ------
        LinkedFileError
            The file is gone, cannot be read, or has another size or time than when it was indexed.
        """
        try:
            file = Path(link.path).open("rb")  # noqa: SIM115 (handed to the caller)
        except OSError as error:
            raise LinkedFileError(
                "A linked file cannot be opened",
                where=link.path,
                why=error.strerror or type(error).__name__,
                todo="Make the folder available again, or import a copy",
            ) from error
        state = os.fstat(file.fileno())
        if state.st_size != link.size or state.st_mtime_ns != link.mtime_ns:
            file.close()
            raise LinkedFileError(
                "A linked file was changed after it was indexed",
                where=link.path,
                why="its size or time differs",
                todo="Import it again",
            )
        return file

    def has(self, key: str, shelf: Shelf = Shelf.OBJECTS) -> bool:
        """Whether the store holds an object."""
        return self._path(key, shelf).is_file()

    def keys(self, shelf: Shelf = Shelf.OBJECTS) -> Iterator[str]:
        """Iterate over the keys of all stored objects, in a stable order."""
        root = self._root / shelf.value
        for folder in sorted(entry for entry in root.iterdir() if entry.is_dir()):
            yield from sorted(entry.name for entry in folder.iterdir() if "." not in entry.name)

    def stored_at(self, key: str) -> int:
        """Return when an object was written, nanoseconds since 1970; 0 when it is gone."""
        try:
            return self._path(key, Shelf.OBJECTS).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def publish(
        self, items: Sequence[tuple[Path, str, Shelf]], *, unsynced: Sequence[Path], folders: Sequence[Path] = ()
    ) -> None:
        """Move complete files into the store, durably: first the files, then their names.

        Parameters
        ----------
        items : sequence of (path, key, shelf)
            Files on the file system of the store. An object that is already there is replaced by its equal.
        unsynced : sequence of Path
            Those files, and any other, that are not yet known to be on disk.
        folders : sequence of Path
            Folders with entries that are not yet known to be on disk. (Windows cannot open a folder as a file.)
        """
        durable.sync_all(unsynced, folders, anchor=self._root)
        changed: set[str] = set()
        for path, key, shelf in items:
            shelf_folder = f"{self._root_name}/{shelf.value}"
            folder = f"{shelf_folder}/{key[:2]}"
            if folder not in self._known_folders:
                Path(folder).mkdir(mode=0o700, exist_ok=True)
                self._known_folders.add(folder)
                changed.add(shelf_folder)
            os.replace(path, f"{folder}/{key}")  # noqa: PTH105 (thousands a second)
            changed.add(folder)
        durable.sync_all((), [Path(folder) for folder in changed], anchor=self._root)

    def set_aside(self, key: str) -> None:
        """Move an object that must not be indexed from the objects to the quarantine."""
        target = self._path(key, Shelf.QUARANTINE)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        self._path(key, Shelf.OBJECTS).replace(target)
        durable.sync_all((), (target.parent, self._path(key, Shelf.OBJECTS).parent), anchor=self._root)

    def remove(self, key: str, shelf: Shelf = Shelf.OBJECTS) -> None:
        """Remove an object; missing ones are fine."""
        self._path(key, shelf).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """Return how many bytes can still be stored."""
        return shutil.disk_usage(self._root).free

    def _path(self, key: str, shelf: Shelf) -> Path:
        return self._root / shelf.value / key[:2] / key
