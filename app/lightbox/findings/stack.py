"""A stack of parallel mask planes and its sampling on any other plane of the same Frame of Reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom.image_plane import ImagePlane

Labels: TypeAlias = NDArray[np.unsignedinteger[Any]]
# Share of a voxel that coordinates may be off through the rounding of decimal strings.
_SLACK = 1e-3


@dataclass
class Stack:
    """Parallel frames of a SEG with one orientation and one pixel spacing.

    Attributes
    ----------
    row_cosines, column_cosines : (3,) float arrays
        Directions of increasing column and row index.
    row_spacing, column_spacing : float
        mm between rows and between columns.
    positions : (n, 3) float array
        Image Position (Patient) of each plane, sorted along the normal.
    spacing : float
        mm between neighbouring planes (planes without any mask are not stored, so gaps may be multiples of it).
    regular : bool
        Whether all gaps are multiples of `spacing`.
    dtype : type
        uint8 where all segment numbers fit, else uint16.
    layers : list of (n, rows, columns) uint8 or uint16 arrays
        Segment numbers, 0 = none; where segments overlap the later ones are in further layers.
    occupied : list of (n,) bool arrays
        Which planes of each layer hold anything.
    """

    row_cosines: NDArray[np.float64]
    column_cosines: NDArray[np.float64]
    row_spacing: float
    column_spacing: float
    rows: int
    columns: int
    positions: NDArray[np.float64]
    spacing: float
    regular: bool
    dtype: type[np.uint8] | type[np.uint16] = np.uint16
    layers: list[Labels] = field(default_factory=list)
    occupied: list[NDArray[np.bool_]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.normal = np.cross(self.row_cosines, self.column_cosines)
        self.normal /= np.linalg.norm(self.normal)
        self.distances = self.positions @ self.normal
        basis = np.stack(
            [self.row_cosines * self.column_spacing, self.column_cosines * self.row_spacing, self.normal], axis=1
        )
        # Rows of the inverse turn a difference in mm into columns, rows and mm along the normal.
        self._inverse = np.linalg.inv(basis)
        offsets = (self.positions - self.positions[0]) @ self._inverse.T
        self._offsets = offsets[:, :2]
        self._straight = bool(np.abs(self._offsets).max() < _SLACK) if len(offsets) else True
        self._grid = self._build_grid() if self.regular else None

    def _build_grid(self) -> NDArray[np.intp]:
        """Return plane index by slot of the regular grid from the first to the last plane; -1 where none is stored."""
        slots = np.rint((self.distances - self.distances[0]) / self.spacing).astype(np.intp)
        grid = np.full(int(slots[-1]) + 1, -1, dtype=np.intp)
        grid[slots] = np.arange(len(slots))
        return grid

    def plane(self, index: int, frame_of_reference_uid: str) -> ImagePlane:
        """Return the plane of a stored mask."""
        x, y, z = (float(part) for part in self.positions[index])
        rx, ry, rz = (float(part) for part in self.row_cosines)
        cx, cy, cz = (float(part) for part in self.column_cosines)
        return ImagePlane(
            (x, y, z), (rx, ry, rz), (cx, cy, cz), self.row_spacing, self.column_spacing, self.rows, self.columns,
            frame_of_reference_uid, self.spacing,
        )  # fmt: skip

    def add(self, index: int, found: NDArray[np.intp], number: int) -> None:
        """Mark pixels (flat indices) of a plane with a segment number; pixels already taken go to the next layer."""
        depth = 0
        while found.size:
            if depth == len(self.layers):
                self.layers.append(np.zeros((len(self.positions), self.rows, self.columns), dtype=self.dtype))
                self.occupied.append(np.zeros(len(self.positions), dtype=bool))
            flat = self.layers[depth][index].reshape(-1)
            if self.occupied[depth][index]:
                present = flat[found]
                free = present == 0
                flat[found[free]] = number
                found = found[~free & (present != number)]
            else:
                flat[found] = number
                self.occupied[depth][index] = True
                return
            depth += 1

    def nearest(self, distance: float) -> int:
        """Return the index of the plane that represents a position along the normal (mm), -1 outside."""
        if not len(self.distances):
            return -1
        index = int(np.argmin(np.abs(self.distances - distance)))
        reach = self.spacing * (0.5 + _SLACK)
        return index if abs(float(self.distances[index]) - distance) <= reach else -1

    def coefficients(self, plane: ImagePlane) -> NDArray[np.float64]:
        """Return the (3, 3) matrix from (column, row, 1) of `plane` to column, row and mm along the normal of this.

        Column and row are relative to the first stored plane, mm to the origin of the patient.
        """
        affine = plane.affine
        matrix = np.stack([affine[:3, 0], affine[:3, 1], affine[:3, 3] - self.positions[0]], axis=1)
        result = self._inverse @ matrix
        result[2, 2] += self.distances[0]
        return result

    def sample(self, plane: ImagePlane) -> list[NDArray[np.uint16]]:
        """Return the labels on `plane`, one array for each layer that has any there; nearest voxel.

        Returns
        -------
        list of (plane.rows, plane.columns) uint16 arrays
            Empty when no stored plane reaches `plane`.
        """
        if not self.layers:
            return []
        matrix = self.coefficients(plane)
        extent = np.array([max(plane.columns - 1, 1), max(plane.rows - 1, 1)], dtype=np.float64)
        corners = matrix[2, 2] + np.array(
            [0.0, matrix[2, 0] * extent[0], matrix[2, 1] * extent[1], matrix[2, :2] @ extent]
        )
        reach = self.spacing * (0.5 + _SLACK)
        if corners.max() < self.distances[0] - reach or corners.min() > self.distances[-1] + reach:
            return []
        if np.ptp(corners) <= 0.02 * self.spacing:
            index = self.nearest(float(corners.mean()))
            if index < 0:
                return []
            matrix[:2, 2] -= self._offsets[index]
            columns, rows = _pixel_indices(matrix[0], plane), _pixel_indices(matrix[1], plane)
            return self._gather(plane, np.array([[index]]), columns, rows)
        slots = self._slots(matrix[2], plane)
        if self._straight:
            columns, rows = _pixel_indices(matrix[0], plane), _pixel_indices(matrix[1], plane)
        else:
            safe = np.maximum(slots, 0)
            columns = _pixel_indices(matrix[0], plane, self._offsets[safe, 0])
            rows = _pixel_indices(matrix[1], plane, self._offsets[safe, 1])
        return self._gather(plane, slots, columns, rows)

    def _slots(self, line: NDArray[np.float64], plane: ImagePlane) -> NDArray[np.intp]:
        """Return the plane index for each pixel of `plane` (broadcastable), -1 where no plane is near enough."""
        distance = _linear(line, plane)
        if self._grid is not None:
            slot = np.floor((distance - self.distances[0]) / self.spacing + (0.5 + 1e-6)).astype(np.intp)
            inside = (slot >= 0) & (slot < len(self._grid))
            return np.where(inside, self._grid[np.clip(slot, 0, len(self._grid) - 1)], -1)
        middles = (self.distances[1:] + self.distances[:-1]) / 2
        index = np.searchsorted(middles, distance)
        near = np.abs(self.distances[index] - distance) <= self.spacing * (0.5 + _SLACK)
        return np.where(near, index, -1)

    def _gather(
        self, plane: ImagePlane, slots: NDArray[np.intp], columns: NDArray[np.intp], rows: NDArray[np.intp]
    ) -> list[NDArray[np.uint16]]:
        """Look the labels up; the three index arrays are broadcastable to the shape of `plane`."""
        shape = (plane.rows, plane.columns)
        valid = (slots >= 0) & (columns >= 0) & (columns < self.columns) & (rows >= 0) & (rows < self.rows)
        used = _bounds(valid, shape)
        if used is None:
            return []
        top, bottom, left, right = used
        cut = tuple(_crop(part, top, bottom, left, right) for part in (slots, rows, columns))
        whole = bool(_crop(valid, top, bottom, left, right).all())
        limits = (len(self.positions) - 1, self.rows - 1, self.columns - 1)
        indices = cut if whole else tuple(np.clip(part, 0, limit) for part, limit in zip(cut, limits, strict=True))
        first, last = int(indices[0].min()), int(indices[0].max()) + 1
        look_up = _lookup(indices, (self.rows, self.columns))
        result = []
        for layer, occupied in zip(self.layers, self.occupied, strict=True):
            if not occupied[first:last].any():
                continue
            labels = look_up(layer)
            if not whole:
                labels = labels * _crop(valid, top, bottom, left, right)
            if not labels.any():
                continue
            full = np.zeros(shape, dtype=np.uint16)
            full[top:bottom, left:right] = labels
            result.append(full)
        return result


def _lookup(indices: tuple[NDArray[np.intp], ...], size: tuple[int, int]) -> Callable[[Labels], Labels]:
    """Return how to fetch the voxels at broadcastable (plane, row, column) indices from a layer.

    Where the sampled plane is parallel to two axes of the stack each index depends on the row or on the column alone,
    and the voxels are two quick selections; otherwise every pixel is looked up.
    """
    fixed = [k for k, part in enumerate(indices) if part.size == 1]
    down = [k for k, part in enumerate(indices) if part.shape[0] > 1 and part.shape[1] == 1]
    across = [k for k, part in enumerate(indices) if part.shape[1] > 1 and part.shape[0] == 1]
    if len(down) == 1 and len(across) == 1 and len(fixed) == 1:
        at = int(indices[fixed[0]][0, 0])
        rows, columns = _selection(indices[down[0]].ravel()), _selection(indices[across[0]].ravel())
        swapped = down[0] > across[0]

        def select(layer: Labels) -> Labels:
            image = layer[at] if fixed[0] == 0 else layer[:, at] if fixed[0] == 1 else layer[:, :, at]
            image = image.T if swapped else image
            return image[rows][:, columns]

        return select
    flat = (indices[0] * size[0] + indices[1]) * size[1] + indices[2]
    return lambda layer: layer.reshape(-1)[flat]


def _selection(index: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return a slice for indices that go up one by one, else the indices."""
    if index.size > 1 and int(index[-1] - index[0]) == index.size - 1 and bool((np.diff(index) == 1).all()):
        return slice(int(index[0]), int(index[-1]) + 1)
    return index


