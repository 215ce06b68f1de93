"""The picture on the screen: each device pixel shows the image pixel under its centre."""

from __future__ import annotations

import numpy as np
import pytest

from lightbox.viewer.screen_image import on_screen
from lightbox.viewer.transforms import FrameShape, ViewTransform

SHAPE = FrameShape(12, 17, 1.3, 0.9)


def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(1, 255, (12, 17)).astype(np.uint8)


def whole(made: object, height: int, width: int) -> np.ndarray:
    from lightbox.viewer.screen_image import ScreenImage

    assert isinstance(made, ScreenImage)
    canvas = np.zeros((height, width), np.uint8)
    rows, columns = made.pixels.shape[:2]
    canvas[made.y : made.y + rows, made.x : made.x + columns] = made.pixels
    return canvas


@pytest.mark.parametrize("ratio", [1.0, 2.0])
@pytest.mark.parametrize(("rotation", "flip"), [(0, False), (90, False), (180, True), (270, True)])
def test_nearest_shows_the_pixel_under_each_centre(ratio: float, rotation: int, flip: bool) -> None:
    image = picture()
    view = ViewTransform.of(SHAPE, 90, 70, scale=4.31, centre=(8.2, 7.1), rotation=rotation, flip=flip)
    height, width = round(70 * ratio), round(90 * ratio)
    shown = whole(on_screen(image, SHAPE, view, (90.0, 70.0), ratio, smooth=False), height, width)
    wrong = 0
    for y in range(height):
        for x in range(width):
            column, row = view.to_image((x + 0.5) / ratio, (y + 0.5) / ratio)
            inside = 0 <= row < 12 and 0 <= column < 17
            expected = image[int(row), int(column)] if inside else 0
            near_edge = min(abs(column - round(column)), abs(row - round(row))) < 0.02
            wrong += shown[y, x] != expected and not near_edge
    assert wrong == 0


def test_smooth_passes_through_the_centres_and_keeps_the_border() -> None:
    image = picture()
    view = ViewTransform.of(FrameShape(12, 17), 85, 60, scale=5.0)
    shown = whole(on_screen(image, FrameShape(12, 17), view, (85.0, 60.0)), 60, 85)
    assert np.abs(shown[2::5, 2::5].astype(int) - image).max() <= 1
    assert shown[0, 0] == image[0, 0]
    assert shown[-1, -1] == image[-1, -1]


def test_reduced_pixels_cover_the_same_place() -> None:
    image = np.repeat(np.repeat(picture()[:, :16], 2, axis=0), 2, axis=1)
    shape = FrameShape(24, 32)
    view = ViewTransform.of(shape, 64, 48, scale=2.0)
    full = whole(on_screen(image, shape, view, (64.0, 48.0), smooth=False), 48, 64)
    half = whole(on_screen(image[::2, ::2].copy(), shape, view, (64.0, 48.0), smooth=False), 48, 64)
    assert np.array_equal(full, half)


def test_nothing_in_view_is_none() -> None:
    view = ViewTransform.of(SHAPE, 90, 70, scale=4.0, centre=(500, 500))
    assert on_screen(picture(), SHAPE, view, (90.0, 70.0)) is None
