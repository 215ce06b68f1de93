"""Imports, receptions and retrieves on screen: progress, failures with reasons, cancel; settings of archives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightbox.network.peers import Peer
from lightbox.ui import words
from lightbox.ui.transfers.transfer import Failure, Kind, State, Transfer
from lightbox.ui.transfers.transfer_card import reasons
from lightbox.ui.widgets import ElidedLabel

pytestmark = pytest.mark.ui
WAIT = 60_000


def test_an_import_is_listed_with_what_was_not_taken(make_window: Any, cases: Path, qtbot: Any) -> None:
    (cases / "notes.txt").write_text("no DICOM")
    broken = next(cases.rglob("*.dcm"))
    (cases / "cut.dcm").write_bytes(broken.read_bytes()[:-2000])
    window = make_window()
    assert window.transfers._stack.currentIndex() == 0
    window.import_paths([cases])
    transfer = window.center.transfers[0]
    qtbot.waitUntil(lambda: not transfer.running, timeout=WAIT)
    assert transfer.state is State.PARTIAL
    assert transfer.failed >= 1
    assert any("why" in text or "not taken" in text for text in window.notices.texts())
    window.status.why.click()
    card = window.transfers.cards[transfer.number]
    assert window.places.currentWidget() is window.transfers
    assert "cut.dcm" in card.reasons_shown()
    assert "not taken" in card._amount.text()
    again = window.center.import_paths([cases])
    qtbot.waitUntil(lambda: not again.running, timeout=WAIT)
    assert "already here" in again.message
    window.transfers.clear_action.trigger()
    assert window.transfers.cards == {}
    assert window.transfers._stack.currentIndex() == 0


def test_an_import_can_be_cancelled(make_window: Any, cases: Path, qtbot: Any) -> None:
    window = make_window()
    transfer = window.center.import_paths([cases])
    window.transfers.cards[transfer.number]._cancel.click()
    qtbot.waitUntil(lambda: not transfer.running, timeout=WAIT)
    assert transfer.state in (State.CANCELLED, State.DONE)
    if transfer.state is State.CANCELLED:
        assert "kept" in transfer.message


def test_importing_a_folder_without_dicom_says_so(make_window: Any, tmp_path: Path, qtbot: Any) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    window = make_window()
    transfer = window.center.import_paths([folder])
    qtbot.waitUntil(lambda: not transfer.running, timeout=WAIT)
    assert "No DICOM objects were found there" in transfer.message


def test_a_retrieve_from_an_archive_that_is_not_there_fails_in_words(make_window: Any, qtbot: Any) -> None:
    window = make_window()
    peer = Peer("Main archive", "MAIN", "127.0.0.1", 1)
    window.workstation.peers.add(peer)
    transfer = window.center.retrieve(peer, "1.2.3", "DOE^Jane CT", 120)
    assert window.center.retrieve(peer, "1.2.3", "DOE^Jane CT") is transfer, "one retrieve a study"
    qtbot.waitUntil(lambda: not transfer.running, timeout=WAIT)
    assert transfer.state is State.FAILED
    assert transfer.message
    assert any(text.startswith("Retrieve of DOE^Jane CT") for text in window.notices.texts())
    card = window.transfers.cards[transfer.number]
    assert card._again.isVisibleTo(card)


def test_words_of_a_transfer() -> None:
    transfer = Transfer(Kind.RETRIEVE, "ROE^Max CT head", "Main archive", done=118, total=120, seconds=10)
    assert transfer.amount() == "118 of 120 images"
    assert transfer.pace() == "12/s"
    transfer.total = 240
    assert transfer.pace() == "12/s · 10 s left"
    transfer.total = 120
    transfer.failures = [Failure("1.2.3", "out of memory (A700)"), Failure("1.2.4", "out of memory (A700)")]
    assert transfer.amount() == "118 of 120 images · 2 failed"
    assert reasons(transfer).splitlines()[0] == "2 × out of memory (A700)"
    transfer.state = State.PARTIAL
    assert transfer.pace() == "took 10 s"
    assert transfer.verdict() == "incomplete"


def test_what_is_received_is_one_transfer_and_appears_in_the_list(make_window: Any, qtbot: Any) -> None:
    window = make_window()
    for _ in range(25):
        window.center._object_received()
    assert len(window.center.transfers) == 1
    transfer = window.center.transfers[0]
    assert (transfer.kind, transfer.done) == (Kind.RECEIVE, 25)
    window.center._reception_over()
    assert transfer.state is State.DONE


def test_archives_are_added_changed_tested_and_removed(make_window: Any, qtbot: Any) -> None:
    window = make_window()
    window._add_archive()
    page = window._settings_page
    form = page.form
    assert form.isVisibleTo(page)
    form.name.setText("Main archive")
    form.ae_title.setText("A TITLE THAT IS MUCH TOO LONG")
    form.host.setText("127.0.0.1")
    form.port.setValue(1)
    form.save()
    assert "AE title is not valid" in form.error.text()
    form.ae_title.setText("MAIN")
    form.test()
    qtbot.waitUntil(form.test_button.isEnabled, timeout=WAIT)
    told = " ".join(form.told())
    assert "127.0.0.1" in told
    assert "Nothing listens" in told or "refused" in told
    form.save()
    assert [peer.name for peer in window.workstation.peers.all()] == ["Main archive"]
    assert "Main archive" in window.studies.chips.chips
    page.lines["Main archive"].edit_wanted.emit(window.workstation.peers.get("Main archive"))
    form.name.setText("Old archive")
    form.save()
    assert [peer.name for peer in window.workstation.peers.all()] == ["Old archive"]
    line = page.lines["Old archive"]
    line.remove.click()
    assert window.workstation.peers.all(), "the first click only asks"
    line.remove.click()
    assert window.workstation.peers.all() == []
    assert "Old archive" not in window.studies.chips.chips


def test_the_receiver_is_switched_and_says_what_it_does(make_window: Any, qtbot: Any) -> None:
    from lightbox.network.identity import LocalIdentity

    window = make_window(lambda workstation: LocalIdentity("LIGHTTEST", 0, "127.0.0.1").save(workstation.settings))
    window.go("settings")
    own = window._settings_page.own
    own.receive.setChecked(True)
    qtbot.waitUntil(lambda: window.status.receiver.text().startswith("Receiving on LIGHTTEST:"), timeout=WAIT)
    assert own.state.text().startswith("Receiving on LIGHTTEST:")
    own.receive.setChecked(False)
    qtbot.waitUntil(lambda: window.status.receiver.text() == "Receiver off", timeout=WAIT)
    assert window.workstation.receiver is None


def test_an_own_ae_title_that_is_not_valid_is_refused_in_words(make_window: Any) -> None:
    window = make_window()
    window.go("settings")
    own = window._settings_page.own
    own.ae_title.setText("X" * 17)
    assert own.apply_button.isEnabled()
    own.apply()
    assert "AE title is not valid" in own.state.text()
    shown = [item.text() for item in window._settings_page.findChildren(ElidedLabel)]
    assert words.place(window.workstation.home) in shown
