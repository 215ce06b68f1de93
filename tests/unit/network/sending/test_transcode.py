"""Conversion without loss, against pydicom as an independent reader."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.pixels import pixel_array
from pydicom.sequence import Sequence

from builders import network_objects
from lightbox.core.errors import LightboxError
from lightbox.network.sending.elements import NotConvertible
from lightbox.network.sending.transcode import TARGETS, transcode
from lightbox.network.stored import describe

EXPLICIT, IMPLICIT = TARGETS
BIG, DEFLATED, RLE = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"


def encoded(dataset: Dataset, syntax: str) -> bytes:
    made = copy.deepcopy(dataset)
    made.file_meta.TransferSyntaxUID = syntax
    made["PixelData"].VR = "OW"
    if syntax == BIG:
        made.PixelData = np.frombuffer(made.PixelData, "<u2").byteswap().tobytes()
    buffer = BytesIO()
    made.save_as(buffer, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG, enforce_file_format=True)
    return buffer.getvalue()


def converted(data: bytes, target: str) -> Dataset:
    description = describe(BytesIO(data))
    with transcode(lambda: BytesIO(data), description.transfer_syntax_uid, description.offset, target) as file:
        raw = file.read()
    assert len(raw) % 2 == 0
    found = read_dataset(BytesIO(raw), target == IMPLICIT, True)
    assert list(found.keys()) == sorted(found.keys())
    return found


def rich() -> Dataset:
    """Return an object with nested sequences, private attributes, every kind of number, and non-ASCII text."""
    dataset = network_objects.ct("t", "s", 1, patient="Müller^Jörg=山田^太郎")
    inner = Dataset()
    inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = "1", "99X", "größer"
    inner.add_new(0x00091001, "UN", b"\x01\x02\x03\x04")
    inner.add_new(0x00090010, "LO", "MAKER")
    outer = Dataset()
    outer.ConceptNameCodeSequence = Sequence([inner])
    outer.NumericValue = ["1.5", "2.5"]
    dataset.ContentSequence = Sequence([outer, Dataset()])
    dataset.add_new(0x00291010, "OB", b"\x01\x02\x03")  # an odd length is padded
    dataset.add_new(0x00290010, "LO", "MAKER")
    dataset.add_new(0x00291011, "FD", [1.5, -2.5])
    dataset.add_new(0x00291012, "SL", [-5, 70000])
    dataset.add_new(0x00291013, "AT", [0x00100010, 0x7FE00010])
    dataset.add_new(0x00291014, "US", [1, 65535])
    dataset.RealWorldValueFirstValueMapped = 3
    dataset.SmallestImagePixelValue = 7
    dataset["SmallestImagePixelValue"].VR = "US"
    dataset.PixelPaddingValue = 0
    dataset["PixelPaddingValue"].VR = "US"
    return dataset


@pytest.mark.parametrize("source", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize("target", TARGETS)
def test_native_encodings(source: str, target: str) -> None:
    dataset = rich()
    found = converted(encoded(dataset, source), target)
    assert str(found.PatientName) == "Müller^Jörg=山田^太郎"
    assert found.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning == "größer"
    assert len(found.ContentSequence) == 2
    assert found.PixelData == dataset.PixelData
    assert found.SmallestImagePixelValue == 7
    if EXPLICIT in (source, target) and IMPLICIT not in (source, target):
        assert found[0x00291011].value == [1.5, -2.5]
        assert found[0x00291012].value == [-5, 70000]
        assert [int(tag) for tag in found[0x00291013].value] == [0x00100010, 0x7FE00010]
        assert found[0x00291010].value == b"\x01\x02\x03\x00"
    assert found.SOPInstanceUID == dataset.SOPInstanceUID


def test_text_stays_byte_for_byte() -> None:
    """Even what its character set does not cover."""
    data = encoded(rich(), EXPLICIT).replace("größer".encode(), b"gr\xf6\xdfer  ")
    found = converted(data, IMPLICIT)
    assert found.ContentSequence[0].ConceptNameCodeSequence[0].get_item("CodeMeaning").value == b"gr\xf6\xdfer  "


@pytest.mark.parametrize("cut", [200, 1])
def test_a_truncated_object_is_refused(cut: int) -> None:
    data = encoded(network_objects.ct("t", "s", 1), EXPLICIT)[:-cut]
    with pytest.raises(NotConvertible, match="cut off"):
        converted(data, IMPLICIT)


def test_a_damaged_deflated_object_is_refused() -> None:
    data = encoded(network_objects.ct("t", "s", 1), DEFLATED)
    with pytest.raises(LightboxError):
        converted(data[: len(data) - 100], IMPLICIT)


def test_zero_padding_at_the_end() -> None:
    data = encoded(network_objects.ct("t", "s", 1), EXPLICIT) + bytes(64)
    assert converted(data, IMPLICIT).Rows == 32


def test_zeros_are_no_object() -> None:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    head = encoded(network_objects.ct("t", "s", 1), DEFLATED)
    offset = describe(BytesIO(head)).offset
    bomb = head[:offset] + deflate.compress(bytes(1 << 20)) + deflate.flush()
    with pytest.raises(LightboxError):
        transcode(lambda: BytesIO(bomb), DEFLATED, offset, EXPLICIT).close()


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("samples", [1, 3])
def test_rle(frames: int, samples: int) -> None:
    dataset = network_objects.ct("t", "s", 1)
    generator = np.random.default_rng(5)
    shape = (frames, 20, 30, samples) if samples > 1 else (frames, 20, 30)
    values = generator.integers(0, 256, shape, np.uint8)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 20, 30, frames
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = samples, "RGB" if samples == 3 else "MONOCHROME2"
    if samples == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.compress(RLE, generate_instance_uid=False)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    found = converted(buffer.getvalue(), EXPLICIT)
    assert found.PixelData[: values.size] == values.tobytes()
    assert found.get("PlanarConfiguration", 0) == 0


@pytest.mark.parametrize("target", TARGETS)
def test_what_follows_the_pixels_stays(target: str) -> None:
    """Ultrasound devices keep their measurements in private groups behind the pixel data."""
    dataset = network_objects.ct("t", "s", 1)
    dataset.compress(RLE)
    dataset.add_new(0x7FE10010, "LO", "MAKER")
    dataset.add_new(0x7FE11001, "UN", b"\x01\x02\x03\x04")
    dataset.add_new(0xFFFCFFFC, "OB", bytes(10))
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    found = converted(buffer.getvalue(), target)
    assert found[0x7FE10010].value == "MAKER"
    assert found[0x7FE11001].value == b"\x01\x02\x03\x04"
    assert 0xFFFCFFFC not in found
    without_end = buffer.getvalue()[: buffer.getvalue().rindex(b"\xfe\xff\xdd\xe0")]
    assert converted(without_end, target).PixelData == found.PixelData


def test_an_overlay_in_the_pixels_stays() -> None:
    """RLE keeps the bits above Bits Stored (PS3.5 8.1.2); so does what is made of it."""
    dataset = network_objects.ct("t", "s", 1)
    values = np.frombuffer(dataset.PixelData, "<u2") | (np.arange(32 * 32, dtype=np.uint16) % 2 << 15)
    dataset.PixelData = values.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.compress(RLE, generate_instance_uid=False)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    assert converted(buffer.getvalue(), IMPLICIT).PixelData == values.tobytes()


def real(data: Path) -> Iterator[Path]:
    for folder in ("transfer-syntaxes", "projection", "ultrasound", "overlays-seg"):
        yield from (path for path in sorted((data / folder).rglob("*")) if path.is_file())


@pytest.mark.data
@pytest.mark.slow
def test_real_objects(data: Path) -> None:
    """Whatever pydicom can decode has the same samples afterwards; it is an independent decoder."""
    compared, syntaxes, refused = 0, set(), []
    for path in real(data):
        try:
            with path.open("rb") as file:
                description = describe(file)
        except LightboxError:
            continue
        syntax = description.transfer_syntax_uid
        if syntax in (EXPLICIT, IMPLICIT):
            continue
        try:
            with transcode(partial(path.open, "rb"), syntax, description.offset, EXPLICIT) as file:
                found = read_dataset(file, False, True)
                found.PixelData  # noqa: B018 - read while the file is open
        except AttributeError:
            continue
        except NotConvertible as error:
            refused.append((path.name, error.why))
            continue
        try:
            expected = pixel_array(path, raw=True)
        except (RuntimeError, NotImplementedError, AttributeError, ValueError, KeyError, LightboxError):
            continue
        found.file_meta = pydicom.dataset.FileMetaDataset()
        found.file_meta.TransferSyntaxUID = EXPLICIT
        buffer = BytesIO()
        found.save_as(buffer, enforce_file_format=True)
        values = pixel_array(buffer, raw=True)
        original = pydicom.dcmread(path, stop_before_pixels=True)
        assert values.shape == expected.shape, path.name
        bits, signed = int(original.BitsStored), int(original.PixelRepresentation)
        assert np.array_equal(_stored(values, bits, signed), _stored(expected, bits, signed)), path.name
        assert found.SOPInstanceUID == original.SOPInstanceUID
        if syntax in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"):
            assert found.LossyImageCompression == "01", path.name
        compared += 1
        syntaxes.add(syntax)
    assert compared >= 40, compared
    assert len(syntaxes) >= 8, syntaxes
    assert len(refused) <= 4, refused


def _stored(values: Any, bits: int, signed: int) -> Any:
    """Return the Bits Stored of samples, whose upper bits pydicom leaves as its decoders gave them."""
    if values.dtype.kind not in "iu" or bits >= values.dtype.itemsize * 8:
        return values.view(values.dtype.str.replace("i", "u")) if values.dtype.kind == "i" else values
    return values.view(values.dtype.str.replace("i", "u")) & ((1 << bits) - 1)
