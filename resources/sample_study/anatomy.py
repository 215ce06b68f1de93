"""A chest drawn slice by slice."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .abdomen import paint_abdomen
from .bones import paint_ribs, paint_spine, paint_sternum
from .canvas import Canvas, Image
from .chest_organs import paint_lung_vessels, paint_lungs, paint_mediastinum, paint_nodule
from .labels import LEFT_LUNG, RIGHT_LUNG
from .shapes import cavity, noise_volume, superellipse
from .tree import Segment
from .wall import paint_muscles, paint_shoulders, paint_table, paint_wall

SOFT_TISSUE = -300.0  # Hounsfield units; the segments of the lungs hold nothing thick above it


@dataclass(frozen=True)
class Person:
    """What differs between the two examinations of the one patient."""

    breath: float = 0.0  # mm that the diaphragm stands higher
    nodule_diameter: float = 8.2
    contrast: float = 1.0


class Chest:
    """Paints slices of one patient in one examination."""

    def __init__(self, person: Person, trees: list[Segment], seed: int) -> None:
        self.person = person
        random = np.random.default_rng(seed)
        self.trees = trees
        self.tops = np.array([max(s.start[2], s.end[2]) + s.r0 for s in trees])
        self.bottoms = np.array([min(s.start[2], s.end[2]) - s.r0 for s in trees])
        self.noise = [noise_volume(random, n) for n in (7, 7, 18, 18)]
        self.texture = noise_volume(random, 40)
        self._fields: dict[tuple[int, float, int], Image] = {}
        self.sponge = random.normal(0.0, 1.0, (512, 512)).astype(np.float32)

    def field(self, volume: NDArray[np.float32], z: float, size: int) -> Image:
        """Return a slice of a smooth noise volume, stretched over the image."""
        known = self._fields.get((id(volume), z, size))
        if known is not None:
            return known
        depth = (z + 170.0) / 340.0 * (volume.shape[0] - 1)
        low = int(np.clip(np.floor(depth), 0, volume.shape[0] - 2))
        t = np.float32(np.clip(depth - low, 0.0, 1.0))
        flat = volume[low] * (1 - t) + volume[low + 1] * t
        result = cv2.resize(flat, (size, size), interpolation=cv2.INTER_CUBIC)
        if len(self._fields) > 12:
            self._fields.clear()
        self._fields[(id(volume), z, size)] = result
        return result

    def slice(self, size: int, pixel: float, centre: tuple[float, float], z: float) -> tuple[Image, NDArray[np.uint8]]:
        """Return the Hounsfield units and the labels of one slice."""
        fields = [self.field(volume, z, size) for volume in self.noise]
        warp = (
            5.0 * np.tanh(fields[0] * 0.8) + 1.2 * np.tanh(fields[2]),
            5.0 * np.tanh(fields[1] * 0.8) + 1.2 * np.tanh(fields[3]),
        )
        canvas = Canvas(size, pixel, centre, z, warp)
        skin = paint_wall(self, canvas)
        inner = superellipse(canvas, *cavity(z))
        paint_muscles(self, canvas, skin, inner)
        paint_shoulders(self, canvas, skin)
        inside = canvas.cover(inner + 9.0)
        canvas.blend(inside, -98.0)
        paint_abdomen(self, canvas, inner)
        lung, right = paint_lungs(self, canvas, inner)
        paint_mediastinum(self, canvas)
        paint_lung_vessels(self, canvas, lung)
        paint_spine(self, canvas)
        paint_ribs(self, canvas, inner)
        paint_sternum(self, canvas)
        labels = np.zeros((size, size), dtype=np.uint8)
        air = (lung > 0.5) & ~_solid(canvas.hu, pixel)
        labels[air & right] = RIGHT_LUNG
        labels[air & ~right] = LEFT_LUNG
        _keep_apart(labels)
        paint_nodule(self, canvas, labels)
        paint_table(self, canvas, skin)
        return canvas.hu, labels


def _solid(hounsfield: Image, pixel: float) -> NDArray[np.bool_]:
    """Return soft tissue thicker than about 4 mm: a segmentation fills the fine vessels, not the great ones."""
    dense = (hounsfield > SOFT_TISSUE).astype(np.uint8)
    width = max(3, round(4.0 / pixel) | 1)
    return cv2.morphologyEx(dense, cv2.MORPH_OPEN, np.ones((width, width), np.uint8)).astype(np.bool_)


def _keep_apart(labels: NDArray[np.uint8]) -> None:
    """Clear the pixels where the lungs touch: pleura lies between them."""
    near = np.ones((3, 3), np.uint8)
    right, left = ((labels == number).astype(np.uint8) for number in (RIGHT_LUNG, LEFT_LUNG))
    labels[(cv2.dilate(right, near) > 0) & (cv2.dilate(left, near) > 0)] = 0