def _linear(line: NDArray[np.float64], plane: ImagePlane) -> NDArray[np.float64]:
    """Return a * column + b * row + c over the pixels of `plane`, kept (1, n), (n, 1) or (1, 1) where it can be."""
    a, b, c = (float(part) for part in line)
    moves_by_column = abs(a) * plane.columns > _SLACK * 10
    moves_by_row = abs(b) * plane.rows > _SLACK * 10
    value = np.array([[c]])
    if moves_by_column:
        value = value + a * np.arange(plane.columns, dtype=np.float64)[None, :]
    else:
        value = value + a * (plane.columns - 1) / 2
    if moves_by_row:
        value = value + b * np.arange(plane.rows, dtype=np.float64)[:, None]
    else:
        value = value + b * (plane.rows - 1) / 2
    return value


def _pixel_indices(
    line: NDArray[np.float64], plane: ImagePlane, shift: NDArray[np.float64] | None = None
) -> NDArray[np.intp]:
    """Return the nearest pixel index for each pixel of `plane` (broadcastable)."""
    value = _linear(line, plane)
    if shift is not None:
        value = value - shift
    return np.floor(value + (0.5 + 1e-6)).astype(np.intp)


def _bounds(valid: NDArray[np.bool_], shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return top, bottom, left, right of the smallest rectangle that holds all valid pixels, or None."""
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if not rows.size or not columns.size:
        return None
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if valid.shape[0] == shape[0] else (0, shape[0])
    left, right = (int(columns[0]), int(columns[-1]) + 1) if valid.shape[1] == shape[1] else (0, shape[1])
    return top, bottom, left, right


def _crop(part: NDArray, top: int, bottom: int, left: int, right: int) -> NDArray:
    """Cut a broadcastable array to a rectangle of the plane."""
    rows = slice(top, bottom) if part.shape[0] > 1 else slice(None)
    columns = slice(left, right) if part.shape[1] > 1 else slice(None)
    return part[rows, columns]
