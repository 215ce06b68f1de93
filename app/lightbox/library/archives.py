"""Read DICOM objects out of zip archives, within limits."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from lightbox.library import validate
from lightbox.library.ingest import Refused
from lightbox.library.prepare import IN_MEMORY, FoundArchive, Prepared, prepare_bytes, prepare_stream, writing
from lightbox.library.sources import words_of

if TYPE_CHECKING:
    from lightbox.library.spool import Spool

MAX_MEMBER = 8 * 1024**3
MAX_TOTAL = 256 * 1024**3
MAX_RATIO = 1000
"""A member that grows more than this many times, and beyond `RATIO_FROM` bytes, is taken for a bomb."""
RATIO_FROM = 64 * 1024**2
MAX_MEMBERS = 1_000_000
SEPARATOR = "!/"

READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError)


def objects(path: str, spool: Spool, *, source: str) -> Iterator[Prepared]:
    """Iterate over the members of an archive as candidates or refusals; archives inside are opened one level deep."""
    yield from _members(path, path, spool, source, nested=False)


def _members(file: str | BinaryIO, name: str, spool: Spool, source: str, *, nested: bool) -> Iterator[Prepared]:
    try:
        archive = zipfile.ZipFile(file)
    except READ_ERRORS as error:
        yield Refused(name, source, validate.UNREADABLE, f"the zip archive is damaged ({_words(error)})")
        return
    with archive:
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            yield Refused(name, source, validate.UNSUPPORTED, f"the archive holds more than {MAX_MEMBERS} members")
            return
        total = 0
        for info in infos:
            if info.is_dir():
                continue
            origin = f"{name}{SEPARATOR}{info.filename}"
            total += info.file_size
            problem = limit(info, total)
            if problem:
                yield Refused(origin, source, validate.UNSUPPORTED, problem)
                continue
            yield from _member(archive, info, origin, spool, source, nested=nested)


def limit(info: zipfile.ZipInfo, total: int) -> str:
    """Return why a member is not opened, or nothing. `zipfile` never reads more than the announced size."""
    if info.flag_bits & 0x1:
        return "the member is encrypted: unpack the archive with its password first"
    if info.file_size > MAX_MEMBER:
        return f"the member is larger than {MAX_MEMBER // 1024**3} GiB unpacked"
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(1, info.compress_size):
        return f"the member grows more than {MAX_RATIO} times when unpacked, like a zip bomb"
    if total > MAX_TOTAL:
        return f"the archive is larger than {MAX_TOTAL // 1024**3} GiB unpacked"
    return ""


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, origin: str, spool: Spool, source: str, *, nested: bool
) -> Iterator[Prepared]:
    try:
        with archive.open(info) as stream:
            if info.file_size <= IN_MEMORY:
                data = stream.read()
                if len(data) != info.file_size:
                    yield Refused(origin, source, validate.TRUNCATED, "it holds fewer bytes than it announces")
                    return
                item = prepare_bytes(origin, data, spool, source=source)
            else:
                item = prepare_stream(origin, stream, info.file_size, spool, source=source)  # type: ignore[arg-type]
    except READ_ERRORS as error:
        yield Refused(origin, source, validate.UNREADABLE, f"the member cannot be unpacked ({_words(error)})")
        return
    if isinstance(item, FoundArchive) and not nested:
        yield from _nested(archive, info, origin, spool, source)
    else:
        yield item


def _nested(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, origin: str, spool: Spool, source: str
) -> Iterator[Prepared]:
    part = spool.new_part()
    try:
        with archive.open(info) as stream, writing(part) as write:
            while block := stream.read(1 << 20):
                write(block)
        with part.open("rb") as file:
            yield from _members(file, origin, spool, source, nested=True)
    except READ_ERRORS as error:
        yield Refused(origin, source, validate.UNREADABLE, f"the member cannot be unpacked ({_words(error)})")
    finally:
        part.unlink(missing_ok=True)


def _words(error: Exception) -> str:
    return words_of(error) if isinstance(error, OSError) else str(error) or type(error).__name__
