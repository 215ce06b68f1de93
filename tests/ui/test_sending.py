"""Sending as a technologist sees it: queued by menu and by dropping, confirmed, waiting, failed, tried again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent

from lightbox.library.library import Library
from lightbox.network.archive import Archive
from lightbox.network.peers import Peer
from lightbox.ui.studies import study_drag

pytestmark = pytest.mark.ui
WAIT = 60_000


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[Archive, Library]]:
    library = Library.open(tmp_path / "archive")
    with Archive(library, "MAINARCH") as running:
        yield running, library
    library.close()


@pytest.fixture
def window(make_window: Any, cases: Path, archive: tuple[Archive, Library], qtbot: Any) -> Any:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = sock.getsockname()[1]

    def prepare(workstation: Any) -> None:
        workstation.library.import_paths([cases])
        workstation.peers.add(archive[0].peer("Main archive"))
        workstation.peers.add(Peer("Night archive", "NIGHT", "127.0.0.1", closed))

    made = make_window(prepare)
    qtbot.waitUntil(lambda: len(made.studies.model.rows) == 5, timeout=WAIT)
    return made


def card(window: Any, qtbot: Any, state: str) -> Any:
    """Wait for a card in `state` and return it."""

    def found() -> list[Any]:
        return [entry for entry in window.transfers.sending.cards.values() if entry.job.state == state]

    qtbot.waitUntil(lambda: bool(found()), timeout=WAIT)
    return found()[0]


def drop(chip: Any, data: QMimeData) -> None:
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    chip.dropEvent(event)


def test_a_study_is_sent_from_the_menu_and_confirmed(window: Any, archive: tuple[Archive, Library], qtbot: Any) -> None:
    page = window.studies
    page.table.select_line(0)
    uid = page.table.selected()[0].uid
    expected = window.workstation.library.study(uid).number_of_instances
    assert page.send_action.isEnabled()
    page.send_action.trigger()
    from PySide6.QtWidgets import QApplication, QMenu

    menu = next(item for item in page.findChildren(QMenu) if [a for a in item.actions() if "Main archive" in a.text()])
    assert [action.text()[3:].strip() for action in menu.actions()] == ["Main archive", "Night archive"]
    menu.actions()[0].trigger()
    menu.close()
    QApplication.processEvents()
    shown = card(window, qtbot, "confirmed")
    assert shown.job.total == expected
    assert "confirmed" in shown.told() and "Main archive" in shown.told()
    qtbot.waitUntil(lambda: archive[1].study(uid) is not None, timeout=WAIT)
    assert archive[1].study(uid).number_of_instances == expected
    assert not window.status.unconfirmed.isVisible()


def test_what_cannot_be_sent_says_why_and_when_it_is_tried_again(window: Any, qtbot: Any) -> None:
    uid = window.studies.model.rows[0].uid
    drop(window.studies.chips.chips["Night archive"], study_drag.carry([uid]))
    shown = card(window, qtbot, "waiting")
    qtbot.waitUntil(lambda: "Nothing listens" in shown.told(), timeout=WAIT)
    window._show_sending()
    assert window.places.currentWidget() is window.transfers
    assert window.transfers.sending.isVisible()
    shown.open_objects()
    qtbot.waitUntil(lambda: shown.table.lines() == shown.job.total, timeout=WAIT)
    qtbot.waitUntil(lambda: "to send" in window.status.unconfirmed.text(), timeout=WAIT)
    numbers = [figure.text() for figure in window.transfers.sending._numbers]
    assert numbers == ["0", "0", str(shown.job.total), "0"]
    shown._pause.click()
    paused = card(window, qtbot, "paused")
    assert paused._pause.text() == "Go on"
    paused._cancel.click()
    cancelled = card(window, qtbot, "cancelled")
    assert not cancelled._cancel.isVisible()
    window.transfers.sending.forget.click()
    qtbot.waitUntil(lambda: not window.transfers.sending.cards, timeout=WAIT)


def test_files_dropped_on_an_archive_are_sent_without_being_imported(
    window: Any, archive: tuple[Archive, Library], cases: Path, qtbot: Any
) -> None:
    files = sorted(path for path in cases.rglob("*") if path.is_file())[:2]
    before = window.workstation.library.count_studies(window.studies.search.query)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in files])
    drop(window.studies.chips.chips["Main archive"], data)
    shown = card(window, qtbot, "confirmed")
    assert shown.job.total == len(files)
    assert window.workstation.library.count_studies(window.studies.search.query) == before


def test_a_drag_carries_only_studies_that_are_here(window: Any) -> None:
    model = window.studies.model
    carried = model.mimeData([model.index(0, 0), model.index(0, 3), model.index(1, 0)])
    assert study_drag.studies_in(carried) == [model.rows[0].uid, model.rows[1].uid]
    assert model.flags(model.index(0, 0)) & Qt.ItemFlag.ItemIsDragEnabled


def test_grave_faults_are_shown_before_anything_is_sent(
    window: Any, archive: tuple[Archive, Library], cases: Path, tmp_path: Path, qtbot: Any
) -> None:
    import pydicom

    dataset = pydicom.dcmread(next(path for path in sorted(cases.rglob("*")) if path.is_file()))
    dataset.ImageType = ""
    dataset.save_as(tmp_path / "faulty.dcm")
    window.sending.send_files("Main archive", [tmp_path / "faulty.dcm"])
    sheet = window.quality_sheet
    qtbot.waitUntil(sheet.isVisible, timeout=WAIT)
    assert "Main archive" in sheet._heading.text()
    where = [sheet.table.text_at(line, 1) for line in range(sheet.table.lines())]
    assert any("ImageType" in text for text in where)
    sheet._keep.click()
    assert not sheet.isVisible() and not window.sending.jobs
    window.sending.send_files("Main archive", [tmp_path / "faulty.dcm"])
    qtbot.waitUntil(sheet.isVisible, timeout=WAIT)
    sheet.send_anyway.click()
    assert card(window, qtbot, "confirmed").job.total == 1
