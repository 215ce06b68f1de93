"""Diaphragm, liver, spleen and stomach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import Canvas, Image
from .shapes import half_plane, turned

if TYPE_CHECKING:
    from .anatomy import Chest


def diaphragm(chest: Chest, canvas: Canvas) -> tuple[Image, Image]:
    """Return the height (mm) of the right and the left diaphragm over each pixel."""
    wave = chest.field(chest.noise[0], 0.0, canvas.size) * 4.0
    right = -68.0 + chest.person.breath - (
        ((canvas.x + 62.0) / 78.0) ** 2 * 62.0 + ((canvas.y + 6.0) / 82.0) ** 2 * 74.0
    )  # fmt: skip
    left = -82.0 + chest.person.breath - (
        ((canvas.x - 68.0) / 74.0) ** 2 * 56.0 + ((canvas.y + 4.0) / 82.0) ** 2 * 72.0
    )  # fmt: skip
    return right + wave, left + wave


def paint_abdomen(chest: Chest, canvas: Canvas, inner: Image) -> None:
    """Paint liver, spleen, stomach and the diaphragm."""
    z = canvas.z
    if z > -40.0:
        return
    right, left = diaphragm(chest, canvas)
    texture = chest.field(chest.texture, z, canvas.size) * 5.0
    wall = inner + 10.5
    body_of_liver = np.maximum(np.maximum(z - right, wall), half_plane(canvas, 58.0, -18.0, 0.80, 0.60))
    fine = chest.sponge[: canvas.size, : canvas.size] if canvas.size <= 512 else np.float32(0.0)
    canvas.paint(np.maximum(z - right - 3.0, wall - 1.0), 48.0)
    canvas.paint(np.maximum(np.maximum(z - left - 3.0, wall - 1.0), -canvas.x + 12.0), 48.0)
    canvas.paint(np.maximum(np.maximum(z - left, wall), -canvas.x + 14.0), -100.0)
    canvas.paint(body_of_liver, 108.0 * chest.person.contrast + texture + fine * 2.0)
    for angle, radius in ((0.4, 5.0), (1.2, 4.2), (2.0, 3.6)):
        start = np.array([-16.0, 18.0, -90.0])
        end = start + np.array([-np.cos(angle) * 75.0, -np.sin(angle) * 62.0 + 8.0, -38.0])
        found = canvas.tube(start, end, radius, radius * 0.5)
        if found is not None:
            coverage = canvas.cover(found[0]) * canvas.cover(body_of_liver[found[1]] + 4.0)
            canvas.blend(coverage, 165.0 * chest.person.contrast, found[1])
    spleen = canvas.ellipsoid((92.0, 44.0, -128.0), turned((30.0, 44.0, 42.0), 0.5))
    if spleen is not None:
        d = np.maximum(spleen[0], np.maximum(z - left + 2.0, wall + 1.0)[spleen[1]])
        canvas.paint(d, 128.0 * chest.person.contrast, spleen[1])
    stomach = canvas.ellipsoid((62.0, -22.0, -132.0), turned((36.0, 44.0, 42.0), -0.3))
    if stomach is not None:
        d = np.maximum(stomach[0], np.maximum(z - left + 2.0, wall + 1.0)[stomach[1]])
        canvas.paint(d, 62.0, stomach[1])
        level = canvas.y[stomach[1]] + 34.0
        canvas.paint(d + 4.0, 24.0, stomach[1])
        canvas.paint(np.maximum(d + 4.0, level), -980.0, stomach[1])
