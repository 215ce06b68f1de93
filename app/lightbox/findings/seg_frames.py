"""Frames of a SEG: segment, place and source image of each, from the functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset

from lightbox.findings.model import ImageReference
from lightbox.findings.tolerant import integer, integers, items, numbers, text

SHARED, PER_FRAME = 0x52009229, 0x52009230
_POSITION, _ORIENTATION, _SPACING = 0x00200032, 0x00200037, 0x00280030
_THICKNESS, _BETWEEN = 0x00180050, 0x00180088
_SEGMENT, _SOP_UID, _FRAMES, _PRESERVED = 0x0062000B, 0x00081155, 0x00081160, 0x0028135A
_SLIDE_POSITION = 0x0048021A
# Functional groups and the sequences inside them that hold what is needed; everything else is skipped unread.
_WANTED = frozenset((0x00209113, 0x00209116, 0x00289110, 0x0062000A, 0x00089124, 0x00082112))
_LONG = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"))


@dataclass
class FrameInfo:
    """Place and sources of one frame; None where the functional groups say nothing."""

    segment: int | None = None
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, ...] | None = None
    thickness: float | None = None
    between: float | None = None
    on_slide: bool = False
    sources: list[ImageReference] = field(default_factory=list)

    def merged(self, shared: FrameInfo) -> FrameInfo:
        """Return this frame with what only the shared groups say filled in."""
        return FrameInfo(
            self.segment if self.segment is not None else shared.segment,
            self.position or shared.position,
            self.orientation or shared.orientation,
            self.spacing or shared.spacing,
            self.thickness if self.thickness is not None else shared.thickness,
            self.between if self.between is not None else shared.between,
            self.on_slide or shared.on_slide,
            self.sources or shared.sources,
        )


def read_frames(dataset: Dataset) -> list[FrameInfo]:
    """Return one entry for each item of the Per-Frame Functional Groups Sequence, shared groups filled in.

    The sequence is walked as bytes where pydicom has not parsed it yet: a SEG has thousands of frames, and a data set
    object for each of their items costs more than decoding the pixels.
    """
    shared_items = items(dataset, SHARED)
    shared = _from_dataset(shared_items[0]) if shared_items else FrameInfo()
    raw = dataset.get_item(PER_FRAME) if PER_FRAME in dataset else None
    raw_value = getattr(raw, "value", None)
    if isinstance(raw_value, bytes):
        implicit, little = bool(getattr(raw, "is_implicit_VR", False)), bool(getattr(raw, "is_little_endian", True))
        try:
            frames = frames_from_bytes(raw_value, implicit=implicit, little=little)
        except (struct.error, ValueError, IndexError):
            frames = [_from_dataset(item) for item in items(dataset, PER_FRAME)]
    else:
        frames = [_from_dataset(item) for item in items(dataset, PER_FRAME)]
    return [frame.merged(shared) for frame in frames]


def _from_dataset(groups: Dataset) -> FrameInfo:
    """Read one functional groups item from pydicom objects."""
    frame = FrameInfo()
    for item in items(groups, 0x0062000A):
        frame.segment = integer(item, _SEGMENT)
    for item in items(groups, 0x00209113):
        frame.position = _tuple(numbers(item, _POSITION), 3)
    for item in items(groups, 0x00209116):
        frame.orientation = _tuple(numbers(item, _ORIENTATION), 6)
    for item in items(groups, 0x00289110):
        frame.spacing = _tuple(numbers(item, _SPACING), 2)
        frame.thickness = next(iter(numbers(item, _THICKNESS)), None)
        frame.between = next(iter(numbers(item, _BETWEEN)), None)
    frame.on_slide = bool(items(groups, _SLIDE_POSITION))
    for derivation in items(groups, 0x00089124):
        for source in items(derivation, 0x00082112):
            if text(source, _PRESERVED) not in ("NO", "REORIENTED_ONLY"):
                frame.sources.append(ImageReference(text(source, _SOP_UID), integers(source, _FRAMES)))
    return frame


def _tuple(found: tuple[float, ...], size: int) -> tuple[float, ...] | None:
    return found if len(found) == size and all(np.isfinite(found)) else None


def _elements(data: bytes, start: int, end: int, implicit: bool, order: str) -> Iterator[tuple[int, int, int, bool]]:
    """Yield (tag, value start, value end, whether it is a sequence) of the elements between two offsets.

    A sequence or item of undefined length is measured by walking it.
    """
    at = start
    tag_format, long_format, short_format = order + "HH", order + "L", order + "H"
    while at + 8 <= end:
        group, element = struct.unpack_from(tag_format, data, at)
        tag = group << 16 | element
        sequence = False
        if implicit or group == 0xFFFE:
            (length,) = struct.unpack_from(long_format, data, at + 4)
            at += 8
        else:
            vr = data[at + 4 : at + 6]
            if vr in _LONG:
                (length,) = struct.unpack_from(long_format, data, at + 8)
                at += 12
            else:
                (length,) = struct.unpack_from(short_format, data, at + 6)
                at += 8
            sequence = vr == b"SQ"
        if tag in (0xFFFEE00D, 0xFFFEE0DD):
            yield tag, at, at, False
            continue
        if length == 0xFFFFFFFF:
            stop = 0xFFFEE00D if tag == 0xFFFEE000 else 0xFFFEE0DD
            value_end = after = _delimited_end(data, at, end, implicit, order, stop)
            after += 8
        else:
            value_end = after = at + length
            if value_end > end:
                raise ValueError("an element is longer than what holds it")
        yield tag, at, value_end, sequence
        at = after


def _delimited_end(data: bytes, start: int, end: int, implicit: bool, order: str, stop: int) -> int:
    """Return the offset of the delimiter that closes a sequence or item of undefined length."""
    for tag, at, _value_end, _sequence in _elements(data, start, end, implicit, order):
        if tag == stop:
            return at - 8
    raise ValueError("a sequence or item does not end")


def first_element(data: bytes, *, implicit: bool, little: bool) -> tuple[int, int, int, int] | None:
    """Return (tag, value start, value end, next element) of the element that `data` begins with, or None."""
    order = "<" if little else ">"
    try:
        tag, at, value_end, _sequence = next(_elements(data, 0, len(data), implicit, order))
    except (StopIteration, ValueError, struct.error):
        return None
    undefined = data[at - 4 : at] == b"\xff\xff\xff\xff"
    return tag, at, value_end, value_end + (8 if undefined else 0)


def frames_from_bytes(data: bytes, *, implicit: bool, little: bool) -> list[FrameInfo]:
    """Read the items of a Per-Frame Functional Groups Sequence from its encoded value.

    Parameters
    ----------
    data : bytes
        Value of the sequence: its items, with or without explicit lengths.
    implicit, little : bool
        Encoding of the data set.
    """
    order = "<" if little else ">"
    readers = _readers(order)
    frames = []
    for tag, start, end, _sequence in _elements(data, 0, len(data), implicit, order):
        if tag == 0xFFFEE000:
            frame = FrameInfo()
            _walk_group(data, start, end, implicit, order, frame, readers)
            frames.append(frame)
    return frames


Reader = Callable[[FrameInfo, bytes], None]


def _walk_group(
    data: bytes, start: int, end: int, implicit: bool, order: str, frame: FrameInfo, readers: dict[int, Reader]
) -> None:
    for tag, at, stop, _sequence in _elements(data, start, end, implicit, order):
        if tag in _WANTED:
            for inner, item_at, item_end, _inner_sequence in _elements(data, at, stop, implicit, order):
                if inner == 0xFFFEE000:
                    if tag == 0x00082112:
                        _read_source(data, item_at, item_end, implicit, order, frame)
                    else:
                        _walk_group(data, item_at, item_end, implicit, order, frame, readers)
        elif tag == _SLIDE_POSITION:
            frame.on_slide = True
        elif tag in readers:
            readers[tag](frame, data[at:stop])


def _read_source(data: bytes, start: int, end: int, implicit: bool, order: str, frame: FrameInfo) -> None:
    uid, numbers_of_frames, preserved = "", (), ""
    for tag, at, stop, _sequence in _elements(data, start, end, implicit, order):
        if tag == _SOP_UID:
            uid = _text(data[at:stop])
        elif tag == _FRAMES:
            numbers_of_frames = tuple(int(part) for part in _text(data[at:stop]).split("\\") if part.strip())
        elif tag == _PRESERVED:
            preserved = _text(data[at:stop])
    if preserved not in ("NO", "REORIENTED_ONLY"):
        frame.sources.append(ImageReference(uid, numbers_of_frames))


def _text(raw: bytes) -> str:
    return raw.decode("ascii", errors="replace").strip(" \0")


def _floats(raw: bytes) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in raw.strip(b" \0").split(b"\\"))
    except ValueError:
        return ()


def _readers(order: str) -> dict[int, Reader]:
    """Return the setters of the attributes that matter, by tag."""

    def set_segment(frame: FrameInfo, raw: bytes) -> None:
        frame.segment = int(struct.unpack_from(order + "H", raw)[0]) if len(raw) >= 2 else None

    def set_position(frame: FrameInfo, raw: bytes) -> None:
        frame.position = _tuple(_floats(raw), 3)

    def set_orientation(frame: FrameInfo, raw: bytes) -> None:
        frame.orientation = _tuple(_floats(raw), 6)

    def set_spacing(frame: FrameInfo, raw: bytes) -> None:
        frame.spacing = _tuple(_floats(raw), 2)

    def set_thickness(frame: FrameInfo, raw: bytes) -> None:
        frame.thickness = next(iter(_floats(raw)), None)

    def set_between(frame: FrameInfo, raw: bytes) -> None:
        frame.between = next(iter(_floats(raw)), None)

    return {
        _SEGMENT: set_segment,
        _POSITION: set_position,
        _ORIENTATION: set_orientation,
        _SPACING: set_spacing,
        _THICKNESS: set_thickness,
        _BETWEEN: set_between,
    }
