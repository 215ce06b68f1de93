"""Shapes and measures of the drawn body that several organs share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .canvas import Canvas, Image

PITCH = 26.0  # mm from one vertebra, and one rib, to the next


def smooth(value: float, low: float, high: float) -> float:
    """Return 0 below `low`, 1 above `high` and a smooth step between."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


def spine_y(z: float) -> float:
    """Return the centre of the vertebral bodies (kyphosis of the thoracic spine)."""
    return 63.0 - 0.00095 * (z - 5.0) ** 2


def cavity(z: float) -> tuple[float, float, float]:
    """Return half widths (x, y) and centre y of the inner surface of the chest wall."""
    top = smooth(z, 25.0, 158.0)
    ax = 131.0 - 92.0 * top**1.7 - 5.0 * smooth(-z, 60.0, 150.0)
    ay = 88.0 - 44.0 * top**1.5
    return ax, ay, 2.0 + 10.0 * top


def body(z: float) -> tuple[float, float, float]:
    """Return half widths and centre y of the skin."""
    shoulder = smooth(z, 70.0, 150.0)
    ax = 168.0 + 12.0 * smooth(z, 20.0, 90.0) + 4.0 * shoulder - 6.0 * smooth(-z, 70.0, 150.0)
    ay = 119.0 - 27.0 * shoulder
    return ax, ay, 6.0 + 9.0 * shoulder


def superellipse(canvas: Canvas, ax: float, ay: float, cy: float) -> Image:
    """Return an approximate signed distance (mm, negative inside) to a superellipse with exponent 2.25."""
    dy = canvas.y - np.float32(cy)
    u, v = np.abs(canvas.x) / np.float32(ax), np.abs(dy) / np.float32(ay)
    total = u * u * np.sqrt(np.sqrt(u)) + v * v * np.sqrt(np.sqrt(v))
    root = np.power(np.maximum(total, np.float32(1e-4)), np.float32(-1.0 / 2.25))
    return np.sqrt(canvas.x**2 + dy**2) * (np.float32(1.0) - root)


def noise_volume(random: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Return smooth noise of zero mean and unit deviation on an (n, n, n) grid."""
    volume = random.normal(0.0, 1.0, (n, n, n)).astype(np.float32)
    volume = (volume + np.roll(volume, 1, axis=0)) / np.float32(1.4142)
    return volume / np.float32(volume.std())


def soft_min(one: Image, two: Image, radius: float) -> Image:
    """Return the union of two shapes with a rounded seam."""
    h = np.clip(0.5 + 0.5 * (two - one) / np.float32(radius), 0.0, 1.0)
    return (two + (one - two) * h - np.float32(radius) * h * (1.0 - h)).astype(np.float32)


def half_plane(canvas: Canvas, x: float, y: float, nx: float, ny: float) -> Image:
    """Return the signed distance to a half plane, negative on the side away from (nx, ny)."""
    return (canvas.x - np.float32(x)) * np.float32(nx) + (canvas.y - np.float32(y)) * np.float32(ny)


def turned(lengths: tuple[float, float, float], angle: float) -> NDArray[np.float64]:
    """Return semi-axes turned about the z axis."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]) * np.array(lengths)[:, None]


def descending(z: float) -> tuple[float, float]:
    """Return the centre of the descending aorta."""
    return 27.0 - 14.0 * smooth(-z, 30.0, 150.0), spine_y(z) - 16.0 - 5.0 * smooth(-z, 60.0, 150.0)


def axes_along(direction: tuple[float, float, float], lengths: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return semi-axes with the first along a direction."""
    first = np.array(direction) / np.linalg.norm(direction)
    second = np.cross(first, (0.0, 0.0, 1.0))
    second /= np.linalg.norm(second)
    return np.array([first, second, np.cross(first, second)]) * np.array(lengths)[:, None]
