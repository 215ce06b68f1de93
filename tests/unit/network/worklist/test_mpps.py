from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builders.worklist_peers import MPPS, StepKeeper
from lightbox.core.errors import UsageError
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.worklist.entries import Code, ScheduledStep, WorklistEntry
from lightbox.network.worklist.mpps import Steps
from lightbox.network.worklist.mpps_items import PerformedInstance

Start = Callable[..., Peer]
ENTRY = WorklistEntry(
    study_instance_uid="1.2.3",
    patient_name="Müller^Jörg",
    patient_id="P1",
    accession_number="A1",
    requested_procedure_id="RP1",
    requested_procedure_codes=(Code("CT", "99L", "CT"),),
    steps=(ScheduledStep("CT", step_id="SPS1", description="CT CHEST"),),
)
INSTANCES = (
    PerformedInstance("1.2.840.10008.5.1.4.1.1.2", "1.2.3.1.1", "1.2.3.1", "Thorax"),
    PerformedInstance("1.2.840.10008.5.1.4.1.1.2", "1.2.3.1.2", "1.2.3.1", "Thorax"),
    PerformedInstance("1.2.840.10008.5.1.4.1.1.88.33", "1.2.3.2.1", "1.2.3.2", "Report"),
)


def keeper(scp: Start, *statuses: int) -> tuple[Peer, StepKeeper]:
    kept = StepKeeper(list(statuses))
    return scp([MPPS], kept.handlers()), kept


def test_in_progress_then_completed(scp: Start, identity: LocalIdentity, home: Path) -> None:
    peer, kept = keeper(scp)
    steps = Steps(home)
    step = steps.begin(peer, identity, ENTRY)
    assert steps.send(step.uid, peer, identity).state == "in progress"
    data = kept.steps[step.uid]
    assert data.PerformedProcedureStepStatus == "IN PROGRESS"
    assert str(data.PatientName) == "Müller^Jörg"
    assert data.ScheduledStepAttributesSequence[0].AccessionNumber == "A1"
    assert data.PerformedStationAETitle == "LIGHTBOX"
    steps.complete(step.uid, INSTANCES, retrieve_ae="LIGHTBOX")
    assert steps.send(step.uid, peer, identity).state == "ended"
    data = kept.steps[step.uid]
    assert data.PerformedProcedureStepStatus == "COMPLETED"
    assert data.PerformedProcedureStepEndDate
    first, second = data.PerformedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in first.ReferencedImageSequence] == ["1.2.3.1.1", "1.2.3.1.2"]
    assert second.ReferencedNonImageCompositeSOPInstanceSequence[0].ReferencedSOPInstanceUID == "1.2.3.2.1"
    assert not steps.get(step.uid).waits
    assert kept.requests == ["create", "set"]


def test_discontinued_says_why(scp: Start, identity: LocalIdentity, home: Path) -> None:
    peer, kept = keeper(scp)
    steps = Steps(home)
    step = steps.begin(peer, identity, ENTRY)
    steps.discontinue(step.uid)
    assert steps.send(step.uid, peer, identity).state == "ended"
    data = kept.steps[step.uid]
    assert data.PerformedProcedureStepStatus == "DISCONTINUED"
    assert data.PerformedProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110513"


def test_nothing_is_lost_while_the_peer_is_away_or_we_are_restarted(
    scp: Start, identity: LocalIdentity, home: Path
) -> None:
    gone = Peer("ris", "RIS", "127.0.0.1", 1)
    step = Steps(home).begin(gone, identity, ENTRY)
    Steps(home).complete(step.uid, INSTANCES)
    with pytest.raises(AssociationError):
        Steps(home).send(step.uid, gone, identity)
    waiting = Steps(home).get(step.uid)
    assert waiting.waits
    assert "Nothing listens" in waiting.words
    peer, kept = keeper(scp)
    (result,) = Steps(home).send_waiting([replace(peer, name="ris")], identity)
    assert result.state == "ended"
    assert kept.steps[step.uid].PerformedProcedureStepStatus == "COMPLETED"
    assert Steps(home).send_waiting([replace(peer, name="ris")], identity) == []


