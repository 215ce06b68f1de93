"""Walk the elements of an encoded data set by their lengths (PS3.5 7.1 to 7.5), without decoding values.

Tags are keyed as they lie in the file, ``element << 16 | group`` in the byte order of the file, so that one unpack
gives a key (see `lightbox.library.header.tag_key`).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from lightbox.library.header import MAX_VALUE, WANTED_BIG, WANTED_LITTLE, tag_key

if TYPE_CHECKING:
    from lightbox.library.header_scan import ByteSource

UNDEFINED = 0xFFFFFFFF
_MAX_DEPTH = 64
_REFILL = 64 * 1024

_SHORT_NAMES = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
_LONG_NAMES = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"


@dataclass(frozen=True, slots=True)
class Syntax:
    """How elements are encoded.

    ``short`` unpacks the tag, the VR as a number and the 16-bit length (implicit: the tag and the 32-bit length).
    """

    implicit: bool
    big_endian: bool
    short: Struct
    long: Struct
    short_vrs: frozenset[int]
    long_vrs: frozenset[int]
    sequence: int
    unknown: int
    undefined_allowed: frozenset[int]


def _syntax(*, implicit: bool, big_endian: bool) -> Syntax:
    order = ">" if big_endian else "<"

    def number(vr: str) -> int:
        return int.from_bytes(vr.encode("ascii"), "big" if big_endian else "little")

    return Syntax(
        implicit,
        big_endian,
        Struct(order + ("II" if implicit else "IHH")),
        Struct(order + "I"),
        frozenset(number(vr) for vr in _SHORT_NAMES.split(" ")),
        frozenset(number(vr) for vr in _LONG_NAMES.split(" ")),
        number("SQ"),
        number("UN"),
        frozenset((NO_VR, number("SQ"), number("UN"), number("OB"), number("OW"))),
    )


NO_VR = 0
EXPLICIT_LITTLE = _syntax(implicit=False, big_endian=False)
IMPLICIT_LITTLE = _syntax(implicit=True, big_endian=False)
EXPLICIT_BIG = _syntax(implicit=False, big_endian=True)


ITEM = tag_key(0xFFFE, 0xE000)
ITEM_END = tag_key(0xFFFE, 0xE00D)
SEQUENCE_END = tag_key(0xFFFE, 0xE0DD)
PIXEL_DATA = tag_key(0x7FE0, 0x0010)
_PIXEL_TAGS = frozenset({PIXEL_DATA, tag_key(0x7FE0, 0x0008), tag_key(0x7FE0, 0x0009)})
_PIXEL_TAGS_BIG = frozenset((key & 0xFFFF) << 16 | key >> 16 for key in _PIXEL_TAGS)


class Unusual(Exception):
    """The encoding is not one that the walker understands: ask a more patient reader."""


class Broken(Exception):
    """The object is damaged or truncated; the message is the reason in words."""


class PixelElement(NamedTuple):
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
    wanted = WANTED_BIG if syntax.big_endian else WANTED_LITTLE
    run = _run_implicit if syntax.implicit else _run_explicit
    size = window.size
    start = position
    while position < size:
        buffer, index = window.at(position, 12)
        ahead = run(buffer, index, syntax, wanted, values)
        if ahead > index:
            position += ahead - index
            index = ahead
            if index + 12 > len(buffer):
                buffer, index = window.at(position, 12)
        if len(buffer) - index < 8:
            if any(buffer[index:]):
                raise Broken("the file is truncated: it ends inside the header of an element")
            return None
        # What the fast run leaves: values that are not in the buffer, pixel data, undefined lengths, the end, oddities.
        tag, vr, length, header = element_at(buffer, index, syntax)
        if tag == 0 and length == 0 and vr == NO_VR and position > start:
            return None  # zero padding after the last element
        key = key_of(tag, syntax)
        value = position + header
        if key in _PIXEL_TAGS:
            if length == UNDEFINED:
                _walk_fragments(window, value, syntax)
                return PixelElement(value, None, key)
            if value + length > size:
                missing = value + length - size
                raise Broken(f"the file is truncated: {missing} of {length} bytes of the pixel data are missing")
            return PixelElement(value, length, key)
        if length == UNDEFINED:
            if tag in (0, UNDEFINED) or vr not in syntax.undefined_allowed:
                raise Unusual("undefined length outside a sequence")
            position = _skip_sequence(window, value, IMPLICIT_LITTLE if vr == syntax.unknown else syntax, 0)
            continue
        position = value + length
        if position > size:
            if tag == 0:
                raise Unusual("no element")
            raise Broken(_past_end(key, position - size))
        if tag in wanted and length <= MAX_VALUE:
            values[wanted[tag]] = window.value(value, length)
    return None


def _run_explicit(buffer: bytes, index: int, syntax: Syntax, wanted: dict[int, int], values: dict[int, bytes]) -> int:
    """Walk the elements that lie wholly in the buffer; return the index of the first that needs a closer look.

    This loop is what the speed of an import without copying hangs on.
    """
    unpack = syntax.short.unpack_from
    unpack_long = syntax.long.unpack_from
    short_vrs, long_vrs = syntax.short_vrs, syntax.long_vrs
    pixels = _PIXEL_TAGS_BIG if syntax.big_endian else _PIXEL_TAGS
    end = len(buffer)
    last = end - 12
    while index <= last:
        tag, vr, length = unpack(buffer, index)
        if vr in short_vrs:
            begin = index + 8
        elif vr in long_vrs:
            (length,) = unpack_long(buffer, index + 8)
            if length == UNDEFINED or tag in pixels:
                return index
            begin = index + 12
        else:
            return index
        after = begin + length
        if after > end:
            return index
        if tag in wanted:
            values[wanted[tag]] = buffer[begin:after]
        index = after
    return index


def _run_implicit(buffer: bytes, index: int, syntax: Syntax, wanted: dict[int, int], values: dict[int, bytes]) -> int:
    """Do the same for implicit VR."""
    unpack = syntax.short.unpack_from
    pixels = _PIXEL_TAGS
    end = len(buffer)
    last = end - 8
    while index <= last:
        tag, length = unpack(buffer, index)
        after = index + 8 + length
        if after > end or tag == 0 or tag in pixels:
            return index
        if tag in wanted:
            values[wanted[tag]] = buffer[index + 8 : after]
        index = after
    return index


def element_at(buffer: bytes, index: int, syntax: Syntax) -> tuple[int, int, int, int]:
    """Return (tag as unpacked, VR, length, header size) of the element at `index`."""
    if syntax.implicit:
        tag, length = syntax.short.unpack_from(buffer, index)
        return tag, NO_VR, length, 8
    tag, vr, length = syntax.short.unpack_from(buffer, index)
    if vr in syntax.long_vrs:
        if len(buffer) - index < 12:
            raise Broken("the file is truncated: it ends inside the header of an element")
        (length,) = syntax.long.unpack_from(buffer, index + 8)
        return tag, vr, length, 12
    if vr not in syntax.short_vrs and not (tag == 0 and vr == NO_VR):
        raise Unusual("no value representation")
    return tag, vr, length, 8


def key_of(tag: int, syntax: Syntax) -> int:
    """Return the key of a tag as it was unpacked."""
    return _swapped(tag) if syntax.big_endian else tag


def _swapped(tag: int) -> int:
    """Return the key of a tag that was unpacked as one big endian number (group first)."""
    return (tag & 0xFFFF) << 16 | tag >> 16


def _past_end(key: int, missing: int) -> str:
    return (
        f"the file is truncated or lies about its size: element ({key & 0xFFFF:04X},{key >> 16:04X}) "
        f"ends {missing} bytes after the end of the file"
    )


def _header(window: Window, position: int, syntax: Syntax) -> tuple[int, int, int, int]:
    """Return (key, VR, length, header size) of the element or item at `position`."""
    buffer, index = window.at(position, 12)
    if len(buffer) - index < 8:
        raise Broken("the file is truncated: it ends inside a sequence")
    if syntax.implicit:
        tag, length = syntax.short.unpack_from(buffer, index)
        return tag, NO_VR, length, 8
    tag, vr, length = syntax.short.unpack_from(buffer, index)
    key = _swapped(tag) if syntax.big_endian else tag
    if key in (ITEM, ITEM_END, SEQUENCE_END):
        (length,) = syntax.long.unpack_from(buffer, index + 4)
        return key, NO_VR, length, 8
    if vr in syntax.long_vrs:
        if len(buffer) - index < 12:
            raise Broken("the file is truncated: it ends inside a sequence")
        (length,) = syntax.long.unpack_from(buffer, index + 8)
        return key, vr, length, 12
    if vr not in syntax.short_vrs:
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
                inner = IMPLICIT_LITTLE if vr == syntax.unknown else syntax
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
