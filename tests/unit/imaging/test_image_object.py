"""Stored values of native pixel data: bits, sign, byte order, packing, frames, and what is missing."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from builders.images import DEFLATED, make_image, opened, to_bytes
from lightbox.imaging.decode_format import DecodeError
from lightbox.imaging.image_object import ImageObject, NoPixelsError

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DEFLATED]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("dtype", "bits_stored", "high_bit"),
    [
        (np.uint8, 8, 7),
        (np.uint8, 7, 6),
        (np.int8, 8, 7),
        (np.uint16, 16, 15),
        (np.uint16, 12, 11),
        (np.uint16, 12, 15),
        (np.int16, 16, 15),
        (np.int16, 12, 11),
        (np.int16, 13, 14),
        (np.uint32, 32, 31),
        (np.int32, 32, 31),
        (np.int32, 20, 19),
    ],
)
def test_bits_sign_and_byte_order(syntax, dtype, bits_stored, high_bit):
    low = -(1 << (bits_stored - 1)) if np.dtype(dtype).kind == "i" else 0
    pixels = np.linspace(low, low + (1 << bits_stored) - 1, 42).astype(np.int64).astype(dtype).reshape(6, 7)
    image = ImageObject.open(opened(make_image(pixels, bits_stored=bits_stored, high_bit=high_bit), syntax))
    stored = image.stored()
    assert stored.dtype == dtype
    assert stored.tolist() == pixels.tolist()


@pytest.mark.parametrize("signed", [False, True])
def test_bits_beyond_bits_stored_are_not_part_of_the_value(signed):
    ds = make_image(np.array([[1, 2]], np.int16 if signed else np.uint16), bits_stored=12)
    words = np.frombuffer(ds.PixelData, "<u2") | 0xF000  # an overlay or rubbish in the unused bits
    ds.PixelData = words.astype("<u2").tobytes()
    assert ImageObject.open(opened(ds)).stored().tolist() == [[1, 2]]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_one_bit_frames_that_do_not_begin_at_bytes(syntax):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 2, (5, 3, 7)).astype(np.uint8)
    ds = make_image(pixels, bits_allocated=1, bits_stored=1, modality="SEG")
    image = ImageObject.open(opened(ds, syntax))
    for frame in range(5):
        assert image.stored(frame).tolist() == pixels[frame].tolist(), frame


def test_8_bit_samples_in_big_endian_words_are_swapped():
    pixels = np.arange(3 * 15, dtype=np.uint8).reshape(3, 3, 5)  # odd frame size: frames begin within words
    ds = make_image(pixels, modality="US")
    ds["PixelData"].VR = "OW"
    image = ImageObject.open(io.BytesIO(to_bytes(ds, ExplicitVRBigEndian)))
    for frame in range(3):
        assert image.stored(frame).tolist() == pixels[frame].tolist(), frame


def test_the_private_syntax_of_ge_has_big_endian_pixels_only():
    pixels = np.arange(48, dtype=np.uint16).reshape(6, 8)
    ds = make_image(pixels)
    ds.PixelData = pixels.astype(">u2").tobytes()
    data = to_bytes(ds, ImplicitVRLittleEndian).replace(b"1.2.840.10008.1.2\0", b"1.2.840.113619.5.2")
    assert ImageObject.open(io.BytesIO(data)).stored().tolist() == pixels.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("syntax", SYNTAXES[:2])
def test_floating_point_pixels(dtype, syntax):
    pixels = np.array([[[0.5, -1.25], [np.inf, 1e-20]], [[1, 2], [3, 4]]], dtype)
    image = ImageObject.open(opened(make_image(pixels), syntax))
    assert image.stored(0).dtype == dtype
    assert image.stored(0).tolist() == pixels[0].tolist()
    assert image.stored(1).tolist() == pixels[1].tolist()


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_by_pixel_and_by_plane(planar):
    pixels = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    image = ImageObject.open(opened(make_image(pixels, photometric="RGB", planar=planar, modality="US")))
    for frame in range(2):
        assert image.stored(frame).tolist() == pixels[frame].tolist()
    assert not image.is_grey


def test_sub_sampled_chroma_is_given_to_both_pixels():
    ds = make_image(np.zeros((1, 4, 3), np.uint8), photometric="YBR_FULL_422", modality="US")
    ds.PixelData = bytes([10, 11, 100, 200, 12, 13, 101, 201])
    frame = ImageObject.open(opened(ds)).frame()
    assert frame.values.tolist() == [[[10, 100, 200], [11, 100, 200], [12, 101, 201], [13, 101, 201]]]
    assert frame.photometric == "YBR_FULL"


def test_422_that_was_stored_in_full_is_read_in_full():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    image = ImageObject.open(opened(make_image(pixels, photometric="YBR_FULL_422", modality="US")))
    assert image.stored().tolist() == pixels.tolist()


def test_odd_length_with_its_padding_byte():
    pixels = np.arange(15, dtype=np.uint8).reshape(3, 5)
    assert ImageObject.open(opened(make_image(pixels))).stored().tolist() == pixels.tolist()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_cut_off_last_frame_names_itself_and_spares_the_others(syntax):
    pixels = np.arange(3 * 20, dtype=np.uint16).reshape(3, 4, 5)
    ds = make_image(pixels)
    ds.PixelData = ds.PixelData[:-10]
    image = ImageObject.open(opened(ds, syntax))
    assert image.stored(0).tolist() == pixels[0].tolist()
    assert image.stored(1).tolist() == pixels[1].tolist()
    with pytest.raises(DecodeError, match="frame 3") as caught:
        image.stored(2)
    assert "30 bytes where 40" in caught.value.why
    assert caught.value.todo


def test_a_file_that_ends_within_its_pixels():
    pixels = np.arange(3 * 20, dtype=np.uint16).reshape(3, 4, 5)
    image = ImageObject.open(io.BytesIO(to_bytes(make_image(pixels))[:-50]))
    assert image.stored(1 - 1).tolist() == pixels[0].tolist()
    with pytest.raises(DecodeError, match="frame 2"):
        image.stored(1)


@pytest.mark.parametrize("frame", [-1, 2, 99])
def test_frames_that_do_not_exist(frame):
    image = ImageObject.open(opened(make_image(np.zeros((2, 4, 5), np.uint16))))
    with pytest.raises(DecodeError, match=f"frame {frame + 1}"):
        image.stored(frame)


def test_objects_without_pixels_say_so():
    ds = make_image()
    del ds.PixelData
    with pytest.raises(NoPixelsError, match="no pixel data"):
        ImageObject.open(opened(ds))
    ds = make_image()
    del ds.Rows
    with pytest.raises(NoPixelsError, match="Rows"):
        ImageObject.open(opened(ds))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_opener_is_called_for_every_read_and_nothing_stays_open(syntax):
    pixels = np.arange(2 * 20, dtype=np.uint16).reshape(2, 4, 5)
    data = to_bytes(make_image(pixels), syntax)
    files: list[io.BytesIO] = []

    def opener() -> io.BytesIO:
        files.append(io.BytesIO(data))
        return files[-1]

    image = ImageObject.open(opener)
    for frame in range(2):
        assert image.stored(frame).tolist() == pixels[frame].tolist()
    assert files
    assert all(file.closed for file in files)


def test_threads_may_read_one_image_at_once():
    pixels = np.random.default_rng(0).integers(0, 4096, (40, 64, 64)).astype(np.uint16)
    image = ImageObject.open(opened(make_image(pixels)))
    wrong: list[int] = []

    def read(start: int) -> None:
        for step in range(200):
            frame = (start * 7 + step * 3) % 40
            if not np.array_equal(image.stored(frame), pixels[frame]):
                wrong.append(frame)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_unusable_bit_descriptions_fall_back_to_bits_allocated():
    ds = make_image(np.array([[1, 60000]], np.uint16))
    ds.BitsStored, ds.HighBit = 99, 3
    assert ImageObject.open(opened(ds)).stored().tolist() == [[1, 60000]]


def test_an_unsupported_depth_is_an_error_not_a_crash():
    ds = make_image(np.array([[1, 2]], np.uint16))
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 12, 12, 11
    with pytest.raises(DecodeError, match="12 bits"):
        ImageObject.open(opened(ds)).stored()
