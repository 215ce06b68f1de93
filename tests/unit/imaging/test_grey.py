"""The grey chain against values worked out by hand from PS3.3 C.11."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from builders.images import group, make_enhanced, make_image, opened
from lightbox.dicom.lookup_table import LookupTable
from lightbox.dicom.voi import Voi, VoiKind
from lightbox.imaging.grey import GreyChain
from lightbox.imaging.image_object import ImageObject


def chain(*args, **options):
    return GreyChain.of_dataset(make_image(*args, **options))


def shown(values, voi, dtype=np.int16, **options):
    pixels = np.array([values], dtype)
    return chain(pixels, **options).display(pixels, voi)[0].tolist()


def test_linear_follows_the_formula_of_the_standard():
    # C.11.2.1.2.1: c 2048, w 4096 over 0..255: x <= 2048 - 0.5 - 2047.5 = 0 gives 0, x > 4095 gives 255,
    # else ((x - 2047.5) / 4095 + 0.5) * 255
    voi = Voi(VoiKind.LINEAR, 2048, 4096)
    for value in (1, 1000, 2047, 2048, 3333, 4094):
        expected = ((value - 2047.5) / 4095 + 0.5) * 255
        assert shown([value], voi) == [math.floor(expected + 0.5)]
    assert shown([-5, 0, 4095, 4096, 9999], voi) == [0, 0, 255, 255, 255]


def test_linear_exact_has_neither_half_nor_one():
    # C.11.2.1.3.2: c 50, w 100: x <= 0 gives 0, x > 100 gives 255, else ((x - 50) / 100 + 0.5) * 255
    voi = Voi(VoiKind.LINEAR_EXACT, 50, 100)
    assert shown([-1, 0, 20, 50, 80, 100, 101], voi) == [0, 0, 51, 128, 204, 255, 255]


def test_linear_and_linear_exact_differ_as_they_should():
    assert shown([49], Voi(VoiKind.LINEAR, 50, 3)) == [64]  # ((49 - 49.5) / 2 + 0.5) * 255 = 63.75
    assert shown([49], Voi(VoiKind.LINEAR_EXACT, 50, 3)) == [43]  # ((49 - 50) / 3 + 0.5) * 255 = 42.5


def test_sigmoid():
    voi = Voi(VoiKind.SIGMOID, 100, 40)
    expected = [math.floor(255 / (1 + math.exp(-4 * (value - 100) / 40)) + 0.5) for value in (0, 80, 100, 110, 300)]
    assert shown([0, 80, 100, 110, 300], voi) == expected
    assert expected[2] == 128


def test_a_width_of_one_is_a_threshold():
    assert shown([9, 10, 11], Voi(VoiKind.LINEAR, 10.5, 1)) == [0, 0, 255]


def test_the_window_applies_to_modality_values():
    assert shown([0, 1024, 1424], Voi(VoiKind.LINEAR_EXACT, 0, 800), np.uint16, rescale=(1, -1024)) == [0, 128, 255]


def test_fractional_rescale():
    found = chain(np.array([[0, 3]], np.uint16), rescale=(0.5, -1))
    assert found.modality(np.array([[0, 3]], np.uint16)).tolist() == [[-1.0, 0.5]]
    assert found.display(np.array([[0, 4]], np.uint16), Voi(VoiKind.LINEAR_EXACT, 0, 2)).tolist() == [[0, 255]]


def test_a_negative_slope_turns_the_order():
    assert shown([0, 100], Voi(VoiKind.LINEAR_EXACT, -50, 100), rescale=(-1, 0)) == [255, 0]


def test_voi_table_with_signed_first_value_and_8_bit_entries_in_words():
    ds = make_image(np.array([[-3, -2, -1, 0, 5]], np.int16), voi_luts=[(-2, [0, 100, 255], 8)])
    found = GreyChain.of_dataset(ds)
    assert found.presets[0].explanation == "made by code"
    assert found.display(np.array([[-3, -2, -1, 0, 5]], np.int16), found.presets[0]).tolist() == [[0, 0, 100, 255, 255]]


def test_a_voi_table_scales_by_its_bits():
    table = LookupTable(0, np.array([0, 1024, 4095], np.uint16), 12)
    assert shown([0, 1, 2], Voi(VoiKind.TABLE, table=table)) == [0, 64, 255]


def test_modality_table_before_voi():
    pixels = np.array([[0, 1, 2]], np.uint16)
    found = chain(pixels, modality_lut=(0, [1000, 0, 500], 16))
    assert found.modality(pixels).tolist() == [[1000, 0, 500]]
    assert found.display(pixels, Voi(VoiKind.LINEAR_EXACT, 500, 1000)).tolist() == [[255, 0, 128]]


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_an_image_is_inverted_once_at_most(photometric, shape, inverted):
    options = {"PresentationLUTShape": shape} if shape else {}
    found = chain(np.array([[0, 255]], np.uint8), photometric=photometric, **options)
    voi = Voi(VoiKind.LINEAR_EXACT, 127.5, 255)
    expected = [[255, 0]] if inverted else [[0, 255]]
    assert found.display(np.array([[0, 255]], np.uint8), voi).tolist() == expected
    assert found.display(np.array([[0, 255]], np.uint8), voi, invert=True).tolist() == [expected[0][::-1]]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("invert", [False, True])
def test_padding_is_background_whatever_is_inverted(photometric, invert):
    pixels = np.array([[-2000, 0, 100]], np.int16)
    found = chain(pixels, photometric=photometric, padding=-2000)
    assert found.display(pixels, Voi(VoiKind.LINEAR_EXACT, 50, 100), invert=invert)[0, 0] == 0


def test_padding_does_not_take_part_in_the_automatic_window():
    pixels = np.array([[-2000, 10, 110, -2000]], np.int16)
    voi = chain(pixels, padding=-2000).default_voi(pixels)
    assert (voi.low, voi.high) == (10, 110)
    ranged = np.array([[0, 5, 10, 50, 90]], np.uint16)
    voi = chain(ranged, padding=0, padding_limit=10).default_voi(ranged)
    assert (voi.low, voi.high) == (50, 90)
    nothing_else = np.full((2, 2), -2000, np.int16)
    assert chain(nothing_else, padding=-2000).default_voi(nothing_else).width == 1


def test_the_automatic_window_reaches_from_black_to_white():
    for pixels, options in (
        (np.array([[3, 7, 1000]], np.uint16), {}),
        (np.array([[3, 7, 1000]], np.uint16), {"rescale": (0.001, 0)}),
        (np.array([[-1.5, 0.25, 3.0]], np.float32), {}),
        (np.array([[0, 2**31, 2**32 - 1]], np.uint32), {}),
        (np.array([[5, 6, 9]], np.uint16), {"rescale": (-2, 7)}),
    ):
        found = chain(pixels, **options)
        grey = found.display(pixels, found.default_voi(pixels))
        assert sorted([int(grey.min()), int(grey.max())]) == [0, 255]


def test_an_image_of_one_value_is_shown_without_failing():
    pixels = np.full((3, 3), 7, np.uint16)
    assert set(chain(pixels).display(pixels, chain(pixels).default_voi(pixels)).ravel()) == {0}


def test_bilevel_images_are_black_and_white():
    pixels = np.array([[0, 1]], np.uint8)
    found = chain(pixels, bits_allocated=1, bits_stored=1)
    assert found.display(pixels, found.default_voi(pixels)).tolist() == [[0, 255]]
    ones = np.ones((1, 2), np.uint8)
    assert found.display(ones, found.default_voi(ones)).tolist() == [[255, 255]]


def test_the_first_window_of_the_file_is_the_default_then_its_table():
    pixels = np.array([[0, 1]], np.uint16)
    both = chain(pixels, windows=[(40, 400), (300, 1500)], voi_luts=[(0, [0, 255], 8)])
    assert (both.default_voi(pixels).center, both.default_voi(pixels).width) == (40, 400)
    assert [preset.kind for preset in both.presets] == [VoiKind.LINEAR, VoiKind.LINEAR, VoiKind.TABLE]
    assert chain(pixels, voi_luts=[(0, [0, 255], 8)]).default_voi(pixels).kind is VoiKind.TABLE
    assert chain(pixels, windows=[(40, 0)]).presets == ()


def test_frames_have_their_own_window_and_rescale():
    ds = make_enhanced(
        np.zeros((2, 2, 2), np.uint16),
        windows=[(1, 2)],
        per_frame=[
            group(
                FrameVOILUTSequence={"WindowCenter": center, "WindowWidth": 100},
                PixelValueTransformationSequence={"RescaleSlope": slope, "RescaleIntercept": 0, "RescaleType": "US"},
            )
            for center, slope in ((50, 1), (500, 10))
        ],
    )
    stored = np.array([[0, 50, 55]], np.uint16)
    first, second = (GreyChain.of_dataset(ds, frame) for frame in range(2))
    assert (first.presets[0].center, second.presets[0].center) == (50, 500)
    assert second.modality(stored).tolist() == [[0, 500, 550]]
    assert second.display(stored, second.presets[0]).tolist() == [[0, 129, 255]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32])
def test_table_and_direct_path_give_the_same_greys(dtype):
    rng = np.random.default_rng(0)
    pixels = (
        rng.integers(-100, 100, (20, 30)).astype(dtype)
        if np.dtype(dtype).kind != "u"
        else rng.integers(0, 200, (20, 30)).astype(dtype)
    )
    found = chain(pixels, rescale=(1.5, -3))
    for voi in (
        Voi(VoiKind.LINEAR, 10, 80),
        Voi(VoiKind.LINEAR_EXACT, 10.5, 33.3),
        Voi(VoiKind.SIGMOID, 0, 50),
        Voi(VoiKind.TABLE, table=LookupTable(-50, np.arange(100, dtype=np.uint16), 7)),
    ):
        for invert in (False, True):
            direct = found.display_values(found.modality(pixels), voi, invert=invert)
            assert np.array_equal(found.display(pixels, voi, invert=invert), direct)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("has_opencv", [True, False])
def test_every_gather_gives_the_same_greys(monkeypatch, dtype, has_opencv):
    import cv2

    pixels = np.arange(-3000, 3000).astype(dtype).reshape(60, 100)
    voi = Voi(VoiKind.LINEAR, 30, 100)
    expected = chain(pixels).display_values(pixels, voi)
    if has_opencv:
        assert "cv2" in sys.modules
    else:
        monkeypatch.delitem(sys.modules, "cv2")
    for view in (pixels, pixels[::2, ::-1], pixels[:0], pixels.ravel()):
        rows = chain(pixels).display(view, voi)
        assert np.array_equal(rows, chain(pixels).display_values(view, voi))
    assert np.array_equal(chain(pixels).display(pixels, voi), expected)
    assert cv2.__version__


def test_an_opencv_without_16_bit_tables_is_no_hindrance(monkeypatch):
    import cv2

    def refuse(*_args):
        raise cv2.error("8 bit only")

    monkeypatch.setattr(cv2, "LUT", refuse)
    pixels = np.arange(600, dtype=np.uint16).reshape(20, 30)
    voi = Voi(VoiKind.LINEAR, 300, 600)
    assert np.array_equal(chain(pixels).display(pixels, voi), chain(pixels).display_values(pixels, voi))


def test_nothing_to_show_is_background():
    values = np.array([[np.nan, 0.0, 10.0]], np.float32)
    found = chain(np.zeros((1, 1), np.int16))
    assert found.display_values(values, Voi(VoiKind.LINEAR_EXACT, 5, 10)).tolist() == [[0, 0, 255]]
    assert found.display_values(values, Voi(VoiKind.LINEAR_EXACT, 5, 10), invert=True).tolist() == [[0, 255, 0]]
    outside = np.array([[False, True, False]])
    assert found.display_values(values, Voi(VoiKind.LINEAR_EXACT, 5, 10), invert=True, background=outside)[0, 1] == 0


def test_equal_chains_of_a_series_are_equal():
    slices = [make_image(np.zeros((2, 2), np.int16), rescale=(1, -1024), windows=[(40, 400)]) for _ in range(2)]
    assert GreyChain.of_dataset(slices[0]) == GreyChain.of_dataset(slices[1])


def test_values_under_the_cursor_are_exact():
    pixels = np.array([[0, 1, 4095]], np.uint16)
    image = ImageObject.open(opened(make_image(pixels, bits_stored=12, rescale=(1, -1024), rescale_type="HU")))
    found = GreyChain.of(image)
    assert found.unit == "HU"
    assert found.modality(image.stored()).tolist() == [[-1024, -1023, 3071]]
    assert found.modality(image.stored()).dtype == np.int32
