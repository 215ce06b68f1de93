"""Reading: every encoding, with and without preamble and File Meta Information, and what is not DICOM."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from builders.images import DEFLATED, encode, make_image, to_bytes
from lightbox.dicom import reading

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DEFLATED]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("preamble", [True, False])
def test_every_native_encoding_is_read_up_to_the_pixels(syntax, preamble):
    ds = make_image(StudyDescription="Knee")
    part10 = reading.read_part10(io.BytesIO(to_bytes(ds, syntax, preamble=preamble)))
    assert part10.dataset.StudyDescription == "Knee"
    assert part10.dataset.file_meta.TransferSyntaxUID == syntax
    assert "PixelData" not in part10.dataset
    assert part10.little_endian is (syntax != ExplicitVRBigEndian)
    assert part10.pixels is not None
    assert part10.pixels.length == 96
    part10.body.seek(part10.pixels.offset)
    order = "<u2" if part10.little_endian else ">u2"
    assert np.frombuffer(part10.body.read(96), order).tolist() == list(range(48))


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_a_bare_data_set_is_recognised_by_its_encoding(syntax):
    ds = make_image(StudyDescription="Knee")
    found = reading.read_header(io.BytesIO(to_bytes(ds, syntax, meta=False)))
    assert found.StudyDescription == "Knee"
    assert found.file_meta.TransferSyntaxUID == syntax


def test_a_data_set_encoded_otherwise_than_announced_is_read_as_it_is():
    ds = make_image(StudyDescription="Knee")
    announced = to_bytes(ds, ExplicitVRLittleEndian)
    body = to_bytes(ds, ImplicitVRLittleEndian, meta=False)
    head = announced[: len(announced) - len(to_bytes(ds, ExplicitVRLittleEndian, meta=False))]
    part10 = reading.read_part10(io.BytesIO(head + body))
    assert part10.dataset.StudyDescription == "Knee"
    assert part10.pixels is not None
    assert part10.pixels.length == 96


def test_encapsulated_pixels_are_located_with_undefined_length():
    ds = encode(make_image(), [b"\xff\xd8\xff\xd9"], JPEGBaseline8Bit)
    part10 = reading.read_part10(io.BytesIO(to_bytes(ds, JPEGBaseline8Bit)))
    assert part10.pixels is not None
    assert part10.pixels.length == reading.UNDEFINED_LENGTH


def test_the_header_is_read_without_touching_the_pixels():
    class Counting(io.BytesIO):
        furthest = 0

        def read(self, size=-1):
            data = super().read(size)
            Counting.furthest = max(Counting.furthest, self.tell())
            return data

    data = to_bytes(make_image(np.zeros((512, 512), np.uint16)))
    reading.read_header(Counting(data))
    assert Counting.furthest < len(data) - 500_000


def test_the_whole_data_set_keeps_pixels_and_what_follows():
    ds = make_image()
    ds.DataSetTrailingPadding = b"\0" * 8
    found = reading.read_dataset(io.BytesIO(to_bytes(ds)))
    assert found.PixelData == ds.PixelData
    assert "DataSetTrailingPadding" in found


def test_a_truncated_deflated_file_gives_what_can_be_inflated():
    ds = make_image(np.arange(40000, dtype=np.uint16).reshape(200, 200), StudyDescription="Knee")
    data = to_bytes(ds, DEFLATED)
    assert reading.read_header(io.BytesIO(data[: len(data) // 2])).StudyDescription == "Knee"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"DICM", "too short"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 500, "neither"),
        (b"Dear colleague, " * 60, "neither"),
        (b"\0" * 5000, "no DICOM attributes"),
        (b"PK\x03\x04" + bytes(range(256)) * 4, "neither"),
    ],
)
def test_what_is_not_dicom_is_refused_with_a_reason(data, why):
    with pytest.raises(reading.NotDicomError, match=why):
        reading.read_header(io.BytesIO(data))


def test_values_that_break_their_vr_do_not_reach_warnings(recwarn):
    ds = make_image()
    ds.add_new("PatientID", "LO", "X" * 200)
    found = reading.read_header(io.BytesIO(to_bytes(ds)))
    assert len(found.PatientID) == 200
    assert not [warning for warning in recwarn if "XXXX" in str(warning.message)]


@pytest.mark.data
def test_shared_malformed_files_are_read_or_refused_never_crash(data):
    read = refused = 0
    for path in sorted((data / "malformed").iterdir()):
        with path.open("rb") as file:
            try:
                assert reading.read_header(file).file_meta is not None
                read += 1
            except reading.NotDicomError as error:
                assert error.why
                refused += 1
    assert (read, refused) == (22, 1)
