from __future__ import annotations

from pathlib import Path

import pytest

from lightbox.core.errors import LightboxError
from lightbox.network.receiving import notes
from lightbox.network.receiving.notes import INSTANCE_AVAILABILITY, N_CREATE, N_EVENT_REPORT, Inbox, Note


def keep(inbox: Inbox, sop_class: str, data: bytes = b"\x08\x00\x05\x00\x00\x00\x00\x00") -> Note:
    return inbox.keep(
        N_EVENT_REPORT if sop_class == notes.STORAGE_COMMITMENT else N_CREATE,
        sop_class,
        "1.2.3",
        data,
        transfer_syntax_uid="1.2.840.10008.1.2",
        calling_ae="ARCHIVE",
        called_ae="LIGHTBOX",
        address="127.0.0.1",
        event_type_id=2,
    )


def test_a_note_waits_until_it_is_done(home: Path) -> None:
    first = keep(Inbox(home), notes.STORAGE_COMMITMENT)
    second = keep(Inbox(home), INSTANCE_AVAILABILITY)
    inbox = Inbox(home)
    assert inbox.waiting() == [first, second]
    assert inbox.waiting(INSTANCE_AVAILABILITY) == [second]
    inbox.done(first)
    inbox.done(first)
    assert inbox.waiting() == [second]
    assert (home / "network" / "inbox" / f"{second.id}.json").stat().st_mode & 0o077 == 0


def test_the_data_set_can_be_read(home: Path) -> None:
    note = keep(Inbox(home), notes.STORAGE_COMMITMENT, b"\x08\x00\x18\x00\x06\x00\x00\x001.2.3\x00")
    assert str(note.dataset().SOPInstanceUID) == "1.2.3"
    assert note.event_type_id == 2


def test_a_damaged_note_does_not_hide_the_others(home: Path) -> None:
    inbox = Inbox(home)
    note = keep(inbox, notes.STORAGE_COMMITMENT)
    (home / "network" / "inbox" / "0.json").write_text("{half")
    (home / "network" / "inbox" / "1.json").write_text('{"id": "1"}')
    assert inbox.waiting() == [note]
    assert len(list((home / "network" / "inbox").glob("*.unreadable"))) == 2


def test_limits(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "MAXIMUM_WAITING", 1)
    monkeypatch.setattr(notes, "MAXIMUM_BYTES", 10)
    inbox = Inbox(home)
    with pytest.raises(LightboxError, match="too large"):
        keep(inbox, notes.STORAGE_COMMITMENT, bytes(11))
    keep(inbox, notes.STORAGE_COMMITMENT)
    with pytest.raises(LightboxError, match="Too many"):
        keep(inbox, notes.STORAGE_COMMITMENT)
    assert len(inbox.waiting()) == 1


def test_an_empty_inbox(home: Path) -> None:
    assert Inbox(home).waiting() == []
