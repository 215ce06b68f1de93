"""Scanning the drawn chest: a volume with the blur and noise of a CT, its labels, and a topogram."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .anatomy import Chest, Person
from .tree import lung_trees


@dataclass(frozen=True)
class Protocol:
    """How an examination is scanned (mm)."""

    size: int
    slices: int
    spacing: float
    field_of_view: float
    centre: tuple[float, float]
    top: float
    noise: float = 10.5

    @property
    def pixel(self) -> float:
        """Pixel spacing in mm."""
        return self.field_of_view / self.size

    def heights(self) -> NDArray[np.float64]:
        """Return the heights of the slices in the drawn chest, head first."""
        return np.asarray(self.top - np.arange(self.slices) * self.spacing, dtype=np.float64)


@dataclass(frozen=True)
class Scan:
    """A scanned volume: (k, j, i) int16 Hounsfield units, head first, and uint8 labels."""

    protocol: Protocol
    hounsfield: NDArray[np.int16]
    labels: NDArray[np.uint8]


def scan(person: Person, protocol: Protocol, seed: int, noise_seed: int) -> Scan:
    """Scan the chest of a person; the same seeds give the same voxels."""
    chest = Chest(person, lung_trees(seed), seed)
    size, count = protocol.size, protocol.slices
    volume = np.empty((count, size, size), dtype=np.float32)
    labels = np.empty((count, size, size), dtype=np.uint8)
    for k, z in enumerate(protocol.heights()):
        image, labels[k] = chest.slice(size, protocol.pixel, protocol.centre, float(z))
        cv2.GaussianBlur(image, (0, 0), 0.55 / protocol.pixel + 0.25, dst=volume[k])
    random = np.random.default_rng(noise_seed)
    stored = np.empty(volume.shape, dtype=np.int16)
    for k in range(count):
        # Neighbouring slices overlap a little, as the slice profile of a scanner does.
        image = volume[k] * np.float32(0.76) + np.float32(0.12) * (
            volume[max(k - 1, 0)] + volume[min(k + 1, count - 1)]
        )
        image += _noise(random, image, protocol)
        stored[k] = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
        _outside_circle(stored[k])
    return Scan(protocol, stored, labels)


def _noise(random: np.random.Generator, image: NDArray[np.float32], protocol: Protocol) -> NDArray[np.float32]:
    """Return noise with the grain of a reconstruction, stronger where much tissue lies in the beam."""
    grain = random.standard_normal(image.shape, dtype=np.float32)
    sigma = 0.75 / protocol.pixel
    grain = cv2.GaussianBlur(grain, (0, 0), sigma) - cv2.GaussianBlur(grain, (0, 0), sigma * 2.2) * np.float32(0.8)
    grain /= np.float32(grain.std())
    attenuation = np.maximum(image + np.float32(1000.0), 0.0).mean() / 420.0
    result = grain * np.float32(protocol.noise * (0.55 + 0.45 * attenuation))
    # Shoulders and spine starve the detector sideways: faint horizontal streaks.
    rows = np.maximum(image + np.float32(1000.0), 0.0).mean(axis=1)
    starved = np.clip((rows - 560.0) / 260.0, 0.0, 1.5)[:, None]
    if starved.any():
        streaks = cv2.GaussianBlur(random.standard_normal(image.shape, dtype=np.float32), (0, 0), 26.0, sigmaY=0.9)
        result += starved * streaks / np.float32(streaks.std()) * np.float32(3.2)
    inside = image > -990.0
    return np.where(inside, result, result * np.float32(0.45))


def _outside_circle(image: NDArray[np.int16]) -> None:
    """Set what lies outside the reconstruction circle to the lowest value."""
    size = image.shape[0]
    axis = np.arange(size, dtype=np.float32) - (size - 1) / 2.0
    image[axis[None, :] ** 2 + axis[:, None] ** 2 > (size / 2.0) ** 2] = -1024


def topogram(volume: Scan) -> tuple[NDArray[np.int16], float]:
    """Return a frontal projection (rows head first) and its pixel spacing in mm."""
    protocol = volume.protocol
    density = np.maximum(volume.hounsfield.astype(np.float32) + 1000.0, 0.0)
    line = density.sum(axis=1) * np.float32(protocol.pixel / 1000.0 * 0.02)
    wanted = 1.2
    shape = (round(protocol.field_of_view / wanted), round(protocol.slices * protocol.spacing / wanted))
    image = cv2.resize(line, shape, interpolation=cv2.INTER_CUBIC)
    image = cv2.GaussianBlur(image, (0, 0), 0.6)
    sharp = image + (image - cv2.GaussianBlur(image, (0, 0), 4.0)) * np.float32(1.1)
    random = np.random.default_rng(protocol.slices)
    sharp += random.normal(0.0, 0.02, sharp.shape).astype(np.float32)
    return np.clip(np.rint(sharp * 260.0 - 700.0), -1024, 3071).astype(np.int16), wanted
