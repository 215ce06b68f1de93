"""Vessel trees of the lungs: grown towards points spread through each lung, thick where many branches meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = NDArray[np.float64]


@dataclass(frozen=True)
class Segment:
    """A straight piece of a vessel (mm)."""

    start: Point
    end: Point
    r0: float
    r1: float


def in_lung(points: NDArray[np.float64], side: float) -> NDArray[np.bool_]:
    """Return which points (n, 3) lie well inside a lung (side -1 right, +1 left)."""
    x, y, z = points.T
    top = np.clip((z - 25.0) / 133.0, 0.0, 1.0)
    top = top * top * (3 - 2 * top)
    ax, ay, cy = 131.0 - 92.0 * top**1.7, 88.0 - 44.0 * top**1.5, 2.0 + 10.0 * top
    wall = (np.abs(x) / (ax - 15.0)) ** 2.2 + (np.abs(y - cy) / (ay - 15.0)) ** 2.2 < 1.0
    inner = side * x > 34.0 - 12.0 * (y > 45.0)
    heart = ((x - 36.0) / 62.0) ** 2 + ((y + 26.0) / 50.0) ** 2 + ((z + 46.0) / 48.0) ** 2 > 1.0
    centre, height = (-62.0, -62.0) if side < 0 else (68.0, -76.0)
    floor = height - ((x - centre) / 78.0) ** 2 * 60.0 - ((y + 5.0) / 82.0) ** 2 * 73.0 + 6.0
    return wall & inner & heart & (z > floor) & (z < 136.0)


def grow(
    random: np.random.Generator,
    roots: NDArray[np.float64],
    inside: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    count: int,
) -> list[Segment]:
    """Grow a tree from `roots` (n, 3) to about `count` points spread through the region.

    Each point, nearest first, is joined to the node of the tree that makes the shortest and straightest way; radii
    follow from the number of tips behind a piece (cube law).
    """
    low, high = np.array([-125.0, -85.0, -140.0]), np.array([125.0, 90.0, 138.0])
    targets = random.uniform(low, high, (count * 14, 3))
    targets = targets[inside(targets)][:count]
    order = np.argsort(np.min(np.linalg.norm(targets[:, None] - roots[None], axis=2), axis=1))
    capacity = len(roots) + len(targets) * 12
    nodes = np.zeros((capacity, 3))
    parent = np.full(capacity, -1)
    travelled = np.zeros(capacity)
    nodes[: len(roots)] = roots
    used = len(roots)
    for target in targets[order]:
        away = np.linalg.norm(nodes[:used] - target, axis=1)
        best = int(np.argmin(away + 0.22 * travelled[:used]))
        gap = target - nodes[best]
        length = float(np.linalg.norm(gap))
        if length < 2.5:
            continue
        steps = int(np.clip(length // 7.0, 1, 10))
        origin = nodes[best].copy()
        outward = origin - nodes[parent[best]] if parent[best] >= 0 else gap
        outward = outward / (np.linalg.norm(outward) + 1e-9) * length * 0.35
        previous = best
        for step in range(1, steps + 1):
            t = step / steps
            # A curve that leaves the parent in its own direction and bends towards the target.
            bend = 2.0 * t * (1.0 - t)
            nodes[used] = origin + gap * t + outward * bend * (1.0 - t) + random.normal(0.0, 0.5, 3) * (t < 1)
            parent[used] = previous
            travelled[used] = travelled[previous] + length / steps
            previous = used
            used += 1
    tips = np.zeros(used)
    has_child = np.zeros(used, dtype=bool)
    has_child[parent[len(roots) : used]] = True
    tips[~has_child] = 1.0
    for index in range(used - 1, len(roots) - 1, -1):
        tips[parent[index]] += tips[index]
    radius = 0.52 * np.cbrt(np.maximum(tips, 1.0))
    segments = []
    for index in range(len(roots), used):
        origin = parent[index]
        wide = min(radius[origin], radius[index] * 1.35)
        segments.append(Segment(nodes[origin], nodes[index], float(wide), float(radius[index])))
    return segments


def lung_trees(seed: int, count: int = 1500) -> list[Segment]:
    """Return arteries and veins of both lungs, the same for the same seed."""
    random = np.random.default_rng(seed)
    segments: list[Segment] = []
    for side in (-1.0, 1.0):
        arteries = np.array([[side * 46.0, 8.0, 10.0], [side * 50.0, 16.0, -6.0], [side * 48.0, 2.0, 24.0]])
        veins = np.array([[side * 46.0, 19.0, -24.0], [side * 46.0, -9.0, 0.0]])
        for roots in (arteries, veins):
            segments += grow(random, roots, lambda points, s=side: in_lung(points, s), count)
    return segments
