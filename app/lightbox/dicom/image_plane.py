"""Image Plane (PS3.3 C.7.6.2): where the pixels of a frame are in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class ImagePlane:
    """Geometry of one frame in its Frame of Reference (mm, patient LPS: +x left, +y posterior, +z head).

    Attributes
    ----------
    position : tuple of 3 floats
        Image Position (Patient): centre of the first pixel transmitted (upper left).
    row_cosines : tuple of 3 floats
        Direction of increasing column index (first triplet of Image Orientation (Patient)).
    column_cosines : tuple of 3 floats
        Direction of increasing row index (second triplet).
    row_spacing : float
        mm between the centres of adjacent rows (first value of Pixel Spacing).
    column_spacing : float
        mm between the centres of adjacent columns (second value of Pixel Spacing).
    rows, columns : int
        Size of the pixel matrix.
    frame_of_reference_uid : str
        Empty when unknown; planes compare in space only when this is equal and not empty.
    slice_thickness : float or None
        Nominal thickness in mm, for display only; never used as spacing between slices.
    """

    position: tuple[float, float, float]
    row_cosines: tuple[float, float, float]
    column_cosines: tuple[float, float, float]
    row_spacing: float
    column_spacing: float
    rows: int
    columns: int
    frame_of_reference_uid: str = ""
    slice_thickness: float | None = None

    @cached_property
    def normal(self) -> Vector:
        """Unit vector row_cosines x column_cosines."""
        normal = np.cross(self.row_cosines, self.column_cosines).astype(np.float64)
        return (normal / float(np.linalg.norm(normal))).astype(np.float64)

    @property
    def distance(self) -> float:
        """Position along the normal in mm: the value that slices are sorted by."""
        return float(np.dot(self.normal, self.position))

    @cached_property
    def affine(self) -> NDArray[np.float64]:
        """4x4 matrix from (column, row, 0, 1), 0-based pixel centres, to patient LPS mm (PS3.3 C.7.6.2.1-1)."""
        matrix = np.eye(4)
        matrix[:3, 0] = np.asarray(self.row_cosines) * self.column_spacing
        matrix[:3, 1] = np.asarray(self.column_cosines) * self.row_spacing
        matrix[:3, 2] = self.normal
        matrix[:3, 3] = self.position
        return matrix

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """4x4 matrix from patient LPS mm to (column, row, mm above the plane, 1)."""
        return np.linalg.inv(self.affine).astype(np.float64)

    def to_patient(self, column: float, row: float) -> Vector:
        """Return the patient position (mm) of a 0-based pixel-centre coordinate."""
        return (self.affine @ np.array([column, row, 0.0, 1.0]))[:3]

    def to_pixel(self, point: Vector | tuple[float, float, float]) -> Vector:
        """Return (column, row, distance above the plane in mm) of a patient position (mm)."""
        return (self.inverse @ np.array([*point, 1.0]))[:3]

    def is_parallel(self, other: ImagePlane, tolerance: float = 1e-3) -> bool:
        """Whether both normals point the same or the opposite way (1 - abs(cosine) below `tolerance`)."""
        return 1.0 - abs(float(np.dot(self.normal, other.normal))) < tolerance
