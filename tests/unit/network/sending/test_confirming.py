"""Reports of storage commitment as archives write them, and the comparison of copies."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from builders import network_objects
from lightbox.network.receiving.notes import STORAGE_COMMITMENT, Inbox
from lightbox.network.sending import jobs, reports, transactions, work
from lightbox.network.sending.commitment import read_report
from lightbox.network.sending.compare import Comparison, compare
from lightbox.network.sending.database import Database
from lightbox.network.sending.jobs import NewObject
from lightbox.network.sending.states import Confirm, QueueSettings, State
from lightbox.network.sending.transactions import Ruling
from lightbox.network.sending.work import Outcome, claim, settle
from lightbox.network.wire.datasets import decode, encode

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


def item(uid: str, reason: int | None = None) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = CT, uid
    if reason is not None:
        made.FailureReason = reason
    return made


def report(committed: list[str], failed: dict[str, int | None] | None = None, transaction: str = "1.9") -> Dataset:
    made = Dataset()
    made.TransactionUID = transaction
    if committed:
        made.ReferencedSOPSequence = Sequence([item(uid) for uid in committed])
    if failed:
        made.FailedSOPSequence = Sequence([item(uid, reason) for uid, reason in failed.items()])
    return made


def test_reports() -> None:
    found = read_report(report(["1.1", "1.2"], {"1.3": 0x0112}), 2)
    assert (found.transaction_uid, found.committed, found.failed) == ("1.9", {"1.1", "1.2"}, {"1.3": 0x0112})
    assert not found.everything
    assert read_report(report(["1.1"]), None).committed == {"1.1"}  # no event type: the sequences decide
    assert read_report(report([], {"1.3": 0x0112}), 1).failed == {"1.3": 0x0112}  # a wrong one, too
    assert read_report(report([], {"1.3": None}), 2).failed == {"1.3": 0x0110}  # no reason is a failure still
    assert read_report(report(["1.3"], {"1.3": 0x0112}), 2).committed == set()  # both: it is not committed
    assert read_report(report([]), 1).everything
    assert not read_report(report([]), 2).everything
    assert not read_report(report([], {"": 0x0112}), 1).everything
    assert read_report(Dataset(), 1).transaction_uid == ""


def test_a_list_that_cannot_be_read_commits_nothing() -> None:
    unnamed = report([])
    unnamed.ReferencedSOPSequence = Sequence([item("")])
    assert not read_report(unnamed, 1).everything
    for tag in (b"\x99", b"\x98"):  # of what was committed, and of what failed
        data = encode(report([]), EXPLICIT) + b"\x08\x00" + tag + b"\x11SQ\x00\x00\x08\x00\x00\x00" + b"\xff" * 8
        assert not read_report(decode(data, EXPLICIT), 1).everything
    assert not read_report(report([]), None).everything  # neither an event nor a list


@pytest.fixture
def database(home: Path) -> Any:
    made = Database(home / "network" / "queue.sqlite")
    objects = [NewObject(f"1.{number}", CT, EXPLICIT, "1.5", "1.6") for number in range(1, 5)]
    job = jobs.add(made, "pacs", objects, priority=1, confirm=True)
    found = claim(made, "pacs", 10, 0, 600)
    settle(made, [Outcome(entry.id, State.SENT, confirm=Confirm.WANTED) for entry in found])
    transactions.open_transaction(made, "1.9", "pacs", [entry.id for entry in found], 100)
    assert jobs.get(made, job).awaiting == 4
    yield made
    made.close()


def states(database: Database) -> dict[str, tuple[State, Confirm]]:
    return {entry.sop_instance_uid: (entry.state, entry.confirm) for entry in jobs.objects_of(database, 1)}


def test_what_a_report_decides(database: Database) -> None:
    found = read_report(report(["1.1"], {"1.2": 0x0122, "1.3": 0x0112}), 2)
    assert reports.apply(database, found, QueueSettings())
    assert states(database) == {
        "1.1": (State.CONFIRMED, Confirm.NONE),
        "1.2": (State.FAILED, Confirm.NONE),
        "1.3": (State.WAITING, Confirm.NONE),  # it is sent again
        "1.4": (State.SENT, Confirm.WANTED),  # not mentioned: asked for again
    }
    assert not reports.apply(database, found, QueueSettings())  # the transaction is over


def test_a_resource_failure_is_asked_for_again_a_few_times(database: Database) -> None:
    for number in range(5):
        found = read_report(report([], {"1.1": 0x0213}, f"2.{number}"), 2)
        (first, *_) = jobs.objects_of(database, 1)
        transactions.open_transaction(database, f"2.{number}", "pacs", [first.id], 100)
        reports.apply(database, found, QueueSettings())
    first = next(jobs.objects_of(database, 1))
    assert first.state is State.FAILED
    assert "no resources left (reason 0x0213)" in first.reason


def test_what_reports_never_name_is_not_asked_for_without_end(database: Database) -> None:
    for number in range(6):
        (first, *_) = jobs.objects_of(database, 1)
        if first.confirm is Confirm.IMPOSSIBLE:
            break
        transactions.open_transaction(database, f"2.{number}", "pacs", [first.id], 100)
        assert reports.apply(database, read_report(report(["1.77"], transaction=f"2.{number}"), 1), QueueSettings())
        assert not work.to_confirm(database, "pacs", 9, time.time(), 600)  # not at once
    first = next(jobs.objects_of(database, 1))
    assert (first.state, first.confirm) == (State.SENT, Confirm.IMPOSSIBLE)
    assert "without naming" in first.reason


def test_a_clock_that_was_set_back_delays_no_confirmation(database: Database) -> None:
    now = time.time()
    transactions.close_transaction(database, "1.9", again=True)
    found = work.to_confirm(database, "pacs", 9, now, 600)
    moments = [now + 300, now + 300, now + 365 * 86400.0, now + 365 * 86400.0]
    rulings = [
        Ruling(entry.id, State.SENT, "", Confirm.WANTED, moment)
        for (entry, *_), moment in zip(found, moments, strict=True)
    ]
    transactions.rule(database, rulings)
    assert [entry.id for entry, *_ in work.to_confirm(database, "pacs", 9, now, 600)] == [3, 4]
    assert work.next_moment(database, "pacs", now, 600) == 0
    transactions.rule(database, [Ruling(number, State.CONFIRMED) for number in (3, 4)])
    assert work.next_moment(database, "pacs", now, 600) == moments[0]


def test_a_late_report_counts_after_it_was_asked_again(database: Database) -> None:
    transactions.ask_again(database, "1.9")
    assert states(database)["1.1"] == (State.SENT, Confirm.WANTED)
    assert reports.apply(database, read_report(report(["1.1", "1.2", "1.3", "1.4"]), 1), QueueSettings())
    assert {state for state, _ in states(database).values()} == {State.CONFIRMED}


def test_notes_of_the_receiver(database: Database, home: Path) -> None:
    inbox = Inbox(home)
    names: dict[str, Any] = {"calling_ae": "PACS", "called_ae": "US", "address": "127.0.0.1", "event_type_id": 1}
    for transaction, uids in (("1.9", ["1.1", "1.2"]), ("7.7.7", ["1.3"])):
        data = encode(report(uids, transaction=transaction), EXPLICIT)
        inbox.keep(0x0100, STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1", data, transfer_syntax_uid=EXPLICIT, **names)
    nested = b"\x40\x00\x30\xa7SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000
    for damaged in (b"\xff\xff", nested):
        inbox.keep(0x0100, STORAGE_COMMITMENT, "1.2", damaged, transfer_syntax_uid=EXPLICIT, **names)
    assert reports.take_notes(database, home, QueueSettings()) == 1
    assert inbox.waiting() == []
    assert states(database)["1.2"] == (State.CONFIRMED, Confirm.NONE)
    assert states(database)["1.3"] == (State.SENT, Confirm.WANTED)


def stored(dataset: Dataset, syntax: str = EXPLICIT) -> Callable[[], BytesIO]:
    made = copy.deepcopy(dataset)
    made.file_meta.TransferSyntaxUID = syntax
    made["PixelData"].VR = "OW"
    if syntax == "1.2.840.10008.1.2.5":
        made.file_meta.TransferSyntaxUID = EXPLICIT
        made.compress(syntax, generate_instance_uid=False)
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return lambda: BytesIO(buffer.getvalue())


@pytest.mark.parametrize("syntax", [EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"])
def test_the_same_in_another_encoding(syntax: str) -> None:
    dataset = network_objects.ct("c", "s", 1, patient="Müller^Jörg")
    dataset.add_new(0x00290010, "LO", "MAKER")
    dataset.add_new(0x00291010, "FD", 1.5)
    dataset.ProcedureCodeSequence = Sequence([item("1.2")])
    other = copy.deepcopy(dataset)
    other.add_new(0x00310010, "LO", "ARCHIVE")  # archives leave marks of their own
    other.RetrieveAETitle = "PACS"
    assert compare(stored(dataset), stored(other, syntax)) == Comparison()


def test_another_character_set_is_no_other_name() -> None:
    dataset = network_objects.ct("c", "s", 1, patient="Müller^Jörg")
    other = copy.deepcopy(dataset)
    other.SpecificCharacterSet = "ISO_IR 100"
    assert compare(stored(dataset), stored(other)).same


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"PatientName": "Else^Someone"}, "PatientName"),
        ({"PixelSpacing": [0.5, 0.6]}, "PixelSpacing"),
        ({"ImagePositionPatient": [0, 0, 2]}, "ImagePositionPatient"),
        ({"RescaleIntercept": None}, "RescaleIntercept"),
        ({"PixelData": bytes(32 * 32 * 2)}, "PixelData"),
        ({"ProcedureCodeSequence": Sequence([item("1.3")])}, "ProcedureCodeSequence"),
        ({"InstitutionName": "new"}, "InstitutionName"),
    ],
)
@pytest.mark.parametrize("syntax", [EXPLICIT, "1.2.840.10008.1.2.5"])
def test_other_content(change: dict[str, Any], differing: str, syntax: str) -> None:
    dataset = network_objects.ct("c", "s", 1)
    dataset.ProcedureCodeSequence = Sequence([item("1.2")])
    other = copy.deepcopy(dataset)
    for keyword, value in change.items():
        setattr(other, keyword, value)
    found = compare(stored(dataset), stored(other, syntax))
    assert found.differing == (differing,)
    assert found.only_coerced == (differing == "PatientName")


def test_a_private_attribute_that_got_lost() -> None:
    dataset = network_objects.ct("c", "s", 1)
    other = copy.deepcopy(dataset)
    dataset.add_new(0x00290010, "LO", "MAKER")
    dataset.add_new(0x00291010, "FD", 1.5)
    assert compare(stored(dataset), stored(other)).differing == ("(0029,0010)", "(0029,1010)")
