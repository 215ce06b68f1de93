"""Encoded data sets copied element by element from one encoding to another, value bytes as they are (PS3.5 clause 7).

Text is never decoded, so nothing about it can get lost; numbers only change their byte order. Every native encoding is
read; little endian, explicit or implicit, is written. Sequences are written with undefined lengths.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from pydicom.datadict import dictionary_VR

from lightbox.core.errors import LightboxError

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TRAILING_PADDING = 0xFFFCFFFC
_SIGNATURES = 0xFFFAFFFA
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_SHORT = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI"}
    | {"UL", "US"}
)
_WORD = {"US": 2, "SS": 2, "OW": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4}
_WORD |= {"FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}
_NULL_PADDED = frozenset({"UI", "OB", "OW", "UN", "OF", "OD", "OL", "OV"})
_CHUNK = 1 << 20
_MAXIMUM_DEPTH = 64
_PIXEL_REPRESENTATION = 0x00280103


class NotConvertible(LightboxError):
    """An object cannot be brought into another encoding without loss."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "This object cannot be converted to an encoding that the receiver takes",
            why=why,
            todo="Ask the receiver to accept the encoding of the object",
        )


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a data set is encoded."""

    implicit: bool
    little: bool = True

    @property
    def order(self) -> str:
        """Byte order for `struct`."""
        return "<" if self.little else ">"


IMPLICIT_LITTLE, EXPLICIT_LITTLE = Encoding(True), Encoding(False)
_UNKNOWN_SEQUENCE = IMPLICIT_LITTLE
"""Sequences under VR UN are implicit little endian whatever surrounds them (PS3.5 6.2.2)."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What to write instead of encapsulated pixel data: their length, and who writes them."""

    vr: str
    length: int
    write: Callable[[BinaryIO], object]


