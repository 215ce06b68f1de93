"""Faults that only several objects together show."""

from __future__ import annotations

from dataclasses import replace

from builders.quality_objects import good_ct
from lightbox.core.errors import Severity
from lightbox.library.quality import ObjectFacts, check_cohort, facts_of

FIRST = ObjectFacts(
    sop_instance_uid="1.1",
    series_instance_uid="2.1",
    study_instance_uid="3.1",
    patient_id="P1",
    patient_name="Müller^Anna",
    birth_date="19700101",
    sex="F",
    study_date="20240102",
    modality="CT",
    series_number="1",
    instance_number="1",
)


def codes(*others: ObjectFacts, known: tuple[ObjectFacts, ...] = ()) -> list[str]:
    return [issue.code for issue in check_cohort([FIRST, *others], known=known)]


def another(**changes: str) -> ObjectFacts:
    return replace(FIRST, **{"sop_instance_uid": "1.2", "instance_number": "2", **changes})


def elsewhere(**changes: str) -> ObjectFacts:
    return another(**{"study_instance_uid": "3.2", "series_instance_uid": "2.2", **changes})


def test_objects_that_agree() -> None:
    assert codes(another()) == []
    assert codes(elsewhere()) == []


def test_facts_are_decoded() -> None:
    facts = facts_of(good_ct(PatientName="Müller^Anna"))
    assert (facts.patient_name, facts.patient_id, facts.issuer) == ("Müller^Anna", "P1", "NORTH")
    assert ObjectFacts.of_shared(facts.shared()).patient_name == "Müller^Anna"


def test_two_patients_in_a_study() -> None:
    assert "study.two-patients" in codes(another(patient_id="P2"))
    assert "study.two-patients" in codes(another(patient_id="", patient_name="Schmidt^Karl"))


def test_spelling_is_no_other_patient() -> None:
    assert codes(another(patient_name="MUELLER^ANNA")) == ["patient.id-many-names"]
    assert codes(elsewhere(patient_name="Mueller^Anna")) == ["patient.id-many-names"]


def test_one_id_for_two_people() -> None:
    found = codes(elsewhere(patient_name="Schmidt^Karl", birth_date="19550505", sex="M"))
    assert {"patient.id-two-people", "patient.id-many-birth-dates", "patient.id-many-sexes"} <= set(found)


def test_the_issuer_tells_ids_apart() -> None:
    first = replace(FIRST, issuer="NORTH")
    second = elsewhere(issuer="SOUTH", patient_name="Schmidt^Karl", birth_date="19550505")
    assert check_cohort([first, second]) == []


def test_one_person_with_two_ids() -> None:
    assert codes(elsewhere(patient_id="P2")) == ["patient.many-ids"]
    assert codes(elsewhere(patient_id="P2", birth_date="19800101")) == ["patient.name-many-birth-dates"]
    assert "patient.name-many-sexes" in codes(elsewhere(patient_id="P2", sex="M"))


def test_series() -> None:
    assert codes(another(modality="SR")) == ["series.two-modalities"]
    first = replace(FIRST, frame_of_reference="9.1")
    found = check_cohort([first, another(frame_of_reference="9.2")])
    assert [(issue.code, issue.severity) for issue in found] == [("series.two-frames-of-reference", Severity.WARNING)]
    assert codes(another(series_number="2")) == ["series.inconsistent"]
    assert codes(another(instance_number="1")) == ["series.duplicate-instance-number"]


def test_study() -> None:
    assert codes(another(study_date="20240103")) == ["study.inconsistent"]


def test_uids_across_objects() -> None:
    assert codes(another(study_instance_uid="3.2")) == ["uid.series-in-two-studies"]
    assert codes(elsewhere(series_instance_uid="3.1")) == ["uid.level-confusion"]
    same = replace(FIRST, digest="a", path="one")
    other = replace(FIRST, digest="b", path="two")
    found = check_cohort([same, other])
    assert [issue.code for issue in found] == ["uid.duplicate"]
    assert "one and two" in found[0].found
    assert check_cohort([same, replace(other, digest="a")]) == []


def test_known_objects_are_compared_but_not_judged() -> None:
    strange = elsewhere(patient_name="Schmidt^Karl", study_instance_uid="3.3", series_instance_uid="2.3")
    assert "patient.id-two-people" in codes(known=(strange,))
    unrelated = elsewhere(patient_id="P9", patient_name="Other^One", modality="CT")
    twisted = replace(unrelated, sop_instance_uid="1.3", modality="SR")
    assert codes(known=(unrelated, twisted)) == []
