"""VOI LUT (PS3.3 C.11.2): which values of interest become which greys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from lightbox.dicom import lookup_table, values
from lightbox.dicom.lookup_table import LookupTable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class VoiKind(Enum):
    """VOI LUT Function (0028,1056), or a table."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"
    TABLE = "TABLE"


LINEAR, LINEAR_EXACT, SIGMOID, TABLE = VoiKind.LINEAR, VoiKind.LINEAR_EXACT, VoiKind.SIGMOID, VoiKind.TABLE


@dataclass(frozen=True, slots=True)
class Voi:
    """One VOI transformation.

    Attributes
    ----------
    kind : VoiKind
        The function.
    center, width : float
        Window in modality units; without meaning for a table.
    table : LookupTable or None
        Set exactly when `kind` is TABLE; its inputs are modality values.
    explanation : str
        What the file says that it is for ("BONE").

    Raises
    ------
    ValueError
        The width is not allowed for the function (PS3.3 C.11.2.1.2 and C.11.2.1.3: at least 1 for LINEAR, above 0
        otherwise), or the table is missing.
    """

    kind: VoiKind = VoiKind.LINEAR
    center: float = 0.0
    width: float = 1.0
    table: LookupTable | None = None
    explanation: str = ""

    def __post_init__(self) -> None:
        if (self.kind is VoiKind.TABLE) != (self.table is not None):
            raise ValueError("a VOI of kind TABLE, and no other, needs a table")
        if self.kind is VoiKind.LINEAR and not self.width >= 1:
            raise ValueError("Window Width must be at least 1 for LINEAR")
        if self.kind in (VoiKind.LINEAR_EXACT, VoiKind.SIGMOID) and not self.width > 0:
            raise ValueError("Window Width must be above 0")

    @property
    def low(self) -> float:
        """Modality value at (and below) which the output is darkest; for SIGMOID the foot of the same window."""
        if self.table is not None:
            return float(self.table.first)
        return self.center - 0.5 - (self.width - 1) / 2 if self.kind is VoiKind.LINEAR else self.center - self.width / 2

    @property
    def high(self) -> float:
        """Modality value above which the output is brightest; for SIGMOID the head of the same window."""
        if self.table is not None:
            return float(self.table.last)
        return self.center - 0.5 + (self.width - 1) / 2 if self.kind is VoiKind.LINEAR else self.center + self.width / 2

    def with_window(self, center: float, width: float) -> Voi:
        """Return this function with another window; a table becomes LINEAR. The width is kept above its lower limit."""
        kind = VoiKind.LINEAR if self.kind is VoiKind.TABLE else self.kind
        return Voi(kind, center, max(width, 1.0) if kind is VoiKind.LINEAR else max(width, 1e-6))


def windows(ds: Dataset) -> list[Voi]:
    """Return the usable windows of a data set or of a functional group item, in file order.

    Windows whose width the function does not allow are left out.
    """
    centers = values.numbers(ds, "WindowCenter")
    widths = values.numbers(ds, "WindowWidth")
    explanations = values.texts(ds, "WindowCenterWidthExplanation")
    try:
        kind = VoiKind(values.text(ds, "VOILUTFunction", "LINEAR").upper())
    except ValueError:
        kind = VoiKind.LINEAR
    if kind is VoiKind.TABLE:
        kind = VoiKind.LINEAR
    found: list[Voi] = []
    for number, (center, width) in enumerate(zip(centers, widths)):
        explanation = explanations[number] if number < len(explanations) else ""
        try:
            found.append(Voi(kind, center, width, explanation=explanation))
        except ValueError:
            continue
    return found


def tables(ds: Dataset, *, signed_input: bool) -> list[Voi]:
    """Return the tables of VOI LUT Sequence, in file order.

    Parameters
    ----------
    signed_input : bool
        Whether modality values can be negative.
    """
    found: list[Voi] = []
    for item in values.items(ds, "VOILUTSequence"):
        table = lookup_table.from_item(item, signed_input=signed_input)
        if table is not None:
            found.append(Voi(VoiKind.TABLE, table=table, explanation=values.text(item, "LUTExplanation")))
    return found
