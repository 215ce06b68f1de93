"""One slice being painted: coordinates in mm, soft-edged shapes, Hounsfield units."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.floating[Any]]
Box = tuple[slice, slice]


class Canvas:
    """A transverse slice at height `z` (mm, +z head; +x left, +y posterior).

    Shapes are given by signed distance (mm, negative inside) and painted with an edge of about one pixel, so that
    borders carry partial volume as in a real image.
    """

    def __init__(
        self, size: int, pixel: float, centre: tuple[float, float], z: float, warp: tuple[Image, Image]
    ) -> None:
        self.size, self.pixel, self.z = size, pixel, z
        axis = (np.arange(size, dtype=np.float32) - (size - 1) / 2.0) * np.float32(pixel)
        self.left, self.top = float(axis[0] + centre[0]), float(axis[0] + centre[1])
        self.plain = (
            np.broadcast_to((axis + np.float32(centre[0]))[None, :], (size, size)),
            np.broadcast_to((axis + np.float32(centre[1]))[:, None], (size, size)),
        )
        self.x, self.y = self.plain[0] + warp[0], self.plain[1] + warp[1]
        self.hu = np.full((size, size), -1000.0, dtype=np.float32)
        self.slack = 7.0

    def box(self, x0: float, x1: float, y0: float, y1: float) -> Box | None:
        """Return the part of the slice that holds a rectangle in mm, or None when it is outside."""
        margin = self.slack
        c0 = max(int((x0 - margin - self.left) / self.pixel), 0)
        c1 = min(int((x1 + margin - self.left) / self.pixel) + 2, self.size)
        r0 = max(int((y0 - margin - self.top) / self.pixel), 0)
        r1 = min(int((y1 + margin - self.top) / self.pixel) + 2, self.size)
        return (slice(r0, r1), slice(c0, c1)) if c0 < c1 and r0 < r1 else None

    def shift(self, x: float, y: float) -> NDArray[np.float64]:
        """Return by how many mm (x, y, 0) the coordinates are bent near a place."""
        column = min(max(int((x - self.left) / self.pixel + 0.5), 0), self.size - 1)
        row = min(max(int((y - self.top) / self.pixel + 0.5), 0), self.size - 1)
        return np.array(
            [self.x[row, column] - self.plain[0][row, column], self.y[row, column] - self.plain[1][row, column], 0.0]
        )

    def cover(self, distance: Image, edge: float | None = None) -> Image:
        """Return how much of each pixel is inside (0..1) of a shape."""
        return np.clip(np.float32(0.5) - distance / np.float32(edge or self.pixel), 0.0, 1.0)

    def paint(self, distance: Image, value: float | Image, box: Box | None = None, edge: float | None = None) -> None:
        """Paint a shape with a value or an image of values."""
        self.blend(self.cover(distance, edge), value, box)

    def blend(self, coverage: Image, value: float | Image, box: Box | None = None) -> None:
        """Mix a value in by coverage (0..1)."""
        target = self.hu if box is None else self.hu[box]
        target += coverage * (value - target)

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, box: Box, turn: float = 0.0) -> Image:
        """Return the signed distance to an ellipse turned by `turn` radians (approximate, exact at the axes)."""
        dx, dy = self.x[box] - np.float32(cx), self.y[box] - np.float32(cy)
        if turn:
            cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            dx, dy = dx * cosine + dy * sine, dy * cosine - dx * sine
        root = np.sqrt((dx / np.float32(rx)) ** 2 + (dy / np.float32(ry)) ** 2)
        return (root - np.float32(1.0)) * np.float32(min(rx, ry))

    def draw_ellipse(
        self, cx: float, cy: float, rx: float, ry: float, value: float, turn: float = 0.0, edge: float | None = None
    ) -> None:
        """Paint an ellipse."""
        reach = max(rx, ry)
        box = self.box(cx - reach, cx + reach, cy - reach, cy + reach)
        if box is not None and min(rx, ry) > 0:
            self.paint(self.ellipse(cx, cy, rx, ry, box, turn), value, box, edge)

    def ellipsoid(
        self, centre: tuple[float, ...], axes: NDArray[np.float64], grow: float = 0.0
    ) -> tuple[Image, Box] | None:
        """Return the signed distance to an ellipsoid on this slice.

        Parameters
        ----------
        centre : tuple of 3 float
        axes : (3, 3) array
            One semi-axis vector (mm) a row.
        grow : float
            mm added to all semi-axes.
        """
        lengths = np.linalg.norm(axes, axis=1)
        scaled = axes / lengths[:, None] ** 2 * (lengths / (lengths + grow))[:, None]
        reach = np.sqrt(((axes * ((lengths + grow) / lengths)[:, None]) ** 2).sum(axis=0))
        dz = self.z - centre[2]
        if abs(dz) > reach[2] + 2:
            return None
        box = self.box(centre[0] - reach[0], centre[0] + reach[0], centre[1] - reach[1], centre[1] + reach[1])
        if box is None:
            return None
        dx, dy = self.x[box] - np.float32(centre[0]), self.y[box] - np.float32(centre[1])
        total = np.zeros_like(dx)
        for a, b, c in scaled.astype(np.float32):
            total += (a * dx + b * dy + np.float32(c * dz)) ** 2
        return (np.sqrt(total) - np.float32(1.0)) * np.float32(lengths.min() + grow), box

    def draw_ellipsoid(
        self,
        centre: tuple[float, ...],
        axes: NDArray[np.float64],
        value: float,
        grow: float = 0.0,
        edge: float | None = None,
    ) -> None:
        """Paint the section of an ellipsoid."""
        found = self.ellipsoid(centre, axes, grow)
        if found is not None:
            self.paint(found[0], value, found[1], edge)

    def tube(
        self, start: NDArray[np.float64], end: NDArray[np.float64], r0: float, r1: float
    ) -> tuple[Image, Box] | None:
        """Return the signed distance to a straight tube with round ends and a linear radius, on this slice."""
        radius = max(r0, r1)
        low, high = min(start[2], end[2]) - radius, max(start[2], end[2]) + radius
        if not low - self.pixel <= self.z <= high + self.pixel:
            return None
        span = end - start
        length2 = float(span @ span) or 1e-6
        # Only the part of the tube near this height matters for the window.
        if abs(span[2]) > 1e-6:
            ta = (self.z - radius - start[2]) / span[2]
            tb = (self.z + radius - start[2]) / span[2]
            ta, tb = np.clip(sorted((ta, tb)), 0.0, 1.0)
        else:
            ta, tb = 0.0, 1.0
        near, far = start + span * ta, start + span * tb
        # The coordinates are bent by up to 6 mm: the window goes where the bent tube is.
        bend = self.shift((near[0] + far[0]) / 2, (near[1] + far[1]) / 2)
        near, far = near - bend, far - bend
        length = float(np.hypot(far[0] - near[0], far[1] - near[1]))
        reach = radius - self.slack + min(2.0 + 0.2 * length, 7.0) + self.pixel
        box = self.box(
            min(near[0], far[0]) - reach,
            max(near[0], far[0]) + reach,
            min(near[1], far[1]) - reach,
            max(near[1], far[1]) + reach,
        )
        if box is None:
            return None
        dx, dy = self.x[box] - np.float32(start[0]), self.y[box] - np.float32(start[1])
        dz = np.float32(self.z - start[2])
        sx, sy, sz = (np.float32(part) for part in span)
        t = np.clip((dx * sx + dy * sy + dz * sz) / np.float32(length2), 0.0, 1.0)
        distance = np.sqrt((dx - t * sx) ** 2 + (dy - t * sy) ** 2 + (dz - t * sz) ** 2)
        return distance - (np.float32(r0) + t * np.float32(r1 - r0)), box

    def draw_tubes(self, points: list[tuple[float, float, float, float]], value: float, grow: float = 0.0) -> None:
        """Paint a chain of tubes through (x, y, z, radius) points."""
        for one, two in pairwise(points):
            found = self.tube(np.array(one[:3]), np.array(two[:3]), one[3] + grow, two[3] + grow)
            if found is not None:
                self.paint(found[0], value, found[1])
