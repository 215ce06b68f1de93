"""Encapsulated pixel data: which bytes of a file belong to which frame (PS3.5 Annex A.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset

from lightbox.dicom import values
from lightbox.imaging.decode_format import DecodeError
from lightbox.imaging.decode_markers import begins_frame

_ITEM = 0xFFFEE000
_DELIMITER = 0xFFFEE0DD


@dataclass(frozen=True, slots=True)
class Fragment:
    """Offset and length of the value of an item in the file, and the first bytes of it."""

    offset: int
    length: int
    head: bytes


class FragmentIndex:
    """Fragments of every frame of one encapsulated pixel data element.

    Parameters
    ----------
    body : BinaryIO
        Where the element lies. Used during construction only.
    offset : int
        Offset of the value of the element.
    dataset : Dataset
        Header; may hold the Extended Offset Table.
    frames : int
        Number of frames.
    one_fragment_a_frame : bool
        True for RLE, where a frame is always exactly one fragment.
    """

    def __init__(
        self, body: BinaryIO, offset: int, dataset: Dataset, frames: int, *, one_fragment_a_frame: bool = False
    ) -> None:
        table, start = _basic_offset_table(body, offset)
        extended = _extended_offset_table(dataset, frames)
        self.truncated = False
        if extended is not None and all(_is_item(body, start + at) for at, _ in (extended[0], extended[-1])):
            self.frames: list[list[tuple[int, int]]] = [[(start + at + 8, length)] for at, length in extended]
            return
        fragments, self.truncated = _scan(body, start)
        self.frames = _group(fragments, table, start, frames, one_fragment_a_frame)

    def read(self, body: BinaryIO, frame: int) -> bytes:
        """Return the joined fragments of a frame (0-based).

        Raises
        ------
        DecodeError
            The file has no fragments for the frame, or ends within it.
        """
        if not 0 <= frame < len(self.frames):
            why = "the file ends before it" if self.truncated else "the file holds fewer frames than its header says"
            raise DecodeError("A frame is missing", where=f"frame {frame + 1}", why=why)
        pieces: list[bytes] = []
        for offset, length in self.frames[frame]:
            body.seek(offset)
            piece = body.read(length)
            pieces.append(piece)
            if len(piece) < length:
                raise DecodeError("A frame is cut off", where=f"frame {frame + 1}", why="the file ends within it")
        return b"".join(pieces)


def _item(body: BinaryIO, at: int) -> tuple[int, int] | None:
    body.seek(at)
    head = body.read(8)
    if len(head) < 8:
        return None
    group, element, length = struct.unpack("<HHL", head)
    return group << 16 | element, length


def _is_item(body: BinaryIO, at: int) -> bool:
    found = _item(body, at)
    return found is not None and found[0] == _ITEM


def _basic_offset_table(body: BinaryIO, offset: int) -> tuple[list[int], int]:
    """Return the offsets (possibly none) and where the first fragment's item begins."""
    found = _item(body, offset)
    if found is None or found[0] != _ITEM or found[1] % 4 or found[1] > 1 << 28:
        raise DecodeError("The pixel data cannot be read", why="its Basic Offset Table is missing")
    data = body.read(found[1])
    return list(struct.unpack(f"<{len(data) // 4}L", data[: len(data) // 4 * 4])), offset + 8 + found[1]


def _extended_offset_table(ds: Dataset, frames: int) -> list[tuple[int, int]] | None:
    """Return (offset, length) of each frame from the Extended Offset Table, or None."""
    offsets, lengths = values.raw(ds, "ExtendedOffsetTable"), values.raw(ds, "ExtendedOffsetTableLengths")
    if not isinstance(offsets, bytes) or not isinstance(lengths, bytes):
        return None
    if len(offsets) != 8 * frames or len(lengths) != 8 * frames:
        return None
    return list(zip(np.frombuffer(offsets, "<u8").tolist(), np.frombuffer(lengths, "<u8").tolist()))


def _scan(body: BinaryIO, start: int) -> tuple[list[Fragment], bool]:
    """Walk over all fragments once. Returns them and whether the file ended before the delimiter."""
    body.seek(0, 2)
    end = body.tell()
    fragments: list[Fragment] = []
    at = start
    while True:
        found = _item(body, at)
        if found is None or found[0] not in (_ITEM, _DELIMITER):
            return fragments, True
        tag, length = found
        if tag == _DELIMITER:
            return fragments, False
        if length == 0xFFFFFFFF:
            return fragments, True
        fragments.append(Fragment(at + 8, length, body.read(min(12, length))))
        at += 8 + length
        if at > end:
            return fragments, True


def _group(
    fragments: list[Fragment], table: list[int], start: int, frames: int, one_each: bool
) -> list[list[tuple[int, int]]]:
    """Give every frame its fragments: by the offset table if it can be right, else by count, else by their content."""
    spans = [(fragment.offset, fragment.length) for fragment in fragments]
    if frames == 1 and not one_each:
        return [spans] if spans else []
    if one_each or len(fragments) == frames:
        return [[span] for span in spans[:frames]]
    starts = {fragment.offset - 8 - start: number for number, fragment in enumerate(fragments)}
    if len(table) == frames and table[0] == 0 and table == sorted(set(table)) and all(at in starts for at in table):
        borders = [starts[at] for at in table]
    else:
        borders = [number for number, fragment in enumerate(fragments) if begins_frame(fragment.head)]
        if not borders or borders[0] != 0 or len(borders) > frames:
            raise DecodeError(
                "The frames cannot be told apart",
                why=f"{len(fragments)} fragments for {frames} frames and no usable offset table",
            )
    ends = [*borders[1:], len(spans)]
    return [spans[first:last] for first, last in zip(borders, ends)]
