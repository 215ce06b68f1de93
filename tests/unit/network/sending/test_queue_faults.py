"""The queue against archives that refuse, stall, drop and lie."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from builders.faulty_peers import COMMITMENT, CT, EXPLICIT, IMPLICIT, FaultyArchive, Report
from builders.peer_servers import free_port
from builders.report_receiver import report_receiver
from lightbox.core.errors import NotFoundError
from lightbox.network.diagnosis.own_port import Counter
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.sending.states import Confirm, QueueSettings, State
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import Request
from lightbox.network.wire.negotiation import Accept, AssociationRequest, accept_by, supporting
from lightbox.network.wire.server import Server

Files = Callable[..., list[Path]]


def uid_of(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def test_everything_arrives_and_is_confirmed_by_a_query(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        paths = files(30)
        _, job = bench.run(archive.peer(), paths)
        assert (job.total, job.accepted, job.count(State.CONFIRMED), job.state) == (30, 30, 30, "confirmed")
        assert set(archive.kept) == {uid_of(path) for path in paths}
        assert sorted(archive.came) == sorted(archive.kept)  # each once


def test_objects_of_the_library(bench: Any, files: Files, home: Path) -> None:
    from lightbox.library.library import Library

    with FaultyArchive() as archive, Library.open(home) as library:
        library.import_paths(files(5))
        bench.library = library
        uids = [uid_of(path) for path in files(5)]
        queue, job = bench.run(archive.peer(), [*uids, uids[0], "1.2.3.4.5"])
        assert (job.total, job.accepted, job.count(State.FAILED)) == (6, 5, 1)
        failed = next(queue.objects(job.id, (State.FAILED,)))
        assert (failed.sop_instance_uid, failed.reason) == ("1.2.3.4.5", "the library has no such object")
        assert set(archive.kept) == set(uids)


def test_what_is_no_object_fails_at_once(bench: Any, files: Files, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("not an image at all")
    cut = files(1, "cut")[0]
    cut.write_bytes(cut.read_bytes()[:-100])
    with FaultyArchive() as archive:
        queue, job = bench.run(archive.peer(), [text, cut, tmp_path / "gone", *files(1)])
        assert (job.accepted, job.count(State.FAILED)) == (1, 3)
        reasons = [entry.reason for entry in queue.objects(job.id, (State.FAILED,))]
        assert any("looks like text" in reason for reason in reasons)
        assert any("truncated" in reason for reason in reasons)
        assert any("cannot be read" in reason for reason in reasons)
        # It cannot be repaired by trying again
        assert queue.retry(job.id) == 0


def test_rejected_as_busy_is_tried_again_without_burning_attempts(bench: Any, files: Files) -> None:
    with FaultyArchive(query=False) as archive:
        archive.reject = 12  # each round opens up to two associations
        queue, job = bench.run(archive.peer(associations=2), files(10))
        assert job.accepted == 10
        assert {entry.attempts for entry in queue.objects(job.id)} == {1}


def test_rejected_for_good_is_not_tried_again(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.reject_for_good = True
        queue, job = bench.run(archive.peer(), files(5))
        assert job.count(State.FAILED) == 5
        reason = next(queue.objects(job.id)).reason
        assert "does not know our AE title LIGHTBOX" in reason
        before = archive.associations
        time.sleep(1.2)
        assert archive.associations == before
        archive.reject_for_good = False
        assert queue.retry(job.id) == 5
        assert queue.wait([job.id], timeout=20)
        assert queue.job(job.id).state == "confirmed"


def test_a_peer_that_is_down(bench: Any, files: Files) -> None:
    archive = FaultyArchive()
    archive.port = free_port()
    peer = archive.peer()
    bench.book.add(peer)
    queue = bench.queue()
    job = queue.enqueue(peer.name, files(40))
    queue.start()
    deadline = time.monotonic() + 10
    while not queue.job(job).reason and time.monotonic() < deadline:
        time.sleep(0.05)
    found = queue.job(job)
    assert "Nothing listens on" in found.reason
    assert found.state == "waiting"
    assert {entry.attempts for entry in queue.objects(job)} == {0}
    with archive:
        assert queue.wait([job], timeout=20)
        assert queue.job(job).count(State.CONFIRMED) == 40
        assert not queue.job(job).reason


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0x0213])
def test_transient_statuses_are_tried_again(bench: Any, files: Files, status: int) -> None:
    with FaultyArchive() as archive:
        archive.answers = [status, status]
        queue, job = bench.run(archive.peer(associations=1), files(3))
        assert job.count(State.CONFIRMED) == 3
        assert sum(entry.attempts for entry in queue.objects(job.id)) == 5


def test_transient_statuses_end_some_time(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.answer = 0xA700
        queue, job = bench.run(archive.peer(), files(1))
        failed = next(queue.objects(job.id))
        assert failed.state is State.FAILED
        assert failed.reason == "the receiver is out of resources (disk full?) (status 0xA700) (4 attempts)"
        assert len(archive.came) == 4


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xA900, "the object does not match its SOP class"),
        (0xC000, "the receiver could not understand the object"),
        (0xC123, "the receiver could not understand the object"),
        (0x0110, "failed"),
        (0x0122, "the SOP class was not accepted"),
        (0x0124, "the receiver does not allow us to store"),
        (0xA777, "the receiver requires an identifier that the object lacks"),
    ],
)
def test_permanent_statuses_are_not_tried_again(bench: Any, files: Files, status: int, words: str) -> None:
    with FaultyArchive() as archive:
        archive.answers, archive.comment = [status], "no Patient ID"
        queue, job = bench.run(archive.peer(associations=1), files(3))
        assert (job.accepted, job.count(State.FAILED)) == (2, 1)
        failed = next(queue.objects(job.id, (State.FAILED,)))
        assert failed.reason == f"{words} (status 0x{status:04X}): no Patient ID"
        assert len(archive.came) == 3


def test_a_peer_that_accepts_nothing_is_not_asked_again(bench: Any, files: Files) -> None:
    with FaultyArchive(accepts={"1.2.840.10008.5.1.4.1.1.4": [EXPLICIT]}, query=False, retrieve=False) as archive:
        _, job = bench.run(archive.peer(), files(4))
        assert job.count(State.FAILED) == 4
        before = archive.associations
        time.sleep(1.2)  # several times the longest delay
        assert archive.associations == before


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007])
def test_warnings_are_kept(bench: Any, files: Files, status: int) -> None:
    with FaultyArchive() as archive:
        archive.answers = [status]
        queue, job = bench.run(archive.peer(), files(1))
        found = next(queue.objects(job.id))
        assert found.state is State.CONFIRMED
        assert found.reason.startswith("stored, but")


def test_associations_that_are_dropped(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.drop_after = 3
        settings = QueueSettings(first_delay_s=0.01, maximum_delay_s=0.05, tries=30)
        _, job = bench.run(archive.peer(associations=2), files(20), settings=settings, timeout=60)
        assert job.count(State.CONFIRMED) == 20
        assert len(archive.kept) == 20


def test_a_peer_that_aborts_every_object_does_not_burn_them_all(bench: Any, files: Files) -> None:
    with FaultyArchive(query=False) as archive:
        archive.drop_after = 0
        bench.book.add(archive.peer(associations=1))
        queue = bench.queue(QueueSettings(first_delay_s=5, maximum_delay_s=60, tries=5))
        job = queue.enqueue("faulty", files(30))
        queue.start()
        deadline = time.monotonic() + 20
        while not queue.job(job).reason and time.monotonic() < deadline:
            time.sleep(0.05)
        assert queue.job(job).reason
        assert sum(entry.attempts for entry in queue.objects(job)) == 3


def test_a_peer_that_stalls(bench: Any, files: Files) -> None:
    with FaultyArchive(query=False) as archive:
        archive.stall_s = 1.5
        bench.identity = replace(bench.identity, dimse_timeout=0.5)
        bench.book.add(archive.peer(associations=1))
        queue = bench.queue()
        job = queue.enqueue("faulty", files(2))
        queue.start()
        deadline = time.monotonic() + 10
        while not queue.job(job).count(State.WAITING) and time.monotonic() < deadline:
            time.sleep(0.02)
        archive.stall_s = 0
        assert queue.wait([job], timeout=30)
        assert queue.job(job).accepted == 2


def test_other_content_is_caught(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.keep_older = True
        _, job = bench.run(archive.peer(), files(4))
        assert job.state == "confirmed"
        changed = files(1, PixelData=b"\x01\x00" * 32 * 32) + files(2, PatientName="Someone^Else")[1:] + files(3)[2:]
        queue, job = bench.run(archive.peer(), changed)
        found = {entry.sop_instance_uid: entry for entry in queue.objects(job.id)}
        first, second, third = (found[uid_of(path)] for path in changed)
        assert all(entry.existed for entry in found.values())
        assert first.state is second.state is State.FAILED
        prefix = "the archive kept other content under this SOP Instance UID"
        assert first.reason == f"{prefix}: PixelData differs"
        assert second.reason == f"{prefix}: PatientName differs"
        assert third.state is State.CONFIRMED


def test_other_content_is_caught_without_being_asked_to_confirm(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.keep_older = True
        bench.run(archive.peer(), files(1))
        _, job = bench.run(archive.peer(), files(1, StudyDescription="Another"), commit=False)
        assert job.count(State.FAILED) == 1


def test_a_duplicate_that_is_refused_is_compared(bench: Any, files: Files) -> None:
    with FaultyArchive(query=False) as archive:
        bench.run(archive.peer(), files(2), commit=False)
        archive.answer = 0x0111
        same, other = files(1)[0], files(2, Modality="MR")[1]
        queue, job = bench.run(archive.peer(), [same, other])
        found = {entry.sop_instance_uid: entry for entry in queue.objects(job.id)}
        assert found[uid_of(other)].state is State.FAILED
        assert "Modality differs" in found[uid_of(other)].reason
        assert found[uid_of(same)].state is State.SENT  # the same, but nothing lists it


def test_what_cannot_be_compared_is_not_confirmed(bench: Any, files: Files) -> None:
    with FaultyArchive(retrieve=False) as archive:
        bench.run(archive.peer(), files(1))
        queue, job = bench.run(archive.peer(), files(1))
        found = next(queue.objects(job.id))
        assert (found.state, found.confirm) == (State.SENT, Confirm.IMPOSSIBLE)
        assert "had an object of this UID before, and it cannot be compared" in found.reason
        assert job.state == "unconfirmed"


def test_a_peer_that_cannot_confirm(bench: Any, files: Files) -> None:
    with FaultyArchive(query=False, retrieve=False) as archive:
        queue, job = bench.run(archive.peer(), files(2))
        assert (job.accepted, job.count(State.CONFIRMED), job.unconfirmed) == (2, 0, 2)
        reason = next(queue.objects(job.id)).reason
        assert "it does not offer a query" in reason
        assert "it does not offer storage commitment" in reason


def test_what_the_archive_lost_is_sent_again(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        paths = files(3)
        uid = uid_of(paths[1])
        archive.forget = {uid}

        def remember_the_third() -> None:
            while archive.came.count(uid) < 2:
                time.sleep(0.005)
            archive.forget.clear()

        threading.Thread(target=remember_the_third, daemon=True).start()
        settings = QueueSettings(first_delay_s=0.02, maximum_delay_s=0.1, tries=4)
        _, job = bench.run(archive.peer(), paths, settings=settings)
        assert job.count(State.CONFIRMED) == 3
        assert archive.came.count(uid) == 3
        assert len(archive.kept) == 3


def test_what_the_archive_loses_again_and_again_fails(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        paths = files(2)
        archive.forget = {uid_of(paths[1])}
        settings = QueueSettings(first_delay_s=0.01, maximum_delay_s=0.02, tries=4)
        queue, job = bench.run(archive.peer(), paths, settings=settings)
        failed = next(queue.objects(job.id, (State.FAILED,)))
        assert failed.reason == "the archive answered success but does not list it (sent 3 times)"


def test_converted_where_the_syntax_is_refused(bench: Any, files: Files) -> None:
    with FaultyArchive(accepts={CT: [IMPLICIT]}) as archive:
        paths = files(3)
        queue, job = bench.run(archive.peer(), paths)
        assert job.count(State.CONFIRMED) == 3
        assert set(archive.syntaxes.values()) == {IMPLICIT}
        assert {entry.sent_syntax_uid for entry in queue.objects(job.id)} == {IMPLICIT}
        for path in paths:
            source = pydicom.dcmread(path)
            assert archive.dataset(uid_of(path)) == source


def test_a_kind_that_is_refused(bench: Any, files: Files) -> None:
    from builders import network_objects

    other = "1.2.840.10008.5.1.4.1.1.4"
    with FaultyArchive(accepts={CT: [EXPLICIT]}) as archive:
        paths = files(2) + files(1, "mr", sop_class=other)
        queue, job = bench.run(archive.peer(), paths)
        assert (job.accepted, job.count(State.FAILED)) == (2, 1)
        assert "does not accept this kind of object" in next(queue.objects(job.id, (State.FAILED,))).reason
        queue, job = bench.run(archive.peer(), paths[2:])
        assert "does not accept this kind of object" in next(queue.objects(job.id)).reason
    assert network_objects.CT == CT


def test_more_kinds_than_fit_into_an_association(bench: Any, files: Files) -> None:
    from pynetdicom.sop_class import _STORAGE_CLASSES  # pynetdicom serves no others

    classes = [str(uid) for uid in _STORAGE_CLASSES.values()][:80]
    with FaultyArchive(accepts={uid: [EXPLICIT] for uid in classes}) as archive:
        paths = [path for number, uid in enumerate(classes) for path in files(1, f"c{number}", sop_class=uid)]
        _, job = bench.run(archive.peer(), paths, timeout=60)
        assert job.count(State.CONFIRMED) == 80


def test_a_peer_that_was_removed(bench: Any, files: Files) -> None:
    bench.book.add(Peer("gone", "GONE", "127.0.0.1", 9))
    queue = bench.queue()
    job = queue.enqueue("gone", files(1))
    bench.book.remove("gone")
    queue.start()
    assert queue.wait([job], timeout=10)
    assert next(queue.objects(job)).reason == "There is no such peer"
    with pytest.raises(NotFoundError):
        queue.enqueue("gone", files(1))


@pytest.mark.parametrize("report", [Report.SAME, Report.OTHER])
def test_commitment(bench: Any, files: Files, report: Report) -> None:
    with FaultyArchive(commitment=True) as archive, report_receiver(bench.home, bench.identity):
        archive.report, archive.report_to = report, ("LIGHTBOX", "127.0.0.1", bench.identity.port)
        _, job = bench.run(archive.peer(), files(5))
        assert job.count(State.CONFIRMED) == 5
        assert len(archive.actions) == 1
        assert len(archive.actions[0].ReferencedSOPSequence) == 5


def test_a_report_without_event_type_on_the_same_association(bench: Any, files: Files) -> None:
    """Some archives leave the type out: what the report lists decides."""
    counter = Counter()
    answers: list[int] = []

    def act(association: Association, request: Request) -> None:
        asked = request.dataset()
        association.respond(request, 0x0000)
        report = Dataset()
        report.TransactionUID = asked.TransactionUID
        report.ReferencedSOPSequence = asked.ReferencedSOPSequence
        command = commands.n_event_report(COMMITMENT, "1.2.840.10008.1.20.1.1", 1)
        del command.attributes["EventTypeID"]
        answers.append(association.request(request.context, command, report).status)

    def negotiate(asked: AssociationRequest) -> Accept:
        allowed = {CT: [EXPLICIT], COMMITMENT: [EXPLICIT, IMPLICIT]}
        return accept_by(asked, supporting(allowed))

    server = Server(
        ("127.0.0.1", 0),
        LocalIdentity("PACS", 0, "127.0.0.1"),
        negotiate=negotiate,
        services={commands.N_ACTION: act},
        receiver=counter,
    )
    server.start()
    try:
        peer = Peer("pacs", "PACS", "127.0.0.1", server.port, commitment="always")
        settings = QueueSettings(first_delay_s=0.05, maximum_delay_s=0.2, commitment_wait_s=5.0)
        _, job = bench.run(peer, files(2), settings=settings)
    finally:
        server.stop()
    assert (counter.received, job.count(State.CONFIRMED)) == (2, 2)
    assert answers == [0x0000]


def test_a_report_with_failures(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        archive.report = Report.SAME
        paths = files(4)
        archive.report_failures = {uid_of(paths[0]): 0x0122, uid_of(paths[1]): 0x0119}
        queue, job = bench.run(archive.peer(), paths)
        assert (job.count(State.CONFIRMED), job.count(State.FAILED)) == (2, 2)
        reasons = {entry.sop_instance_uid: entry.reason for entry in queue.objects(job.id, (State.FAILED,))}
        assert reasons[uid_of(paths[0])] == "not committed: the archive does not support its SOP class (reason 0x0122)"


def test_not_there_after_all_is_sent_again(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        archive.report = Report.SAME
        paths = files(3)
        archive.forget = {uid_of(paths[0])}  # answers success, and 0x0112 in the report
        queue = bench.queue()
        bench.book.add(archive.peer())
        job = queue.enqueue("faulty", paths)
        queue.start()
        deadline = time.monotonic() + 10
        while not archive.actions and time.monotonic() < deadline:
            time.sleep(0.01)
        archive.forget = set()
        assert queue.wait([job], timeout=20)
        assert queue.job(job).count(State.CONFIRMED) == 3
        assert archive.came.count(uid_of(paths[0])) == 2


def test_a_report_that_lists_nothing(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        archive.report, archive.report_items = Report.SAME, False
        _, job = bench.run(archive.peer(), files(3))
        assert job.count(State.CONFIRMED) == 3


def test_no_report_in_time_is_read_back(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        archive.report = Report.NEVER
        settings = QueueSettings(first_delay_s=0.05, maximum_delay_s=0.2, commitment_wait_s=0.1, commitment_timeout_s=1)
        _, job = bench.run(archive.peer(), files(3), settings=settings)
        assert job.count(State.CONFIRMED) == 3


def test_no_report_in_time_where_commitment_is_demanded(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        archive.report = Report.NEVER
        settings = QueueSettings(first_delay_s=0.05, maximum_delay_s=0.2, commitment_wait_s=0.1, commitment_timeout_s=1)
        queue, job = bench.run(archive.peer(commitment="always"), files(1), settings=settings)
        assert (job.accepted, job.count(State.CONFIRMED)) == (1, 0)
        assert "did not report on the storage commitment" in next(queue.objects(job.id)).reason


def test_commitment_refused(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        archive.action_status = 0x0122
        _, job = bench.run(archive.peer(), files(2))
        assert job.count(State.CONFIRMED) == 2  # by a query
        queue, job = bench.run(archive.peer(commitment="always"), files(2, "b"))
        assert job.count(State.CONFIRMED) == 0
        assert "refused the commitment" in next(queue.objects(job.id)).reason


def test_commitment_never(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        _, job = bench.run(archive.peer(commitment="never"), files(2))
        assert job.count(State.CONFIRMED) == 2
        assert not archive.actions


def test_a_lost_report_is_asked_for_again(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        archive.report = Report.NEVER
        settings = QueueSettings(first_delay_s=0.05, maximum_delay_s=0.2, commitment_wait_s=0.3, commitment_again_s=0.2)
        bench.book.add(archive.peer(commitment="always"))
        queue = bench.queue(settings)
        job = queue.enqueue("faulty", files(2))
        queue.start()
        deadline = time.monotonic() + 10
        while not archive.actions and time.monotonic() < deadline:
            time.sleep(0.02)
        archive.report = Report.SAME
        assert queue.wait([job], timeout=20)
        assert queue.job(job).count(State.CONFIRMED) == 2
        assert len({action.TransactionUID for action in archive.actions}) >= 2


def test_the_report_to_a_program_that_ended_is_asked_for_again(bench: Any, files: Files) -> None:
    """It found nobody at our port, and an archive does not send it twice."""
    settings = QueueSettings(first_delay_s=0.05, maximum_delay_s=0.2, commitment_wait_s=0.2, commitment_lost_s=0.3)
    with FaultyArchive(commitment=True) as archive:
        archive.report = Report.NEVER
        bench.book.add(archive.peer(commitment="always"))
        first = bench.queue(settings)
        job = first.enqueue("faulty", files(2))
        first.start()
        deadline = time.monotonic() + 10
        while not archive.actions and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not first.wait([job], timeout=1)
        assert len(archive.actions) == 1
        first.close()
        archive.report = Report.SAME
        second = bench.queue(settings)
        second.start()
        assert second.wait([job], timeout=20)
        assert second.job(job).count(State.CONFIRMED) == 2
        assert len(archive.actions) == 2


def test_a_person_can_have_a_report_asked_for_again(bench: Any, files: Files) -> None:
    with FaultyArchive(commitment=True) as archive:
        archive.report = Report.NEVER
        bench.book.add(archive.peer(commitment="always"))
        queue = bench.queue()
        job = queue.enqueue("faulty", files(2))
        queue.start()
        deadline = time.monotonic() + 10
        while not archive.actions and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not queue.wait([job], timeout=1)
        archive.report = Report.SAME
        assert queue.retry(job) == 2
        assert queue.wait([job], timeout=20)
        assert queue.job(job).count(State.CONFIRMED) == 2


def test_two_objects_under_one_uid(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        paths = files(2)
        paths += [*files(1), *files(1, PatientName="Someone^Else")]
        queue, job = bench.run(archive.peer(), paths)
        assert (job.total, job.count(State.CONFIRMED), job.count(State.FAILED)) == (3, 2, 1)
        failed = next(queue.objects(job.id, (State.FAILED,)))
        assert failed.path == str(paths[3])
        assert "the same SOP Instance UID and other content" in failed.reason


def test_an_object_that_we_stumble_over(bench: Any, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightbox.network.sending import transcode

    def stumble(*_: object) -> None:
        raise IndexError("Someone^Secret")

    monkeypatch.setattr(transcode, "transcode", stumble)
    with FaultyArchive(accepts={CT: [IMPLICIT]}) as archive:
        paths = files(3, "i", syntax=IMPLICIT) + files(2, "e")
        queue, job = bench.run(archive.peer(), paths)
        assert (job.count(State.CONFIRMED), job.count(State.FAILED)) == (3, 2)
        assert {entry.reason.partition(" at ")[0] for entry in queue.objects(job.id, (State.FAILED,))} == {
            "a fault of this program (IndexError"
        }


def test_rejected_while_it_is_confirmed(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        paths = files(1)
        archive.forget = {uid_of(paths[0])}
        bench.book.add(archive.peer())
        queue = bench.queue(QueueSettings(first_delay_s=0.4, maximum_delay_s=0.4))
        job = queue.enqueue("faulty", paths)
        queue.start()
        deadline = time.monotonic() + 10
        while not queue.job(job).awaiting and time.monotonic() < deadline:
            time.sleep(0.01)
        archive.reject_for_good = True
        assert queue.wait([job], timeout=20)
        found = next(queue.objects(job))
        assert (found.state, found.confirm) == (State.SENT, Confirm.IMPOSSIBLE)
        assert "does not know our AE title" in found.reason
        before = archive.associations
        time.sleep(1.2)
        assert archive.associations == before


def test_a_query_that_always_fails(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.find_status = 0xA700
        queue, job = bench.run(archive.peer(), files(2))
        found = next(queue.objects(job.id))
        assert (found.state, found.confirm) == (State.SENT, Confirm.IMPOSSIBLE)
        assert found.reason == ("not confirmed: the archive is out of resources (status 0xA700) (4 attempts)")


def test_a_file_that_changed_after_it_was_queued(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        bench.book.add(archive.peer())
        queue = bench.queue()
        paths = files(3)
        job = queue.enqueue("faulty", paths)
        paths[0].write_bytes(paths[0].read_bytes()[:-500])
        paths[1].unlink()
        queue.start()
        assert queue.wait([job], timeout=20)
        reasons = [entry.reason for entry in queue.objects(job, (State.FAILED,))]
        assert reasons == ["the file changed after it was queued", "it cannot be read: No such file or directory"]
        assert len(archive.kept) == 1
