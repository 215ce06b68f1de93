"""Pixel data against the image that is described, overlays, File Meta Information, cut files."""

from __future__ import annotations

import io

import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, JPEGBaseline8Bit, RLELossless

from builders.quality_objects import codes, good_ct, issues, one, part10
from lightbox.core.errors import Severity
from lightbox.library.quality import check


def test_too_few_bytes() -> None:
    found = one(issues(good_ct(PixelData=bytes(94))), "pixel.too-short")
    assert (found.found, found.expected) == ("94 bytes", "96 bytes")


def test_too_many_bytes_are_a_warning() -> None:
    assert one(issues(good_ct(PixelData=bytes(120))), "pixel.too-long").severity is Severity.WARNING


def test_frames_count() -> None:
    assert "pixel.too-short" in codes(good_ct(NumberOfFrames=2))


def test_no_pixel_data() -> None:
    assert codes(good_ct(PixelData=None)) == ["pixel.missing"]


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"HighBit": 15}, "pixel.bits"),
        ({"BitsStored": 17, "HighBit": 16}, "pixel.bits"),
        ({"BitsAllocated": 12}, "pixel.bits"),
        ({"PhotometricInterpretation": "RGB"}, "pixel.samples"),
        ({"PhotometricInterpretation": "GREY"}, "pixel.photometric"),
        ({"PixelRepresentation": 2}, "pixel.representation"),
        ({"Rows": 0}, "pixel.size"),
        ({"NumberOfFrames": 0}, "pixel.size"),
    ],
)
def test_contradictions(attributes: dict[str, object], code: str) -> None:
    assert code in codes(good_ct(**attributes))


def compressed(frames: int, fragments: int, syntax: str) -> bytes:
    ds = good_ct(NumberOfFrames=frames, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ConversionType="WSD")
    ds.PixelData = encapsulate([bytes(20)] * fragments, has_bot=False)
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    return part10(ds, syntax)


def test_fragments() -> None:
    def found(*arguments) -> list[str]:
        return [issue.code for issue in check(io.BytesIO(compressed(*arguments))) if issue.code.startswith("pixel")]

    assert found(2, 2, RLELossless) == []
    assert found(3, 2, RLELossless) == ["pixel.fragments"]
    assert found(1, 2, RLELossless) == ["pixel.fragments"]
    assert found(1, 2, JPEGBaseline8Bit) == []
    assert found(3, 2, JPEGBaseline8Bit) == ["pixel.fragments"]


def test_a_cut_compressed_image() -> None:
    data = compressed(2, 2, RLELossless)
    found = {issue.code for issue in check(io.BytesIO(data[:-12]))}
    assert {"pixel.truncated", "file.truncated"} <= found


def test_native_pixels_under_a_compressed_syntax() -> None:
    from pydicom.uid import JPEG2000Lossless

    raw = part10(good_ct())
    swapped = raw.replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x16\x00" + JPEG2000Lossless.encode())
    assert swapped != raw
    assert "pixel.encapsulation" in [issue.code for issue in check(io.BytesIO(swapped))]


def test_a_cut_file() -> None:
    found = {issue.code for issue in check(io.BytesIO(part10(good_ct())[:-50]))}
    assert {"pixel.truncated", "file.truncated"} <= found


def test_overlay_without_data() -> None:
    ds = good_ct()
    ds.add_new(0x60000010, "US", 6)
    ds.add_new(0x60000011, "US", 8)
    found = [issue.where for issue in issues(ds) if issue.code == "overlay.incomplete"]
    assert any("OverlayData" in where for where in found)
    assert not any("OverlayRows" in where for where in found)


def test_meta_that_names_another_object() -> None:
    found = one(issues(good_ct(), MediaStorageSOPInstanceUID="1.2.3"), "meta.sop-instance-mismatch")
    assert found.found.startswith("1.2.3")
    assert found.change is not None
    assert found.change.tag == 0x00020003
    assert "meta.sop-class-mismatch" in codes(good_ct(), MediaStorageSOPClassUID="1.2.840.10008.5.1.4.1.1.4")


def test_no_meta() -> None:
    ds = good_ct()
    data = part10(ds)
    start = data.index(b"\x08\x00\x05\x00")
    assert [issue.code for issue in check(io.BytesIO(data[start:]))] == ["meta.missing"]


def test_another_encoding_than_named() -> None:
    data = part10(good_ct()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")
    found = one(check(io.BytesIO(data)), "meta.encoding-mismatch")
    assert found.change is not None
    assert found.change.value == "1.2.840.10008.1.2.1"


def test_big_endian_is_read() -> None:
    ds = good_ct()
    assert [issue.code for issue in check(io.BytesIO(part10(ds, ExplicitVRBigEndian)))] == []


def test_a_directory_has_no_patient() -> None:
    ds = good_ct(SOPClassUID="1.2.840.10008.1.3.10", PatientID=None, Modality=None)
    assert codes(ds) == []


def test_a_header_in_memory_is_not_blamed_for_its_pixels() -> None:
    ds = good_ct(PixelData=None)
    assert check(ds) == []
    assert [issue.code for issue in check(good_ct(StudyDate="2024.01.02"))] == ["vr.date"]
