"""Read the indexed attributes of a DICOM object fast, and check on the way that the object is whole.

The scanner walks the top level of a data set (PS3.5 7.1) by element lengths. It reads little endian explicit and
implicit VR, big endian and deflated transfer syntaxes itself; anything that it does not understand is left to pydicom
(`lightbox.library.header_fallback`). Nothing here decodes pixels.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple, Protocol

from lightbox.library.dataset_walk import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Broken,
    PixelElement,
    Syntax,
    Unusual,
    Window,
    walk,
)
from lightbox.library.header import Header, tag_key
from lightbox.library.layouts import Layouts

FIRST_READ = 16 * 1024
MAX_INFLATED = 2 * 1024**3
"""A deflated data set that grows beyond this many bytes is refused."""

DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"})
_IMPLICIT = "1.2.840.10008.1.2"
_GE_PRIVATE_BIG_PIXELS = "1.2.840.113619.5.2"
_BIG = "1.2.840.10008.1.2.2"
_TRANSFER_SYNTAX = tag_key(0x0002, 0x0010)
_MEDIA_CLASS = tag_key(0x0002, 0x0002)


_layouts = Layouts()


class ByteSource(Protocol):
    """Random access to the bytes of one object."""

    size: int

    def read_at(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`; fewer only at the end."""
        ...


@dataclass(slots=True)
class Memory:
    """An object that is wholly in memory."""

    data: bytes
    size: int = field(init=False)

    def __post_init__(self) -> None:
        """Set the size."""
        self.size = len(self.data)

    def read_at(self, offset: int, count: int) -> bytes:
        """Return a slice; everything at once when the start is asked for (no copy)."""
        return self.data if offset == 0 else self.data[offset : offset + count]


@dataclass(slots=True)
class Descriptor:
    """An object in an open file, by its descriptor (the caller closes it)."""

    descriptor: int
    size: int

    def read_at(self, offset: int, count: int) -> bytes:
        """Return the bytes at `offset` without moving the file position."""
        if hasattr(os, "pread"):
            return os.pread(self.descriptor, count, offset)
        os.lseek(self.descriptor, offset, os.SEEK_SET)
        return os.read(self.descriptor, count)


@dataclass(slots=True)
class FileSource:
    """An object behind a seekable file, such as the store hands out."""

    file: BinaryIO
    size: int = field(init=False)

    def __post_init__(self) -> None:
        """Find the size."""
        self.size = self.file.seek(0, os.SEEK_END)

    def read_at(self, offset: int, count: int) -> bytes:
        """Return the bytes at `offset`."""
        self.file.seek(offset)
        return self.file.read(count)


class NotDicom(Exception):
    """The bytes are not a DICOM object; the message is the reason in words."""


class ScanResult(NamedTuple):
    """Attributes of an object, where its pixel data are, and what is wrong with its structure (empty: nothing)."""

    header: Header
    pixels: PixelElement | None
    damage: str = ""


def scan(source: ByteSource) -> ScanResult:
    """Scan one object.

    Raises
    ------
    NotDicom
        The bytes are not DICOM at all.
    """
    try:
        return _scan_native(source)
    except Unusual:
        from lightbox.library import header_fallback

        return header_fallback.scan_with_pydicom(source)


def _scan_native(source: ByteSource) -> ScanResult:
    if source.size == 0:
        raise NotDicom("the file is empty")
    start = source.read_at(0, FIRST_READ)
    window = Window(source, start)
    layout = _layouts.find(start)
    if layout is not None:
        values = layout.values(start)
        return _walk(window, layout.end, layout.syntax, layout.transfer_syntax_uid, values)
    if start[128:132] == b"DICM":
        transfer_syntax_uid, position, meta = _read_meta(start, source.size)
    else:
        transfer_syntax_uid, position, meta = _guess(start), 0, {}
    if transfer_syntax_uid in DEFLATED:
        return _scan_deflated(source, position, transfer_syntax_uid, meta)
    syntax = _syntax(transfer_syntax_uid)
    result = _walk(window, position, syntax, transfer_syntax_uid, meta)
    if position > 0 and not result.damage:
        _layouts.note(start, syntax, transfer_syntax_uid, result.header.values)
    return result


