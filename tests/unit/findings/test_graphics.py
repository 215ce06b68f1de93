"""Graphics as polylines: half-pixel origin, closed shapes, and shapes in the patient cut by planes."""

from __future__ import annotations

import numpy as np
import pytest

from lightbox.dicom.image_plane import ImagePlane
from lightbox.findings.graphics import anchor, is_closed, outline_on_image, outline_on_plane
from lightbox.findings.model import Graphic, GraphicType

FRAME = "1.2.3"


def shape(kind: GraphicType, points, uid: str = "") -> Graphic:
    return Graphic(kind, np.asarray(points, dtype=np.float64), frame_of_reference_uid=uid)


def plane(z: float, uid: str = FRAME, **other) -> ImagePlane:
    values = {"position": (-10.0, -20.0, z), "row_cosines": (1.0, 0.0, 0.0), "column_cosines": (0.0, 1.0, 0.0)}
    values |= {"row_spacing": 0.5, "column_spacing": 2.0, "rows": 100, "columns": 100} | other
    return ImagePlane(**values, frame_of_reference_uid=uid)


def test_the_centre_of_the_first_pixel_is_half_a_pixel_from_the_corner():
    (point,) = outline_on_image(shape(GraphicType.POINT, [[0.5, 0.5]]), 10, 10)
    np.testing.assert_array_equal(point, [[0.0, 0.0]])
    points = outline_on_image(shape(GraphicType.MULTIPOINT, [[1, 2], [3, 4]]), 10, 10)
    np.testing.assert_array_equal(np.concatenate(points), [[0.5, 1.5], [2.5, 3.5]])


def test_polylines_stay_open_unless_they_return_to_their_first_point():
    open_line = shape(GraphicType.POLYLINE, [[1, 1], [5, 1], [5, 5]])
    closed = shape(GraphicType.POLYLINE, [[1, 1], [5, 1], [5, 5], [1, 1.00001]])
    assert not is_closed(open_line)
    assert is_closed(closed)
    np.testing.assert_array_equal(outline_on_image(open_line, 9, 9)[0], [[0.5, 0.5], [4.5, 0.5], [4.5, 4.5]])


def test_circle_and_ellipse():
    (circle,) = outline_on_image(shape(GraphicType.CIRCLE, [[10.5, 20.5], [13.5, 24.5]]), 50, 50)
    np.testing.assert_allclose(np.hypot(circle[:, 0] - 10, circle[:, 1] - 20), 5.0)
    np.testing.assert_allclose(circle[0], circle[-1])
    tilted = np.array([[0, 0], [8, 8], [3, 5], [5, 3]]) + 0.5
    (ellipse,) = outline_on_image(shape(GraphicType.ELLIPSE, tilted), 50, 50)
    along = (ellipse - 4) @ (np.array([1, 1]) / np.sqrt(2))
    across = (ellipse - 4) @ (np.array([1, -1]) / np.sqrt(2))
    np.testing.assert_allclose((along / np.sqrt(32)) ** 2 + (across / np.sqrt(2)) ** 2, 1.0)


def test_graphics_of_the_other_kind_are_not_drawn():
    flat, solid = shape(GraphicType.POINT, [[1, 1]]), shape(GraphicType.POINT, [[1, 1, 1]], FRAME)
    assert outline_on_image(solid, 10, 10) == []
    assert outline_on_plane(flat, plane(1.0), 1.0) == []
    assert outline_on_plane(solid, plane(1.0, uid="1.9"), 1.0) == []
    assert outline_on_plane(shape(GraphicType.POINT, [[1, 1, 1]]), plane(1.0, uid=""), 1.0) == []


def test_points_within_half_a_slice_are_on_the_slice():
    point = shape(GraphicType.POINT, [[-4.0, -18.5, 7.2]], FRAME)
    (found,) = outline_on_plane(point, plane(6.0), 1.25)
    np.testing.assert_allclose(found, [[3.0, 3.0]])
    assert outline_on_plane(point, plane(5.9), 1.25) == []


def test_polygon_in_the_plane_is_whole_and_closed():
    polygon = shape(GraphicType.POLYGON, [[0, 0, 3], [10, 0, 3], [10, 5, 3]], FRAME)
    (found,) = outline_on_plane(polygon, plane(3.0), 0.5)
    np.testing.assert_allclose(found, [[5, 40], [10, 40], [10, 50], [5, 40]])
    assert outline_on_plane(polygon, plane(4.0), 0.5) == []


def test_polygon_that_crosses_the_plane_gives_the_crossing():
    wall = shape(GraphicType.POLYGON, [[0, 0, 0], [10, 0, 0], [10, 0, 8], [0, 0, 8]], FRAME)
    pieces = outline_on_plane(wall, plane(4.0), 1.0)
    assert len(pieces) == 2
    np.testing.assert_allclose(sorted(piece[:, 0].mean() for piece in pieces), [5.0, 10.0])
    for piece in pieces:
        np.testing.assert_allclose(piece[:, 1], 40.0)


def test_ellipse_in_the_patient_on_a_coronal_plane():
    ring = shape(GraphicType.ELLIPSE, [[-6, 4, 10], [6, 4, 10], [0, 4, 7], [0, 4, 13]], FRAME)
    coronal = plane(0.0, position=(-10.0, 4.0, 20.0), column_cosines=(0.0, 0.0, -1.0))
    (found,) = outline_on_plane(ring, coronal, 0.5)
    np.testing.assert_allclose(found[:, 0].min(), 2.0)
    np.testing.assert_allclose(found[:, 0].max(), 8.0)
    np.testing.assert_allclose([found[:, 1].min(), found[:, 1].max()], [14.0, 26.0], atol=0.02)


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.0, 0.6, 0.8)])
def test_section_of_an_ellipsoid(normal):
    axes = [[-9, 0, 5], [9, 0, 5], [0, -6, 5], [0, 6, 5], [0, 0, 1], [0, 0, 9]]
    body = shape(GraphicType.ELLIPSOID, axes, FRAME)
    column = np.cross(normal, (1.0, 0.0, 0.0))
    cut = plane(0.0, position=(-10.0, 0.0, 6.0), column_cosines=tuple(column))
    (found,) = outline_on_plane(body, cut, 0.0)
    for x, y in found[::8]:
        point = cut.to_patient(x, y) - (0, 0, 5)
        assert (point[0] / 9) ** 2 + (point[1] / 6) ** 2 + (point[2] / 4) ** 2 == pytest.approx(1.0)
    away = plane(0.0, position=(-10.0, 0.0, 30.0), column_cosines=tuple(column))
    assert outline_on_plane(body, away, 0.0) == []


def test_text_stands_at_the_upper_right():
    (square,) = outline_on_image(shape(GraphicType.POLYLINE, [[1, 1], [9, 1], [9, 7], [1, 7], [1, 1]]), 20, 20)
    assert anchor([square]) == (8.5, 0.5)
    assert anchor([]) is None
