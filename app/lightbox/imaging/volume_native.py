"""The short way to the pixels of uncompressed slices: find them by a byte walk, read them straight into the volume.

Only what is beyond doubt goes this way: little endian, one grey sample of 16 bits, stored values that a whole-number
rescale keeps within 16 bits, no Modality LUT, no functional groups. Anything else makes `scan` return None, and the
slice is read by `lightbox.imaging.image_object` like any other image.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

EXPLICIT = b"1.2.840.10008.1.2.1"
IMPLICIT = b"1.2.840.10008.1.2"
UNDEFINED = 0xFFFFFFFF
FIRST_READ = 1 << 14
LARGEST_HEADER = 1 << 22
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_HEAD = struct.Struct("<HH2sH")
_TAG_LENGTH = struct.Struct("<HHL")
_LENGTH = struct.Struct("<L")
_US = struct.Struct("<H")

_SAMPLES, _PHOTOMETRIC, _FRAMES = 0x00280002, 0x00280004, 0x00280008
_ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH_BIT, _SIGNED = (
    0x00280010,
    0x00280011,
    0x00280100,
    0x00280101,
    0x00280102,
    0x00280103,
)
_INTERCEPT, _SLOPE, _MODALITY_LUT = 0x00281052, 0x00281053, 0x00283000
_SHARED_GROUPS, _FRAME_GROUPS, _PIXELS = 0x52009229, 0x52009230, 0x7FE00010
_WANTED = frozenset(
    (_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH_BIT, _SIGNED, _INTERCEPT, _SLOPE)
)
_REFUSED = frozenset((_MODALITY_LUT, _SHARED_GROUPS, _FRAME_GROUPS))


class _NeedMore(Exception):
    """The part of the file that was read ends within the header."""


class _Unusual(Exception):
    """The header is not one that the byte walk may judge."""


@dataclass(frozen=True, slots=True)
class NativePixels:
    """Where the uncompressed pixels of an object are and what they mean.

    Attributes
    ----------
    offset : int
        Byte offset of the first frame.
    rows, columns, frames : int
    bits_stored : int
    signed : bool
        Pixel Representation is 1.
    slope, intercept : int
        Rescale Slope and Intercept, 1 and 0 when absent.
    """

    offset: int
    rows: int
    columns: int
    frames: int
    bits_stored: int
    signed: bool
    slope: int
    intercept: int

    @property
    def frame_bytes(self) -> int:
        """Size of one frame."""
        return self.rows * self.columns * 2

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value that the rescaled pixels can take."""
        low = -(1 << (self.bits_stored - 1)) if self.signed else 0
        high = (1 << (self.bits_stored - (1 if self.signed else 0))) - 1
        ends = (low * self.slope + self.intercept, high * self.slope + self.intercept)
        return min(ends), max(ends)


def scan(file: BinaryIO) -> NativePixels | None:
    """Return where the pixels of an object are, or None when it is to be read the ordinary way."""
    size = FIRST_READ
    file.seek(0)
    head = file.read(size)
    while True:
        try:
            return _interpret(*_walk(head))
        except _Unusual:
            return None
        except (_NeedMore, struct.error):
            more = file.read(3 * size) if size < LARGEST_HEADER else b""
            if not more:
                return None
            head += more
            size *= 4


def read_into(file: BinaryIO, pixels: NativePixels, frame: int, target: NDArray[np.int16]) -> bool:
    """Read one frame into `target`, (rows, columns) int16, contiguous, as modality values.

    Returns
    -------
    bool
        False when a value does not fit into 16 bits; `target` then holds nothing of use.

    Raises
    ------
    EOFError
        The file ends within the frame.
    """
    file.seek(pixels.offset + frame * pixels.frame_bytes)
    view = memoryview(target.view(np.uint8).reshape(-1).data)
    readinto = getattr(file, "readinto", None)
    if readinto is None:
        data = file.read(pixels.frame_bytes)
        done = len(data)
        view[:done] = data
    else:
        done = 0
        while done < len(view):
            count = readinto(view[done:])
            if not count:
                break
            done += count
    if done != len(view):
        raise EOFError("the file ends before the last pixel")
    if sys.byteorder == "big":
        target.byteswap(inplace=True)
    return _to_modality(target, pixels)


def _to_modality(target: NDArray[np.int16], pixels: NativePixels) -> bool:
    """Turn stored bits into modality values in place (PS3.5 8.1.1; PS3.3 C.11.1.1.2)."""
    spare = 16 - pixels.bits_stored
    if spare:
        # Bits above Bits Stored may hold anything (overlays, in old files).
        if pixels.signed:
            np.left_shift(target, spare, out=target)
            np.right_shift(target, spare, out=target)
        else:
            np.bitwise_and(target, (1 << pixels.bits_stored) - 1, out=target)
    bits = target.view(np.uint16)
    low, high = pixels.range
    if low < -32768 or high > 32767:
        stored = target if pixels.signed else bits
        ends = [int(end) * pixels.slope + pixels.intercept for end in (stored.min(), stored.max())]
        if min(ends) < -32768 or max(ends) > 32767:
            return False
    # Whole numbers modulo 2**16: what is computed comes out right because the result fits.
    if pixels.slope != 1:
        np.multiply(bits, np.uint16(pixels.slope & 0xFFFF), out=bits)
    if pixels.intercept:
        np.add(bits, np.uint16(pixels.intercept & 0xFFFF), out=bits)
    return True