def _syntax(uid: str) -> Syntax:
    if uid in (_IMPLICIT, _GE_PRIVATE_BIG_PIXELS):
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if uid == _BIG else EXPLICIT_LITTLE


def _walk(window: Window, position: int, syntax: Syntax, uid: str, meta: dict[int, bytes]) -> ScanResult:
    damage = ""
    pixels = None
    try:
        pixels = walk(window, position, syntax, meta)
    except Broken as broken:
        damage = str(broken)
    return ScanResult(Header(uid, meta, big_endian=syntax.big_endian), pixels, damage)


def _read_meta(start: bytes, size: int) -> tuple[str, int, dict[int, bytes]]:
    """Walk group 0002, always explicit little endian (PS3.10 7.1); return transfer syntax and start of the data set."""
    values: dict[int, bytes] = {}
    syntax = EXPLICIT_LITTLE
    unpack = syntax.short.unpack_from
    index = 132
    last = len(start) - 12
    while index <= last:
        tag, vr, length = unpack(start, index)
        if tag & 0xFFFF != 0x0002:
            break
        index += 8
        if vr in syntax.long_vrs:
            (length,) = syntax.long.unpack_from(start, index)
            index += 4
        elif vr not in syntax.short_vrs:
            raise Unusual("file meta information is not explicit VR")
        if index + length > len(start):
            raise Unusual("long file meta information")
        if tag in (_TRANSFER_SYNTAX, _MEDIA_CLASS):
            values[tag] = start[index : index + length]
        index += length
    else:
        if size > len(start):
            raise Unusual("long file meta information")
    raw = values.get(_TRANSFER_SYNTAX)
    if not raw:
        raise Unusual("no transfer syntax")
    return raw.decode("ascii", "replace").strip("\0 "), index, values


def _guess(start: bytes) -> str:
    """Return the transfer syntax of a data set without file meta information, from the look of its first element."""
    if len(start) < 8:
        raise NotDicom("the file is too short to be DICOM")
    little = int.from_bytes(start[0:2], "little")
    big = int.from_bytes(start[0:2], "big")
    vr = start[4:6]
    explicit = vr.isalpha() and vr.isupper()
    if little == 0x0002 or big == 0x0002:
        raise Unusual("group 0002 without preamble")
    if little == 0x0008:
        return "1.2.840.10008.1.2.1" if explicit else _IMPLICIT
    if big == 0x0008 and explicit:
        return _BIG
    raise NotDicom(f"the file is not DICOM ({_looks_like(start)})")


_SIGNATURES = (
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"BM", "a bitmap picture"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"SQLite format 3", "a database"),
    (b"<?xml", "an XML document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)


def _looks_like(start: bytes) -> str:
    for signature, words in _SIGNATURES:
        if start.startswith(signature):
            return f"it looks like {words}"
    if not any(start[:512]):
        return "it holds only zero bytes"
    if all(byte in b"\t\n\r\f" or byte >= 32 for byte in start[:256]):
        return "it looks like text"
    return "no DICM prefix and no data set that starts with group 0008"


def _scan_deflated(source: ByteSource, position: int, uid: str, meta: dict[int, bytes]) -> ScanResult:
    """Inflate the data set (PS3.5 A.5) within limits and walk it in memory."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    total = 0
    damage = ""
    try:
        offset = position
        while not engine.eof and offset < source.size:
            block = source.read_at(offset, 1 << 20)[: 1 << 20] if offset else source.read_at(0, 1 << 20)
            offset += len(block)
            while block:
                part = engine.decompress(block, 1 << 24)
                block = engine.unconsumed_tail
                parts.append(part)
                total += len(part)
                if total > MAX_INFLATED:
                    damage = f"the deflated data set grows beyond {MAX_INFLATED // 1024**3} GiB"
                    raise zlib.error(damage)
        if not engine.eof:
            damage = "the file is truncated: the deflated data set has no end"
    except zlib.error:
        if not damage:
            if not parts:
                raise Unusual("not deflated") from None
            damage = "the deflated data set is damaged"
    data = b"".join(parts)
    result = _walk(Window(Memory(data), data), 0, EXPLICIT_LITTLE, uid, meta)
    return ScanResult(result.header, result.pixels, damage or result.damage)
