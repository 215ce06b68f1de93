"""Round trips with archives that lose, change, or keep something else."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from builders.peer_servers import free_port
from lightbox.core.errors import LightboxError
from lightbox.dicom import reading
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.preflight import needs, services, vocabulary
from lightbox.network.preflight.report import Report
from lightbox.network.preflight.run import preflight
from lightbox.network.sending.readback import Catcher, Copy
from lightbox.network.wire import commands, datasets
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import associated
from lightbox.network.wire.commands import Request
from lightbox.network.wire.contexts import Proposal
from lightbox.network.wire.negotiation import Accept, AssociationRequest
from lightbox.network.wire.server import Server

CT, COMMITMENT = "1.2.840.10008.5.1.4.1.1.2", services.COMMITMENT
SYNTAXES = (vocabulary.EXPLICIT_LE, vocabulary.IMPLICIT_LE)
CLASSES = {
    services.VERIFICATION,
    services.STUDY_FIND,
    services.STUDY_GET,
    COMMITMENT,
    CT,
    *needs.PRODUCED,
}


class SmallArchive:
    """An archive over our own wire: what it gives back went through `change`; `commit` decides about commitment."""

    def __init__(
        self,
        change: Callable[[Dataset], Dataset | None] = lambda dataset: dataset,
        *,
        commit: str = "same association",
        refuse: int = 0,
        destination: LocalIdentity | None = None,
    ) -> None:
        self.change, self.commit, self.refuse, self.destination = change, commit, refuse, destination
        self.held: dict[str, Dataset] = {}
        handlers = {
            commands.C_FIND: self.find,
            commands.C_GET: self.get,
            commands.N_ACTION: self.action,
        }
        identity = LocalIdentity("SMALL", 0)
        self.server = Server(("127.0.0.1", 0), identity, negotiate=self.negotiate, services=handlers, receiver=self)

    def peer(self) -> Peer:
        return Peer("small", "SMALL", "127.0.0.1", self.server.port)

    def negotiate(self, asked: AssociationRequest) -> Accept:
        chosen = {
            context.id: context.transfer_syntaxes[0]
            for context in asked.proposals
            if context.abstract_syntax in CLASSES and context.transfer_syntaxes[0] in SYNTAXES
        }
        return Accept(chosen, roles={p.abstract_syntax: (p.scu_role, p.scp_role) for p in asked.proposals})

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Copy:
        return Catcher().open(sop_class_uid, sop_instance_uid, transfer_syntax_uid, source)

    def finish(self, incoming: Any) -> int:
        if self.refuse:
            return self.refuse
        with incoming.opened() as file:
            self.held[incoming.sop_instance_uid] = reading.read_dataset(file)
        return 0x0000

    def find(self, association: Association, request: Request) -> None:
        wanted = str(request.dataset().get("SOPInstanceUID", ""))
        if wanted in self.held:
            found = Dataset()
            found.SOPInstanceUID = wanted
            association.respond(request, 0xFF00, found)
        association.respond(request, 0x0000)

    def get(self, association: Association, request: Request) -> None:
        study = request.dataset().StudyInstanceUID
        for held in [entry for entry in self.held.values() if study == entry.StudyInstanceUID]:
            changed = self.change(held)
            if changed is not None:
                context = association.context(str(held.SOPClassUID))
                assert context is not None
                data = io.BytesIO(datasets.encode(changed, context.transfer_syntax))
                association.store(context, str(held.SOPClassUID), str(held.SOPInstanceUID), data)
        association.respond(request, 0x0000)

    def action(self, association: Association, request: Request) -> None:
        asked = request.dataset()
        association.respond(request, 0x0000)
        if self.commit == "never":
            return
        report = Dataset()
        report.TransactionUID = asked.TransactionUID
        report.ReferencedSOPSequence = list(asked.ReferencedSOPSequence)
        event = 1
        if self.commit == "one fails":
            failed = report.ReferencedSOPSequence.pop(0)
            failed.FailureReason = 0x0112
            report.FailedSOPSequence, event = [failed], 2
        command = commands.n_event_report(COMMITMENT, "1.2.840.10008.1.20.1.1", event)
        if self.destination is None:
            association.request(request.context, command, report)
            return
        us = Peer("us", self.destination.ae_title, "127.0.0.1", self.destination.port)
        with associated(us, LocalIdentity("SMALL", 0), [Proposal(COMMITMENT, scp_role=True)]) as other:
            context = other.context(COMMITMENT, scp=True)
            assert context is not None
            other.request(context, command, report)


@contextlib.contextmanager
def running(archive: SmallArchive) -> Iterator[SmallArchive]:
    with archive.server:
        yield archive


@pytest.fixture
def own() -> LocalIdentity:
    return LocalIdentity("LIGHTBOX", free_port(), "127.0.0.1", association_timeout=3, dimse_timeout=5)


def go(archive: SmallArchive, own: LocalIdentity, home: Path) -> Report:
    with running(archive):
        return preflight(archive.peer(), own, home, [], round_trip=True)


def objects(report: Report) -> list[dict[str, Any]]:
    assert report.round_trip is not None
    return report.round_trip["objects"]


def test_a_faithful_archive(own: LocalIdentity, home: Path) -> None:
    archive = SmallArchive()
    report = go(archive, own, home)
    assert {item["state"] for item in objects(report)} == {"ok"}
    assert {item["steps"]["commit"] for item in objects(report)} == {"committed"}
    assert len(archive.held) == report.round_trip["stored"] == len(objects(report))  # type: ignore[index]


def test_commitment_on_an_association_of_the_archive(own: LocalIdentity, home: Path) -> None:
    report = go(SmallArchive(destination=own), own, home)
    assert {item["steps"]["commit"] for item in objects(report)} == {"committed"}


def test_commitment_that_fails_and_one_that_never_comes(
    own: LocalIdentity, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = go(SmallArchive(commit="one fails"), own, home)
    assert not report.ok
    assert objects(report)[0]["steps"]["commit"] == "not committed (reason 0x0112)"
    monkeypatch.setattr("lightbox.network.preflight.round_trip._COMMITMENT_WAIT_S", 0.2)
    report = go(SmallArchive(commit="never"), own, home)
    assert any("not answered" in note for note in report.round_trip["notes"])  # type: ignore[index]
    assert all("commit" not in item["steps"] for item in objects(report))


def private_lost(dataset: Dataset) -> Dataset:
    dataset.remove_private_tags()
    return dataset


def latin_only(dataset: Dataset) -> Dataset:
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "ZZZTEST^LIGHTBOX^?r?n"
    return dataset


def uid_cut(dataset: Dataset) -> Dataset:
    for item in dataset.get("ReferencedSeriesSequence", []):
        item.SeriesInstanceUID = str(item.SeriesInstanceUID)[:20]
    dataset.StudyInstanceUID = str(dataset.StudyInstanceUID)[:60]
    return dataset


def pixels_flipped(dataset: Dataset) -> Dataset:
    if "PixelData" in dataset:
        dataset.PixelData = dataset.PixelData[::-1]
    return dataset


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (private_lost, "is missing"),
        (latin_only, "PatientName"),
        (uid_cut, "StudyInstanceUID"),
        (pixels_flipped, "PixelData"),
    ],
)
def test_an_archive_that_changes_what_it_keeps(
    own: LocalIdentity, home: Path, change: Callable[[Dataset], Dataset], words: str
) -> None:
    report = go(SmallArchive(change), own, home)
    assert not report.ok
    first = objects(report)[0]
    assert first["state"] == "failed"
    assert any(words in text for text in first["differences"])
    finding = next(f for f in report.findings if f.subject == "Round trip")
    assert finding.state == "failed"
    assert "did not survive" in finding.text


def test_what_an_archive_adds_is_told_but_does_not_fail(own: LocalIdentity, home: Path) -> None:
    def stamped(dataset: Dataset) -> Dataset:
        dataset.InstanceCreatorUID = "1.2.3"
        return dataset

    report = go(SmallArchive(stamped), own, home)
    assert report.ok
    assert objects(report)[0]["differences"] == ["InstanceCreatorUID was added (“1.2.3”)"]


def test_objects_that_do_not_come_back_and_stores_that_fail(own: LocalIdentity, home: Path) -> None:
    report = go(SmallArchive(lambda dataset: None), own, home)
    assert not report.ok
    assert objects(report)[0]["steps"]["fetch"] == "did not come back"
    report = go(SmallArchive(refuse=0xA700), own, home)
    assert not report.ok
    assert "out of resources" in objects(report)[0]["steps"]["store"]
    assert report.round_trip["left_behind"] == ""  # type: ignore[index]


def test_a_taken_port_is_told(own: LocalIdentity, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightbox.network.preflight.round_trip._COMMITMENT_WAIT_S", 0.2)
    with running(SmallArchive()) as other:
        taken = replace(own, port=other.server.port)
        report = go(SmallArchive(commit="never"), taken, home)
    assert any("is in use" in note for note in report.round_trip["notes"])  # type: ignore[index]


def test_nothing_is_taken_that_was_not_asked_for(own: LocalIdentity) -> None:
    from lightbox.network.preflight.own_side import OwnSide

    with OwnSide(own) as side, pytest.raises(LightboxError, match="Nothing is expected"):
        side.open(CT, "1.2.3", SYNTAXES[0], "STRANGER")