def _walk(head: bytes) -> tuple[dict[int, bytes], int, int]:
    """Return the wanted elements, and the offset and length of the pixel data."""
    if head[128:132] != b"DICM":
        raise _Unusual
    position, syntax = _meta(head)
    explicit = syntax == EXPLICIT
    if not explicit and syntax != IMPLICIT:
        raise _Unusual
    found: dict[int, bytes] = {}
    while True:
        tag, vr, length, position = _element(head, position, explicit)
        if tag == _PIXELS:
            if length == UNDEFINED or vr not in (b"", b"OW"):
                raise _Unusual
            return found, position, length
        if tag > _PIXELS or tag in _REFUSED:
            raise _Unusual
        if length == UNDEFINED:
            position = _skip_sequence(head, position, explicit, vr)
            continue
        if tag in _WANTED:
            value = head[position : position + length]
            if len(value) != length:
                raise _NeedMore
            found[tag] = value
        position += length


def _meta(head: bytes) -> tuple[int, bytes]:
    """Return where the data set starts and the Transfer Syntax UID."""
    position, syntax = 132, b""
    while True:
        if position + 8 > len(head):
            raise _NeedMore
        if head[position : position + 2] != b"\x02\x00":
            return position, syntax
        tag, _vr, length, start = _element(head, position, True)
        if length == UNDEFINED:
            raise _Unusual
        if tag == 0x00020010:
            syntax = head[start : start + length].rstrip(b"\x00 ")
        position = start + length


def _element(head: bytes, position: int, explicit: bool) -> tuple[int, bytes, int, int]:
    """Return tag, VR, length and start of the value."""
    if explicit:
        group, element, vr, length = _HEAD.unpack_from(head, position)
        if vr in _SHORT:
            return group << 16 | element, vr, length, position + 8
        if vr in _LONG:
            return group << 16 | element, vr, _LENGTH.unpack_from(head, position + 8)[0], position + 12
        raise _Unusual
    group, element, length = _TAG_LENGTH.unpack_from(head, position)
    return group << 16 | element, b"", length, position + 8


def _skip_sequence(head: bytes, position: int, explicit: bool, vr: bytes) -> int:
    """Return the position after a sequence of undefined length."""
    if explicit and vr != b"SQ":
        raise _Unusual
    while True:
        group, element, length = _TAG_LENGTH.unpack_from(head, position)
        position += 8
        tag = group << 16 | element
        if tag == 0xFFFEE0DD:
            return position
        if tag != 0xFFFEE000:
            raise _Unusual
        if length != UNDEFINED:
            position += length
            continue
        while True:
            if head[position : position + 4] == b"\xfe\xff\x0d\xe0":
                position += 8
                break
            if position + 8 > len(head):
                raise _NeedMore
            _inner, inner_vr, inner_length, position = _element(head, position, explicit)
            if inner_length == UNDEFINED:
                position = _skip_sequence(head, position, explicit, inner_vr)
            else:
                position += inner_length


def _interpret(found: dict[int, bytes], offset: int, length: int) -> NativePixels:
    def whole(tag: int, default: int | None = None) -> int:
        value = found.get(tag, b"")
        if not value and default is not None:
            return default
        if len(value) != 2:
            raise _Unusual
        return _US.unpack(value)[0]

    def text_number(tag: int, default: int) -> int:
        text = found.get(tag, b"").strip(b" \x00")
        if not text:
            return default
        try:
            number = float(text)
        except ValueError as error:
            raise _Unusual from error
        if number != int(number) or abs(number) > 32767:
            raise _Unusual
        return int(number)

    stored, signed = whole(_STORED), whole(_SIGNED)
    slope, intercept = text_number(_SLOPE, 1), text_number(_INTERCEPT, 0)
    # One of the two alone says nothing certain.
    paired = (_SLOPE in found) == (_INTERCEPT in found)
    if (
        whole(_SAMPLES, 1) != 1
        or found.get(_PHOTOMETRIC, b"").strip(b" \x00") not in (b"MONOCHROME1", b"MONOCHROME2")
        or whole(_ALLOCATED) != 16
        or not 1 <= stored <= 16
        or whole(_HIGH_BIT) != stored - 1
        or signed > 1
        or slope == 0
        or not paired
    ):
        raise _Unusual
    pixels = NativePixels(
        offset, whole(_ROWS), whole(_COLUMNS), text_number(_FRAMES, 1), stored, bool(signed), slope, intercept
    )
    if pixels.frames < 1 or length < pixels.frame_bytes * pixels.frames:
        raise _Unusual
    return pixels
