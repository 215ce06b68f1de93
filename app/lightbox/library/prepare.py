"""Turn one file, or the bytes of one object, into a candidate: read once, scanned, validated, hashed, copied."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lightbox.library import validate
from lightbox.library.header_scan import Descriptor, Memory
from lightbox.library.ingest import Candidate, Refused, examine
from lightbox.library.records import Refusal
from lightbox.library.sources import words_of
from lightbox.library.spool import cannot_write
from lightbox.library.store import Link

if TYPE_CHECKING:
    from lightbox.library.spool import Spool

IN_MEMORY = 32 * 1024 * 1024
"""Objects up to this size are read in one piece."""
_CHUNK = 1 << 20
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True, slots=True)
class FoundArchive:
    """A zip archive, to be opened."""

    path: str


@dataclass(frozen=True, slots=True)
class FoundDirectory:
    """A DICOMDIR."""

    path: str


Prepared = Candidate | Refused | FoundArchive | FoundDirectory


def prepare_file(path: str, spool: Spool, *, link: bool, source: str) -> Prepared:
    """Read one file and copy it into the spool, or only scan it when `link` is set."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NON_BLOCKING)
    except OSError as error:
        return Refused(path, source, validate.UNREADABLE, words_of(error))
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            return Refused(path, source, validate.UNSUPPORTED, "not a regular file")
        if link:
            return _prepare_link(path, descriptor, state, source)
        if state.st_size <= IN_MEMORY:
            data = _read_all(descriptor, state.st_size)
            if len(data) != state.st_size:
                return Refused(path, source, validate.UNREADABLE, "the file changed while it was read")
            return prepare_bytes(path, data, spool, source=source)
        return _prepare_large(path, descriptor, state.st_size, spool, source)
    except OSError as error:
        return Refused(path, source, validate.UNREADABLE, words_of(error))
    finally:
        os.close(descriptor)


_NON_BLOCKING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def prepare_bytes(origin: str, data: bytes, spool: Spool, *, source: str) -> Prepared:
    """Make a candidate of an object that is wholly in memory."""
    header, problem = examine(Memory(data))
    if header is None:
        return _not_an_object(origin, problem, data[:4], source)
    digest = hashlib.sha256(data).digest()
    part = spool.new_part()
    try:
        target = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            _write_all(target, data)
        finally:
            os.close(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise cannot_write(error) from error
    return Candidate(origin, source, header, len(data), part, digest)


def prepare_stream(origin: str, stream: BinaryIO, size: int, spool: Spool, *, source: str) -> Prepared:
    """Make a candidate of a stream too long for memory: spool it first, then look at it."""
    part, digest, written = _copy(stream, spool)
    keep = False
    try:
        if written != size:
            return Refused(origin, source, validate.TRUNCATED, "it holds fewer bytes than it announces")
        descriptor = os.open(part, os.O_RDONLY)
        try:
            start = os.read(descriptor, 4)
            header, problem = examine(Descriptor(descriptor, written))
        finally:
            os.close(descriptor)
        if header is None:
            return _not_an_object(origin, problem, start, source)
        keep = True
        return Candidate(origin, source, header, written, part, digest)
    finally:
        if not keep:
            part.unlink(missing_ok=True)


def _prepare_link(path: str, descriptor: int, state: os.stat_result, source: str) -> Prepared:
    header, problem = examine(Descriptor(descriptor, state.st_size))
    if header is None:
        return _not_an_object(path, problem, os.pread(descriptor, 4, 0), source)
    absolute = path if os.path.isabs(path) else os.path.abspath(path)  # noqa: PTH100, PTH117
    return Candidate(path, source, header, state.st_size, link=Link(absolute, state.st_size, state.st_mtime_ns))


def _prepare_large(path: str, descriptor: int, size: int, spool: Spool, source: str) -> Prepared:
    header, problem = examine(Descriptor(descriptor, size))
    if header is None:
        return _not_an_object(path, problem, os.pread(descriptor, 4, 0), source)
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as stream:
        part, digest, written = _copy(stream, spool)  # type: ignore[arg-type]
    if written != size:
        part.unlink(missing_ok=True)
        return Refused(path, source, validate.UNREADABLE, "the file changed while it was read")
    return Candidate(path, source, header, size, part, digest)


def _not_an_object(origin: str, problem: tuple[str, str] | None, start: bytes, source: str) -> Prepared:
    if problem is None:
        return FoundDirectory(origin)
    if problem[0] == validate.NOT_DICOM and start in _ZIP:
        return FoundArchive(origin)
    return Refused(origin, source, *problem)


def _copy(stream: BinaryIO, spool: Spool) -> tuple[Path, bytes, int]:
    digest = hashlib.sha256()
    written = 0
    part = spool.new_part()
    try:
        with writing(part) as write:
            while block := stream.read(_CHUNK):
                digest.update(block)
                write(block)
                written += len(block)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part, digest.digest(), written


@contextmanager
def writing(part: Path) -> Iterator[Callable[[bytes], None]]:
    """Open a spool file for writing; what cannot be written is an error of the library, not of the source.

    Raises
    ------
    LightboxError
        The disk is full or gone.
    """
    try:
        target = part.open("wb", buffering=0)
    except OSError as error:
        raise cannot_write(error) from error

    def write(block: bytes) -> None:
        try:
            _write_all(target.fileno(), block)
        except OSError as error:
            raise cannot_write(error) from error

    with target:
        yield write


def _read_all(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size + 1)
    if len(data) >= size:
        return data
    parts = [data]
    while block := os.read(descriptor, _CHUNK):
        parts.append(block)
    return b"".join(parts)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def refusal_of(item: Refusal, source: str) -> Refused:
    """Turn a listing problem into the form that ingest takes."""
    return Refused(item.path, source, item.code, item.reason)
