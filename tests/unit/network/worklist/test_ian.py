from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt

from builders.worklist_peers import IAN
from lightbox.core.errors import LightboxError
from lightbox.network.errors import DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receiving.notes import Inbox, Note
from lightbox.network.wire.datasets import encode
from lightbox.network.worklist import ian
from lightbox.network.worklist.ian import Availability

INSTANCES = [("1.2.840.10008.5.1.4.1.1.2", f"1.2.3.{n}.1", f"1.2.3.{n}") for n in (1, 2)]
IMPLICIT = "1.2.840.10008.1.2"


def note(dataset: Dataset, sop_class: str = IAN) -> Note:
    data = encode(dataset, IMPLICIT)
    return Note("1", 0x0140, sop_class, "1.9", None, None, "PACS", "LIGHTBOX", "127.0.0.1", "now", IMPLICIT, data)


@pytest.fixture
def told(scp: Callable[..., Peer]) -> tuple[Peer, list[Dataset]]:
    found: list[Dataset] = []

    def create(event: evt.Event) -> tuple[int, Dataset | None]:
        found.append(event.attribute_list)
        return 0x0000, None

    return scp([IAN], [(evt.EVT_N_CREATE, create)]), found


def test_what_is_told_is_understood(told: tuple[Peer, list[Dataset]], identity: LocalIdentity) -> None:
    peer, found = told
    ian.notify(peer, identity, "1.2.3", INSTANCES, availability=Availability.NEARLINE, performed_step="1.7.7")
    notice = ian.interpret(note(found[0]))
    assert notice.study_instance_uid == "1.2.3"
    assert notice.counts == {"NEARLINE": 2}
    assert notice.holders() == ["LIGHTBOX"]
    assert notice.performed_steps == ("1.7.7",)
    assert notice.sender_ae == "PACS"
    assert notice.peers([Peer("x", "OTHER", "h", 1), Peer("y", "LIGHTBOX", "h", 1)])[0].name == "y"
    assert notice.summary() == "2 nearline; retrieve from LIGHTBOX"
    assert "1.2.3" not in notice.summary()


@pytest.mark.parametrize(
    ("word", "expected", "retrievable"),
    [
        ("ONLINE", Availability.ONLINE, True),
        ("nearline ", Availability.NEARLINE, True),
        ("OFFLINE", Availability.OFFLINE, False),
        ("UNAVAILABLE", Availability.UNAVAILABLE, False),
        ("SOON", Availability.UNKNOWN, False),
        ("", Availability.UNKNOWN, False),
    ],
)
def test_every_availability(
    told: tuple[Peer, list[Dataset]], identity: LocalIdentity, word: str, expected: Availability, retrievable: bool
) -> None:
    peer, found = told
    ian.notify(peer, identity, "1.2.3", INSTANCES[:1])
    found[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]["InstanceAvailability"].value = word
    notice = ian.interpret(note(found[0]))
    assert notice.instances[0].availability is expected
    assert notice.instances[0].availability.retrievable is retrievable
    assert notice.holders() == (["LIGHTBOX"] if retrievable else [])


def test_faults_are_told(told: tuple[Peer, list[Dataset]], identity: LocalIdentity) -> None:
    peer, found = told
    ian.notify(peer, identity, "1.2.3", INSTANCES)
    del found[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    notice = ian.interpret(note(found[0]))
    assert len(notice.instances) == 1
    assert "without UID" in notice.notes[0]
    bare = Dataset()
    bare.StudyInstanceUID = "1.2.3"
    assert ian.interpret(note(bare)).notes == ("The notification names no instances",)
    with pytest.raises(LightboxError, match="names no study"):
        ian.interpret(note(Dataset()))
    with pytest.raises(LightboxError, match="no availability"):
        ian.interpret(note(bare, "1.2.840.10008.1.20.1"))


def test_a_refusal_is_told(scp: Callable[..., Peer], identity: LocalIdentity) -> None:
    peer = scp([IAN], [(evt.EVT_N_CREATE, lambda event: (0x0120, None))])
    with pytest.raises(DimseError, match="0x0120"):
        ian.notify(peer, identity, "1.2.3", INSTANCES)


def test_the_inbox_is_emptied_once(told: tuple[Peer, list[Dataset]], identity: LocalIdentity, home: Path) -> None:
    peer, found = told
    ian.notify(peer, identity, "1.2.3", INSTANCES)
    inbox = Inbox(home)
    sender = {"transfer_syntax_uid": IMPLICIT, "calling_ae": "PACS", "called_ae": "LIGHTBOX", "address": "127.0.0.1"}
    inbox.keep(0x0140, IAN, "1.9", encode(found[0], IMPLICIT), **sender)
    inbox.keep(0x0140, IAN, "1.8", encode(Dataset(), IMPLICIT), **sender)
    inbox.keep(0x0100, "1.2.840.10008.1.20.1", "1.7", b"", **sender)
    with pytest.raises(ZeroDivisionError):
        ian.take(home, lambda notice: 1 / 0)
    notices: list[ian.AvailabilityNotice] = []
    assert ian.take(home, notices.append) == 1
    assert notices[0].counts == {"ONLINE": 2}
    assert ian.take(home, notices.append) == 0
    assert [note.sop_class_uid for note in inbox.waiting()] == ["1.2.840.10008.1.20.1"]
