"""Spine, ribs and sternum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import Canvas, Image
from .shapes import PITCH, cavity, smooth, spine_y

if TYPE_CHECKING:
    from .anatomy import Chest


def paint_spine(chest: Chest, canvas: Canvas) -> None:
    """Paint a vertebra with its arch and processes, or a disc."""
    z = canvas.z
    y = spine_y(z)
    phase = (z / PITCH) % 1.0
    disc = phase < 0.2
    sponge = chest.field(chest.texture, z, canvas.size)
    box = canvas.box(-52.0, 52.0, y - 26.0, y + 66.0)
    if box is None:
        return
    waist = 1.0 - 0.07 * np.sin(np.pi * np.clip((phase - 0.2) / 0.8, 0, 1))
    rx, ry = 17.5 * waist, 14.5 * waist
    body_d = canvas.ellipse(0.0, y, rx, ry, box)
    notch = np.hypot(canvas.x[box], canvas.y[box] - np.float32(y + 17.5)) - 8.0
    body_d = np.maximum(body_d, -notch)
    near_plate = min(abs(phase - 0.2), abs(phase - 1.0)) * PITCH
    if disc:
        canvas.paint(body_d, 92.0, box)
    else:
        canvas.paint(body_d, 560.0, box)
        core = 205.0 + 240.0 * np.exp(-((near_plate / 1.6) ** 2))
        canvas.paint(body_d + 1.7, core + sponge[box] * 38.0, box)
    canal = canvas.ellipse(0.0, y + 21.5, 10.0, 8.5, box)
    arch = canvas.ellipse(0.0, y + 23.0, 16.5, 14.0, box)
    if 0.38 < phase < 0.98:
        canvas.paint(np.maximum(arch, -(canvas.y[box] - np.float32(y + 8.0))), 470.0, box)
        canvas.paint(np.maximum(arch + 1.8, -(canvas.y[box] - np.float32(y + 10.0))), 240.0, box)
    else:
        side = (np.abs(canvas.x[box]) - 14.5) + 0.35 * (canvas.y[box] - np.float32(y + 24.0))
        facet = (np.sqrt((side / 5.0) ** 2 + ((canvas.y[box] - np.float32(y + 24.0)) / 7.0) ** 2) - 1.0) * 5.0
        joint = np.abs(canvas.y[box] - np.float32(y + 25.0) + 0.5 * side) - 0.7
        facet = np.maximum(facet, -joint)
        canvas.paint(facet, 430.0, box)
        canvas.paint(facet + 1.8, 260.0, box)
    canvas.paint(canal, 22.0, box)
    canvas.draw_ellipse(0.0, y + 21.0, 5.4, 4.3, 42.0)
    if phase > 0.3:
        lower = 24.0 + 10.0 * (1.0 - phase)
        spinous = np.maximum(
            np.abs(canvas.x[box]) - 2.9, np.abs(canvas.y[box] - np.float32(y + 28.0 + lower / 2)) - lower / 2 + 4
        )
        canvas.paint(spinous, 420.0, box)
        canvas.paint(spinous + 1.4, 230.0, box)
    if 0.5 < phase < 0.9:
        for sign in (-1.0, 1.0):
            points = [(sign * 14.0, y + 24.0, z, 5.0), (sign * 36.0, y + 34.0, z, 4.2)]
            canvas.draw_tubes(points, 430.0)
            canvas.draw_tubes(points, 220.0, grow=-1.6)


def paint_ribs(chest: Chest, canvas: Canvas, inner: Image) -> None:
    """Paint all ribs at once: each runs down along the chest wall from its vertebra to the front."""
    z = canvas.z
    _ax, _ay, cy = cavity(z)
    angle = np.arctan2(np.abs(canvas.x), canvas.y - np.float32(cy))
    t = np.clip(angle / np.float32(np.pi), 0.0, 1.0)
    drop = np.float32(92.0) * (t * t * (3.0 - 2.0 * t)) - np.float32(8.0) * np.sin(np.float32(np.pi) * t)
    turn = (np.float32(z) + drop - np.float32(0.62 * PITCH)) / np.float32(PITCH)
    number = np.round(turn)
    height = (turn - number) * np.float32(PITCH)
    depth = inner + np.float32(4.0) + np.float32(1.0) * np.cos(angle * 3.0)
    # A strip that meets the slice at a slope: its section is long, as that of a real rib.
    shape = np.sqrt((height / np.float32(6.4)) ** 2 + (depth / np.float32(4.9)) ** 2) - np.float32(1.0)
    shape *= np.float32(4.9)
    start = np.float32(0.34) - angle  # ribs meet the spine, not each other
    shape = np.maximum(shape, start * 60.0)
    top_rib, last = 5.6, -5.4
    shape = np.where((number > top_rib) | (number < last), np.float32(9.0), shape)
    end = np.float32(2.42) - np.float32(0.11) * np.maximum(np.float32(-1.0) - number, 0.0)
    bone = np.maximum(shape, (angle - end) * 60.0)
    cartilage = np.maximum(np.maximum(shape + 0.3, (end - angle) * 60.0), (angle - 2.93) * 60.0)
    cartilage = np.where(number < -3.5, np.float32(9.0), cartilage)
    canvas.paint(cartilage, 112.0)
    sponge = chest.field(chest.texture, z, canvas.size)
    canvas.paint(bone, 590.0)
    canvas.paint(bone + 1.9, 190.0 + sponge * 40.0)


def paint_sternum(chest: Chest, canvas: Canvas) -> None:
    """Paint manubrium, body and xiphoid of the sternum."""
    z = canvas.z
    if not -48.0 < z < 104.0:
        return
    _ax, ay, cy = cavity(z)
    y = cy - ay - 4.0 + (2.5 if z > 60 else 0.0)
    half = 15.0 + 13.0 * smooth(z, 58.0, 84.0) - 9.0 * smooth(-z, 20.0, 46.0)
    box = canvas.box(-half, half, y - 8, y + 8)
    if box is None:
        return
    d = canvas.ellipse(0.0, y, half, 6.4, box)
    if abs(z - 58.0) < 2.0:
        canvas.paint(d, 120.0, box)
        return
    canvas.paint(d, 430.0, box)
    canvas.paint(d + 1.7, 140.0 + chest.field(chest.texture, z, canvas.size)[box] * 30.0, box)
