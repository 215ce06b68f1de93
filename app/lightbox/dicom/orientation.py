"""Orientation letters: which way of the patient a direction or an edge of the picture points (PS3.3 C.7.6.1.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightbox.dicom import frames, values

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.dicom.image_plane import ImagePlane

THRESHOLD = 0.2
"""Components of a unit vector below this (11.5 degrees off the plane of the others) get no letter."""

_AXES = (("L", "R"), ("P", "A"), ("H", "F"))
_OPPOSITE = str.maketrans("LRAPHFlraphf", "RLPAFHrlpafh")


@dataclass(frozen=True, slots=True)
class Edges:
    """Letters at the edges of a picture; empty where nothing is known.

    The methods return what the edges say after the picture was turned or mirrored.
    """

    left: str = ""
    right: str = ""
    top: str = ""
    bottom: str = ""

    def flipped_horizontally(self) -> Edges:
        """Mirror left and right."""
        return Edges(self.right, self.left, self.top, self.bottom)

    def flipped_vertically(self) -> Edges:
        """Mirror top and bottom."""
        return Edges(self.left, self.right, self.bottom, self.top)

    def rotated(self, quarter_turns: int) -> Edges:
        """Turn clockwise by quarter turns."""
        found = self
        for _ in range(quarter_turns % 4):
            found = Edges(left=found.bottom, right=found.top, top=found.left, bottom=found.right)
        return found

    def __bool__(self) -> bool:
        return bool(self.left or self.right or self.top or self.bottom)


def letters(direction: Sequence[float]) -> str:
    """Return up to three letters for a direction (patient LPS), strongest first: "L", "PR", "HLA".

    L and R are the patient's left and right, P and A back and front, H and F head and feet. A zero vector gives "".
    """
    length = sum(float(component) ** 2 for component in direction) ** 0.5
    if not length > 0:
        return ""
    parts = [
        (abs(float(component)) / length, positive if component > 0 else negative)
        for component, (positive, negative) in zip(direction, _AXES)
    ]
    return "".join(letter for size, letter in sorted(parts, key=lambda part: -round(part[0], 6)) if size >= THRESHOLD)


def opposite(text: str) -> str:
    """Return the letters of the opposite direction ("PR" for "AL")."""
    return text.translate(_OPPOSITE)


def edges(plane: ImagePlane) -> Edges:
    """Return the letters at the edges of a frame drawn with its first row on top and its first column on the left."""
    right, bottom = letters(plane.row_cosines), letters(plane.column_cosines)
    return Edges(left=opposite(right), right=right, top=opposite(bottom), bottom=bottom)


def edges_of(ds: Dataset, frame: int = 0) -> Edges:
    """Return the letters at the edges of a frame (0-based) of any image.

    From its plane if it has one, else from Patient Orientation (0020,0020), the only source of projection images.
    Letters other than those of bipeds are left out.
    """
    plane = frames.frame_plane(ds, frame)
    if plane is not None:
        return edges(plane)
    return from_patient_orientation(values.texts(ds, "PatientOrientation"))


def from_patient_orientation(directions: Sequence[str]) -> Edges:
    """Return edges from the two values of Patient Orientation: towards increasing columns, towards increasing rows."""
    if len(directions) != 2:
        return Edges()
    right, bottom = (_clean(direction) for direction in directions)
    return Edges(left=opposite(right), right=right, top=opposite(bottom), bottom=bottom)


def _clean(direction: str) -> str:
    known = direction.strip().upper()
    return known if known and set(known) <= set("LRAPHF") else ""
