"""From a mask to its outline: the exact boundary between pixels, as polygons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightbox.core import opencv

Polygon = NDArray[np.float64]


def outlines(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> list[Polygon]:
    """Return the boundary of a mask, holes included.

    Parameters
    ----------
    mask : ndarray
        (rows, columns), non-zero inside.

    Returns
    -------
    list of ndarray
        Closed polygons, (n, 2) float64 image coordinates (column, row) on the edges between pixels; the last point
        is not repeated. Filled by the even-odd rule they give back the mask.

    Notes
    -----
    The contour follower of OpenCV walks through pixel centres inside the object. On a mask enlarged twice, the half
    pixel it visits tells on which side the edge is: index 2c is beside edge c, index 2c + 1 beside edge c + 1.
    """
    cv2 = opencv.cv2()
    inside = np.ascontiguousarray(mask, dtype=np.uint8)
    x, y, width, height = cv2.boundingRect(inside)
    if width == 0 or height == 0:
        return []
    box = inside[y : y + height, x : x + width]
    double = box.repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(double, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [(contour[:, 0, :] + 1) // 2 + np.array([x, y], dtype=np.float64) for contour in found]


def label_outlines(labels: NDArray[np.unsignedinteger]) -> dict[int, list[Polygon]]:
    """Return `outlines` of every label but 0 in a label image (rows, columns)."""
    rows, columns = np.flatnonzero(labels.any(axis=1)), np.flatnonzero(labels.any(axis=0))
    if not rows.size:
        return {}
    top, left = int(rows[0]), int(columns[0])
    box = labels[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    present = np.flatnonzero(np.bincount(box.ravel())[1:]) + 1
    corner = np.array([left, top], dtype=np.float64)
    return {int(label): [polygon + corner for polygon in outlines(box == label)] for label in present}
