"""Priors: who is the same patient, what is relevant, and what is fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydicom.dataset import Dataset

from builders import network_objects
from builders.query_peers import PATIENT_ROOT, STUDY_ROOT, MemoryArchive, study_row
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.library.records import StudyRecord
from lightbox.network.archive import Archive
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.querying import prefetch, prior_model, priors
from lightbox.network.querying.many import State
from lightbox.network.querying.persons import Certainty
from lightbox.network.querying.priors import Current, Rules
from lightbox.network.worklist.entries import ScheduledStep, WorklistEntry
from lightbox.workstation import Workstation

Start = Callable[..., Peer]
CURRENT = StudyRecord(
    "1.0",
    patient_id="P1",
    issuer_of_patient_id="HOSPITAL",
    patient_name="Doe^Jane",
    patient_birth_date="19500101",
    patient_sex="F",
    study_date="20261120",
    study_time="100000",
    study_description="CT chest",
    modalities_in_study=("CT",),
)


def history() -> list[Dataset]:
    return [
        study_row("1.0", "20261120", "CT", StudyDescription="CT chest"),
        study_row("1.1", "20261101", "CT", StudyDescription="CT head"),
        study_row("1.2", "20261001", "CR", StudyDescription="Thorax pa"),
        study_row("1.3", "20250101", "CT\\SEG\\SR", StudyDescription="CT chest"),
        study_row("1.4", "20240101", "CT", StudyDescription="CT chest"),
        study_row("1.5", "20230101", "CT", StudyDescription="Thorax nativ"),
        study_row("1.6", "20190101", "CT", StudyDescription="CT chest"),  # too old
        study_row("1.7", "20261121", "CT", StudyDescription="CT chest"),  # later
        study_row("1.8", "20220101", "CT", StudyDescription="Protocol 7"),
        study_row("1.9", "20261110", "SR", StudyDescription="Report"),
        study_row("2.1", "20260101", "CT", StudyDescription="CT chest", PatientID="OTHER", PatientBirthDate="19500101"),
        study_row("2.2", "20260101", "CT", StudyDescription="CT chest", PatientBirthDate="19991231"),
        study_row("2.3", "20260101", "CT", StudyDescription="CT chest", PatientID="P12", PatientName="Roe^Ann"),
    ]


def start(scp: Start, archive: MemoryArchive, name: str = "pacs") -> Peer:
    return replace(scp([STUDY_ROOT], archive.handlers()), name=name)


def test_ranked_by_region_modality_and_date(scp: Start, identity: LocalIdentity) -> None:
    series = Dataset()
    series.StudyInstanceUID, series.SeriesInstanceUID, series.BodyPartExamined = "1.8", "1.8.1", "CHEST"
    archive = MemoryArchive(history(), series=[series])
    found = priors.find(CURRENT, [start(scp, archive)], None, identity=identity)
    listed = [prior.study.uid for prior in found.priors]
    assert listed[:5] == ["1.3", "1.4", "1.5", "1.8", "1.2"]
    assert set(listed) == {"1.1", "1.2", "1.3", "1.4", "1.5", "1.8", "1.9", "2.1", "2.2"}
    roles = {prior.study.uid: prior.role for prior in found.priors if prior.role}
    assert roles == {"1.3": "images", "1.4": "images", "1.5": "images", "1.9": "report"}
    certain = {prior.study.uid: prior.certainty for prior in found.priors}
    assert certain["2.1"] is certain["2.2"] is Certainty.POSSIBLE
    assert all(certainty is Certainty.SAME for uid, certainty in certain.items() if not uid.startswith("2."))
    assert set(listed[-2:]) == {"2.1", "2.2"}
    assert found.states["pacs"].state is State.DONE
    asked = [
        (str(one.PatientID), str(one.get("PatientBirthDate", "")), str(one.PatientName))
        for one in archive.asked
        if one.QueryRetrieveLevel == "STUDY"
    ]
    assert sorted(asked) == [("", "19500101", "Doe*"), ("P1", "", "")]


def test_a_newest_segmentation_outside_the_three_is_wanted_for_its_results(scp: Start, identity: LocalIdentity) -> None:
    rows = [study_row(f"1.{n}", f"2025010{n}", "CT", StudyDescription="CT chest") for n in range(1, 5)]
    rows.append(study_row("1.9", "20240101", "CT\\SEG", StudyDescription="CT chest"))
    found = priors.find(CURRENT, [start(scp, MemoryArchive(rows))], None, identity=identity)
    last = next(prior for prior in found.priors if prior.study.uid == "1.9")
    assert (last.role, last.modalities) == ("results", ("SEG",))
    assert [prior.study.uid for prior in found.wanted] == ["1.4", "1.3", "1.2", "1.9"]


def test_rules_are_settings(scp: Start, identity: LocalIdentity, home: Path) -> None:
    settings = Settings(home)
    assert Rules.of(settings) == Rules(True, 5, 3, 0)
    Rules(False, 10, 1, 1000).save(settings)
    assert Rules.of(Settings(home)) == Rules(False, 10, 1, 1000)
    settings.set(prior_model.SETTINGS, {"most": "many", "window_years": -1, "enabled": "yes"})
    assert Rules.of(settings) == Rules()
    rules = Rules(window_years=10, most=1)
    found = priors.find(CURRENT, [start(scp, MemoryArchive(history()))], None, identity=identity, rules=rules)
    assert "1.6" in {prior.study.uid for prior in found.priors}
    assert [prior.study.uid for prior in found.wanted if prior.role == "images"] == ["1.3"]


def test_a_failing_archive_is_told_and_the_others_count(scp: Start, identity: LocalIdentity) -> None:
    gone = Peer("gone", "GONE", "127.0.0.1", 1)
    found = priors.find(CURRENT, [gone, start(scp, MemoryArchive(history()))], None, identity=identity)
    assert found.states["gone"].state is State.FAILED
    assert found.wanted


def test_an_archive_with_patient_root_only(scp: Start, identity: LocalIdentity) -> None:
    archive = MemoryArchive(history())
    peer = scp([PATIENT_ROOT], archive.handlers())
    found = priors.find(CURRENT, [peer], None, identity=identity)
    assert [prior.study.uid for prior in found.wanted] == ["1.3", "1.4", "1.5", "1.9"]


def test_of_a_worklist_entry(scp: Start, identity: LocalIdentity) -> None:
    entry = WorklistEntry(
        patient_id="P1",
        patient_name="Doe^Jane",
        patient_birth_date="19500101",
        requested_procedure_description="CT Thorax",
        steps=(ScheduledStep("CT", start_date="20261125", start_time="090000"),),
    )
    assert Current.of_entry(entry).regions == {"chest"}
    found = priors.find(entry, [start(scp, MemoryArchive(history()))], None, identity=identity)
    assert [prior.study.uid for prior in found.wanted] == ["1.7", "1.0", "1.3", "1.9"]


@pytest.fixture
def past(tmp_path: Path, identity: LocalIdentity) -> Archive:
    person = {"patient": "Doe^Jane", "PatientBirthDate": "19500101", "PatientID": "P1"}
    folder = tmp_path / "past"
    network_objects.study(folder / "a", "a", 3, StudyDate="20240101", StudyDescription="CT chest", **person)
    network_objects.study(folder / "b", "b", 2, StudyDate="20230101", StudyDescription="CT chest", **person)
    network_objects.study(folder / "c", "c", 2, StudyDate="20230601", StudyDescription="CT knee", **person)
    stranger = {**person, "PatientID": "X9"}
    network_objects.study(folder / "d", "d", 2, StudyDate="20230701", StudyDescription="CT chest", **stranger)
    with Archive(folder, destinations={"LIGHTBOX": ("127.0.0.1", identity.port)}) as running:
        yield running


@pytest.mark.parametrize("bandwidth", [0, 50_000_000])
def test_what_is_relevant_is_fetched_and_nothing_else(
    past: Archive, library: Library, identity: LocalIdentity, bandwidth: int
) -> None:
    rules = Rules(bandwidth=bandwidth)
    found = priors.find(CURRENT, [past.peer()], library, identity=identity, rules=rules)
    results = prefetch.fetch(found, [past.peer()], identity, library, rules=rules)
    assert [(one.outcome, one.received) for one in results] == [("fetched", 3), ("fetched", 2)]
    assert {study.study_description for study in library.studies_of_patient("P1", "")} == {"CT chest"}
    assert library.studies_of_patient("X9", "") == []
    again = priors.find(CURRENT, [past.peer()], library, identity=identity, rules=rules)
    results = prefetch.fetch(again, [past.peer()], identity, library, rules=rules)
    assert [one.outcome for one in results] == ["already here", "already here"]


def test_the_bandwidth_is_kept_by_pauses(
    past: Archive, library: Library, identity: LocalIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []

    def sleep(seconds: float) -> None:
        paused.append(seconds)

    # A clock on which only the pauses take time
    clock = SimpleNamespace(monotonic=lambda: sum(paused), sleep=sleep)
    monkeypatch.setattr(prefetch, "time", clock)
    rules = Rules(bandwidth=1000)
    found = priors.find(CURRENT, [past.peer()], library, identity=identity, rules=rules)
    results = prefetch.fetch(found, [past.peer()], identity, library, rules=rules)
    assert [one.outcome for one in results] == ["fetched", "fetched"]
    size = sum(
        entry.size
        for study in library.studies_of_patient("P1", "")
        for series in library.series_of(study.study_instance_uid)
        for entry in library.instances_of(series.series_instance_uid)
    )
    assert size > 10_000
    assert sum(paused) == pytest.approx(size / 1000)


def test_the_workstation_fetches_when_a_study_is_opened(
    past: Archive, home: Path, identity: LocalIdentity, tmp_path: Path
) -> None:
    person = {"patient": "Doe^Jane", "PatientBirthDate": "19500101", "PatientID": "P1"}
    now = network_objects.study(tmp_path / "now", "now", 1, StudyDate="20250101", StudyDescription="CT chest", **person)
    workstation = Workstation(home)
    try:
        workstation.library.import_paths([tmp_path / "now"])
        uid = str(now[0].StudyInstanceUID)
        assert workstation.prefetch_priors(uid) is None  # no archives
        identity.save(workstation.settings)
        workstation.peers.add(past.peer())
        job = workstation.prefetch_priors(uid)
        assert job is not None
        assert [one.outcome for one in job.wait(30)] == ["fetched", "fetched"]
        Rules(enabled=False).save(workstation.settings)
        assert workstation.prefetch_priors(uid) is None
    finally:
        workstation.close()
