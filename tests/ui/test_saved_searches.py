"""Saved searches: from the filters or said in words, kept with relative dates, run, renamed, replaced, removed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QPushButton

from builders.ui_studies import CASES, write_case
from lightbox.network.archive import Archive
from lightbox.network.peers import Peer
from lightbox.network.querying.saved import SavedQueries, SavedQuery

pytestmark = pytest.mark.ui
WAIT = 60_000


def ago(days: int) -> str:
    return f"{date.today() - timedelta(days):%Y%m%d}"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Chest X-rays of patient 12345, one too old, and what must not be found with them."""
    folder = tmp_path / "archive"
    xray = replace(CASES[3], name="ROE^Max", patient_id="12345", images=1, modality="DX", accession="")
    write_case(folder, replace(xray, date=ago(20), description="Chest PA"))
    write_case(folder, replace(xray, date=ago(90), description="Thorax lateral", modality="CR"))
    write_case(folder, replace(xray, date=ago(400), description="Chest PA old"))
    write_case(folder, replace(xray, date=ago(21), description="Knee left"))
    write_case(folder, replace(xray, date=ago(22), description="Chest with contrast", modality="CT"))
    write_case(folder, replace(xray, date=ago(23), description="Chest AP", patient_id="777", name="POE^Ann"))
    with Archive(folder, "MAINARCH") as running:
        yield running


@pytest.fixture
def window(make_window: Any, cases: Path, archive: Archive, qtbot: Any) -> Any:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = sock.getsockname()[1]

    def prepare(workstation: Any) -> None:
        workstation.library.import_paths([cases])
        workstation.peers.add(archive.peer("Main archive"))
        workstation.peers.add(Peer("Night archive", "NIGHT", "127.0.0.1", closed))

    made = make_window(prepare, size=(1366, 768))
    qtbot.waitUntil(lambda: len(made.studies.model.rows) == 5, timeout=WAIT)
    return made


def descriptions(window: Any) -> list[str]:
    return sorted(entry.record.study_description for entry in window.studies.model.rows)


def test_chest_x_rays_of_a_patient_of_the_past_months_are_built_saved_and_run(window: Any, qtbot: Any) -> None:
    page, sheet = window.studies, window.saved_sheet
    page.patient_id.setText("12345")
    page.modality.choose(("CR", "DX"))
    page.region._fill()
    next(action for action in page.region.menu_shown.actions() if action.text() == "Chest").trigger()
    next(action for action in page.date.menu_shown.actions() if action.text() == "Past 6 months").trigger()
    qtbot.waitUntil(lambda: descriptions(window) == ["Chest PA", "Thorax lateral"], timeout=WAIT)
    page.save_action.trigger()
    assert sheet.isVisible()
    assert sheet.present.text() == "Chest, CR/DX, patient 12345, past 6 months, at all archives"
    sheet.name.setText("Chest X-rays of 12345")
    sheet.save.click()
    kept = json.loads((window.workstation.home / "network" / "saved_queries.json").read_text())
    assert kept == [
        {
            "name": "Chest X-rays of 12345",
            "patient_id": "12345",
            "dates": "past 6 months",
            "modalities": ["CR", "DX"],
            "region": "chest",
        }
    ], "the command line reads the same, and the time span is not turned into days"
    sheet.dismiss()
    page.clear()
    qtbot.waitUntil(lambda: len(page.model.rows) == 5, timeout=WAIT)
    page.saved._fill()
    next(action for action in page.saved.menu_shown.actions() if action.text() == "Chest X-rays of 12345").trigger()
    qtbot.waitUntil(lambda: descriptions(window) == ["Chest PA", "Thorax lateral"], timeout=WAIT)
    assert page.saved.text().startswith("Chest X-rays of 12345")
    assert page.date.text().startswith("Past 6 months")
    assert page.date.first < ago(170) and page.date.last == ago(0)
    page.patient_id.setText("7")
    assert page.saved.text().startswith("Saved"), "a search that was changed is no longer the saved one"


