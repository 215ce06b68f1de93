"""Palette Color Lookup Table (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2 segmented)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom import lookup_table, values

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


_NAMES = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class Palette:
    """Colours of stored values.

    Attributes
    ----------
    first : int
        Stored value of the first colour; smaller values get it too.
    colours : ndarray
        (n, 3) uint8; values above `first` + n - 1 get the last colour.
    """

    first: int
    colours: NDArray[np.uint8]

    def apply(self, stored: NDArray[Any]) -> NDArray[np.uint8]:
        """Return (..., 3) colours of stored values."""
        index = np.clip(stored.astype(np.int64) - self.first, 0, len(self.colours) - 1)
        return self.colours[index]


def of(ds: Dataset) -> Palette | None:
    """Return the palette of an image, or None when it has none that is complete."""
    signed = values.integer(ds, "PixelRepresentation") == 1
    tables: list[lookup_table.LookupTable] = []
    for name in _NAMES:
        descriptor = values.numbers(ds, f"{name}PaletteColorLookupTableDescriptor")
        if len(descriptor) < 3:
            return None
        count, first, bits = (int(value) for value in descriptor[:3])
        count = count & 0xFFFF or 65536
        first &= 0xFFFF
        if signed and first > 32767:
            first -= 65536
        data = values.table_data(ds, f"{name}PaletteColorLookupTableData")
        if data is None:
            segmented = values.table_data(ds, f"Segmented{name}PaletteColorLookupTableData")
            if not isinstance(segmented, bytes):
                return None
            data = expand_segments(segmented, bits, count)
        table = lookup_table.build(count, first, bits, data)
        if table is None:
            return None
        tables.append(table)
    # Many writers declare 16 bits and store 8: told by all three channels together, one alone may just be dark.
    brightest = max(int(table.entries.max()) for table in tables)
    shift = 0 if brightest <= 255 else max(table.bits for table in tables) - 8
    length = max(table.entries.size for table in tables)
    channels = [
        np.pad((table.entries >> shift).astype(np.uint8), (0, length - table.entries.size), mode="edge")
        for table in tables
    ]
    return Palette(tables[0].first, np.stack(channels, axis=1))


def expand_segments(data: bytes, bits: int, count: int) -> bytes:
    """Return plain LUT data of a segmented table (PS3.3 C.7.9.2).

    Parameters
    ----------
    data : bytes
        Segments; 8-bit tables hold bytes, 16-bit tables little endian words.
    bits : int
        Bits of an entry, from the descriptor.
    count : int
        Number of entries wanted.

    Raises
    ------
    ValueError
        A segment is cut off, refers outside the data, or is of an unknown kind.
    """
    width = 1 if bits <= 8 else 2
    words = struct.unpack(f"<{len(data) // width}{'B' if width == 1 else 'H'}", data[: len(data) // width * width])
    out: list[int] = []
    _expand(words, 0, len(words), 1 << 30, width, out, count, depth=0)
    return struct.pack(f"<{len(out)}{'B' if width == 1 else 'H'}", *out)


def _expand(
    words: tuple[int, ...], at: int, end: int, segments: int, width: int, out: list[int], count: int, *, depth: int
) -> None:
    done = 0
    while at + 1 < end and done < segments and len(out) < count:
        opcode, length = words[at], words[at + 1]
        at += 2
        if opcode == 0:
            if at + length > end:
                raise ValueError("a discrete segment is cut off")
            out.extend(words[at : at + length])
            at += length
        elif opcode == 1:
            if not out or at >= end:
                raise ValueError("a linear segment has no beginning or end")
            start, stop = out[-1], words[at]
            out.extend(round(start + (stop - start) * step / length) for step in range(1, length + 1))
            at += 1
        elif opcode == 2:
            pieces = 4 if width == 1 else 2
            if at + pieces > end or depth > 0:
                raise ValueError("an indirect segment is not allowed here")
            shift = 8 * width
            offset = sum(word << (shift * number) for number, word in enumerate(words[at : at + pieces]))
            if offset // width >= end:
                raise ValueError("an indirect segment refers outside the table")
            _expand(words, offset // width, end, length, width, out, count, depth=depth + 1)
            at += pieces
        else:
            raise ValueError(f"segment kind {opcode} is unknown")
        done += 1
