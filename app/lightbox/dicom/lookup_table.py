"""Look-up tables of DICOM: descriptor and data (PS3.3 C.11.1.1, C.11.2.1.1)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom import values

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class LookupTable:
    """A table from integers to unsigned integers; equal and hashable by content.

    Parameters
    ----------
    first : int
        Input value that maps to the first entry; smaller inputs map to it too.
    entries : ndarray
        Output values, uint8 or uint16, one-dimensional, not empty.
    bits : int
        Bits of an entry; the full output range is 0 to 2**bits - 1.
    """

    __slots__ = ("__dict__", "bits", "entries", "first")

    def __init__(self, first: int, entries: NDArray[Any], bits: int) -> None:
        if entries.ndim != 1 or not entries.size:
            raise ValueError("a look-up table needs one-dimensional entries")
        self.first = int(first)
        self.entries = np.ascontiguousarray(entries)
        self.entries.flags.writeable = False
        self.bits = int(bits)

    @cached_property
    def _key(self) -> tuple[int, int, str, bytes]:
        return self.first, self.bits, self.entries.dtype.str, self.entries.tobytes()

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LookupTable) and (self is other or self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"LookupTable(first={self.first}, {self.entries.size} entries, {self.bits} bits)"

    @property
    def last(self) -> int:
        """Input value that maps to the last entry; larger inputs map to it too."""
        return self.first + self.entries.size - 1

    @property
    def maximum(self) -> int:
        """Largest output value that the bits allow."""
        return (1 << self.bits) - 1

    def apply(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return the entries for `inputs` (rounded to integers), same shape."""
        if inputs.dtype.kind == "f":
            inputs = np.rint(inputs)
        index = np.clip(inputs.astype(np.int64) - self.first, 0, self.entries.size - 1)
        return self.entries[index]


def from_item(item: Dataset, *, signed_input: bool, data_keyword: str = "LUTData") -> LookupTable | None:
    """Return the table of a LUT sequence item, or None when it is incomplete.

    Parameters
    ----------
    item : Dataset
        Item of Modality LUT Sequence, VOI LUT Sequence or Presentation LUT Sequence.
    signed_input : bool
        Whether the values that go into the table can be negative; decides how the second value of the descriptor,
        whose VR is ambiguous, is to be read.
    """
    descriptor = values.numbers(item, "LUTDescriptor")
    data = values.table_data(item, data_keyword)
    if len(descriptor) < 3 or data is None:
        return None
    count, first, bits = (int(value) for value in descriptor[:3])
    count = count & 0xFFFF or 65536
    first = first & 0xFFFF
    if signed_input and first > 32767:
        first -= 65536
    return build(count, first, bits, data)


def build(count: int, first: int, bits: int, data: object) -> LookupTable | None:
    """Return a table from descriptor values and LUT data as pydicom gives it (bytes, a number or numbers), or None.

    Tables of 8-bit entries come packed (one byte an entry) or one entry a 16-bit word. A descriptor that says 16 bits
    where 8-bit entries are packed is corrected, and so is one that says fewer bits than the largest entry needs.
    """
    entries = _entries(data, count)
    if entries is None or not entries.size:
        return None
    entries = entries[:count]
    if not 1 <= bits <= 16:
        bits = 16 if entries.dtype.itemsize == 2 else 8
    if entries.dtype.itemsize == 1:
        bits = min(bits, 8)
    needed = int(entries.max()).bit_length()
    return LookupTable(first, entries, max(bits, needed))


def _entries(data: object, count: int) -> NDArray[Any] | None:
    if isinstance(data, (bytes, bytearray)):
        if len(data) >= 2 * count:
            return np.frombuffer(data, "<u2", count).astype(np.uint16)
        if len(data) >= count:
            return np.frombuffer(data, np.uint8, count).copy()
        return np.frombuffer(data, "<u2", len(data) // 2).astype(np.uint16)
    try:
        found = np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF
    except (TypeError, ValueError):
        return None
    if found.size < count <= 2 * found.size and found.size * 2 - count <= 1:
        # two 8-bit entries packed in each word
        return found.astype("<u2").view(np.uint8)
    return found.astype(np.uint16)
