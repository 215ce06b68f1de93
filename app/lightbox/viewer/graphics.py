"""Spatial coordinates of findings as lines: SCOORD on its image, SCOORD3D cut by a plane (PS3.3 C.18.6, C.18.9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom.image_plane import ImagePlane
from lightbox.findings.model import Graphic, GraphicType

ELLIPSE_POINTS = 72

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Stroke:
    """A line to draw: `points` (n, 2) image coordinates; one point alone is a marker."""

    points: Points
    closed: bool = False


def curve(graphic: Graphic) -> tuple[list[Points], bool]:
    """Return the graphic as polylines in its own coordinates (2 or 3 columns) and whether they are closed.

    CIRCLE (centre, point on the circle) and ELLIPSE (ends of the major, then of the minor axis) become polygons;
    MULTIPOINT becomes single points. A POLYLINE whose last point repeats the first is closed. ELLIPSOID is a solid:
    see
    `ellipsoid_section`.
    """
    points = np.asarray(graphic.points, dtype=np.float64)
    kind = graphic.graphic_type
    if len(points) == 0:
        return [], False
    angles = np.linspace(0.0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)[:, None]
    if kind is GraphicType.CIRCLE and len(points) >= 2 and points.shape[1] == 2:
        radius = float(np.linalg.norm(points[1] - points[0]))
        return [points[0] + radius * np.hstack([np.cos(angles), np.sin(angles)])], True
    if kind is GraphicType.ELLIPSE and len(points) >= 4:
        centre = points[:4].mean(axis=0)
        major, minor = (points[1] - points[0]) / 2, (points[3] - points[2]) / 2
        return [centre + np.cos(angles) * major + np.sin(angles) * minor], True
    if kind in (GraphicType.POINT, GraphicType.MULTIPOINT):
        return [point[None, :] for point in points], False
    closed = kind is GraphicType.POLYGON
    if len(points) > 2 and np.allclose(points[0], points[-1]):
        points, closed = points[:-1], True
    return [points], closed


def image_strokes(graphic: Graphic) -> list[Stroke]:
    """Return the strokes of a SCOORD on its own image: the coordinates already are image coordinates."""
    lines, closed = curve(graphic)
    return [Stroke(line[:, :2], closed and len(line) > 2) for line in lines]


def to_patient(graphic: Graphic, plane: ImagePlane) -> list[Points]:
    """Return the polylines of a SCOORD as (n, 3) mm in patient LPS, placed by the plane of its image."""
    lines, _ = curve(graphic)
    return [on_plane(line, plane) for line in lines]


def on_plane(points: Points, plane: ImagePlane) -> Points:
    """Return (n, 2) image coordinates of a plane as (n, 3) mm in patient LPS."""
    flat = np.column_stack([points[:, 0] - 0.5, points[:, 1] - 0.5, np.zeros(len(points)), np.ones(len(points))])
    return (flat @ plane.affine.T)[:, :3]


def section(points: Points, closed: bool, plane: ImagePlane, tolerance_mm: float) -> list[Stroke]:
    """Return what a plane shows of a polyline in space.

    Parameters
    ----------
    points : ndarray
        (n, 3) mm in patient LPS.
    closed : bool
        Whether the last point joins the first.
    plane : ImagePlane
        The plane of the picture.
    tolerance_mm : float
        Points up to this far from the plane lie in it.

    Returns
    -------
    list of Stroke
        The whole line when all of it lies in the plane; otherwise, where a closed line passes through, the chord
        inside it; where an open line passes through, a marker.
    """
    local = (np.column_stack([points, np.ones(len(points))]) @ plane.inverse.T)[:, :3]
    distance = local[:, 2]
    flat = local[:, :2] + 0.5
    if float(np.abs(distance).max()) <= tolerance_mm:
        return [Stroke(flat, closed and len(flat) > 2)]
    if len(points) < 2:
        return []
    following = np.roll(np.arange(len(points)), -1)
    count = len(points) if closed else len(points) - 1
    crossings: list[Points] = []
    for index in range(count):
        start, end = index, int(following[index])
        if (distance[start] < 0) == (distance[end] < 0):
            continue
        part = distance[start] / (distance[start] - distance[end])
        crossings.append(flat[start] + part * (flat[end] - flat[start]))
    if not closed:
        return [Stroke(point[None, :]) for point in crossings]
    if len(crossings) < 2:
        return []
    ordered = np.array(crossings)
    spread = ordered.max(axis=0) - ordered.min(axis=0)
    ordered = ordered[np.argsort(ordered[:, int(spread.argmax())])]
    return [Stroke(ordered[index : index + 2]) for index in range(0, len(ordered) - 1, 2)]


def ellipsoid_section(graphic: Graphic, plane: ImagePlane) -> list[Stroke]:
    """Return the ellipse in which a plane cuts an ELLIPSOID (six end points of three axes, PS3.3 C.18.9.1.2)."""
    points = np.asarray(graphic.points, dtype=np.float64)
    if len(points) < 6:
        return []
    centre = points[:6].mean(axis=0)
    axes = np.array([(points[2 * index + 1] - points[2 * index]) / 2 for index in range(3)])
    radii = np.linalg.norm(axes, axis=1)
    if float(radii.min()) <= 0:
        return []
    units = axes / radii[:, None]
    # Points inside satisfy (x - centre)^T form (x - centre) <= 1.
    form = (units.T / radii**2) @ units
    basis = np.column_stack([plane.row_cosines, plane.column_cosines]).astype(np.float64)
    origin = np.asarray(plane.position) - centre
    a = basis.T @ form @ basis
    b = basis.T @ form @ origin
    middle = -np.linalg.solve(a, b)
    level = 1.0 - float(origin @ form @ origin) + float(middle @ a @ middle)
    if level <= 0:
        return []
    values, vectors = np.linalg.eigh(a / level)
    angles = np.linspace(0.0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)
    circle = np.vstack([np.cos(angles) / np.sqrt(values[0]), np.sin(angles) / np.sqrt(values[1])])
    in_plane = (vectors @ circle).T + middle
    spacing = np.array([plane.column_spacing, plane.row_spacing])
    return [Stroke(in_plane / spacing + 0.5, closed=True)]
