"""One file of the spool: written, made durable under a name that tells where it is from and what it holds."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.library import durable

if TYPE_CHECKING:
    from lightbox.library.spool import Spool

READY = ".ready"
_MAX_SOURCE = 60
_BUFFER = 64 * 1024
"""Small pieces are collected up to this many bytes."""
_DIRECT = 16 * 1024
"""Pieces from this many bytes on are written as they come."""
_PIECE = 64 * 1024
"""Largest single write: for larger ones the page cache may have to look for large free areas, which can take long."""
_AHEAD = 256 * 1024
"""After this many bytes the disk is asked to begin."""
_CHUNK = 1 << 20
_CHECKED = re.compile(r"([0-9a-f]+)-(?:([0-9a-f]{8})|([0-9a-f]{64}))")


@dataclass(frozen=True, slots=True)
class ReadyFile:
    """A committed file that waits to be ingested. ``checksum`` is the CRC-32 of its ``size`` bytes, None if unknown.

    One that is not ``synchronised`` survives the end of its process, but a power cut only after it was ingested.
    ``sha256`` is known instead of the checksum where it was taken while the bytes came.
    """

    path: Path
    source: str
    size: int = 0
    checksum: int | None = None
    synchronised: bool = True
    sha256: bytes | None = None

    def intact(self) -> bool:
        """Read the file and tell whether it holds what was committed.

        Raises
        ------
        OSError
            It cannot be read.
        """
        if self.sha256 is not None:
            with self.path.open("rb", buffering=0) as file:
                return hashlib.file_digest(file, "sha256").digest() == self.sha256
        if self.checksum is None:
            return True
        found = size = 0
        with self.path.open("rb", buffering=0) as file:
            while block := file.read(_CHUNK):
                found = zlib.crc32(block, found)
                size += len(block)
        return (size, found) == (self.size, self.checksum)


def cannot_write(error: OSError) -> LightboxError:
    """Return the error that says that the data folder takes no more bytes."""
    return LightboxError(
        "The library could not be written",
        why=error.strerror or type(error).__name__,
        todo="Free some space on the disk of the data folder",
    )


class SpoolFile:
    """One object on its way in. Use `commit` or `abort` exactly once; an unfinished one vanishes with its process.

    Parameters
    ----------
    path : Path
        Of the unfinished file.
    source : str
        Where the object comes from.
    spool : Spool
        Where it belongs.
    hashed : bool
        Take the SHA-256 while the bytes come, so that the ingest need not read them again; else a checksum, which
        takes less time while the sender waits.
    """

    def __init__(self, path: Path, source: str, spool: Spool, *, hashed: bool = False) -> None:
        self._path = path
        self._source = source
        self._spool = spool
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = os.open(path, flags, 0o600)
        self._buffer = bytearray()
        self._size = self._written = self._on_its_way = 0
        self._checksum = 0
        self._sha256 = hashlib.sha256() if hashed else None
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append bytes."""
        size = len(data)
        if self._sha256 is not None:
            self._sha256.update(data)
        else:
            self._checksum = zlib.crc32(data, self._checksum)
        self._size += size
        if size < _DIRECT:
            self._buffer += data
            if len(self._buffer) >= _BUFFER:
                self._flush()
        else:
            if self._buffer:
                self._flush()
            with memoryview(data) as view:
                for start in range(0, size, _PIECE):
                    self._put(view[start : start + _PIECE])
        return size

    def _flush(self) -> None:
        with memoryview(bytes(self._buffer)) as view:
            for start in range(0, len(view), _PIECE):
                self._put(view[start : start + _PIECE])
        self._buffer.clear()

    def _put(self, piece: memoryview) -> None:
        written = os.write(self._descriptor, piece)
        while written < len(piece):  # a nearly full disk
            written += os.write(self._descriptor, piece[written:])
        self._written += written
        if self._written - self._on_its_way >= _AHEAD:
            # What the disk gets now, it need not get while the sender waits for our answer
            durable.start_writing(self._descriptor, self._on_its_way, self._written - self._on_its_way)
            self._on_its_way = self._written

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def commit(self, *, synchronise: bool = True) -> ReadyFile:
        """Make the object durable; after this returns it is never lost.

        Parameters
        ----------
        synchronise : bool
            False where another copy is kept until the object is ingested, as by an archive it is retrieved from: then
            the whole batch is synchronised at once when it is ingested.

        Raises
        ------
        LightboxError
            The bytes could not be written (disk full, device gone); nothing was kept.
        """
        if not self._open:
            raise LightboxError("A spool file was already finished")
        self._open = False
        check = f"{self._checksum:08x}" if self._sha256 is None else self._sha256.hexdigest()
        name = f"{self._path.stem}.{_encode(self._source)}.{self._size:x}-{check}{READY}"
        ready = self._path.with_name(name)
        try:
            if self._buffer:
                self._flush()
            if not synchronise:
                self._close()
                self._path.replace(ready)
            elif self._spool.one_sync:
                os.rename(self._path, ready)  # noqa: PTH104 (hundreds a second)
                os.fsync(self._descriptor)
                self._close()
            else:
                os.fsync(self._descriptor)
                self._close()
                self._path.replace(ready)
                durable.sync_directory(self._path.parent)
        except OSError as error:
            self._close()
            self._path.unlink(missing_ok=True)
            ready.unlink(missing_ok=True)
            raise cannot_write(error) from error
        if self._sha256 is None:
            file = ReadyFile(ready, self._source, self._size, self._checksum, synchronise)
        else:
            file = ReadyFile(ready, self._source, self._size, None, synchronise, self._sha256.digest())
        self._spool.committed(file)
        return file

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def abort(self) -> None:
        """Throw the bytes away; harmless after `commit`."""
        if self._open:
            self._open = False
            self._close()
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> SpoolFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()


def described(path: Path) -> ReadyFile:
    """Read source, size and checksum from the name of a committed file; older ones name the source only."""
    parts = path.name.split(".")
    checked = _CHECKED.fullmatch(parts[2]) if len(parts) == 4 else None
    source = _decode(parts[1]) if len(parts) in (3, 4) else ""
    if checked is None:
        return ReadyFile(path, source)
    if checked[3]:
        return ReadyFile(path, source, int(checked[1], 16), sha256=bytes.fromhex(checked[3]))
    return ReadyFile(path, source, int(checked[1], 16), int(checked[2], 16))


def _encode(source: str) -> str:
    clipped = source.encode("utf-8")[:_MAX_SOURCE]
    return base64.urlsafe_b64encode(clipped).decode("ascii").rstrip("=") or "-"


def _decode(encoded: str) -> str:
    if encoded == "-":
        return ""
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-8", "ignore")
    except (ValueError, binascii.Error):
        return ""
