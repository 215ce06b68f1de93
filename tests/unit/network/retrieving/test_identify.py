"""The identifiers of an object, by its first bytes."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from builders import network_objects
from builders.web_server import dicom_file
from lightbox.network.retrieving.identify import HEAD, identify


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_every_encoding(syntax: str) -> None:
    dataset = network_objects.ct("s", "a", 1, syntax=syntax)
    if syntax == ExplicitVRBigEndian:
        dataset["PixelData"].VR = "OW"
    found = identify(dicom_file(dataset)[:HEAD])
    assert found is not None
    assert found.sop_instance_uid == dataset.SOPInstanceUID
    assert found.sop_class_uid == dataset.SOPClassUID
    assert found.transfer_syntax_uid == syntax


def test_the_data_set_counts_not_the_header() -> None:
    dataset = network_objects.ct("s", "a", 1)
    data = dicom_file(dataset)
    other = str(network_objects.ct("s", "a", 2).SOPInstanceUID).ljust(len(dataset.SOPInstanceUID), "0")
    uid = str(dataset.SOPInstanceUID)
    lying = data.replace(uid.encode(), other[: len(uid)].encode(), 1)
    assert lying != data
    found = identify(lying[:HEAD])
    assert found is not None
    assert found.sop_instance_uid == uid


@pytest.mark.parametrize("data", [b"", b"x" * 200, b"\x00" * 128 + b"DICM", b"\x00" * 128 + b"DICM" + b"\xff" * 300])
def test_what_is_no_object(data: bytes) -> None:
    assert identify(data) is None


def test_a_head_without_identifiers_tells_what_its_header_says() -> None:
    dataset = network_objects.ct("s", "a", 1)
    data = dicom_file(dataset)
    found = identify(data[: data.index(b"\x08\x00\x05\x00")])
    assert found is not None
    assert found.sop_instance_uid == dataset.SOPInstanceUID


@pytest.mark.data
def test_it_agrees_with_pydicom_on_real_files(data: Path) -> None:
    compared = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(path for path in data.rglob("*") if path.is_file())[::3]:
            content = path.read_bytes()
            try:
                dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
                expected = str(dataset.SOPInstanceUID), str(dataset.SOPClassUID)
            except (pydicom.errors.InvalidDicomError, AttributeError, EOFError, KeyError, ValueError):
                continue
            found = identify(content[:HEAD])
            assert found is not None, path
            assert (found.sop_instance_uid, found.sop_class_uid) == expected, path
            compared += 1
    assert compared > 200