@dataclass(slots=True)
class Copy:
    """One conversion.

    Parameters
    ----------
    source : BinaryIO
        Positioned at the first element.
    target : BinaryIO
        Gets the data set in little endian.
    encoding : Encoding
        Of `source`.
    implicit : bool
        Whether to write implicit VR.
    replaced : mapping
        Top-level elements to write with another value, by tag: (VR, value), or None to leave one out.
    pixels : Pixels, optional
        For encapsulated pixel data.
    pixel_word : int
        Bytes that change their order together in Pixel Data of a big endian source (also of GE's private syntax, whose
        pixels alone are big endian).
    """

    source: BinaryIO
    target: BinaryIO | io.RawIOBase
    encoding: Encoding
    implicit: bool
    replaced: Mapping[int, tuple[str, bytes] | None] = field(default_factory=dict)
    pixels: Pixels | None = None
    pixel_word: int = 0
    _signed: bool = False

    def run(self) -> None:
        """Copy everything.

        Raises
        ------
        NotConvertible
            The source is damaged, or encoded in a way that is not understood.
        """
        try:
            self._top()
        except struct.error as error:
            raise NotConvertible("its data set is cut off") from error

    def _top(self) -> None:
        waiting = sorted(self.replaced)
        empty = True
        while (header := self._header(self.encoding, top=True)) is not None:
            tag, vr, length = header
            empty = False
            while waiting and waiting[0] < tag:
                self._replacement(waiting.pop(0))
            if waiting and waiting[0] == tag:
                self._replacement(waiting.pop(0))
                self._skip(vr, length)
                continue
            if tag == PIXEL_DATA and length == UNDEFINED:
                if self.pixels is None:
                    raise NotConvertible("its pixel data are encapsulated")
                for left in waiting:
                    self._replacement(left)
                self._element(tag, self.pixels.vr, self.pixels.length)
                self.pixels.write(cast(BinaryIO, self.target))
                self._behind_pixels()
                return
            self._one(tag, vr, length, self.encoding, 0)
        if empty:
            raise NotConvertible("its data set is empty")
        for left in waiting:
            self._replacement(left)

    def _behind_pixels(self) -> None:
        """Copy what follows encapsulated pixel data, as far as there is more than what damaged encoders leave there."""
        try:
            self._skip_fragments()
        except (NotConvertible, struct.error):  # without its end, nothing that follows can be found
            return
        while True:
            try:
                header = self._header(self.encoding, top=True)
            except (NotConvertible, struct.error):
                return
            if header is None:
                return
            tag, vr, length = header
            if tag >> 16 == 0xFFFE:  # a delimiter too many
                continue
            if tag == _SIGNATURES:  # over the compressed pixels: it no longer holds
                self._skip(vr, length)
            else:
                self._one(tag, vr, length, self.encoding, 0)

    def _replacement(self, tag: int) -> None:
        entry = self.replaced[tag]
        if entry is not None:
            vr, value = entry
            value += (b"\x00" if vr in _NULL_PADDED else b" ") * (len(value) % 2)
            self._element(tag, vr, len(value))
            self.target.write(value)

    def _header(self, encoding: Encoding, *, top: bool = False) -> tuple[int, str, int] | None:
        head = self.source.read(8)
        if len(head) < 8:
            if top and not head.strip(b"\x00"):
                return None
            raise NotConvertible("its data set is cut off")
        group, element = struct.unpack(encoding.order + "HH", head[:4])
        tag = group << 16 | element
        if group == 0xFFFE:
            return tag, "", struct.unpack(encoding.order + "I", head[4:])[0]
        if encoding.implicit:
            length = struct.unpack(encoding.order + "I", head[4:])[0]
            return tag, self._vr(tag, length), length
        vr = head[4:6].decode("latin-1")
        if vr in _LONG:
            return tag, vr, struct.unpack(encoding.order + "I", self.source.read(4))[0]
        if vr in _SHORT:
            return tag, vr, struct.unpack(encoding.order + "H", head[6:])[0]
        if top and tag == 0:
            return None  # zero padding after the last element
        raise NotConvertible(f"element ({group:04X},{element:04X}) has no known value representation")

    def _vr(self, tag: int, length: int) -> str:
        """Return the VR of an element of an implicit data set (PS3.5 A.1, PS3.6)."""
        group, element = tag >> 16, tag & 0xFFFF
        if length == UNDEFINED:
            return "OW" if tag == PIXEL_DATA else "SQ"
        if element == 0:
            return "UL"
        if group % 2:
            return "LO" if 0x10 <= element <= 0xFF else "UN"
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            return "UN"
        if vr == "US or SS":
            return "SS" if self._signed else "US"
        if "OW" in vr:
            return "US" if vr.startswith("US") and length == 2 else "OW"
        return vr

    def _one(self, tag: int, vr: str, length: int, encoding: Encoding, depth: int) -> None:
        if tag & 0xFFFF == 0 or tag == _TRAILING_PADDING:  # group lengths would be wrong
            self._skip(vr, length)
        elif vr == "SQ" or length == UNDEFINED:
            if tag == PIXEL_DATA:  # of an icon, which may be compressed as the image is (PS3.5 A.4); it is left out
                self._skip_fragments()
                return
            if length == UNDEFINED and vr not in ("SQ", "UN"):
                raise NotConvertible("an element without length is no sequence")
            inner = _UNKNOWN_SEQUENCE if vr == "UN" else encoding
            self._element(tag, "SQ", UNDEFINED)
            self._sequence(length, inner, depth + 1)
        else:
            self._element(tag, vr, length + length % 2)
            word = 1 if encoding.little else _WORD.get(vr, 1)
            if tag == PIXEL_DATA and depth == 0 and self.pixel_word:
                word = self.pixel_word
            if tag == _PIXEL_REPRESENTATION and length == 2:
                value = self.source.read(2)
                self._signed = value in (b"\x01\x00", b"\x00\x01")
                self.target.write(_swapped(value, word))
            else:
                self._value(length, word)
            if length % 2:
                self.target.write(b"\x00" if vr in _NULL_PADDED else b" ")

    def _sequence(self, length: int, encoding: Encoding, depth: int) -> None:
        if depth > _MAXIMUM_DEPTH:
            raise NotConvertible("its sequences are nested too deeply")
        end = None if length == UNDEFINED else self.source.tell() + length
        while end is None or self.source.tell() < end:
            header = self._header(encoding)
            assert header is not None
            tag, _, size = header
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM:
                raise NotConvertible("a sequence of it is damaged")
            self.target.write(struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED))
            self._item(size, encoding, depth)
            self.target.write(struct.pack("<HHI", 0xFFFE, 0xE00D, 0))
        self.target.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))

    def _item(self, length: int, encoding: Encoding, depth: int) -> None:
        end = None if length == UNDEFINED else self.source.tell() + length
        signed = self._signed
        while end is None or self.source.tell() < end:
            header = self._header(encoding)
            assert header is not None
            if header[0] == _ITEM_END:
                break
            self._one(*header, encoding, depth)
        self._signed = signed

    def _element(self, tag: int, vr: str, length: int) -> None:
        if self.implicit:
            self.target.write(struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length))
        elif vr in _LONG:
            self.target.write(struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, length))
        elif length > 0xFFFF:  # a value that only fits implicit VR (PS3.5 6.2.2, note on UN)
            self.target.write(struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"UN", 0, length))
        else:
            self.target.write(struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), length))

    def _value(self, length: int, word: int) -> None:
        while length:
            chunk = self.source.read(min(length, _CHUNK))
            if not chunk:
                raise NotConvertible("its data set is cut off")
            while word > 1 and len(chunk) % word and len(chunk) < length:  # a short read
                more = self.source.read(word - len(chunk) % word)
                if not more:
                    raise NotConvertible("its data set is cut off")
                chunk += more
            self.target.write(_swapped(chunk, word))
            length -= len(chunk)

    def _skip(self, vr: str, length: int) -> None:
        if length != UNDEFINED:
            self.source.seek(length, 1)
        elif vr in ("SQ", "UN"):
            target, self.target = self.target, _Nowhere()
            self._sequence(length, _UNKNOWN_SEQUENCE if vr == "UN" else self.encoding, 1)
            self.target = target
        else:
            self._skip_fragments()

    def _skip_fragments(self) -> None:
        while True:
            header = self._header(self.encoding)
            assert header is not None
            if header[0] == _SEQUENCE_END:
                return
            if header[0] != _ITEM or header[2] == UNDEFINED:
                raise NotConvertible("an encapsulated element of it is damaged")
            self.source.seek(header[2], 1)


class _Nowhere(io.RawIOBase):
    """Takes what is left out."""

    def write(self, data: Any) -> int:
        return len(data)


def _swapped(data: bytes, word: int) -> bytes:
    """Return `data` with the bytes of each word in the other order; an incomplete word at the end stays."""
    if word == 1:
        return data
    import numpy as np

    whole = len(data) // word * word
    return np.frombuffer(data[:whole], f"<u{word}").byteswap().tobytes() + data[whole:]
