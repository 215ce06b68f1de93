"""Image coordinates to viewport coordinates and back."""

from __future__ import annotations

import numpy as np
import pytest

from lightbox.viewer.transforms import FrameShape, ViewTransform, fit_scale


def test_identity_at_scale_one() -> None:
    view = ViewTransform.of(FrameShape(10, 20), 20, 10, scale=1.0)
    assert view.to_viewport(0, 0) == (0, 0)
    assert view.to_viewport(20, 10) == (20, 10)
    assert view.pixel_at(0.0, 0.0, FrameShape(10, 20)) == (0, 0)
    assert view.pixel_at(19.99, 9.99, FrameShape(10, 20)) == (19, 9)
    assert view.pixel_at(20.0, 5.0, FrameShape(10, 20)) is None
    assert view.pixel_at(-0.01, 5.0, FrameShape(10, 20)) is None


def test_high_pixels_are_drawn_high() -> None:
    shape = FrameShape(10, 10, row_spacing=2.0, column_spacing=1.0)
    assert fit_scale(shape, 100, 100) == pytest.approx(5.0)
    view = ViewTransform.of(shape, 100, 100, scale=5.0)
    left, top = view.to_viewport(0, 0)
    right, bottom = view.to_viewport(10, 10)
    assert (right - left, bottom - top) == pytest.approx((50.0, 100.0))


def test_quarter_turn_is_clockwise() -> None:
    # The upper left corner of the image goes to the upper right of the screen.
    view = ViewTransform.of(FrameShape(10, 10), 10, 10, scale=1.0, rotation=90)
    assert view.to_viewport(0, 0) == pytest.approx((10, 0))
    assert view.to_viewport(10, 0) == pytest.approx((10, 10))


def test_flip_comes_after_rotation() -> None:
    turned = ViewTransform.of(FrameShape(10, 10), 10, 10, scale=1.0, rotation=90)
    both = ViewTransform.of(FrameShape(10, 10), 10, 10, scale=1.0, rotation=90, flip=True)
    x, y = turned.to_viewport(3, 7)
    assert both.to_viewport(3, 7) == pytest.approx((10 - x, y))


def test_fit_of_a_turned_image_swaps_sides() -> None:
    shape = FrameShape(10, 40)
    assert fit_scale(shape, 400, 100) == pytest.approx(10.0)
    assert fit_scale(shape, 400, 100, 90) == pytest.approx(2.5)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270, 33.0])
@pytest.mark.parametrize("flip", [False, True])
def test_there_and_back(rotation: float, flip: bool) -> None:
    shape = FrameShape(31, 47, 0.7, 0.4)
    view = ViewTransform.of(shape, 300, 200, scale=2.3, centre=(11.0, 5.5), rotation=rotation, flip=flip)
    for point in ((0.0, 0.0), (47.0, 31.0), (12.25, 3.5)):
        assert view.to_image(*view.to_viewport(*point)) == pytest.approx(point)
    many = np.array([[1.0, 2.0], [30.5, 7.25]])
    assert view.points_to_viewport(many)[1] == pytest.approx(view.to_viewport(30.5, 7.25))
    assert view.to_viewport(11.0, 5.5) == pytest.approx((150, 100))
