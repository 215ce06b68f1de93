"""The spool: where the bytes of new objects land before they are ingested.

Every process that writes has a folder of its own with a lock that the operating system releases when the process ends.
A file is ``*.part`` while it is written. Complete, it is renamed ``*.ready`` and then synchronised: on file systems
with an ordered journal one synchronisation makes both the bytes and the name durable, which halves the time that a
sender waits. A power cut between the two may leave the new name over incomplete bytes, so the name carries their
number and their CRC-32; what a dead process left is only believed when both agree. Ready files are ingested, parts are
removed.
"""

from __future__ import annotations

import itertools
import os
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lightbox.core.file_lock import FileLock
from lightbox.library import durable
from lightbox.library.spool_file import READY, ReadyFile, SpoolFile, cannot_write, described

__all__ = ["Abandoned", "ReadyFile", "Spool", "SpoolFile", "cannot_write", "read_batch"]

_PART = ".part"
_BATCH = ".batch"
_LOCK = "lock"


class Spool:
    """The spool of one process for one library.

    Parameters
    ----------
    root : Path
        Folder of all spools of the library.
    announce : callable, optional
        Gets each committed file, on the thread that committed it, before `SpoolFile.commit` returns; another process
        ingests them then, and `ready` has none.
    """

    def __init__(self, root: Path, announce: Callable[[ReadyFile], None] | None = None) -> None:
        self._root = root
        self.library_root = root.parent
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self.ingesting = threading.Lock()
        """Held by the thread that ingests the committed files."""
        self.unfinished: deque[Path] = deque()
        """Notes of batches that reached the store but not the index, for example because the disk was full."""
        self._counter = itertools.count()
        self._folder: Path | None = None
        self._file_lock: FileLock | None = None
        self._announce = announce
        self._ready: list[ReadyFile] = []
        self._ready_lock = threading.Lock()
        self._one_sync: bool | None = None

    @classmethod
    def of(cls, home: Path, announce: Callable[[ReadyFile], None] | None = None) -> Spool:
        """Return a spool of the library of a data folder, for a process that only writes and opens no library."""
        return cls(home / "library" / "spool", announce)

    @property
    def one_sync(self) -> bool:
        """Whether synchronising a file makes its new name durable, too."""
        if self._one_sync is None:
            self._one_sync = durable.names_follow_files(self._root)
        return self._one_sync

    def writer(self, source: str = "", *, hashed: bool = False) -> SpoolFile:
        """Start a new object. `source` says where it comes from (the name of a peer), never who the patient is."""
        return SpoolFile(self.new_part(), source, self, hashed=hashed)

    def committed(self, file: ReadyFile) -> None:
        """Note a file that became durable."""
        if self._announce is not None:
            self._announce(file)
        else:
            with self._ready_lock:
                self._ready.append(file)

    def new_part(self) -> Path:
        """Return a fresh path for bytes that are not yet committed, on the file system of the store."""
        return (self._folder or self.folder()) / f"{next(self._counter):08x}{_PART}"

    def folder(self) -> Path:
        """Return the folder of this process, made and locked on first use."""
        with self._lock:
            while self._folder is None:
                folder = self._root / uuid.uuid4().hex
                folder.mkdir(mode=0o700)
                lock = FileLock(folder / _LOCK)
                try:
                    taken = lock.acquire()
                except FileNotFoundError:  # another process took it for abandoned
                    continue
                if taken:
                    self._folder, self._file_lock = folder, lock
                    durable.sync_directory(self._root)
            return self._folder

    def ready(self) -> list[ReadyFile]:
        """Return the committed files of this process that wait to be ingested, oldest first.

        A file that has its name but is not yet synchronised is not among them.
        """
        with self._ready_lock:
            self._ready = [file for file in self._ready if file.path.exists()]
            return list(self._ready)

    def write_batch(self, keys: list[str]) -> Path:
        """Note which objects are about to move into the store (not yet synchronised to disk)."""
        path = self.folder() / f"{next(self._counter):08x}{_BATCH}"
        path.write_text("\n".join(keys), encoding="ascii")
        return path

    def abandoned(self) -> Iterator[Abandoned]:
        """Iterate over what dead processes left, each locked while it is handled and removed after."""
        for folder in sorted(self._root.iterdir()):
            if folder == self._folder or not folder.is_dir():
                continue
            lock = FileLock(folder / _LOCK)
            try:
                if not lock.acquire():
                    continue
            except OSError:
                continue  # removed meanwhile by another process
            try:
                for part in folder.glob(f"*{_PART}"):
                    part.unlink(missing_ok=True)
                yield Abandoned(_ready_in(folder), sorted(folder.glob(f"*{_BATCH}")))
            finally:
                _remove_if_done(folder, lock)

    def close(self) -> None:
        """Give the folder of this process up; committed files in it are ingested by whoever opens the library next."""
        with self._lock:
            if self._folder is not None and self._file_lock is not None:
                _remove_if_done(self._folder, self._file_lock)
                self._folder = self._file_lock = None


@dataclass(frozen=True, slots=True)
class Abandoned:
    """What a dead process left: committed files, and notes of batches that were being moved into the store."""

    ready: list[ReadyFile]
    batches: list[Path]


def read_batch(path: Path) -> list[str]:
    """Return the keys that were noted; a note that was cut short names only whole keys."""
    text = path.read_text(encoding="ascii", errors="replace")
    return [line for line in text.splitlines() if len(line) == 64 and line.isalnum()]


def _remove_if_done(folder: Path, lock: FileLock) -> None:
    rest = [entry for entry in folder.iterdir() if entry.name != _LOCK]
    if rest:
        lock.release()
        return
    lock.release() if os.name == "nt" else None
    (folder / _LOCK).unlink(missing_ok=True)
    lock.release()
    try:
        folder.rmdir()
    except OSError:  # a file arrived meanwhile: the next one to open the library looks again
        return


def _ready_in(folder: Path) -> list[ReadyFile]:
    return [described(path) for path in sorted(path for path in folder.iterdir() if path.suffix == READY)]
