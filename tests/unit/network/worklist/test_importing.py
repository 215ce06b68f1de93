"""Importing a disc as part of an order: into the library, with a protected record, and never half."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from builders import network_objects
from builders.worklist_peers import MPPS, MWL, StepKeeper, entry, worklist
from lightbox.cli.main import run
from lightbox.core.errors import Cancelled, UsageError
from lightbox.core.jobs import CancelToken
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network.peers import Peer, PeerBook
from lightbox.network.worklist import importing
from lightbox.network.worklist.entries import WorklistEntry
from lightbox.network.worklist.reconcile import ReconcileError

ENTRY = WorklistEntry(
    study_instance_uid="1.2.826.0.1.3680043.8.498.100",
    patient_name="Doe^Jane",
    patient_id="P1",
    issuer_of_patient_id="HOSPITAL",
    patient_birth_date="19300101",
    patient_sex="F",
    accession_number="ACC100",
    requested_procedure_id="RP1",
    source="ris",
)
PERSON = {"patient": "DOE^JANE", "PatientBirthDate": "19300101", "PatientSex": "F", "PatientID": "CLINIC-7"}


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    folder = tmp_path / "disc"
    network_objects.study(folder, "outside", 3, **PERSON)
    (folder / "README.TXT").write_text("viewer inside")
    return folder


def test_a_disc_becomes_part_of_the_order(
    disc: Path, library: Library, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = {path.name: path.read_bytes() for path in disc.iterdir()}
    sources = importing.gather([disc])
    assert len(sources.objects) == 3
    assert [Path(refusal.path).name for refusal in sources.refused] == ["README.TXT"]
    plan = importing.plan(sources, ENTRY, library=library)
    assert not plan.needs_confirmation
    with caplog.at_level(logging.DEBUG):
        result = importing.carry_out(sources, plan, library, home, system="LIGHTBOX")
    assert result.report.added == 3
    (study,) = library.studies_of_patient("P1", "HOSPITAL")
    assert (study.patient_name, study.accession_number, study.number_of_instances) == ("Doe^Jane", "ACC100", 3)
    assert library.studies_of_patient("CLINIC-7", "") == []
    assert result.attributes["PatientID"] == 3
    assert {instance.sop_instance_uid for instance in result.instances} == {
        str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in sources.objects
    }
    with library.open_object(result.instances[0].sop_instance_uid) as stream:
        kept = pydicom.dcmread(stream)
    assert kept.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientID == "CLINIC-7"
    # the disc is as it was, the record is protected, and no log names anybody
    assert {path.name: path.read_bytes() for path in disc.iterdir()} == before
    assert stat.S_IMODE(result.record.stat().st_mode) == 0o600
    record = json.loads(result.record.read_text())
    assert record["objects"][0]["before"]["PatientID"] == "CLINIC-7"
    text = caplog.text.casefold()
    assert not any(word in text for word in ("clinic-7", "doe", "acc100", "19300101"))
    assert list((home / "network" / "reconciling").iterdir()) == []
    again = importing.carry_out(sources, importing.plan(sources, ENTRY), library, home, system="LIGHTBOX")
    assert again.report.added == 0


def test_nothing_is_half_imported(disc: Path, library: Library, home: Path) -> None:
    sources = importing.gather([disc])
    wrong = importing.plan(sources, replace(ENTRY, patient_name="Smith^John", patient_birth_date="19700101"))
    with pytest.raises(ReconcileError):
        importing.carry_out(sources, wrong, library, home, system="LIGHTBOX")
    token = CancelToken()
    with pytest.raises(Cancelled):
        importing.carry_out(
            sources,
            importing.plan(sources, ENTRY),
            library,
            home,
            system="LIGHTBOX",
            progress=lambda progress: token.cancel(),
            cancel=token,
        )
    sources.objects[-1].write_bytes(b"damaged meanwhile")
    with pytest.raises(Exception, match="not a DICOM file"):
        importing.carry_out(sources, importing.plan(importing.gather([disc]), ENTRY), library, home, system="LIGHTBOX")
    assert library.ingest_spool().added == 0
    assert library.studies_of_patient("P1", "HOSPITAL") == []
    assert not (home / "network" / "reconciled").exists()


@pytest.mark.parametrize(
    "change", [{"patient": "ROE^JOHN"}, {"PatientID": "CLINIC-8"}, {"PatientBirthDate": "19300102"}]
)
def test_another_disc_in_the_drive(disc: Path, library: Library, home: Path, change: dict[str, str]) -> None:
    """Between the comparison and the import somebody changes the disc: its files have the same names."""
    sources = importing.gather([disc])
    plan = importing.plan(sources, ENTRY, library=library)
    datasets = [network_objects.ct("outside", "s0", n, **{**PERSON, **change}) for n in range(1, 4)]  # pyright: ignore
    network_objects.write(disc, datasets)
    with pytest.raises(ReconcileError, match="not the one that was compared"):
        importing.carry_out(sources, plan, library, home, system="LIGHTBOX")
    network_objects.study(disc, "another study", 3, **PERSON)
    with pytest.raises(ReconcileError, match="not the one that was compared"):
        importing.carry_out(sources, plan, library, home, system="LIGHTBOX")
    assert library.ingest_spool().added == 0
    assert library.studies_of_patient("P1", "HOSPITAL") == []


def test_objects_that_are_here_under_another_patient_need_new_uids(disc: Path, library: Library, home: Path) -> None:
    library.import_paths([disc])
    sources = importing.gather([disc])
    plan = importing.plan(sources, ENTRY, library=library)
    assert "reconcile.already-here" in {problem.code for problem in plan.problems}
    result = importing.carry_out(sources, plan, library, home, system="LIGHTBOX")
    assert (result.report.added, result.report.quarantined, result.instances) == (0, 3, [])
    fresh = importing.plan(sources, ENTRY, library=library, new_uids=True)
    assert "reconcile.already-here" not in {problem.code for problem in fresh.problems}
    result = importing.carry_out(sources, fresh, library, home, system="LIGHTBOX")
    assert result.report.added == 3
    assert len(library.studies_of_patient("P1", "HOSPITAL")) == 1


def test_a_path_that_does_not_exist() -> None:
    with pytest.raises(UsageError):
        importing.gather([Path("/nowhere/at/all")])


@pytest.fixture
def ris(scp: Callable[..., Peer], home: Path) -> tuple[Peer, StepKeeper]:
    """A worklist and MPPS server that is in the list of peers as "ris"."""
    kept = StepKeeper()
    rows = [entry("ACC100", patient="Doe^Jane"), entry("ACC200", patient="Smith^John", PatientBirthDate="19700101")]
    peer = replace(scp([MWL, MPPS], worklist(rows) + kept.handlers()), name="ris")
    PeerBook(Settings(home)).add(peer)
    return peer, kept


def test_the_command_line(
    disc: Path, home: Path, ris: tuple[Peer, StepKeeper], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--home", str(home)]
    assert run([*arguments, "worklist", "ris", "--date", "any", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["AccessionNumber"] for one in shown] == ["ACC100", "ACC200"]
    assert run([*arguments, "reconcile", str(disc), "--with", "ris:ACC100", "--dry-run"]) == 0
    assert "PatientID: CLINIC-7 -> P1" in capsys.readouterr().out
    assert run([*arguments, "reconcile", str(disc), "--with", "ris:ACC200"]) == 1
    assert "do not agree" in capsys.readouterr().err
    assert run([*arguments, "reconcile", str(disc), "--with", "ris:ACC900"]) == 1
    assert run([*arguments, "reconcile", str(disc), "--with", "ris"]) == 2
    capsys.readouterr()
    assert run([*arguments, "reconcile", str(disc), "--with", "ris:ACC100", "--mpps", "ris", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["import"]["added"] == 3
    assert values["mpps"]["state"] == "ended"
    (step,) = ris[1].steps.values()
    assert step.PerformedProcedureStepStatus == "COMPLETED"
    assert len(step.PerformedSeriesSequence[0].ReferencedImageSequence) == 3
    assert run([*arguments, "mpps", "list"]) == 0
    assert run([*arguments, "import", str(disc), "--reconcile-with", "ris:ACC100"]) == 0
    assert "3 already here" in capsys.readouterr().out
