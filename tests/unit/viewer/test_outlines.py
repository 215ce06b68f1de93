"""Outlines run exactly between the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from lightbox.viewer.outlines import label_outlines, outlines


def rasterised(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Fill polygons by the even-odd rule, sampled at pixel centres (independent of OpenCV)."""
    inside = np.zeros(shape, bool)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    for polygon in polygons:
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0)):
            if y0 == y1:
                continue
            crosses = (y0 <= y) != (y1 <= y)
            inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def test_single_pixel_is_a_unit_square() -> None:
    mask = np.zeros((5, 6), bool)
    mask[2, 3] = True
    (polygon,) = outlines(mask)
    assert sorted(map(tuple, polygon.tolist())) == [(3, 2), (3, 3), (4, 2), (4, 3)]


def test_empty_mask_has_no_outline() -> None:
    assert outlines(np.zeros((4, 4), bool)) == []


@pytest.mark.parametrize("seed", range(25))
def test_filled_again_gives_the_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((17, 23)) < rng.uniform(0.1, 0.9)
    assert np.array_equal(rasterised(outlines(mask), mask.shape), mask)


def test_ring_keeps_its_hole_and_the_border_of_the_image() -> None:
    mask = np.ones((6, 6), bool)
    mask[2:4, 2:5] = False
    assert np.array_equal(rasterised(outlines(mask), mask.shape), mask)


def test_every_label_has_its_own() -> None:
    labels = np.zeros((6, 8), np.uint16)
    labels[1:3, 1:4] = 7
    labels[4, 5] = 300
    found = label_outlines(labels)
    assert sorted(found) == [7, 300]
    for label, polygons in found.items():
        assert np.array_equal(rasterised(polygons, labels.shape), labels == label)
