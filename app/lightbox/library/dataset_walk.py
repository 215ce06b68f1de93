"""Walk the elements of an encoded data set by their lengths (PS3.5 7.1 to 7.5), without decoding values.

Tags are keyed as they lie in the file, ``element << 16 | group`` in the byte order of the file, so that one unpack
gives a key. `tag_key` turns an ordinary tag into such a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightbox.library.header_scan import ByteSource

UNDEFINED = 0xFFFFFFFF
_MAX_DEPTH = 64
_REFILL = 64 * 1024

LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})


def tag_key(group: int, element: int) -> int:
    """Return the key of a tag."""
    return element << 16 | group


ITEM = tag_key(0xFFFE, 0xE000)
ITEM_END = tag_key(0xFFFE, 0xE00D)
SEQUENCE_END = tag_key(0xFFFE, 0xE0DD)
PIXEL_DATA = tag_key(0x7FE0, 0x0010)
_PIXEL_TAGS = frozenset({PIXEL_DATA, tag_key(0x7FE0, 0x0008), tag_key(0x7FE0, 0x0009)})


class Unusual(Exception):
    """The encoding is not one that the walker understands: ask a more patient reader."""


class Broken(Exception):
    """The object is damaged or truncated; the message is the reason in words."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How elements are encoded. ``short`` unpacks tag, VR and 16-bit length (implicit: tag and 32-bit length)."""

    implicit: bool
    big_endian: bool
    short: Struct
    long: Struct
    long_vrs: frozenset[bytes] = LONG_VRS


