"""A picture at the resolution of the screen: scaled, turned and cut to what the viewport shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightbox.core import opencv
from lightbox.viewer.transforms import FrameShape, ViewTransform


@dataclass(frozen=True)
class ScreenImage:
    """A part of the viewport: (rows, columns) grey or (rows, columns, 3) RGB uint8, its upper left corner at (x, y).

    Sizes and positions are device pixels.
    """

    pixels: NDArray[np.uint8]
    x: int
    y: int


def on_screen(
    pixels: NDArray[np.uint8],
    shape: FrameShape,
    transform: ViewTransform,
    size: tuple[float, float],
    ratio: float = 1.0,
    *,
    smooth: bool = True,
) -> ScreenImage | None:
    """Return the device pixels whose centres lie in the image; None when there are none.

    Parameters
    ----------
    pixels : ndarray
        The image as grey or RGB, or a reduction of it.
    shape : FrameShape
        Size of the image itself.
    transform : ViewTransform
        Image to viewport (logical pixels), turned by quarter turns only.
    size : tuple of 2 floats
        Of the viewport, logical pixels.
    ratio : float
        Device pixels a logical pixel.
    smooth : bool
        Bilinear, else nearest.
    """
    cv2 = opencv.cv2()
    first = transform.to_viewport(0, 0)
    second = transform.to_viewport(shape.columns, shape.rows)
    left, right = (math.ceil(value * ratio - 0.5) for value in sorted((first[0], second[0])))
    top, bottom = (math.ceil(value * ratio - 0.5) for value in sorted((first[1], second[1])))
    left, top = max(0, left), max(0, top)
    right, bottom = min(round(size[0] * ratio), right), min(round(size[1] * ratio), bottom)
    if right <= left or bottom <= top:
        return None
    rows, columns = pixels.shape[:2]
    # From indices of `pixels` to indices of device pixels: both count from pixel centres.
    linear = transform.matrix[:2, :2] * ratio @ np.diag([shape.columns / columns, shape.rows / rows])
    offset = transform.matrix[:2, 2] * ratio + linear @ np.array([0.5, 0.5]) - 0.5 - np.array([left, top])
    matrix = np.column_stack([linear, offset])
    method = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    # The outermost half pixel of the image has no neighbour to mix with: it keeps its own value.
    made = cv2.warpAffine(pixels, matrix, (right - left, bottom - top), flags=method, borderMode=cv2.BORDER_REPLICATE)
    return ScreenImage(np.asarray(made, np.uint8), left, top)
