"""What an earlier session left undone: retrieves, reports of performance, announcements of archives."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import pynetdicom_peer
from builders.ui_studies import CASES, write_case
from builders.worklist_peers import MPPS, StepKeeper
from lightbox.network.archive import Archive
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.retrieving import journal
from lightbox.network.worklist import ian
from lightbox.network.worklist.entries import ScheduledStep, WorklistEntry
from lightbox.network.worklist.mpps import Steps
from lightbox.network.worklist.mpps_items import PerformedInstance
from lightbox.ui.receiver_control import RECEIVE
from lightbox.ui.transfers.transfer import State

pytestmark = pytest.mark.ui
WAIT = 60_000
_DIE = """
import os, sys
from pathlib import Path
from lightbox.network.retrieving import journal
wanted = [journal.Entry("Main archive", sys.argv[2]), journal.Entry("Gone archive", "1.2.3.4")]
open_ones = [journal.entered(Path(sys.argv[1]), entry) for entry in wanted]
for one in open_ones:
    one.__enter__()
os._exit(9)
"""
ENTRY = WorklistEntry(
    study_instance_uid="1.2.3", patient_name="Roe^Max", patient_id="P1", steps=(ScheduledStep("CT", step_id="S1"),)
)
INSTANCES = (PerformedInstance("1.2.840.10008.5.1.4.1.1.2", "1.2.3.1.1", "1.2.3.1", "Thorax"),)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[Archive, str]]:
    folder = tmp_path / "far"
    study = write_case(folder, CASES[0])
    with Archive(folder, "MAINARCH") as running:
        yield running, study


def test_retrieves_that_died_are_listed_gone_on_with_and_forgotten(
    make_window: Any, home: Path, archive: tuple[Archive, str], qtbot: Any
) -> None:
    running, study = archive
    died = subprocess.run([sys.executable, "-c", _DIE, str(home), study], check=False, timeout=60)
    assert died.returncode == 9
    window = make_window(lambda workstation: workstation.peers.add(running.peer("Main archive")))
    qtbot.waitUntil(lambda: len(window.center.transfers) == 2, timeout=WAIT)
    assert any("2 retrieves were not complete" in text for text in window.notices.texts())
    cards = {card.transfer.partner: card for card in window.transfers.cards.values()}
    window.go("transfers")
    for card in cards.values():
        assert card.transfer.verdict() == "interrupted"
        assert card.go_on.isVisible() and card.forget.isVisible() and not card._again.isVisible()
    assert not window.transfers.clear_action.isEnabled(), "they are not finished"
    cards["Gone archive"].go_on.click()
    assert any("Gone archive" in text for text in window.notices.texts()), "it says that the archive is not known"
    cards["Gone archive"].forget.click()
    qtbot.waitUntil(lambda: len(journal.unfinished(home)) == 1, timeout=WAIT)
    cards["Main archive"].go_on.click()
    qtbot.waitUntil(lambda: not window.center.running() and len(window.center.transfers) == 1, timeout=WAIT)
    assert window.center.transfers[0].state is State.DONE
    assert window.workstation.library.study(study).number_of_instances == 10
    assert journal.unfinished(home) == []


def test_one_whose_archive_cannot_be_reached_stays_for_the_next_start(
    make_window: Any, home: Path, archive: tuple[Archive, str], qtbot: Any
) -> None:
    running, study = archive
    subprocess.run([sys.executable, "-c", _DIE, str(home), study], check=False, timeout=60)
    window = make_window(lambda workstation: workstation.peers.add(running.peer("Main archive")))
    qtbot.waitUntil(lambda: len(window.center.transfers) == 2, timeout=WAIT)
    running.stop()
    transfer = next(item for item in window.center.transfers if item.partner == "Main archive")
    window.transfers.cards[transfer.number].go_on.click()
    qtbot.waitUntil(lambda: window.center.transfers[0].state is State.FAILED, timeout=WAIT)
    assert "Main archive" in [entry.peer for entry in journal.unfinished(home)]


def test_a_report_that_cannot_be_delivered_is_told_and_delivered_when_the_peer_is_back(
    make_window: Any, home: Path, qtbot: Any
) -> None:
    gone = Peer("Hospital", "ODD", "127.0.0.1", free_port())
    steps = Steps(home)
    step = steps.begin(gone, LocalIdentity(), ENTRY)
    steps.complete(step.uid, INSTANCES)
    window = make_window(lambda workstation: workstation.peers.add(gone))
    reports, card = window.sending.reports, window.transfers.sending.reports
    qtbot.waitUntil(lambda: bool(reports.steps) and not reports.telling, timeout=WAIT)
    window._show_sending()
    assert card.isVisible()
    (said,) = card.told()
    assert said.startswith("Hospital has not got the report of") and "Nothing listens" in said
    assert "Roe" not in said and "P1" not in said
    assert window.transfers.sending_tab.text() == "Sending · 1 open"
    keeper = StepKeeper()
    with pynetdicom_peer.running([MPPS], keeper.handlers()) as hospital:
        window.workstation.peers.remove("Hospital")
        window.workstation.peers.add(replace(hospital, name="Hospital"))
        card.again.click()
        qtbot.waitUntil(lambda: not reports.steps and not reports.telling, timeout=WAIT)
    assert keeper.requests == ["create", "set"]
    assert steps.get(step.uid).state == "ended"
    assert not card.isVisible()


def test_a_report_that_was_refused_stays_until_it_is_dismissed(make_window: Any, home: Path, qtbot: Any) -> None:
    with pynetdicom_peer.running([MPPS], StepKeeper([0x0110]).handlers()) as hospital:
        step = Steps(home).begin(replace(hospital, name="Hospital"), LocalIdentity(), ENTRY)
        window = make_window(lambda workstation: workstation.peers.add(replace(hospital, name="Hospital")))
        reports, card = window.sending.reports, window.transfers.sending.reports
        qtbot.waitUntil(lambda: bool(reports.steps) and not reports.telling, timeout=WAIT)
    window._show_sending()
    assert card.told()[0].startswith("Hospital refused the report of")
    card.dismissing[step.uid].click()
    qtbot.waitUntil(lambda: not Steps(home).get(step.uid).open, timeout=WAIT)
    assert not card.isVisible()
    assert Steps(home).get(step.uid).state == "failed", "dismissed, not forgotten"


def test_what_an_archive_announces_is_offered(
    make_window: Any, archive: tuple[Archive, str], home: Path, qtbot: Any
) -> None:
    running, study = archive
    port = free_port()

    def prepare(workstation: Any) -> None:
        workstation.peers.add(running.peer("Main archive"))
        replace(workstation.identity, port=port, host="127.0.0.1").save(workstation.settings)
        workstation.settings.set(RECEIVE, True)

    window = make_window(prepare)
    qtbot.waitUntil(lambda: window.workstation.receiver is not None and window.receiver._last[1], timeout=WAIT)
    us = Peer("us", "LIGHTBOX", "127.0.0.1", window.workstation.receiver.port)
    ian.notify(us, LocalIdentity("MAINARCH"), study, [("1.2.840.10008.5.1.4.1.1.2", f"{study}.1.1", f"{study}.1")])
    offer = "Main archive says that 1 study is ready to be fetched."
    qtbot.waitUntil(lambda: offer in window.notices.texts(), timeout=WAIT)
    from lightbox.network.receiving.notes import Inbox

    assert Inbox(home).waiting(ian.SOP_CLASS) == []
    window._announced(window.workstation.peers.get("Main archive"), [study])
    notice = next(entry for entry in window.notices._shown if entry.text == offer)
    from PySide6.QtWidgets import QPushButton

    next(button for button in notice.findChildren(QPushButton) if button.text() == "Retrieve").click()
    qtbot.waitUntil(lambda: window.workstation.library.study(study) is not None, timeout=WAIT)
