"""Spatial coordinates as lines on planes."""

from __future__ import annotations

import numpy as np
import pytest

from lightbox.dicom.image_plane import ImagePlane
from lightbox.findings.model import Graphic, GraphicType, ImageReference
from lightbox.viewer.graphics import curve, ellipsoid_section, image_strokes, on_plane, section

PLANE = ImagePlane((-10, -20, 5), (1, 0, 0), (0, 1, 0), 2.0, 0.5, 40, 80, "1.2.3")
IMAGE = ImageReference("1.2.3.4")


def graphic(kind: GraphicType, points: list[list[float]]) -> Graphic:
    return Graphic(kind, np.array(points, dtype=float), IMAGE)


def test_circle_has_its_radius() -> None:
    (line,), closed = curve(graphic(GraphicType.CIRCLE, [[10, 10], [13, 14]]))
    assert closed
    assert np.linalg.norm(line - [10, 10], axis=1) == pytest.approx(5.0)


def test_ellipse_reaches_its_axis_ends() -> None:
    (stroke,) = image_strokes(graphic(GraphicType.ELLIPSE, [[0, 5], [10, 5], [5, 3], [5, 7]]))
    assert stroke.closed
    assert stroke.points.min(axis=0) == pytest.approx([0, 3])
    assert stroke.points.max(axis=0) == pytest.approx([10, 7])


def test_polyline_that_returns_is_closed_and_does_not_repeat_its_point() -> None:
    (stroke,) = image_strokes(graphic(GraphicType.POLYLINE, [[1, 1], [4, 1], [4, 3], [1, 1]]))
    assert stroke.closed
    assert len(stroke.points) == 3


def test_multipoint_is_several_markers() -> None:
    strokes = image_strokes(graphic(GraphicType.MULTIPOINT, [[1, 1], [4, 1]]))
    assert [len(stroke.points) for stroke in strokes] == [1, 1]


def test_image_coordinates_are_half_a_pixel_from_pixel_centres() -> None:
    # The centre of the first pixel is (0.5, 0.5) in SCOORD and the Image Position in the patient.
    assert on_plane(np.array([[0.5, 0.5]]), PLANE)[0] == pytest.approx(PLANE.position)
    assert on_plane(np.array([[2.5, 1.5]]), PLANE)[0] == pytest.approx((-9, -18, 5))


def test_line_in_the_plane_is_drawn_whole() -> None:
    points = on_plane(np.array([[3.0, 4.0], [10.0, 12.0], [20.0, 6.0]]), PLANE)
    (stroke,) = section(points, True, PLANE, 0.5)
    assert stroke.closed
    assert stroke.points == pytest.approx(np.array([[3.0, 4.0], [10.0, 12.0], [20.0, 6.0]]))


def test_line_beside_the_plane_is_not_drawn() -> None:
    points = on_plane(np.array([[3.0, 4.0], [10.0, 12.0], [20.0, 6.0]]), PLANE) + np.array([0, 0, 1.0])
    assert section(points, True, PLANE, 0.5) == []


def test_closed_line_across_the_plane_shows_its_chord() -> None:
    square = np.array([[0.0, 0, 0], [4.0, 0, 0], [4.0, 0, 10], [0.0, 0, 10]])
    (stroke,) = section(square, True, PLANE, 0.1)
    ends = on_plane(stroke.points, PLANE)
    assert sorted(ends[:, 0].tolist()) == pytest.approx([0.0, 4.0])
    assert ends[:, 2] == pytest.approx(5.0)


def test_open_line_across_the_plane_shows_a_marker() -> None:
    (stroke,) = section(np.array([[0.0, 0, 0], [4.0, 2, 10]]), False, PLANE, 0.1)
    assert on_plane(stroke.points, PLANE)[0] == pytest.approx((2.0, 1.0, 5.0))


def test_ellipsoid_is_cut_in_an_ellipse() -> None:
    centre, radii = np.array([0.0, 0.0, 8.0]), (6.0, 3.0, 5.0)
    points = [centre + sign * radii[axis] * np.eye(3)[axis] for axis in range(3) for sign in (-1, 1)]
    (stroke,) = ellipsoid_section(Graphic(GraphicType.ELLIPSOID, np.array(points), None, "1.2.3"), PLANE)
    local = on_plane(stroke.points, PLANE) - centre
    assert (local[:, 0] / 6) ** 2 + (local[:, 1] / 3) ** 2 + (local[:, 2] / 5) ** 2 == pytest.approx(1.0)
    assert local[:, 2] == pytest.approx(-3.0)


def test_ellipsoid_out_of_reach_is_not_drawn() -> None:
    points = [sign * np.eye(3)[axis] + [0, 0, 20] for axis in range(3) for sign in (-1, 1)]
    assert ellipsoid_section(Graphic(GraphicType.ELLIPSOID, np.array(points), None, "1.2.3"), PLANE) == []