@pytest.mark.parametrize("statuses", [(-1,), (0x0000 - 1, -1)])
def test_an_answer_that_got_lost_is_no_second_step(
    scp: Start, identity: LocalIdentity, home: Path, statuses: tuple[int, ...]
) -> None:
    peer, kept = keeper(scp, *statuses)
    steps = Steps(home)
    step = steps.begin(peer, identity, ENTRY)
    steps.complete(step.uid, INSTANCES)
    for _ in range(len(statuses) + 1):
        try:
            steps.send(step.uid, peer, identity)
        except AssociationError:
            continue
    assert steps.get(step.uid).state == "ended"
    assert len(kept.steps) == 1
    assert kept.steps[step.uid].PerformedProcedureStepStatus == "COMPLETED"


def test_a_lost_answer_to_the_end_is_recognised(scp: Start, identity: LocalIdentity, home: Path) -> None:
    peer, kept = keeper(scp)
    steps = Steps(home)
    step = steps.begin(peer, identity, ENTRY)
    steps.send(step.uid, peer, identity)
    kept.statuses = [-1]
    steps.complete(step.uid, INSTANCES)
    with pytest.raises(AssociationError):
        steps.send(step.uid, peer, identity)
    assert steps.get(step.uid).state == "ending"
    assert steps.send(step.uid, peer, identity).state == "ended"
    assert kept.requests == ["create", "set", "set"]


def test_refusals_for_good_and_for_now(scp: Start, identity: LocalIdentity, home: Path) -> None:
    peer, kept = keeper(scp, 0x0120)
    steps = Steps(home)
    step = steps.begin(peer, identity, ENTRY)
    with pytest.raises(DimseError):
        steps.send(step.uid, peer, identity)
    assert steps.get(step.uid).state == "failed"
    assert "0x0120" in steps.get(step.uid).words
    assert steps.send_waiting([peer], identity) == []
    kept.statuses = [0x0213]
    later = steps.begin(peer, identity, ENTRY)
    with pytest.raises(DimseError):
        steps.send(later.uid, peer, identity)
    assert steps.get(later.uid).waits
    assert steps.send(later.uid, peer, identity).state == "in progress"
    # an object of this UID that is not ours
    kept.statuses = [0x0111]
    other = steps.begin(peer, identity, ENTRY)
    with pytest.raises(DimseError):
        steps.send(other.uid, peer, identity)
    assert steps.get(other.uid).state == "failed"


def test_a_peer_that_forgot_the_step_is_told_once_more(scp: Start, identity: LocalIdentity, home: Path) -> None:
    peer, kept = keeper(scp)
    steps = Steps(home)
    step = steps.begin(peer, identity, ENTRY)
    steps.send(step.uid, peer, identity)
    kept.steps.clear()
    steps.complete(step.uid, INSTANCES)
    assert steps.send(step.uid, peer, identity).state == "ended"
    assert kept.requests == ["create", "set", "create", "set"]


def test_steps_are_protected_and_checked(identity: LocalIdentity, home: Path) -> None:
    peer = Peer("ris", "RIS", "127.0.0.1", 1)
    steps = Steps(home)
    step = steps.begin(peer, identity, ENTRY)
    path = home / "network" / "mpps" / f"{step.uid}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Müller" not in str(step.as_dict())
    with pytest.raises(UsageError):
        steps.complete(step.uid, ())
    steps.complete(step.uid, INSTANCES)
    with pytest.raises(UsageError):
        steps.discontinue(step.uid)
    with pytest.raises(UsageError):
        steps.begin(peer, identity, replace(ENTRY, study_instance_uid=""))
    path.write_text("{broken")
    assert steps.all() == []
