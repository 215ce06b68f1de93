"""Values that break the rules of their value representation."""

from __future__ import annotations

import io

import pytest

from builders.quality_objects import codes, good_ct, issues, one, part10, raw
from lightbox.core.errors import Severity
from lightbox.library.quality import check

FAULTS = [
    ("StudyDate", "20240230", "vr.date", None),
    ("StudyDate", "2024-01-02", "vr.date", "20240102"),
    ("StudyDate", "2024.01.02", "vr.date", "20240102"),
    ("StudyTime", "10:11:12", "vr.time", "101112"),
    ("StudyTime", "256060", "vr.time", None),
    ("PatientAge", "55Y", "vr.age", "055Y"),
    ("PatientAge", "old", "vr.age", None),
    ("AcquisitionDateTime", "20240102 1011", "vr.date-time", None),
    ("InstanceNumber", "1.0", "vr.integer", "1"),
    ("InstanceNumber", "99999999999", "vr.integer", None),
    ("KVP", "1,5", "vr.decimal", None),
    ("KVP", "120.000000000000000001", "vr.too-long", None),
    ("BodyPartExamined", "chest", "vr.code", "CHEST"),
    ("BodyPartExamined", "CHEST/ABD", "vr.code", None),
    ("BodyPartExamined", "C" * 17, "vr.too-long", None),
    ("AccessionNumber", "A" * 17, "vr.too-long", None),
    ("StudyDescription", "d" * 65, "vr.too-long", None),
]


@pytest.mark.parametrize(("keyword", "value", "code", "repaired"), FAULTS)
def test_fault_and_repair(keyword: str, value: str, code: str, repaired: str | None) -> None:
    ds = good_ct()
    ds.add_new(keyword, {"InstanceNumber": "LO", "KVP": "LO", "AccessionNumber": "LT"}.get(keyword, "LT"), value)
    data = part10(ds)
    for vr in (b"LO", b"LT"):
        tag = ds.data_element(keyword).tag  # type: ignore[union-attr]
        head = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little")
        from pydicom.datadict import dictionary_VR

        data = data.replace(head + vr, head + dictionary_VR(tag).encode())
    found = one(check(io.BytesIO(data)), code)
    assert found.where.endswith(keyword)
    assert found.severity is not Severity.INFO
    if repaired is None:
        assert found.change is None
    else:
        assert found.change is not None
        assert found.change.value == repaired


@pytest.mark.parametrize("value", ["120", " 120.5 ", "-1.5E+3", ".5", "5.", ""])
def test_good_decimals(value: str) -> None:
    assert codes(good_ct(KVP=value)) == []


@pytest.mark.parametrize("value", ["10", "1011", "101112", "101112.123456", "235959.1 "])
def test_good_times(value: str) -> None:
    assert "vr.time" not in codes(good_ct(StudyTime=value))


def test_geometry_that_is_no_number_is_an_error() -> None:
    data = raw(good_ct(SliceThickness="1.53"), b"1.53", b"1,53")
    found = one(check(io.BytesIO(data)), "vr.decimal")
    assert found.severity is Severity.ERROR


def test_a_length_in_characters_not_in_bytes() -> None:
    """64 letters of two bytes each in UTF-8 fit."""
    assert codes(good_ct(StudyDescription="ü" * 64)) == []
    assert codes(good_ct(StudyDescription="ü" * 65)) == ["vr.too-long"]


def test_another_vr_than_the_dictionary() -> None:
    ds = good_ct()
    ds.add_new("KVP", "SH", "120")
    found = one(issues(ds), "vr.mismatch")
    assert (found.found, found.expected) == ("SH", "DS")


def test_binary_value_of_odd_size() -> None:
    ds = good_ct()
    data = part10(ds)
    head = b"\x28\x00\x10\x00US\x02\x00"
    assert data.count(head) == 1
    data = data.replace(head + b"\x06\x00", b"\x28\x00\x10\x00US\x03\x00\x06\x00\x00")
    found = check(io.BytesIO(data))
    assert {"vr.length", "vr.odd-length"} <= {issue.code for issue in found}


def test_private_elements_are_the_vendors_own() -> None:
    ds = good_ct()
    block = ds.private_block(0x0029, "TEST", create=True)
    block.add_new(0x10, "DA", "not a date")
    assert codes(ds) == []


def test_values_in_items_are_found_and_named_once() -> None:
    from pydicom.sequence import Sequence

    from builders.quality_objects import item

    ds = good_ct()
    ds.RequestAttributesSequence = Sequence(
        [item(RequestedProcedureID=str(number), ScheduledProcedureStepID="x" * 20) for number in range(5)]
    )
    found = one(issues(ds), "vr.too-long")
    assert found.where == "(0040,0275) RequestAttributesSequence[1] > (0040,0009) ScheduledProcedureStepID"
    assert "4 more times" in found.found
