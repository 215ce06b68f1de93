"""Masks on the screen: every device pixel shows the label under its centre, and nothing lies beside it."""

from __future__ import annotations

import numpy as np
import pytest

from lightbox.viewer.mask_raster import HALO_ALPHA, rasterise
from lightbox.viewer.overlays import MaskLayer, OverlayStyle, Region
from lightbox.viewer.transforms import FrameShape, ViewTransform


def layer_of(labels: np.ndarray) -> MaskLayer:
    regions = {int(n): Region(f"f{n}", f"f{n}", ()) for n in np.unique(labels) if n}
    return MaskLayer(labels.astype(np.uint16), regions)


def style(**changes: object) -> OverlayStyle:
    made = OverlayStyle(opacity=0.5, colours={"f1": (250, 10, 20), "f2": (10, 240, 30), "f500": (0, 0, 255)})
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("ratio", [1.0, 2.0, 1.5])
@pytest.mark.parametrize(("rotation", "flip"), [(0, False), (90, False), (180, True), (270, True)])
def test_each_device_pixel_shows_the_label_under_its_centre(ratio: float, rotation: int, flip: bool) -> None:
    rng = np.random.default_rng(3)
    labels = np.where(rng.random((12, 17)) < 0.3, rng.choice([1, 2, 500], (12, 17)), 0)
    view = ViewTransform.of(
        FrameShape(12, 17, 1.3, 0.9), 90, 70, scale=4.3, centre=(8, 7), rotation=rotation, flip=flip
    )
    made = rasterise(layer_of(labels), style(), view, (90.0, 70.0), ratio)
    assert made is not None
    whole = np.zeros((round(70 * ratio), round(90 * ratio)), np.uint32)
    rows, columns = made.argb.shape
    whole[made.y : made.y + rows, made.x : made.x + columns] = made.argb
    inside = (whole != 0) & (whole != HALO_ALPHA << 24)
    for y in range(whole.shape[0]):
        for x in range(whole.shape[1]):
            column, row = (int(np.floor(v)) for v in view.to_image((x + 0.5) / ratio, (y + 0.5) / ratio))
            covered = 0 <= row < 12 and 0 <= column < 17 and labels[row, column] > 0
            assert inside[y, x] == covered, (x, y)


def test_outline_is_opaque_and_inside_the_fill_is_not() -> None:
    labels = np.zeros((10, 10), np.uint16)
    labels[2:8, 2:8] = 1
    view = ViewTransform.of(FrameShape(10, 10), 100, 100, scale=10.0)
    made = rasterise(layer_of(labels), style(), view, (100.0, 100.0))
    assert made is not None
    at = lambda x, y: int(made.argb[y - made.y, x - made.x])  # noqa: E731
    assert at(20, 50) == at(21, 50) == 0xFFFA0A14
    assert at(22, 50) >> 24 == 128
    assert at(19, 50) == HALO_ALPHA << 24
    assert at(18, 50) == 0


def test_hidden_regions_are_not_drawn() -> None:
    labels = np.zeros((4, 6), np.uint16)
    labels[1, 1], labels[1, 4] = 1, 2
    view = ViewTransform.of(FrameShape(4, 6), 60, 40, scale=10.0)
    assert rasterise(layer_of(labels), style(shown=False), view, (60.0, 40.0)) is None
    made = rasterise(layer_of(labels), style(hidden={"f1"}), view, (60.0, 40.0))
    assert made is not None
    whole = np.zeros((40, 60), np.uint32)
    whole[made.y : made.y + made.argb.shape[0], made.x : made.x + made.argb.shape[1]] = made.argb
    assert not whole[10:20, 10:20].any()
    assert whole[10:20, 40:50].all()


def test_out_of_view_is_nothing() -> None:
    labels = np.ones((4, 4), np.uint16)
    view = ViewTransform.of(FrameShape(4, 4), 40, 40, scale=10.0, centre=(40, 40))
    assert rasterise(layer_of(labels), style(), view, (40.0, 40.0)) is None
