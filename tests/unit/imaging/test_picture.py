"""Pictures: colour spaces, default rendering, PNG, thumbnails."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from builders.images import make_image, opened
from lightbox.dicom.voi import Voi, VoiKind
from lightbox.imaging import colour, picture
from lightbox.imaging.image_object import ImageObject


def image(*args, **options):
    return ImageObject.open(opened(make_image(*args, **options)))


def test_grey_is_rendered_with_the_window_of_the_file():
    found = picture.render(image(np.array([[0, 50, 99]], np.uint16), windows=[(50, 100)]))
    assert found.pixels.tolist() == [[0, 129, 255]]
    assert found.voi is not None
    assert found.voi.center == 50
    assert picture.exact(image(np.array([[0, 50, 99]], np.uint16), windows=[(50, 100)])).tolist() == [[0, 129, 255]]


def test_grey_is_rendered_with_a_chosen_window_and_inverted():
    chosen = Voi(VoiKind.LINEAR_EXACT, 50, 100)
    found = picture.render(image(np.array([[0, 100]], np.uint16)), 0, chosen, invert=True)
    assert found.pixels.tolist() == [[255, 0]]
    assert found.voi is chosen


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_is_shown_as_it_is(planar):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    found = picture.render(image(pixels, photometric="RGB", planar=planar, modality="US"))
    assert found.pixels.tolist() == pixels.tolist()
    assert found.voi is None


# Primaries in full-range YCbCr as PS3.3 C.7.6.3.1.2 defines it.
PRIMARIES = {
    (255, 0, 0): (76, 85, 255),
    (0, 255, 0): (150, 44, 21),
    (0, 0, 255): (29, 255, 107),
    (255, 255, 255): (255, 128, 128),
    (0, 0, 0): (0, 128, 128),
    (128, 128, 128): (128, 128, 128),
}


@pytest.mark.parametrize(("rgb", "ybr"), PRIMARIES.items())
def test_ybr_full_becomes_rgb(rgb, ybr):
    pixels = np.array([[ybr, ybr]], np.uint8)
    found = picture.render(image(pixels, photometric="YBR_FULL", modality="US")).pixels
    assert np.abs(found.astype(int) - rgb).max() <= 1


def test_ybr_full_422_becomes_rgb():
    ds = make_image(np.zeros((1, 2, 3), np.uint8), photometric="YBR_FULL_422", modality="US")
    ds.PixelData = bytes([76, 76, 85, 255])
    found = picture.render(ImageObject.open(opened(ds))).pixels
    assert np.abs(found.astype(int) - (255, 0, 0)).max() <= 1


def test_studio_range_becomes_full_range():
    assert colour.ybr_partial_to_rgb(np.array([[16, 128, 128], [235, 128, 128]], np.uint8)).tolist() == [
        [0, 0, 0],
        [255, 255, 255],
    ]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("bits", [8, 16])
def test_palette_colours(syntax, bits):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 64]])
    ds = make_image(
        np.array([[0, 1, 2, 200]], np.uint8),
        photometric="PALETTE COLOR",
        palette=(0, colours if bits == 8 else colours * 256, bits),
        modality="US",
    )
    found = picture.render(ImageObject.open(opened(ds, syntax))).pixels
    assert found.tolist() == [[[0, 0, 0], [255, 0, 0], [0, 128, 64], [0, 128, 64]]]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_voi_and_modality_tables_in_every_byte_order(syntax):
    pixels = np.array([[0, 1, 2]], np.uint16)
    ds = make_image(pixels, modality_lut=(0, [0, 300, 600], 16), voi_luts=[(300, [0, 1024] + [4095] * 400, 12)])
    found = picture.render(ImageObject.open(opened(ds, syntax))).pixels
    assert found.tolist() == [[0, 0, 255]]


def test_a_missing_palette_is_an_error_in_words():
    with pytest.raises(colour.ColourError, match="palette is missing"):
        picture.render(image(np.zeros((2, 2), np.uint8), photometric="PALETTE COLOR", modality="US"))


def test_a_supplemental_palette_colours_grey_from_its_first_value():
    coloured = image(
        np.array([[0, 100, 200, 201]], np.uint16),
        windows=[(50, 100)],
        palette=(200, np.array([[255, 0, 0], [0, 0, 255]]), 8),
        PixelPresentation="COLOR",
        modality="MR",
    )
    found = picture.render(coloured).pixels
    assert found.tolist() == [[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]]
    assert picture.exact(coloured).tolist() == [[0, 255, 255, 255]]


def test_16_bit_colour_keeps_its_upper_bits():
    pixels = np.array([[[65535, 32768, 0]]], np.uint16)
    assert picture.render(image(pixels, photometric="RGB", modality="OT")).pixels.tolist() == [[[255, 128, 0]]]


def test_an_unknown_colour_space_is_an_error_in_words():
    ds = make_image(np.zeros((2, 2, 3), np.uint8), photometric="RGB", modality="US")
    ds.PhotometricInterpretation = "HSV"
    with pytest.raises(colour.ColourError, match="HSV"):
        picture.render(ImageObject.open(opened(ds)))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_png_round_trip(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert imagecodecs.png_decode(picture.to_png(pixels)).tolist() == pixels.tolist()


def test_thumbnails_keep_the_shape_of_the_object():
    wide = imagecodecs.png_decode(picture.thumbnail(image(np.zeros((100, 400), np.uint16)), size=160))
    assert wide.shape == (40, 160)
    # pixels twice as high as wide: a square matrix is a tall object
    tall = imagecodecs.png_decode(picture.thumbnail(image(np.zeros((100, 100), np.uint16), spacing=(2, 1)), size=160))
    assert tall.shape == (160, 80)
    tiny = imagecodecs.png_decode(picture.thumbnail(image(np.zeros((1, 3000), np.uint16)), size=160))
    assert tiny.shape == (1, 160)


def test_thumbnails_show_the_middle_frame():
    frames = np.zeros((3, 8, 8), np.uint8)
    frames[1, :, 4:] = 255
    small = imagecodecs.png_decode(picture.thumbnail(image(frames, modality="US"), size=8))
    assert small[0].tolist() == [0, 0, 0, 0, 255, 255, 255, 255]
