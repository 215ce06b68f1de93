"""Skin, fat, muscles, shoulder girdle and the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import Canvas, Image
from .shapes import body, smooth, soft_min, superellipse

if TYPE_CHECKING:
    from .anatomy import Chest


def paint_wall(chest: Chest, canvas: Canvas) -> Image:
    """Paint skin and fat; return the signed distance to the skin."""
    z = canvas.z
    skin = superellipse(canvas, *body(z))
    # Back flattened by the table, furrow over the spine.
    back = canvas.y - np.float32(body(z)[2] + body(z)[1] - 7.0)
    skin = np.maximum(skin, back + 5.0 * np.exp(-((canvas.x / np.float32(22.0)) ** 2)))
    bust = np.exp(-(((z - 2.0) / 46.0) ** 2))
    if bust > 0.02:
        for side in (-1.0, 1.0):
            cx, cy = side * 78.0, -78.0 - 8.0 * bust
            bump = (
                np.sqrt(((canvas.x - cx) / 66.0) ** 2 + ((canvas.y - cy) / np.float32(20.0 + 32.0 * bust)) ** 2) - 1.0
            ) * np.float32(28.0)
            skin = soft_min(skin, bump, 14.0)
    canvas.paint(skin, 15.0)
    texture = chest.field(chest.texture, z, canvas.size) * 7.0
    canvas.paint(skin + 1.5, -106.0 + texture)
    if bust > 0.05:
        gland = chest.field(chest.noise[2], z, canvas.size) * 9.0
        for side in (-1.0, 1.0):
            d = np.sqrt(
                ((canvas.x - side * 84.0) / 34.0) ** 2 + ((canvas.y + 98.0) / np.float32(18.0 * bust + 2.0)) ** 2
            )
            shape = (d - 1.0) * 16.0 + gland
            canvas.blend(canvas.cover(np.maximum(shape, skin + 7.0), 9.0) * np.float32(0.8), 8.0)
    return skin


def paint_muscles(chest: Chest, canvas: Canvas, skin: Image, inner: Image) -> None:
    """Paint the muscles of the chest wall between the ribs and the fat below the skin."""
    z = canvas.z
    angle = np.arctan2(np.abs(canvas.x), canvas.y - np.float32(6.0))  # 0 behind, pi in front
    upper = smooth(z, -35.0, 70.0)
    pectoral = 17.0 * upper * np.exp(-(((angle - 2.45) / 0.42) ** 2))
    latissimus = (7.0 + 13.0 * smooth(z, -30.0, 90.0)) * np.exp(-(((angle - 1.25) / 0.42) ** 2))
    erector = 25.0 * np.exp(-(((angle - 0.24) / 0.26) ** 2))
    trapezius = (8.0 + 9.0 * upper) * np.exp(-(((angle - 0.62) / 0.36) ** 2))
    serratus = (6.0 - 2.0 * upper) * np.exp(-(((angle - 1.75) / 0.45) ** 2))
    thick = (pectoral + latissimus + erector + trapezius + serratus).astype(np.float32)
    texture = chest.field(chest.texture, z, canvas.size)
    outer = np.maximum(inner - 10.5 - thick, skin + 6.5)
    canvas.paint(outer, 54.0 + texture * 9.0, edge=canvas.pixel * 1.6)
    # Fat planes between the muscles and over the ribs.
    plane = np.abs(inner - (15.0 + 0.42 * thick + texture * 2.2)) - 1.0
    sheath = canvas.cover(np.maximum(plane, outer + 1.0), 1.8) * np.float32(0.9) * np.clip(thick / 7.0, 0.0, 1.0)
    canvas.blend(sheath, -80.0)
    # Marbling.
    spots = canvas.cover((0.85 - chest.field(chest.noise[2], z, canvas.size)) * 5.0, 3.0) * np.float32(0.25)
    canvas.blend(spots * canvas.cover(outer + 2.0), -40.0)


def paint_shoulders(chest: Chest, canvas: Canvas, skin: Image) -> None:
    """Paint scapulae and clavicles with the muscles around them."""
    z = canvas.z
    if z > 60.0:
        _paint_shoulder_muscles(chest, canvas, skin)
    if z > 5.0:
        shrink = smooth(z, 5.0, 55.0)
        for side in (-1.0, 1.0):
            lean = 0.35 + 0.0018 * (z - 60.0)
            cx, cy = side * (97.0 + 0.13 * (z - 40.0)), 71.0 - 0.20 * (z - 20.0)
            half = 10.0 + 27.0 * shrink
            box = canvas.box(cx - half - 12, cx + half + 12, cy - half - 12, cy + half + 12)
            if box is None:
                continue
            dx, dy = (canvas.x[box] - cx) * side, canvas.y[box] - cy
            along = dx * np.float32(np.cos(lean)) - dy * np.float32(np.sin(lean))
            across = dx * np.float32(np.sin(lean)) + dy * np.float32(np.cos(lean)) + 0.006 * along**2
            blade = np.maximum(
                np.abs(across) - (2.4 + 0.0035 * (along - half) ** 2 * (along > 0)), np.abs(along) - half
            )
            body_muscle = np.maximum(np.abs(across) - (13.0 - 0.006 * along**2), np.abs(along) - half - 5.0)
            canvas.paint(np.maximum(body_muscle, skin[box] + 8.0), 55.0, box, edge=2.0)
            canvas.paint(blade, 420.0, box)
            canvas.paint(blade + 1.5, 170.0, box)
            if z > 85.0:
                tilt = along - 2.0 - 0.25 * (z - 85.0) - 0.7 * across
                ridge = np.sqrt((tilt / 3.4) ** 2 + ((across - 6.0) / 11.0) ** 2) - 1.0
                canvas.paint(ridge * 3.4, 400.0, box)
                canvas.paint(ridge * 3.4 + 1.4, 190.0, box)
    for side in (-1.0, 1.0):
        arc = [
            (22.0, -74.0, 96.0),
            (50.0, -73.0, 108.0),
            (82.0, -52.0, 122.0),
            (118.0, -32.0, 138.0),
            (138.0, -16.0, 150.0),
        ]
        points = [(side * x, y, height, 6.2) for x, y, height in arc]
        canvas.draw_tubes(points, 520.0)
        canvas.draw_tubes(points, 230.0, grow=-2.0)
    if z > 118.0:
        for side in (-1.0, 1.0):
            axes = np.diag([21.0, 21.0, 22.0])
            canvas.draw_ellipsoid((side * 160.0, 16.0, 152.0), axes, 55.0, grow=9.0)
            canvas.draw_ellipsoid((side * 160.0, 16.0, 152.0), axes, 480.0)
            canvas.draw_ellipsoid((side * 160.0, 16.0, 152.0), axes, 190.0, grow=-2.6)


def _paint_shoulder_muscles(chest: Chest, canvas: Canvas, skin: Image) -> None:
    """Paint deltoid, trapezius and pectoral muscles of the shoulders."""
    z = canvas.z
    size = smooth(z, 60.0, 115.0)
    for side in (-1.0, 1.0):
        for cx, cy, rx, ry, turn in (
            (128.0, 22.0, 44.0, 25.0, 0.45), (88.0, 66.0, 40.0, 13.0, 0.15), (118.0, -22.0, 40.0, 13.0, -0.5),
        ):  # fmt: skip
            box = canvas.box(side * cx - 60, side * cx + 60, cy - 50, cy + 50)
            if box is None:
                continue
            d = canvas.ellipse(side * cx, cy, rx * (0.4 + 0.6 * size), ry * (0.3 + 0.7 * size), box, side * turn)
            texture = chest.field(chest.noise[3], z, canvas.size)[box]
            d = np.maximum(d + texture * 2.5, skin[box] + 7.0)
            coverage = canvas.cover(d, 2.2)
            canvas.blend(coverage * np.float32(size), 52.0 + texture * 6.0, box)


def paint_table(chest: Chest, canvas: Canvas, skin: Image) -> None:
    """Paint the table below the patient: a thin curved shell filled with foam."""
    x, y = canvas.plain
    back = body(0.0)[2] + body(0.0)[1] - 3.0
    top = back + 4.0 - 0.00062 * x**2
    bottom = back + 46.0 - 0.0011 * x**2
    inside = np.maximum(np.maximum(top - y, y - bottom), np.abs(x) - 205.0)
    outside_body = np.float32(1.0) - canvas.cover(skin, 4.0)
    shell = canvas.cover(np.maximum(inside, -(inside + 1.8)))
    mat = canvas.cover(np.maximum(np.maximum(y - top, top - 5.0 - y), np.abs(x) - 190.0))
    canvas.blend(mat * outside_body, -905.0)
    canvas.blend(canvas.cover(inside + 1.8) * outside_body, -958.0)
    canvas.blend(shell * outside_body, -390.0)
