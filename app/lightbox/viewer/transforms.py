"""From the pixels of an image to the pixels of a viewport and back.

Two conventions meet here and are kept apart by name:

*image coordinates*
    Continuous, column direction first. (0, 0) is the outer corner of the first pixel, the centre of pixel (column c,
    row r) is (c + 0.5, r + 0.5) and the far corner of the image is (columns, rows). These are the coordinates of
    SCOORD (PS3.3 C.18.6.1.2), so that graphics need no conversion.
*pixel-centre coordinates*
    0-based indices as `ImagePlane` uses them; image coordinates minus one half.

Viewport coordinates are logical pixels of the widget, (0, 0) at the outer corner of its first pixel, y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrameShape:
    """Size of a frame and the distances between its pixels.

    ``row_spacing`` and ``column_spacing`` are mm between adjacent rows and columns when the image is calibrated,
    otherwise only their ratio means something (Pixel Aspect Ratio, PS3.3 C.7.6.3.1.7).
    """

    rows: int
    columns: int
    row_spacing: float = 1.0
    column_spacing: float = 1.0

    @property
    def aspect(self) -> tuple[float, float]:
        """Scale of (columns, rows) that makes the image isotropic; the finer direction has 1."""
        finest = min(self.row_spacing, self.column_spacing)
        return self.column_spacing / finest, self.row_spacing / finest


def _rotation(degrees: float) -> Matrix:
    """Clockwise on the screen (y down), exact for quarter turns."""
    quarter = degrees / 90.0
    if quarter == round(quarter):
        cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[round(quarter) % 4]
    else:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def orientation_matrix(rotation: float, flip: bool) -> Matrix:
    """Return the 2x2 matrix of "rotate clockwise, then mirror left to right" (order of PS3.3 C.10.6)."""
    matrix = _rotation(rotation)[:2, :2]
    return np.diag([-1.0, 1.0]) @ matrix if flip else matrix


def fit_scale(shape: FrameShape, width: float, height: float, rotation: float = 0.0) -> float:
    """Return viewport pixels per pixel of the finer direction with which the turned image just fits."""
    across, down = shape.aspect
    turned = np.abs(_rotation(rotation)[:2, :2]) @ np.array([shape.columns * across, shape.rows * down])
    if width <= 0 or height <= 0 or turned[0] <= 0 or turned[1] <= 0:
        return 1.0
    return float(min(width / turned[0], height / turned[1]))


@dataclass(frozen=True)
class ViewTransform:
    """An affine map from image coordinates to viewport coordinates.

    Attributes
    ----------
    matrix : ndarray
        (3, 3) float64: (x, y, 1) in image coordinates to (x, y, 1) in the viewport.
    """

    matrix: Matrix

    @classmethod
    def of(
        cls,
        shape: FrameShape,
        width: float,
        height: float,
        *,
        scale: float,
        centre: tuple[float, float] | None = None,
        rotation: float = 0.0,
        flip: bool = False,
    ) -> ViewTransform:
        """Build the map.

        Parameters
        ----------
        shape : FrameShape
            The frame.
        width, height : float
            Size of the viewport.
        scale : float
            Viewport pixels per image pixel of the finer direction.
        centre : tuple of 2 floats, optional
            Image coordinates shown in the middle of the viewport; default the middle of the image.
        rotation : float
            Degrees clockwise, applied first.
        flip : bool
            Mirror left to right, applied after the rotation.
        """
        x, y = centre if centre is not None else (shape.columns / 2, shape.rows / 2)
        across, down = shape.aspect
        linear = orientation_matrix(rotation, flip) @ np.diag([across * scale, down * scale])
        matrix = np.eye(3)
        matrix[:2, :2] = linear
        matrix[:2, 2] = np.array([width / 2, height / 2]) - linear @ np.array([x, y])
        return cls(matrix)

    @cached_property
    def inverse(self) -> Matrix:
        """(3, 3) from viewport to image coordinates."""
        return np.linalg.inv(self.matrix).astype(np.float64)

    def to_viewport(self, x: float, y: float) -> tuple[float, float]:
        """Map one point of the image (image coordinates)."""
        matrix = self.matrix
        return (
            float(matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]),
            float(matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]),
        )

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """Map one point of the viewport to image coordinates."""
        matrix = self.inverse
        return (
            float(matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]),
            float(matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]),
        )

    def points_to_viewport(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (n, 2) image coordinates to (n, 2) viewport coordinates."""
        return points @ self.matrix[:2, :2].T + self.matrix[:2, 2]

    def pixel_at(self, x: float, y: float, shape: FrameShape) -> tuple[int, int] | None:
        """Return the 0-based (column, row) of the pixel under a point of the viewport, None outside the image."""
        across, down = self.to_image(x, y)
        column, row = math.floor(across), math.floor(down)
        return (column, row) if 0 <= column < shape.columns and 0 <= row < shape.rows else None
