"""Patient, modality, laterality, dates."""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders.quality_objects import codes, good_ct, issues, one
from lightbox.core import clock
from lightbox.core.errors import Severity


def test_id_without_issuer_is_a_remark() -> None:
    assert one(issues(good_ct(IssuerOfPatientID=None)), "patient.id-no-issuer").severity is Severity.INFO


def test_empty_identity_is_permitted_but_told() -> None:
    found = issues(good_ct(PatientID="", PatientName=""))
    assert [issue.code for issue in found] == ["patient.name-empty", "patient.id-empty"]
    assert all(issue.severity is Severity.WARNING for issue in found), "both are of type 2"


@pytest.mark.parametrize(("sex", "repaired"), [("m", "M"), ("FEMALE", "F"), ("X", None)])
def test_sex(sex: str, repaired: str | None) -> None:
    found = one(issues(good_ct(PatientSex=sex)), "patient.sex-value")
    assert (found.change.value if found.change else None) == repaired


def test_age_that_does_not_fit() -> None:
    assert one(issues(good_ct(PatientAge="045Y")), "patient.age-mismatch").found.startswith("045Y")
    assert codes(good_ct(PatientAge="054Y")) == []
    assert codes(good_ct(PatientBirthDate="20241130", PatientAge="033D")) == []


def test_born_after_the_study() -> None:
    assert "patient.born-after-study" in codes(good_ct(PatientBirthDate="20250301", PatientAge=None))


def test_future() -> None:
    later = (clock.now() + timedelta(days=400)).strftime("%Y%m%d")
    assert codes(good_ct(ContentDate=later)) == ["date.future"]


def test_wrong_modality() -> None:
    found = one(issues(good_ct(Modality="MR")), "modality.wrong")
    assert found.expected.startswith("CT")
    assert found.change is None, "class or modality: a person decides"


def test_missing_modality_of_a_class_with_one() -> None:
    found = one(issues(good_ct(Modality=None)), "modality.missing")
    assert found.severity is Severity.ERROR
    assert found.change is not None
    assert found.change.value == "CT"


def test_related_xray_modalities_only_warn() -> None:
    found = one(issues(good_ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.1", Modality="DX")), "modality.wrong")
    assert found.severity is Severity.WARNING


def test_paired_part_without_side() -> None:
    assert codes(good_ct(BodyPartExamined="KNEE")) == ["laterality.missing"]
    assert codes(good_ct(BodyPartExamined="KNEE", Laterality="L")) == []
    assert codes(good_ct(BodyPartExamined="CHEST")) == []


def test_two_sides() -> None:
    found = one(issues(good_ct(Laterality="L", ImageLaterality="R")), "laterality.conflict")
    assert found.severity is Severity.ERROR
