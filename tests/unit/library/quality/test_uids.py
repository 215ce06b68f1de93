"""The form of UIDs (PS3.5 9.1), and UIDs that are missing or mean two things."""

from __future__ import annotations

import io

import pytest
from pydicom.uid import generate_uid

from builders.quality_objects import codes, good_ct, issues, one, raw
from lightbox.core.errors import Severity
from lightbox.library.quality import check
from lightbox.library.quality.uids import fault

GOOD = ["1.2", "1.2.840.10008.1.2\0", "0.1.2", "2.25." + "1" * 38, "1." + "2" * 62, "1.0.3"]
BAD = [
    ("1.2.03", "uid.leading-zero"),
    ("00.1", "uid.leading-zero"),
    ("1..2", "uid.empty-component"),
    (".1.2", "uid.empty-component"),
    ("1.2.", "uid.empty-component"),
    ("1.2.a", "uid.invalid-character"),
    ("1.2 .3", "uid.invalid-character"),
    ("12345", "uid.invalid-character"),
    ("1." + "2" * 63, "uid.too-long"),
    ("1.2 ", "uid.padding"),
    (" 1.2", "uid.padding"),
    ("1.2\0\0", "uid.padding"),
]


@pytest.mark.parametrize("uid", GOOD)
def test_good_uids(uid: str) -> None:
    assert fault(uid.encode()) is None


@pytest.mark.parametrize(("uid", "code"), BAD)
def test_each_fault_has_its_code(uid: str, code: str) -> None:
    found = fault(uid.encode())
    assert found is not None
    assert found.code == code


def test_an_empty_value_is_no_malformed_uid() -> None:
    assert fault(b"") is None
    assert fault(b"\0") is None


def test_a_good_object_has_no_issue() -> None:
    assert issues(good_ct()) == []


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"])
def test_missing_identity(keyword: str) -> None:
    found = one(issues(good_ct(**{keyword: None})), "uid.missing")
    assert found.severity is Severity.ERROR
    assert found.where.endswith(keyword)
    assert found.found == "missing"
    assert one(issues(good_ct(**{keyword: ""})), "uid.missing").found == "empty"


def test_identity_faults_are_errors_and_references_are_warnings() -> None:
    assert one(issues(good_ct(StudyInstanceUID="1.2.03")), "uid.leading-zero").severity is Severity.ERROR
    found = one(issues(good_ct(FrameOfReferenceUID="1.2.03")), "uid.leading-zero")
    assert found.severity is Severity.WARNING
    assert found.change is None, "a UID must never be changed in one object alone"


def test_a_space_behind_a_uid_is_repaired() -> None:
    uid = "1.2.826.0.1.3680043.8.498.123"
    data = raw(good_ct(StudyInstanceUID=uid), uid.encode() + b"\0", uid.encode() + b" ")
    found = one(check(io.BytesIO(data)), "uid.padding")
    assert found.change is not None
    assert found.change.value == uid


def test_one_uid_for_two_levels() -> None:
    uid = generate_uid()
    found = one(issues(good_ct(StudyInstanceUID=uid, SeriesInstanceUID=uid)), "uid.reused")
    assert found.severity is Severity.ERROR
    assert "StudyInstanceUID" in found.found
    assert "SeriesInstanceUID" in found.where


def test_study_as_frame_of_reference_is_a_warning() -> None:
    uid = generate_uid()
    found = one(issues(good_ct(StudyInstanceUID=uid, FrameOfReferenceUID=uid)), "uid.reused")
    assert found.severity is Severity.WARNING


def test_unknown_class() -> None:
    assert "sop-class.unknown" in codes(good_ct(SOPClassUID="1.2.3.4.5"))
