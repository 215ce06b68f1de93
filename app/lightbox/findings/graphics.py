"""Graphics of findings as polylines on an image or on any plane in the patient."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom.image_plane import ImagePlane
from lightbox.findings.model import Graphic, GraphicType

Points = NDArray[np.float64]
_STEPS = 96
# A closed polyline repeats its first point; writers round single precision numbers on the way.
_CLOSED = 1e-3


def is_closed(graphic: Graphic) -> bool:
    """Return whether a graphic encloses an area (PS3.3 C.18.6.1.2, C.18.9.1.2)."""
    if graphic.graphic_type in (GraphicType.CIRCLE, GraphicType.ELLIPSE, GraphicType.POLYGON, GraphicType.ELLIPSOID):
        return True
    points = graphic.points
    return (
        graphic.graphic_type is GraphicType.POLYLINE
        and len(points) > 2
        and float(np.abs(points[0] - points[-1]).max()) < _CLOSED
    )


def outline_on_image(graphic: Graphic, rows: int, columns: int) -> list[Points]:
    """Return an SCOORD graphic in pixel coordinates of its own image.

    Parameters
    ----------
    graphic : Graphic
        With (n, 2) points; whether it belongs on the image and frame is the caller's question (`Graphic.image`).
    rows, columns : int
        Size of the image. Points may lie outside of it.

    Returns
    -------
    list of (n, 2) float arrays
        Column, row with (0, 0) the centre of the first pixel: half a pixel less than SCOORD, which counts from the
        outer corner. One array for each line; points are arrays of one point; closed lines repeat their first point.
    """
    if graphic.points.shape[1] != 2 or rows <= 0 or columns <= 0:
        return []
    return _lines(graphic.graphic_type, graphic.points - 0.5, closed=False)


def outline_on_plane(graphic: Graphic, plane: ImagePlane, tolerance_mm: float) -> list[Points]:
    """Return an SCOORD3D graphic where it meets a plane, in pixel coordinates of the plane.

    Parameters
    ----------
    graphic : Graphic
        With (n, 3) points in mm, patient LPS.
    plane : ImagePlane
        Must be in the same Frame of Reference; otherwise nothing is returned.
    tolerance_mm : float
        Points and lines are shown when they are no farther from the plane than this: half the slice spacing.

    Returns
    -------
    list of (n, 2) float arrays
        As `outline_on_image`. A polygon that lies in the plane is drawn whole; one that crosses it gives the points or
        lines of the crossing; an ellipsoid gives its section.
    """
    if graphic.points.shape[1] != 3 or not graphic.frame_of_reference_uid:
        return []
    if plane.frame_of_reference_uid != graphic.frame_of_reference_uid:
        return []
    if graphic.graphic_type is GraphicType.ELLIPSOID:
        return _ellipsoid_section(graphic.points, plane)
    closed = graphic.graphic_type is GraphicType.POLYGON
    result: list[Points] = []
    for line in _lines(graphic.graphic_type, graphic.points, closed=closed):
        local = np.c_[line, np.ones(len(line))] @ plane.inverse.T
        near = np.abs(local[:, 2]) <= tolerance_mm
        if near.all():
            result.append(local[:, :2])
        elif len(local) > 1:
            result.extend(_pieces(local[:, :3], tolerance_mm))
    return result


def anchor(lines: list[Points]) -> tuple[float, float] | None:
    """Return where to put the text of a graphic: the rightmost point of its uppermost quarter, or None."""
    if not lines:
        return None
    points = np.concatenate(lines)
    top, bottom = float(points[:, 1].min()), float(points[:, 1].max())
    upper = points[points[:, 1] <= top + (bottom - top) / 4]
    column, row = upper[int(np.argmax(upper[:, 0]))]
    return (float(column), float(row))


def _lines(kind: GraphicType, points: Points, *, closed: bool) -> list[Points]:
    """Return the lines of a graphic in its own coordinates (2-D or 3-D)."""
    if kind in (GraphicType.POINT, GraphicType.MULTIPOINT):
        return [point[None, :] for point in points]
    if kind is GraphicType.CIRCLE and len(points) >= 2:
        return [_circle(points[0], points[1])]
    if kind is GraphicType.ELLIPSE and len(points) >= 4:
        return [_ellipse(points)]
    if closed and len(points) > 2 and float(np.abs(points[0] - points[-1]).max()) >= _CLOSED:
        points = np.concatenate([points, points[:1]])
    return [points.copy()]


def _circle(centre: Points, on_circle: Points) -> Points:
    """Return a circle of 2-D points (a centre and a point on it)."""
    radius = float(np.linalg.norm(on_circle - centre))
    angle = np.linspace(0.0, 2.0 * np.pi, _STEPS + 1)
    return centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _ellipse(points: Points) -> Points:
    """Return an ellipse from the end points of its major axis, then of its minor axis (2-D or 3-D)."""
    centre = (points[0] + points[1]) / 2.0
    major, minor = (points[1] - points[0]) / 2.0, (points[3] - points[2]) / 2.0
    angle = np.linspace(0.0, 2.0 * np.pi, _STEPS + 1)[:, None]
    return centre + np.cos(angle) * major + np.sin(angle) * minor


def _pieces(local: Points, tolerance: float) -> list[Points]:
    """Return the parts of a line (column, row, mm above the plane) that lie within the tolerance of the plane."""
    result: list[Points] = []
    current: list[Points] = []
    for start, end in pairwise(local):
        clipped = _clip(start, end, tolerance)
        if clipped is None:
            if current:
                result.append(np.array(current))
                current = []
            continue
        first, last = clipped
        if current and float(np.abs(current[-1] - first).max()) > 1e-9:
            result.append(np.array(current))
            current = []
        if not current:
            current.append(first)
        if float(np.abs(current[-1] - last).max()) > 1e-9:
            current.append(last)
    if current:
        result.append(np.array(current))
    return result


def _clip(start: Points, end: Points, tolerance: float) -> tuple[Points, Points] | None:
    """Return the part of a segment between -tolerance and +tolerance of its third coordinate (column, row only)."""
    low, high = 0.0, 1.0
    change = float(end[2] - start[2])
    if abs(change) < 1e-12:
        if abs(float(start[2])) > tolerance:
            return None
    else:
        one, two = (-tolerance - float(start[2])) / change, (tolerance - float(start[2])) / change
        low, high = max(low, min(one, two)), min(high, max(one, two))
        if low > high:
            return None
    return (start + (end - start) * low)[:2], (start + (end - start) * high)[:2]


def _ellipsoid_section(points: Points, plane: ImagePlane) -> list[Points]:
    """Return where an ellipsoid (end points of its three axes) meets a plane: an ellipse, or nothing."""
    if len(points) < 6:
        return []
    centre = points[:2].mean(axis=0)
    axes = np.stack([(points[2 * k + 1] - points[2 * k]) / 2.0 for k in range(3)], axis=1)
    if abs(float(np.linalg.det(axes))) < 1e-12:
        return []
    # In units of its own axes the ellipsoid is the unit ball and the plane stays a plane.
    to_ball = np.linalg.inv(axes)
    normal = axes.T @ plane.normal
    length = float(np.linalg.norm(normal))
    distance = float(plane.normal @ (np.asarray(plane.position) - centre)) / length
    if abs(distance) >= 1.0:
        return []
    normal = normal / length
    helper = np.eye(3)[int(np.argmin(np.abs(normal)))]
    first = np.cross(normal, helper)
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    angle = np.linspace(0.0, 2.0 * np.pi, _STEPS + 1)[:, None]
    ring = distance * normal + np.sqrt(1.0 - distance**2) * (np.cos(angle) * first + np.sin(angle) * second)
    world = centre + ring @ np.linalg.inv(to_ball).T
    return [(np.c_[world, np.ones(len(world))] @ plane.inverse.T)[:, :2]]