def test_the_same_said_in_words(window: Any, qtbot: Any) -> None:
    sheet = window.saved_sheet
    window.studies.save_action.trigger()
    sheet.phrase.setText("all purple X-rays of patient 12345, past 6 months")
    sheet.show_it.click()
    assert "not understood" in sheet.said.text()
    sheet.phrase.setText("all chest X-rays of patient 12345, past 6 months")
    sheet.show_it.click()
    qtbot.waitUntil(lambda: descriptions(window) == ["Chest PA", "Thorax lateral"], timeout=WAIT)
    assert sheet.present.text() == "Chest, CR/DX, patient 12345, past 6 months, at all archives"


def test_what_is_saved_is_renamed_replaced_and_removed_and_never_overwritten_silently(window: Any) -> None:
    page, sheet = window.studies, window.saved_sheet
    saved = SavedQueries(window.workstation.home)
    page.date.choose("last 7 days")
    page.save_action.trigger()
    sheet.save.click()
    assert "needs a name" in sheet.said.text()
    sheet.name.setText("Week")
    sheet.save.click()
    page.date.choose("this month")
    sheet.refresh()
    sheet.name.setText("week")
    sheet.save.click()
    assert "already a saved query" in sheet.said.text()
    assert saved.get("Week").dates == "last 7 days"
    sheet.lines["Week"].replace.click()
    assert saved.get("Week").dates == "last 7 days", "it is asked twice"
    sheet.lines["Week"].replace.click()
    assert saved.get("Week").dates == "this month"
    line = sheet.lines["Week"]
    line.rename.click()
    line.field.setText("Month")
    line.rename.click()
    assert [query.name for query in saved.all()] == ["Month"]
    sheet.lines["Month"].remove.click()
    assert saved.all()
    sheet.lines["Month"].remove.click()
    assert not saved.all()


def test_a_search_of_the_command_line_runs_whole_here(window: Any, archive: Archive, qtbot: Any) -> None:
    page = window.studies
    query = SavedQuery("Ann", patient_name="POE^A*", peers=("Main archive", "Gone archive"))
    SavedQueries(window.workstation.home).save(query)
    page.run_saved(query)
    qtbot.waitUntil(lambda: descriptions(window) == ["Chest AP"], timeout=WAIT)
    assert page.filters.name_chip.isVisible() and "POE^A*" in page.filters.name_chip.text()
    assert [name for name, source in page.search.sources.items() if source.chosen] == ["Main archive"]
    assert any("Gone archive: no longer" in text for text in window.notices.texts())
    page.filters.name_chip.click()
    assert not page.filters.name_chip.isVisible()
    qtbot.waitUntil(lambda: len(page.model.rows) == 5, timeout=WAIT)


def test_a_time_span_in_words_is_taken_or_refused_in_place(window: Any) -> None:
    pull_down = window.studies.date
    pull_down._words.setText("past 6 fortnights")
    pull_down._said()
    assert "not a date" in pull_down._wrong.text() and pull_down.expression == ""
    pull_down._words.setText("since 2024-02-29")
    pull_down._said()
    assert (pull_down.first, pull_down.last) == ("20240229", "")
    pull_down.set_range("20250101", "20250131", "January")
    assert (pull_down.expression, pull_down.first) == ("2025-01-01..2025-01-31", "20250101")


@pytest.mark.parametrize("width", [960, 1366, 1600, 1920])
def test_nothing_in_the_bar_is_cut_off_or_overlaps(window: Any, width: int, qtbot: Any) -> None:
    page = window.studies
    page.date.set_range("20250101", "20251231", "2025-01-01 – 2025-12-31")
    page.modality.choose(("CT", "MR", "CR", "DX", "MG"))
    page.region.choose("lower limb")
    window.resize(width, 700)
    bar = page.filters
    qtbot.waitUntil(lambda: bar.width() == width - window.rail.width(), timeout=WAIT)
    qtbot.wait(50)
    shown = [entry for entry in bar.findChildren(QPushButton) if entry.isVisible()]
    assert len(shown) >= 9
    places = []
    for entry in shown:
        assert entry.width() >= entry.sizeHint().width(), entry.text()
        corner = entry.mapTo(bar, QPoint(0, 0))
        places.append((corner.x(), corner.y(), corner.x() + entry.width(), corner.y() + entry.height()))
        assert corner.x() >= 0 and places[-1][2] <= bar.width() and places[-1][3] <= bar.height(), entry.text()
    for number, (left, top, right, bottom) in enumerate(places):
        for other in places[number + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
