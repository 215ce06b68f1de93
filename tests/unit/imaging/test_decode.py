"""Encapsulated pixel data: every codec, fragments, offset tables, colour spaces, signs, and damage."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import RLELossless

from builders.images import encode, make_image, opened
from lightbox.imaging import decode_markers
from lightbox.imaging.decode_format import DecodeError
from lightbox.imaging.image_object import ImageObject

BASELINE, EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
LOSSLESS, LOSSLESS_SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
JPEG_LS, J2K, J2K_ANY = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K = "1.2.840.10008.1.2.4.201"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"


def grey(frames=3, bits=12, signed=False):
    rng = np.random.default_rng(5)
    smooth = np.cumsum(rng.integers(-3, 4, (frames, 32, 40)), axis=2) + (0 if signed else 1 << (bits - 1))
    return smooth.astype(np.int16 if signed else np.uint16)


def j2k(frame):
    return bytes(imagecodecs.jpeg2k_encode(frame, codecformat="j2k", reversible=True, level=0, mct=False))


def test_jpeg_2000_keeps_every_value():
    pixels = grey()
    image = ImageObject.open(opened(encode(make_image(pixels, bits_stored=12), [j2k(f) for f in pixels], J2K), J2K))
    for frame in range(3):
        assert image.stored(frame).tolist() == pixels[frame].tolist()


def test_jpeg_2000_code_streams_carry_a_sign_of_their_own():
    pixels = grey(1, signed=True)
    signed = encode(make_image(pixels), [j2k(pixels[0])], J2K)
    assert ImageObject.open(opened(signed, J2K)).stored().tolist() == pixels[0].tolist()
    # an unsigned code stream of a signed image: the bits count
    unsigned = encode(make_image(pixels), [j2k(pixels[0].view(np.uint16))], J2K)
    assert ImageObject.open(opened(unsigned, J2K)).stored().tolist() == pixels[0].tolist()


def test_jpeg_2000_colour_transform_ends_as_rgb():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    stream = bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0, mct=True))
    ds = encode(make_image(pixels, photometric="YBR_RCT", modality="US"), [stream], J2K)
    frame = ImageObject.open(opened(ds, J2K)).frame()
    assert frame.photometric == "RGB"
    assert frame.values.tolist() == pixels.tolist()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_jpeg_ls_keeps_every_value(bits):
    pixels = grey(2, bits).astype(np.uint8 if bits == 8 else np.uint16)
    streams = [bytes(imagecodecs.jpegls_encode(frame)) for frame in pixels]
    ds = encode(make_image(pixels, bits_stored=bits), streams, JPEG_LS)
    image = ImageObject.open(opened(ds, JPEG_LS))
    assert [image.stored(frame).tolist() for frame in range(2)] == [frame.tolist() for frame in pixels]


@pytest.mark.parametrize("signed", [False, True])
def test_jpeg_lossless_keeps_every_value(signed):
    pixels = grey(2, 16 if signed else 12, signed)
    streams = [bytes(imagecodecs.ljpeg_encode(frame.view(np.uint16), bitspersample=16)) for frame in pixels]
    ds = encode(make_image(pixels, bits_stored=16), streams, LOSSLESS_SV1)
    image = ImageObject.open(opened(ds, LOSSLESS_SV1))
    assert [image.stored(frame).tolist() for frame in range(2)] == [frame.tolist() for frame in pixels]


@pytest.mark.parametrize(
    "pixels",
    [
        grey(2, 8).astype(np.uint8),
        grey(2, 12),
        grey(2, 12, signed=True),
        np.random.default_rng(2).integers(0, 256, (2, 9, 7, 3)).astype(np.uint8),
    ],
    ids=["8", "16", "signed", "colour"],
)
def test_rle_keeps_every_value(pixels):
    colour = pixels.ndim == 4
    ds = make_image(pixels, photometric="RGB" if colour else "MONOCHROME2", modality="OT")
    encoder = get_encoder(RLELossless)
    streams = [encoder.encode(ds, index=index) for index in range(2)]
    image = ImageObject.open(opened(encode(ds, streams, RLELossless), RLELossless))
    for frame in range(2):
        assert image.stored(frame).dtype == pixels.dtype
        assert image.stored(frame).tolist() == pixels[frame].tolist()


def test_rle_of_32_bits_has_its_most_significant_byte_first():
    pixels = np.random.default_rng(2).integers(0, 2**32, (8, 8)).astype(np.uint32)
    planes = [(pixels >> shift).astype(np.uint8).tobytes() for shift in (24, 16, 8, 0)]
    segments = [bytes(imagecodecs.packbits_encode(plane)) for plane in planes]
    starts = np.cumsum([64] + [len(segment) for segment in segments[:-1]]).tolist()
    stream = struct.pack("<16L", 4, *starts, *([0] * 11)) + b"".join(segments)
    ds = encode(make_image(pixels, modality="RTDOSE"), [stream], RLELossless)
    assert ImageObject.open(opened(ds, RLELossless)).stored().tolist() == pixels.tolist()


def test_one_bit_frames_by_deflate_and_rle():
    pixels = np.random.default_rng(3).integers(0, 2, (2, 9, 7)).astype(np.uint8)
    packed = [np.packbits(frame.ravel(), bitorder="little").tobytes() for frame in pixels]
    deflated = []
    for frame in packed:
        engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        deflated.append(engine.compress(frame) + engine.flush())
    rle = [struct.pack("<16L", 1, 64, *([0] * 14)) + bytes(imagecodecs.packbits_encode(frame)) for frame in packed]
    for syntax, streams in ((DEFLATED_FRAME, deflated), (RLELossless, rle)):
        ds = encode(make_image(pixels, bits_allocated=1, modality="SEG"), streams, syntax)
        image = ImageObject.open(opened(ds, syntax))
        assert [image.stored(frame).tolist() for frame in range(2)] == [frame.tolist() for frame in pixels], syntax


@pytest.mark.parametrize("offset_table", [True, False])
@pytest.mark.parametrize("fragments", [1, 3])
def test_frames_in_fragments_with_and_without_offset_table(offset_table, fragments):
    pixels = grey(4)
    ds = encode(
        make_image(pixels, bits_stored=12),
        [j2k(frame) for frame in pixels],
        J2K,
        fragments=fragments,
        offset_table=offset_table,
    )
    image = ImageObject.open(opened(ds, J2K))
    for frame in (3, 0, 2, 1):
        assert image.stored(frame).tolist() == pixels[frame].tolist()


def test_a_single_frame_in_many_fragments():
    pixels = grey(1)
    ds = encode(make_image(pixels, bits_stored=12), [j2k(pixels[0])], J2K, fragments=5, offset_table=False)
    assert ImageObject.open(opened(ds, J2K)).stored().tolist() == pixels[0].tolist()


def test_an_offset_table_that_is_wrong_is_not_followed():
    pixels = grey(3)
    ds = encode(make_image(pixels, bits_stored=12), [j2k(frame) for frame in pixels], J2K, fragments=2)
    data = bytearray(ds.PixelData)
    struct.pack_into("<3L", data, 8, 0, 2, 4)
    ds.PixelData = bytes(data)
    image = ImageObject.open(opened(ds, J2K))
    assert [image.stored(frame).tolist() for frame in range(3)] == [frame.tolist() for frame in pixels]


def test_the_extended_offset_table_is_used():
    pixels = grey(3)
    streams = [j2k(frame) for frame in pixels]
    streams = [stream + b"\0" * (len(stream) % 2) for stream in streams]
    ds = encode(make_image(pixels, bits_stored=12), streams, J2K, offset_table=False)
    offsets = np.cumsum([0] + [len(stream) + 8 for stream in streams[:-1]])
    ds.ExtendedOffsetTable = offsets.astype("<u8").tobytes()
    ds.ExtendedOffsetTableLengths = np.array([len(stream) for stream in streams], "<u8").tobytes()
    image = ImageObject.open(opened(ds, J2K))
    assert [image.stored(frame).tolist() for frame in range(3)] == [frame.tolist() for frame in pixels]


def test_missing_frames_and_cut_off_files_name_the_frame():
    pixels = grey(3)
    ds = encode(make_image(pixels, frames=5, bits_stored=12), [j2k(frame) for frame in pixels], J2K)
    image = ImageObject.open(opened(ds, J2K))
    assert image.stored(2).tolist() == pixels[2].tolist()
    with pytest.raises(DecodeError, match=r"frame 4.*fewer frames"):
        image.stored(3)
    whole = opened(encode(make_image(pixels, bits_stored=12), [j2k(frame) for frame in pixels], J2K), J2K)
    cut = type(whole)(whole.getvalue()[:-200])
    image = ImageObject.open(cut)
    assert image.stored(0).tolist() == pixels[0].tolist()
    with pytest.raises(DecodeError, match="frame 3"):
        image.stored(2)


def test_a_damaged_frame_spares_the_others_and_says_why():
    pixels = grey(2)
    good = j2k(pixels[0])
    ds = encode(make_image(pixels, bits_stored=12), [good, good[:40] + b"\0" * 60], J2K)
    image = ImageObject.open(opened(ds, J2K))
    assert image.stored(0).tolist() == pixels[0].tolist()
    with pytest.raises(DecodeError, match="frame 2") as caught:
        image.stored(1)
    assert caught.value.why


def test_a_code_stream_of_another_size_is_refused():
    pixels = grey(1)
    ds = encode(make_image(pixels[:, :16], bits_stored=12), [j2k(pixels[0])], J2K)
    with pytest.raises(DecodeError, match=r"\(32, 40, 1\).*\(16, 40, 1\)"):
        ImageObject.open(opened(ds, J2K)).stored()


def test_an_unknown_transfer_syntax_is_named():
    ds = encode(make_image(grey(1)), [b"nothing that anybody knows"], "1.2.840.10008.1.2.4.102")
    with pytest.raises(DecodeError, match=r"1\.2\.840\.10008\.1\.2\.4\.102"):
        ImageObject.open(opened(ds, "1.2.840.10008.1.2.4.102")).stored()


def test_a_wrong_transfer_syntax_does_not_hide_the_code_stream():
    pixels = grey(1)
    ds = encode(make_image(pixels, bits_stored=12), [j2k(pixels[0])], BASELINE)
    assert ImageObject.open(opened(ds, BASELINE)).stored().tolist() == pixels[0].tolist()


def colour_ramp():
    row, column = np.mgrid[0:48, 0:64]
    return np.stack([row * 5, column * 4, 255 - row * 3], -1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("sampling", ["444", "422"])
def test_colour_jpeg_is_not_converted_while_it_is_decoded(sampling):
    rgb = colour_ramp()
    stream = bytes(
        imagecodecs.jpeg8_encode(rgb, level=98, subsampling=sampling, colorspace="RGB", outcolorspace="YCBCR")
    )
    ds = encode(make_image(rgb, photometric="YBR_FULL_422", modality="US"), [stream], BASELINE)
    frame = ImageObject.open(opened(ds, BASELINE)).frame()
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    assert frame.photometric == "YBR_FULL"
    assert np.abs(frame.values[..., 0] - luma).mean() < 1


def test_colour_jpeg_that_was_never_transformed_stays_rgb():
    rgb = colour_ramp()
    stream = bytes(imagecodecs.jpeg8_encode(rgb, level=98, subsampling="444", colorspace="RGB", outcolorspace="RGB"))
    for declared in ("RGB", "YBR_FULL"):  # the stream names its components R, G, B: the header is not asked
        ds = encode(make_image(rgb, photometric=declared, modality="US"), [stream], BASELINE)
        frame = ImageObject.open(opened(ds, BASELINE)).frame()
        assert frame.photometric == "RGB"
        assert np.abs(frame.values.astype(int) - rgb).mean() < 1.5


def test_rgb_that_is_sub_sampled_is_ybr_in_truth():
    rgb = colour_ramp()
    stream = bytes(imagecodecs.jpeg8_encode(rgb, level=95, subsampling="420", colorspace="RGB", outcolorspace="YCBCR"))
    ds = encode(make_image(rgb, photometric="RGB", modality="OT"), [stream], BASELINE)
    assert ImageObject.open(opened(ds, BASELINE)).frame().photometric == "YBR_FULL"


def test_kinds_of_code_streams():
    pixels = grey(1)[0]
    found = decode_markers.start_of_stream(j2k(pixels))
    assert (found.kind, found.precision) == ("jpeg-2000", 16)
    found = decode_markers.start_of_stream(bytes(imagecodecs.jpegls_encode(pixels)))
    assert found.kind == "jpeg-ls"
    assert found.precision >= 12
    found = decode_markers.start_of_stream(bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=12)))
    assert (found.kind, found.precision) == ("jpeg-lossless", 12)
    found = decode_markers.start_of_stream(bytes(imagecodecs.jpeg8_encode(pixels.astype(np.uint8))))
    assert (found.kind, found.precision) == ("jpeg-dct", 8)
    assert decode_markers.start_of_stream(b"nothing").kind == ""


def test_the_second_decoder_takes_over_when_the_first_fails(monkeypatch):
    pixels = grey(2)

    def fail(*_args, **_options):
        raise RuntimeError("no")

    monkeypatch.setattr(imagecodecs, "jpeg2k_decode", fail)
    ds = encode(make_image(pixels, bits_stored=12), [j2k(frame) for frame in pixels], J2K_ANY)
    image = ImageObject.open(opened(ds, J2K_ANY))
    assert [image.stored(frame).tolist() for frame in range(2)] == [frame.tolist() for frame in pixels]


def test_htj2k_keeps_every_value():
    pixels = grey(2)
    streams = [bytes(imagecodecs.htj2k_encode(frame, reversible=True)) for frame in pixels]
    ds = encode(make_image(pixels, bits_stored=12), streams, HTJ2K)
    image = ImageObject.open(opened(ds, HTJ2K))
    assert [image.stored(frame).tolist() for frame in range(2)] == [frame.tolist() for frame in pixels]


@pytest.mark.parametrize("part", [0.5, 0.9, 0.98])
@pytest.mark.parametrize(
    ("syntax", "codec"),
    [
        (BASELINE, lambda frame: imagecodecs.jpeg8_encode((frame >> 4).astype(np.uint8), level=90)),
        (LOSSLESS_SV1, lambda frame: imagecodecs.ljpeg_encode(frame, bitspersample=12)),
        (JPEG_LS, imagecodecs.jpegls_encode),
        (J2K, j2k),
        (HTJ2K, lambda frame: imagecodecs.htj2k_encode(frame, reversible=True)),
    ],
    ids=["jpeg", "jpeg lossless", "jpeg-ls", "jpeg 2000", "htj2k"],
)
def test_a_code_stream_that_is_cut_off_is_never_shown_as_if_whole(syntax, codec, part):
    pixels = grey(1)
    eight = syntax == BASELINE
    stream = bytes(codec(pixels[0]))
    source = pixels.astype(np.uint8) if eight else pixels
    ds = encode(make_image(source, bits_stored=8 if eight else 12), [stream[: int(len(stream) * part)]], syntax)
    with pytest.raises(DecodeError, match="frame 1"):
        ImageObject.open(opened(ds, syntax)).stored()


def test_lossy_htj2k_does_not_wrap_saturated_samples():
    bars = np.zeros((64, 64, 3), np.uint8)
    bars[:, ::2] = 255
    htj2k = bytes(imagecodecs.htj2k_encode(bars, level=0.02, reversible=False))
    ds = encode(make_image(bars, photometric="YBR_ICT", modality="US"), [htj2k], "1.2.840.10008.1.2.4.203")
    values = ImageObject.open(opened(ds, "1.2.840.10008.1.2.4.203")).stored().astype(int)
    assert np.abs(values - bars).max() < 100
