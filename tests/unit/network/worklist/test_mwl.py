from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from builders.worklist_peers import MWL, entry, worklist
from lightbox.core.errors import LightboxError, NotFoundError, Problem
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.worklist import mwl
from lightbox.network.worklist.mwl import WorklistQuery

Start = Callable[..., Peer]


def test_an_entry_is_read_with_its_steps_and_codes(scp: Start, identity: LocalIdentity) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTCH", "99LOCAL", "CT Thorax (Müller)"
    row = entry("A1", patient="Müller^Jörg=山田^太郎", RequestedProcedureCodeSequence=Sequence([code]))
    row.ScheduledProcedureStepSequence[0].ScheduledStationAETitle = ["LIGHTBOX", "OTHER"]
    asked: list[Dataset] = []
    peer = scp([MWL], worklist([row], asked))
    (found,) = mwl.query(peer, identity, WorklistQuery(dates="2026-11-20", modality="ct", station_ae="OTHER"))
    assert found.patient_name == "Müller^Jörg=山田^太郎"
    assert (found.patient_id, found.issuer_of_patient_id) == ("P1", "HOSPITAL")
    assert (found.accession_number, found.requested_procedure_id) == ("A1", "RP1")
    assert found.step.station_ae == ("LIGHTBOX", "OTHER")
    assert (found.step.modality, found.step.start_date, found.step.step_id) == ("CT", "20261120", "SPS1")
    assert found.requested_procedure_codes[0].meaning == "CT Thorax (Müller)"
    assert found.notes == ()
    assert found.as_dict()["ScheduledProcedureStepSequence"][0]["Modality"] == "CT"
    step = asked[0].ScheduledProcedureStepSequence[0]
    assert (step.Modality, step.ScheduledProcedureStepStartDate) == ("CT", "20261120")
    assert "SpecificCharacterSet" not in asked[0]


def test_sequences_may_be_missing_empty_or_nonsense(scp: Start, identity: LocalIdentity) -> None:
    missing, empty, nonsense = entry("A1"), entry("A2"), entry("A3")
    del missing.ScheduledProcedureStepSequence
    empty.ScheduledProcedureStepSequence = Sequence([])
    nonsense["ScheduledProcedureStepSequence"] = DataElement(
        "ScheduledProcedureStepSequence", "LO", "no sequence", validation_mode=config.IGNORE
    )
    bare = Dataset()
    bare.PatientName = "Only^Name"
    found = mwl.query(scp([MWL], worklist([missing, empty, nonsense, bare])), identity)
    assert [one.accession_number for one in found] == ["", "A1", "A2", "A3"]
    assert all("no scheduled procedure step" in one.notes[0] for one in found)
    assert found[0].step.modality == ""
    assert len(found[0].notes) == 4


def test_what_a_server_sends_although_it_was_not_asked_for_is_left_out(scp: Start, identity: LocalIdentity) -> None:
    rows = [entry("A1"), entry("A2"), entry("A1", date="20250101")]
    peer = scp([MWL], worklist(rows))
    found = mwl.query(peer, identity, WorklistQuery(dates="20261101-20261130", accession_number="A1"))
    assert [(one.accession_number, one.step.start_date) for one in found] == [("A1", "20261120")]


def test_cut_off_and_refused(scp: Start, identity: LocalIdentity) -> None:
    problems: list[Problem] = []
    found = mwl.query(scp([MWL], worklist([entry("A1")], ending=0xA700)), identity, problems=problems)
    assert len(found) == 1
    assert [problem.code for problem in problems] == ["worklist.truncated"]
    with pytest.raises(DimseError, match="refused the worklist query"):
        mwl.query(scp([MWL], worklist([], ending=0xA900)), identity)
    with pytest.raises(AssociationError, match="offers none"):
        mwl.query(scp(["1.2.840.10008.1.1"], []), identity)
    problems.clear()
    found = mwl.query(scp([MWL], worklist([entry(f"A{n}") for n in range(5)])), identity, limit=3, problems=problems)
    assert len(found) == 3
    assert [problem.code for problem in problems] == ["worklist.truncated"]


def test_one_order_by_its_accession_number(scp: Start, identity: LocalIdentity) -> None:
    rows = [entry("A1"), entry("A1"), entry("A2"), entry("A2", PatientID="P2")]
    peer = scp([MWL], worklist(rows))
    assert mwl.one(peer, identity, "A1").accession_number == "A1"
    with pytest.raises(LightboxError, match="Several orders"):
        mwl.one(peer, identity, "A2")
    with pytest.raises(NotFoundError):
        mwl.one(peer, identity, "A9")
