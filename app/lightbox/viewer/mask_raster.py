"""Masks as pixels of the screen: fill, outline and dark edge, at the resolution of the viewport.

Drawn so, a mask costs the same whether it has one region or a hundred, and its outline lies inside it to the pixel:
an overlay never claims more of the image than its mask does. (The same outlines as polygons are in
`lightbox.viewer.outlines`, for files and for what needs geometry.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightbox.core import opencv
from lightbox.viewer.overlays import MaskLayer, OverlayStyle
from lightbox.viewer.transforms import ViewTransform

OUTLINE = 2
"""Width of an outline in logical pixels."""

HALO_ALPHA = 170


@dataclass(frozen=True)
class MaskPicture:
    """A part of the viewport: premultiplied 0xAARRGGBB (rows, columns) uint32, with its upper left corner at (x, y).

    Sizes and positions are device pixels.
    """

    argb: NDArray[np.uint32]
    x: int
    y: int


def _indices(start: float, step: float, first: int, last: int, count: int) -> NDArray[np.intp]:
    """Return which of `count` image pixels lies under device pixels first..last - 1; -1 outside of the image."""
    position = np.floor(start + step * (np.arange(first, last) + 0.5)).astype(np.intp)
    return np.where((position >= 0) & (position < count), position, -1)


def rasterise(
    layer: MaskLayer, style: OverlayStyle, transform: ViewTransform, size: tuple[float, float], ratio: float = 1.0
) -> MaskPicture | None:
    """Return a layer as it is painted, None when nothing of it is visible.

    Parameters
    ----------
    transform : ViewTransform
        Image to viewport (logical pixels), turned by quarter turns only.
    size : tuple of 2 floats
        Of the viewport, logical pixels.
    ratio : float
        Device pixels a logical pixel.
    """
    cv2 = opencv.cv2()
    shown = {label: region for label, region in layer.regions.items() if style.visible(region.finding_id)}
    if not shown:
        return None
    box = layer.bounds
    if box is None:
        return None
    left, top, right, bottom = _on_screen(box, transform, size, ratio)
    if right <= left or bottom <= top:
        return None
    labels = _sample(layer.labels, transform, ratio, (left, top, right, bottom))
    compact = np.zeros(int(layer.labels.max()) + 1, dtype=np.uint8 if len(shown) < 128 else np.uint16)
    numbers = {label: number for number, label in enumerate(shown, 1)}
    for label, number in numbers.items():
        compact[label] = number
    labels = np.take(compact, labels)
    width = max(1, round(OUTLINE * ratio))
    edge = _edge(labels, width)
    selected = next((numbers[label] for label, region in shown.items() if region.finding_id == style.selected), 0)
    if selected:
        edge |= _edge(labels, width + max(1, round(ratio))) & (labels == selected)
    edge &= labels > 0
    table = np.zeros(2 * (len(shown) + 1), dtype=np.uint32)
    for label, region in shown.items():
        red, green, blue = style.colour(region.finding_id)
        strength = style.fill_strength(region.finding_id)
        alpha = round(255 * strength)
        parts = (round(value * alpha / 255) for value in (red, green, blue))
        table[2 * numbers[label]] = _argb(alpha, *parts)
        table[2 * numbers[label] + 1] = _argb(255, red, green, blue)
    argb = np.take(table, labels.astype(np.uint16) * 2 + edge)
    halo = (labels == 0) & (cv2.dilate(labels, np.ones((3, 3), np.uint8)) > 0)
    argb[halo] = HALO_ALPHA << 24
    return MaskPicture(argb, left, top)


def _argb(alpha: int, red: int, green: int, blue: int) -> int:
    return (alpha << 24) | (red << 16) | (green << 8) | blue


def _edge(labels: NDArray[np.unsignedinteger], width: int) -> NDArray[np.bool_]:
    """Return the pixels less than `width` away from another label."""
    cv2 = opencv.cv2()
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    return np.asarray(cv2.dilate(labels, kernel) != cv2.erode(labels, kernel), dtype=np.bool_)


def _on_screen(
    box: tuple[int, int, int, int], transform: ViewTransform, size: tuple[float, float], ratio: float
) -> tuple[int, int, int, int]:
    """Return the device pixels (left, top, right, bottom) under a box of image pixels, with room for its edge."""
    first = transform.to_viewport(box[0], box[1])
    second = transform.to_viewport(box[2], box[3])
    room = 3 * ratio
    left = max(0, int(min(first[0], second[0]) * ratio - room))
    top = max(0, int(min(first[1], second[1]) * ratio - room))
    right = min(round(size[0] * ratio), int(max(first[0], second[0]) * ratio + room) + 1)
    bottom = min(round(size[1] * ratio), int(max(first[1], second[1]) * ratio + room) + 1)
    return left, top, right, bottom


def _sample(
    labels: NDArray[np.uint16], transform: ViewTransform, ratio: float, window: tuple[int, int, int, int]
) -> NDArray[np.uint16]:
    """Return the label under the centre of every device pixel of a window."""
    left, top, right, bottom = window
    inverse = transform.inverse
    rows, columns = labels.shape
    if abs(inverse[0, 0]) > abs(inverse[0, 1]):
        column = _indices(inverse[0, 2], inverse[0, 0] / ratio, left, right, columns)
        row = _indices(inverse[1, 2], inverse[1, 1] / ratio, top, bottom, rows)
        found = labels[np.maximum(row, 0)][:, np.maximum(column, 0)]
        found[row < 0] = 0
        found[:, column < 0] = 0
        return found
    column = _indices(inverse[0, 2], inverse[0, 1] / ratio, top, bottom, columns)
    row = _indices(inverse[1, 2], inverse[1, 0] / ratio, left, right, rows)
    found = labels[np.maximum(row, 0)][:, np.maximum(column, 0)]
    found[row < 0] = 0
    found[:, column < 0] = 0
    return np.ascontiguousarray(found.T)
