"""Lungs with their vessels, mediastinum, nodule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .abdomen import diaphragm
from .canvas import Canvas, Image
from .labels import NODULE, NODULE_CENTRE
from .organs import AIRWAYS, HEART, NODES, VESSELS
from .shapes import descending, smooth, soft_min, spine_y

if TYPE_CHECKING:
    from .anatomy import Chest


def paint_lungs(chest: Chest, canvas: Canvas, inner: Image) -> tuple[Image, NDArray[np.bool_]]:
    """Paint the lungs; return their coverage (0..1) and which pixels are on the right side."""
    z = canvas.z
    middle = mediastinum(chest, canvas)
    right, left = diaphragm(chest, canvas)
    side = canvas.x < 0
    floor = np.where(side, right, left)
    # Lungs end 11 mm inside the inner line of the ribs' centre: pleura and intercostal muscles lie between.
    distance = np.maximum(np.maximum(inner + 11.0, -middle), np.float32(1.0) * (floor + 3.5 - z))
    apex = np.float32(z - 143.0)
    distance = np.maximum(distance, apex)
    coverage = canvas.cover(distance, canvas.pixel * 1.4)
    texture = chest.field(chest.texture, z, canvas.size)
    value = -868.0 + 0.34 * canvas.y + texture * 16.0 + chest.field(chest.noise[1], z, canvas.size) * 10.0
    # Fissures: oblique on both sides, horizontal on the right.
    oblique = (canvas.y - 4.0) * 0.62 + (z + 18.0) * 0.78 + chest.field(chest.noise[3], z, canvas.size) * 3.0
    fissure = np.abs(oblique) - 0.35
    value = value + canvas.cover(fissure, 1.9) * 100.0
    if abs(z - 8.0) < 8.0:
        horizontal = np.maximum(np.abs(z - 8.0 - chest.field(chest.noise[0], z, canvas.size) * 4.0) - 0.6, -oblique)
        value = value + canvas.cover(np.where(side, horizontal, 9.0).astype(np.float32), 2.6) * 80.0
    canvas.blend(coverage, value.astype(np.float32))
    return coverage, side


def mediastinum(chest: Chest, canvas: Canvas) -> Image:
    """Return the signed distance to the border of everything between the lungs."""
    z = canvas.z
    spine = spine_y(z)
    upper = smooth(z, 20.0, 120.0)
    pedicle = np.sqrt(((canvas.x - 3.0) / np.float32(35.0 - 3.0 * upper)) ** 2 + ((canvas.y + 4.0) / 42.0) ** 2) - 1.0
    result = pedicle * 33.0 if z > -25.0 else np.full_like(canvas.x, 99.0)
    column = (np.sqrt((canvas.x / 25.0) ** 2 + ((canvas.y - spine - 8.0) / 32.0) ** 2) - 1.0) * 24.0
    result = soft_min(result, column, 5.0)
    middle = np.maximum(np.abs(canvas.x - 4.0) - 14.0, -(canvas.y + 10.0))
    result = soft_min(result, middle, 6.0)
    aorta = np.hypot(canvas.x - descending(z)[0], canvas.y - descending(z)[1]) - 14.5
    if z < 48.0:
        result = soft_min(result, aorta, 4.0)
    front = np.maximum(np.abs(canvas.x - 3.0 - 0.05 * (canvas.y + 60.0)) - 2.0, canvas.y + 20.0)
    result = soft_min(result, front, 5.0)
    for centre, axes in HEART.values():
        found = canvas.ellipsoid(centre, axes, grow=5.0)
        if found is not None:
            result[found[1]] = soft_min(result[found[1]], found[0], 7.0)
    if z < -40.0:
        fat = (np.sqrt(((canvas.x - 8.0) / 44.0) ** 2 + ((canvas.y + 34.0) / 58.0) ** 2) - 1.0) * 40.0
        result = soft_min(result, fat + 40.0 * (1.0 - smooth(-z, 40.0, 74.0)), 8.0)
    if z > 85.0:
        neck = (
            np.sqrt((canvas.x / np.float32(36.0 + 6.0 * smooth(z, 100.0, 150.0))) ** 2 + ((canvas.y + 6.0) / 48.0) ** 2)
            - 1.0
        )
        result = soft_min(result, neck * 36.0, 6.0)
    return result


def paint_mediastinum(chest: Chest, canvas: Canvas) -> None:
    """Paint heart, great vessels, airways, oesophagus and lymph nodes."""
    z, gain = canvas.z, chest.person.contrast
    for name in ("ventricles", "right_ventricle", "right_atrium", "left_atrium"):
        centre, axes = HEART[name]
        canvas.draw_ellipsoid(centre, axes, 98.0 * gain)
    for name, value, shrink in (
        ("right_ventricle", 205.0, -4.5), ("right_atrium", 200.0, -3.0), ("left_atrium", 262.0, -3.0),
        ("cavity", 258.0, 0.0),
    ):  # fmt: skip
        centre, axes = HEART[name]
        canvas.draw_ellipsoid(centre, axes, value * gain, grow=shrink, edge=2.4)
    septum = canvas.ellipsoid(HEART["cavity"][0], HEART["cavity"][1], grow=10.0)
    if septum is not None:
        ring = np.maximum(septum[0], -(septum[0] + 9.0))
        canvas.blend(canvas.cover(ring, 2.4), 102.0 * gain, septum[1])
    oesophagus = (8.0 + 0.03 * (z - 40.0), spine_y(z) - 24.0)
    if z > -120.0:
        canvas.draw_ellipse(*oesophagus, 8.0, 6.0, 48.0)
        canvas.draw_ellipse(oesophagus[0] + 1.0, oesophagus[1] - 1.0, 2.2, 1.2, -350.0)
    for points, value in VESSELS:
        if value > 180.0:
            canvas.draw_tubes(points, 62.0, grow=1.2)
        canvas.draw_tubes(points, value * gain)
    for x, y, height, radius in NODES:
        canvas.draw_ellipsoid((x, y, height), np.diag([radius * 1.4, radius, radius * 1.2]), 58.0)
    for points in AIRWAYS:
        canvas.draw_tubes(points, 40.0, grow=1.9)
    for points in AIRWAYS:
        canvas.draw_tubes(points, -992.0)


def paint_lung_vessels(chest: Chest, canvas: Canvas, lung: Image) -> None:
    """Paint the vessel trees of the lungs."""
    z, pixel = canvas.z, canvas.pixel
    top = 195.0 * chest.person.contrast
    for index in np.flatnonzero((chest.bottoms - 1.2 <= z) & (chest.tops + 1.2 >= z)):
        segment = chest.trees[index]
        found = canvas.tube(segment.start, segment.end, segment.r0, segment.r1)
        if found is None:
            continue
        distance, box = found
        thin = min(1.0, (segment.r0 + segment.r1) / (1.5 * pixel))
        coverage = canvas.cover(distance, pixel * 1.2) * np.float32(thin)
        coverage *= np.minimum(lung[box] * 4.0, 1.0)
        canvas.blend(coverage, top if segment.r0 > 2.2 else top * 0.75, box)


def paint_nodule(chest: Chest, canvas: Canvas, labels: NDArray[np.uint8]) -> None:
    """Paint the nodule in the left lower lobe, lobulated and with fine spicules."""
    radius = chest.person.nodule_diameter / 2.0
    cx, cy, cz = NODULE_CENTRE
    dz = canvas.z - cz
    if abs(dz) > radius + 6.0:
        return
    box = canvas.box(cx - radius - 6, cx + radius + 6, cy - radius - 6, cy + radius + 6)
    if box is None:
        return
    dx, dy = (part[box] - np.float32(middle) for part, middle in zip(canvas.plain, (cx, cy), strict=True))
    distance = np.sqrt(dx**2 + dy**2 + np.float32(dz * dz))
    bearing = np.arctan2(dy, dx)
    lobes = 1.0 + 0.07 * np.sin(3.0 * bearing + 0.4 * dz) + 0.05 * np.cos(5.0 * bearing - 0.7)
    surface = distance - np.float32(0.93 * radius) * lobes.astype(np.float32)
    for k in range(5):
        way = np.array([np.cos(1.3 * k), np.sin(1.3 * k), 0.5 * np.cos(2.1 * k)])
        way *= (radius + 5.0) / np.linalg.norm(way)
        middle = np.array([cx, cy, cz]) + canvas.shift(cx, cy)
        found = canvas.tube(middle, middle + way, 0.7, 0.15)
        if found is not None:
            canvas.blend(canvas.cover(found[0], canvas.pixel * 1.5) * np.float32(0.35), -200.0, found[1])
    canvas.paint(surface, 38.0, box, edge=canvas.pixel * 1.6)
    labels[box][surface < 0] = NODULE
