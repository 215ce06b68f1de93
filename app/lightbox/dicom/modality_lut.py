"""Modality LUT (PS3.3 C.11.1) and Pixel Value Transformation (C.7.6.16.2.9): stored values to modality values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom import frames, lookup_table, values
from lightbox.dicom.lookup_table import LookupTable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class ModalityLut:
    """Either a rescale or a table, never both.

    Attributes
    ----------
    slope, intercept : float
        Rescale Slope and Rescale Intercept; 1 and 0 with a table.
    table : LookupTable or None
        Modality LUT Sequence.
    unit : str
        For people: "HU", "Bq/ml", ...; empty when unspecified.
    """

    slope: float = 1.0
    intercept: float = 0.0
    table: LookupTable | None = None
    unit: str = ""

    @property
    def is_identity(self) -> bool:
        """Whether stored values already are modality values."""
        return self.table is None and self.slope == 1.0 and self.intercept == 0.0

    @property
    def is_integral(self) -> bool:
        """Whether integers stay integers."""
        return self.table is not None or (self.slope % 1 == 0 and self.intercept % 1 == 0)

    def apply(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return modality values of the same shape: int32 when they are exact integers, otherwise float32.

        32-bit and double stored values give float64 where float32 or int32 could not hold the result.
        """
        if self.table is not None:
            return self.table.apply(stored).astype(np.int32)
        wide = stored.dtype.itemsize >= 4 and stored.dtype != np.float32
        if stored.dtype.kind in "iub" and self.is_integral:
            if not wide and abs(self.slope) <= 32767 and abs(self.intercept) < 2**30:
                result = stored.astype(np.int32)
                if self.slope != 1.0:
                    result *= np.int32(self.slope)
                if self.intercept:
                    result += np.int32(self.intercept)
                return result
            if self.is_identity and stored.dtype == np.int32:
                return stored
            return stored.astype(np.float64) * self.slope + self.intercept
        # The product is formed in float64: with float32 a large slope would move values by more than a grey.
        result = stored.astype(np.float64) * self.slope + self.intercept
        return result if wide else result.astype(np.float32)


def of(ds: Dataset, frame: int = 0) -> ModalityLut:
    """Return the modality transformation of a frame (0-based); functional groups win over the root."""
    group = frames.functional_group(ds, frame, "PixelValueTransformationSequence")
    if group is not None:
        found = _rescale(ds, group)
        if found is not None:
            return found
    # The two exclude each other; a file that has both as a rule adds an identity rescale to a meaningful table.
    item = values.first_item(ds, "ModalityLUTSequence")
    if item is not None:
        table = lookup_table.from_item(item, signed_input=values.integer(ds, "PixelRepresentation") == 1)
        if table is not None:
            return ModalityLut(table=table, unit=_readable(values.text(item, "ModalityLUTType")))
    return _rescale(ds, ds) or ModalityLut(unit=unit(ds, None))


def _rescale(ds: Dataset, source: Dataset) -> ModalityLut | None:
    slope, intercept = values.number(source, "RescaleSlope"), values.number(source, "RescaleIntercept")
    if slope is None and intercept is None:
        return None
    # A slope of 0 would make every pixel equal; it is written by mistake.
    return ModalityLut(slope or 1.0, intercept or 0.0, unit=unit(ds, source))


_PET_UNITS = {"BQML": "Bq/ml", "GML": "g/ml", "CNTS": "counts", "CM2ML": "cm2/ml", "NONE": "", "PROPCPS": "counts/s"}


def unit(ds: Dataset, rescale: Dataset | None) -> str:
    """Return the unit of modality values for people.

    Parameters
    ----------
    rescale : Dataset or None
        Where the rescale was found; None when there is none, and then CT values are not claimed to be HU.
    """
    modality = values.text(ds, "Modality")
    if modality == "PT":
        return _PET_UNITS.get(values.text(ds, "Units"), values.text(ds, "Units"))
    named = values.text(rescale, "RescaleType") if rescale is not None else ""
    if named and named != "US":
        return _readable(named)
    if modality == "CT" and rescale is not None and named != "US":
        return "HU"
    if modality == "RTDOSE":
        return values.text(ds, "DoseUnits").capitalize()
    return ""


def _readable(named: str) -> str:
    return {"US": "", "OD": "OD/1000", "MGML": "mg/ml", "Z_EFF": "Zeff", "ED": "10^23/ml", "PCT": "%"}.get(named, named)
