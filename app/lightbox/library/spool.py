"""The spool: where the bytes of new objects land before they are ingested.

Every process that writes has a folder of its own with a lock that the operating system releases when the process ends.
A file is ``*.part`` while it is written and ``*.ready`` once it is committed, that is, durable and acknowledged. What a
dead process left is taken over by the next one that opens the library: ready files are ingested, parts are removed.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import os
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lightbox.core.errors import LightboxError
from lightbox.library import durable
from lightbox.library.file_lock import FileLock

_PART = ".part"
_READY = ".ready"
_BATCH = ".batch"
_LOCK = "lock"
_MAX_SOURCE = 60


@dataclass(frozen=True, slots=True)
class ReadyFile:
    """A committed file that waits to be ingested."""

    path: Path
    source: str


def cannot_write(error: OSError) -> LightboxError:
    """Return the error that says that the data folder takes no more bytes."""
    return LightboxError(
        "The library could not be written",
        why=error.strerror or type(error).__name__,
        todo="Free some space on the disk of the data folder",
    )


class SpoolFile:
    """One object on its way in. Use `commit` or `abort` exactly once; an unfinished one vanishes with its process."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source
        self._file = path.open("wb", buffering=256 * 1024)
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append bytes."""
        return self._file.write(data)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.tell() if self._open else self._path.stat().st_size

    def commit(self) -> ReadyFile:
        """Make the object durable; after this returns it is never lost.

        Raises
        ------
        LightboxError
            The bytes could not be written (disk full, device gone); nothing was kept.
        """
        if not self._open:
            raise LightboxError("A spool file was already finished")
        self._open = False
        ready = self._path.with_name(f"{self._path.stem}.{_encode(self._source)}{_READY}")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(ready)
            durable.sync_directory(self._path.parent)
        except OSError as error:
            self._file.close()
            self._path.unlink(missing_ok=True)
            raise cannot_write(error) from error
        return ReadyFile(ready, self._source)

    def abort(self) -> None:
        """Throw the bytes away; harmless after `commit`."""
        if self._open:
            self._open = False
            self._file.close()
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> SpoolFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()


class Spool:
    """The spool of one process for one library."""

    def __init__(self, root: Path) -> None:
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

    def writer(self, source: str = "") -> SpoolFile:
        """Start a new object. `source` says where it comes from (the name of a peer), never who the patient is."""
        return SpoolFile(self.new_part(), source)

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
        """Return the committed files of this process, oldest first."""
        return _ready_in(self._folder) if self._folder is not None else []

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
    found = sorted(path for path in folder.iterdir() if path.suffix == _READY)
    return [ReadyFile(path, _decode(path.name)) for path in found]


def _encode(source: str) -> str:
    clipped = source.encode("utf-8")[:_MAX_SOURCE]
    return base64.urlsafe_b64encode(clipped).decode("ascii").rstrip("=") or "-"


def _decode(name: str) -> str:
    encoded = name.removesuffix(_READY).rpartition(".")[2]
    if encoded == "-":
        return ""
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-8", "ignore")
    except (ValueError, binascii.Error):
        return ""