EXPLICIT_LITTLE = Syntax(False, False, Struct("<I2sH"), Struct("<I"))
IMPLICIT_LITTLE = Syntax(True, False, Struct("<II"), Struct("<I"))
EXPLICIT_BIG = Syntax(False, True, Struct(">I2sH"), Struct(">I"))


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the pixel data are: offset of the value, its length in bytes (None: encapsulated)."""

    offset: int
    length: int | None
    tag: int


class Window:
    """A moving view into a source, so that only headers are read from disk."""

    __slots__ = ("_base", "_buffer", "_source", "size")

    def __init__(self, source: ByteSource, start: bytes) -> None:
        self._source = source
        self._buffer = start
        self._base = 0
        self.size = source.size

    def at(self, position: int, count: int) -> tuple[bytes, int]:
        """Return a buffer and the index of `position` in it, with at least `count` bytes unless the object ends."""
        index = position - self._base
        buffer = self._buffer
        if index >= 0 and index + count <= len(buffer):
            return buffer, index
        if position >= self.size:
            return b"", 0
        if index >= 0 and self._base + len(buffer) >= self.size:
            return buffer, index
        self._buffer = self._source.read_at(position, max(_REFILL if index < 4 * _REFILL else 4096, count))
        self._base = position if position else 0
        return self._buffer, 0

    def value(self, position: int, length: int) -> bytes:
        """Return `length` bytes from `position`."""
        buffer, index = self.at(position, length)
        return bytes(buffer[index : index + length])


def walk(window: Window, position: int, syntax: Syntax, values: dict[int, bytes]) -> PixelElement | None:
    """Walk the top level from `position` to the pixel data or the end; put the wanted values into `values`.

    Raises
    ------
    Broken
        An element runs past the end of the object.
    Unusual
        The bytes do not look like elements in this syntax.
    """
    from lightbox.library.header import MAX_VALUE, WANTED_BIG, WANTED_LITTLE

    wanted = WANTED_BIG if syntax.big_endian else WANTED_LITTLE
    implicit = syntax.implicit
    unpack = syntax.short.unpack_from
    unpack_long = syntax.long.unpack_from
    long_vrs = syntax.long_vrs
    size = window.size
    swap = syntax.big_endian
    buffer, index = window.at(position, 12)
    while position < size:
        if index + 12 > len(buffer):
            buffer, index = window.at(position, 12)
            if len(buffer) - index < 8:
                if any(buffer[index:]):
                    raise Broken("the file is truncated: it ends inside the header of an element")
                return None
        if implicit:
            tag, length = unpack(buffer, index)
            vr = b""
            header = 8
        else:
            tag, vr, length = unpack(buffer, index)
            header = 8
            if vr in long_vrs:
                if len(buffer) - index < 12:
                    raise Broken("the file is truncated: it ends inside the header of an element")
                (length,) = unpack_long(buffer, index + 8)
                header = 12
            elif not (vr.isalpha() and vr.isupper()):
                if tag == 0 and vr == b"\0\0":
                    return None  # zero padding after the last element
                raise Unusual("no value representation")
        if length == UNDEFINED:
            key = _swapped(tag) if swap else tag
            if key in _PIXEL_TAGS:
                _walk_fragments(window, position + header, syntax)
                return PixelElement(position + header, None, key)
            if tag in (0, UNDEFINED) or (vr and vr not in (b"SQ", b"UN", b"OB", b"OW")):
                raise Unusual("undefined length outside a sequence")
            inner = IMPLICIT_LITTLE if vr == b"UN" else syntax
            position = _skip_sequence(window, position + header, inner, 0)
            buffer, index = window.at(position, 12)
            continue
        after = position + header + length
        name = wanted.get(tag)
        if name is not None:
            if after > size:
                raise Broken(_past_end(name, after - size))
            if length <= MAX_VALUE:
                begin = index + header
                if begin + length <= len(buffer):
                    values[name] = buffer[begin : begin + length]
                else:
                    values[name] = window.value(position + header, length)
        elif tag & 0xFF00 == 0x7F00 or (swap and tag & 0xFF000000 == 0x7F000000) or after > size:
            key = _swapped(tag) if swap else tag
            if key in _PIXEL_TAGS:
                if after > size:
                    raise Broken(
                        f"the file is truncated: {after - size} of {length} bytes of the pixel data are missing"
                    )
                return PixelElement(position + header, length, key)
            if after > size:
                if tag == 0:
                    raise Unusual("no element")
                raise Broken(_past_end(key, after - size))
        if implicit and tag == 0 and length == 0 and position > 132:
            return None  # zero padding after the last element
        index += after - position
        position = after
    return None


def _swapped(tag: int) -> int:
    """Return the key of a tag that was unpacked as one big endian number (group first)."""
    return (tag & 0xFFFF) << 16 | tag >> 16


def _past_end(key: int, missing: int) -> str:
    return (
        f"the file is truncated or lies about its size: element ({key & 0xFFFF:04X},{key >> 16:04X}) "
        f"ends {missing} bytes after the end of the file"
    )


def _header(window: Window, position: int, syntax: Syntax) -> tuple[int, bytes, int, int]:
    """Return (key, VR, length, header size) of the element or item at `position`."""
    buffer, index = window.at(position, 12)
    if len(buffer) - index < 8:
        raise Broken("the file is truncated: it ends inside a sequence")
    if syntax.implicit:
        tag, length = syntax.short.unpack_from(buffer, index)
        return tag, b"", length, 8
    tag, vr, length = syntax.short.unpack_from(buffer, index)
    key = _swapped(tag) if syntax.big_endian else tag
    if key in (ITEM, ITEM_END, SEQUENCE_END):
        (length,) = syntax.long.unpack_from(buffer, index + 4)
        return key, b"", length, 8
    if vr in syntax.long_vrs:
        if len(buffer) - index < 12:
            raise Broken("the file is truncated: it ends inside a sequence")
        (length,) = syntax.long.unpack_from(buffer, index + 8)
        return key, vr, length, 12
    if not (vr.isalpha() and vr.isupper()):
        raise Unusual("no value representation in a sequence")
    return key, vr, length, 8


def _skip_sequence(window: Window, position: int, syntax: Syntax, depth: int) -> int:
    """Return the offset after a sequence of undefined length whose first item starts at `position`."""
    if depth > _MAX_DEPTH:
        raise Broken("sequences are nested too deeply")
    while True:
        key, _, length, header = _header(window, position, syntax)
        position += header
        if key == SEQUENCE_END:
            return position
        if key != ITEM:
            raise Unusual("no item in a sequence")
        if length == UNDEFINED:
            position = _skip_item(window, position, syntax, depth + 1)
        else:
            position += length
            if position > window.size:
                raise Broken("the file is truncated: an item of a sequence ends after the end of the file")


def _skip_item(window: Window, position: int, syntax: Syntax, depth: int) -> int:
    """Return the offset after an item of undefined length whose first element starts at `position`."""
    while True:
        key, vr, length, header = _header(window, position, syntax)
        position += header
        if key == ITEM_END:
            return position
        if key == SEQUENCE_END:
            raise Unusual("an item without end")
        if length == UNDEFINED:
            if key in _PIXEL_TAGS:
                position = _walk_fragments(window, position, syntax)
            else:
                inner = IMPLICIT_LITTLE if vr == b"UN" else syntax
                position = _skip_sequence(window, position, inner, depth + 1)
            continue
        position += length
        if position > window.size:
            raise Broken(_past_end(key, position - window.size))


def _walk_fragments(window: Window, position: int, syntax: Syntax) -> int:
    """Check the items of encapsulated pixel data (PS3.5 A.4); return the offset after the sequence delimiter."""
    while True:
        buffer, index = window.at(position, 8)
        if len(buffer) - index < 8:
            raise Broken("the file is truncated: the encapsulated pixel data have no sequence delimiter")
        if syntax.big_endian:
            key = _swapped(syntax.long.unpack_from(buffer, index)[0])
        else:
            key = syntax.long.unpack_from(buffer, index)[0]
        (length,) = syntax.long.unpack_from(buffer, index + 4)
        position += 8
        if key == SEQUENCE_END:
            return position
        if key != ITEM:
            raise Broken("the encapsulated pixel data are damaged: an item was expected")
        if length == UNDEFINED or position + length > window.size:
            raise Broken("the file is truncated: a fragment of the pixel data ends after the end of the file")
        position += length
