"""Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2): pixels that are no image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom import values
from lightbox.dicom.modality_lut import ModalityLut

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


# A padding value inside this range of a CT is tissue of somebody: files that pad with stored 0 while 0 is water exist.
_TISSUE_HU = (-900.0, 3000.0)


@dataclass(frozen=True, slots=True)
class Padding:
    """Inclusive range of stored values that are padding."""

    low: int
    high: int

    def mask(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Return True where a stored value is padding."""
        if self.low == self.high:
            return np.asarray(stored == self.low)
        return (stored >= self.low) & (stored <= self.high)


def of(ds: Dataset, modality_lut: ModalityLut) -> Padding | None:
    """Return the padding of an image, or None when there is none or it cannot be believed.

    Parameters
    ----------
    modality_lut : ModalityLut
        A single padding value that would be tissue of a CT is not believed.
    """
    value = values.number(ds, "PixelPaddingValue")
    if value is None:
        return None
    limit = values.number(ds, "PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    bits = values.integer(ds, "BitsAllocated", 16)
    if values.integer(ds, "PixelRepresentation") == 1 and bits <= 32:
        low, high = sorted((_signed(low, bits), _signed(high, bits)))
    elif low < 0 and bits <= 32:
        low, high = sorted((low & ((1 << bits) - 1), high & ((1 << bits) - 1)))
    if modality_lut.unit == "HU" and low == high:
        hounsfield = low * modality_lut.slope + modality_lut.intercept
        if _TISSUE_HU[0] < hounsfield < _TISSUE_HU[1]:
            return None
    return Padding(low, high)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
