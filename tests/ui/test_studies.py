"""The Studies place, driven through the real window over a real library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLabel

from builders import ui_studies
from lightbox.library.records import StudyQuery, StudyRecord
from lightbox.network.peers import Peer
from lightbox.network.querying.merging import merge
from lightbox.network.querying.questions import study_keys
from lightbox.network.querying.rows import fits, from_reply
from lightbox.ui import words
from lightbox.ui.studies.search import SourceState
from lightbox.ui.studies.study_model import COLUMNS
from lightbox.ui.studies.study_row import StudyRow
from lightbox.ui.widgets import ElidedLabel

pytestmark = pytest.mark.ui
WAIT = 30_000
KEYS = [column.key for column in COLUMNS]


def cell(window: Any, line: int, key: str) -> str:
    model = window.studies.model
    return model.data(model.index(line, KEYS.index(key)))


def column(window: Any, key: str) -> list[str]:
    return [cell(window, line, key) for line in range(len(window.studies.model.rows))]


def shown_texts(widget: Any) -> list[str]:
    return [item.text() for kind in (QLabel, ElidedLabel) for item in widget.findChildren(kind) if item.text()]


# --- empty, filled, wrong


def test_an_empty_library_says_what_to_do(make_window: Any) -> None:
    window = make_window()
    page = window.studies
    assert page._stack.currentWidget() is page._empty
    assert "No studies yet" in shown_texts(page._empty)


def test_import_shows_rows_newest_first(make_window: Any, cases: Path, qtbot: Any) -> None:
    window = make_window()
    window.import_paths([cases])
    qtbot.waitUntil(lambda: len(window.studies.model.rows) == 5, timeout=60_000)
    qtbot.waitUntil(lambda: not window.center.running(), timeout=60_000)
    assert column(window, "date")[0] == "2026-11-18 09:42"
    assert column(window, "patient")[:3] == ["DOE, Jane", "Yamada, Tarou (山田, 太郎)", "MÜLLER, Jörg"]
    assert cell(window, 0, "sex") == "F 65"
    assert cell(window, 0, "images") == "10"
    assert cell(window, 0, "series") == "2"
    assert cell(window, 0, "here") == "here"
    assert window.studies.count.text() == "5 studies"


def test_a_library_that_cannot_be_read_is_said_in_words(make_window: Any, home: Path, qtbot: Any) -> None:
    window = make_window()
    page = window.studies
    page.search.failed.emit("The index is damaged: rebuild it")
    assert page._stack.currentWidget() is page._broken
    assert "The index is damaged: rebuild it" in shown_texts(page._broken)
    page._try_again.click()
    qtbot.waitUntil(lambda: page._stack.currentWidget() is page._empty, timeout=WAIT)


# --- filtering


def test_typing_filters(filled: Any, qtbot: Any) -> None:
    page = filled.studies
    qtbot.keyClicks(page.box, "doe chest")
    qtbot.waitUntil(lambda: len(page.model.rows) == 2, timeout=WAIT)
    assert set(column(filled, "patient")) == {"DOE, Jane"}
    qtbot.keyClicks(page.box, " contrast")
    qtbot.waitUntil(lambda: len(page.model.rows) == 1, timeout=WAIT)
    page.clear_button.click()
    qtbot.waitUntil(lambda: len(page.model.rows) == 5, timeout=WAIT)
    assert page.box.text() == ""


@pytest.mark.parametrize(("typed", "expected"), [("muller", "MÜLLER, Jörg"), ("山田", "Yamada, Tarou (山田, 太郎)")])
def test_accents_and_scripts(filled: Any, qtbot: Any, typed: str, expected: str) -> None:
    filled.studies.box.setText(typed)
    qtbot.waitUntil(lambda: column(filled, "patient") == [expected], timeout=WAIT)


def test_fields_and_pull_downs_show_their_value_and_filter(filled: Any, qtbot: Any) -> None:
    page = filled.studies
    page.patient_id.setText("2044")
    qtbot.waitUntil(lambda: len(page.model.rows) == 2, timeout=WAIT)
    page.accession.setText("A-204418")
    qtbot.waitUntil(lambda: len(page.model.rows) == 1, timeout=WAIT)
    page.clear()
    qtbot.waitUntil(lambda: len(page.model.rows) == 5, timeout=WAIT)
    page.modality.choose(("MR", "CR"))
    qtbot.waitUntil(lambda: len(page.model.rows) == 2, timeout=WAIT)
    assert page.modality.text().startswith("MR, CR")
    page.modality.choose(())
    page.date.set_range("20250101", "20251231", "2025")
    qtbot.waitUntil(lambda: column(filled, "date") == ["2025-05-03 09:42"], timeout=WAIT)
    assert page.date.text().startswith("2025")
    page.date.set_range("", "", "")
    assert page.date.text().startswith("Any date")


def test_relative_dates_are_those_of_the_day() -> None:
    from datetime import date

    assert words.days_back(7, date(2026, 3, 3)) == "20260224"


def test_nothing_fits_says_where_was_searched(filled: Any, qtbot: Any) -> None:
    page = filled.studies
    page.box.setText("zzzz")
    qtbot.waitUntil(lambda: page._stack.currentWidget() is page._nothing, timeout=WAIT)
    assert any("this workstation" in text for text in shown_texts(page._nothing))


# --- sorting and paging


def test_sorting_happens_in_the_library(filled: Any, qtbot: Any) -> None:
    page = filled.studies
    page.table.sortByColumn(KEYS.index("patient"), Qt.SortOrder.AscendingOrder)
    qtbot.waitUntil(lambda: page.search.query.sort_by == "patient_name", timeout=WAIT)
    qtbot.waitUntil(lambda: column(filled, "patient")[-1] == "Yamada, Tarou (山田, 太郎)", timeout=WAIT)
    assert column(filled, "patient")[:2] == ["DOE, Jane", "DOE, Jane"]
    page.table.sortByColumn(KEYS.index("images"), Qt.SortOrder.DescendingOrder)
    qtbot.waitUntil(lambda: column(filled, "images")[0] == "10", timeout=WAIT)


def test_clicking_a_heading_that_cannot_be_sorted_keeps_the_order(filled: Any, qtbot: Any) -> None:
    page = filled.studies
    head = page.table.horizontalHeader()
    before = column(filled, "patient")
    x = head.sectionViewportPosition(KEYS.index("here")) + 10
    qtbot.mouseClick(head.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, 10))
    assert column(filled, "patient") == before
    assert page.search.query.sort_by == "study_date"
    assert head.sortIndicatorSection() == KEYS.index("date")


def test_pages_load_while_scrolling(make_window: Any, home: Path, qtbot: Any) -> None:
    from builders.bulk_index import fill

    fill(home, 1000, 2)
    window = make_window()
    page = window.studies
    qtbot.waitUntil(lambda: page.search.total == 1000, timeout=WAIT)
    assert len(page.model.rows) == 200
    assert page.count.text() == "1–200 of 1,000 studies"
    for _ in range(6):
        page.table.scrollToBottom()
        rows = len(page.model.rows)
        qtbot.waitUntil(lambda rows=rows: len(page.model.rows) > rows or rows == 1000, timeout=WAIT)
    assert len(page.model.rows) == 1000
    assert len({row.uid for row in page.model.rows}) == 1000
    dates = [row.record.study_date + row.record.study_time for row in page.model.rows]
    assert dates == sorted(dates, reverse=True)


# --- details


def test_details_show_facts_series_thumbnails_and_priors(filled: Any, qtbot: Any) -> None:
    page = filled.studies
    page.table.select_line(0)
    qtbot.waitUntil(lambda: len(page.detail.cards) == 2, timeout=WAIT)
    texts = shown_texts(page.detail)
    assert "DOE, Jane" in texts
    assert "A-204418" in texts
    assert "1961-04-12 · 65 y · F" in texts
    assert "Other studies of this patient" in texts
    assert any("18 months earlier" in text or "19 months earlier" in text for text in texts)
    for card in page.detail.cards.values():
        qtbot.waitUntil(lambda card=card: card._picture is not None, timeout=WAIT)
        image = card._picture.toImage()
        middle = image.pixelColor(image.width() // 2, image.height() // 2)
        corner = image.pixelColor(1, 1)
        assert middle.lightness() > corner.lightness() + 60
    series = next(iter(page.detail.cards))
    assert filled.workstation.library.thumbnail(series), "kept for the next time"


def test_several_chosen_studies_are_counted(filled: Any) -> None:
    page = filled.studies
    page.table.selectAll()
    assert "5 studies chosen." in shown_texts(page.detail)
    assert not page.open_action.isEnabled()
    assert page.deidentify_action.isEnabled()


def test_selection_survives_a_refresh(filled: Any, qtbot: Any) -> None:
    page = filled.studies
    page.table.select_line(2)
    uid = page.table.selected()[0].uid
    with qtbot.waitSignal(page.search.rows_changed, timeout=WAIT):
        page.search.refresh()
    page.search.ask(replace(page.search.query, sort_by="patient_name", descending=False))
    qtbot.waitUntil(lambda: column(filled, "patient")[0] == "DOE, Jane", timeout=WAIT)
    assert [row.uid for row in page.table.selected()] == [uid]


# --- columns


def test_columns_are_chosen_and_remembered(filled: Any, make_window: Any, qtbot: Any) -> None:
    page = filled.studies
    number = KEYS.index("accession")
    assert page.table.isColumnHidden(number)
    entry = page.table.column_menu().actions()[number]
    assert entry.text() == "Accession number"
    entry.setChecked(True)
    assert not page.table.isColumnHidden(number)
    page.table.setColumnWidth(KEYS.index("patient"), 233)
    page.table._remember()
    filled._close_asked = True
    again = make_window()
    assert not again.studies.table.isColumnHidden(number)
    assert again.studies.table.columnWidth(KEYS.index("patient")) == 233


def test_a_narrow_window_leaves_out_columns_but_never_the_patient(filled: Any, qtbot: Any) -> None:
    filled.resize(1000, 640)
    table = filled.studies.table
    qtbot.waitUntil(lambda: table.isColumnHidden(KEYS.index("source")), timeout=WAIT)
    assert not table.isColumnHidden(KEYS.index("patient"))
    filled.resize(1900, 900)
    qtbot.waitUntil(lambda: not table.isColumnHidden(KEYS.index("source")), timeout=WAIT)


# --- archives


PEER = Peer("Main archive", "MAIN", "127.0.0.1", 1)


def reply(uid: str, name: str, date: str, images: int) -> dict[str, str]:
    return {
        "StudyInstanceUID": uid,
        "PatientName": name,
        "StudyDate": date,
        "StudyTime": "0900",
        "ModalitiesInStudy": "CT\\SEG",
        "NumberOfStudyRelatedInstances": str(images),
    }


def test_remote_and_local_rows_are_one_list(filled: Any, qtbot: Any) -> None:
    filled.workstation.peers.add(PEER)
    page = filled.studies
    page.peers_changed()
    source = page.search.sources["Main archive"]
    known = page.model.rows[0]
    twin = StudyRow(known.record, True, {"Main archive": 12})
    there = from_reply(reply("1.2.3", "ROE^Max", "20261117", 120), "Main archive", StudyRow)
    source.rows = {known.uid: twin, "1.2.3": there}
    source.state = SourceState.ANSWERED
    page.search.rows_changed.emit()
    assert column(filled, "date")[:3] == ["2026-11-18 09:42", "2026-11-17 09:42", "2026-11-17 09:00"]
    assert cell(filled, 0, "images") == "10/12"
    assert cell(filled, 0, "here") == "partial"
    assert cell(filled, 2, "here") == "at archive"
    assert cell(filled, 2, "images") == "120"
    assert cell(filled, 2, "ai") == "SEG"
    assert cell(filled, 2, "source") == "Main archive"
    assert "2 images missing" in page.model.rows[0].presence_reason()
    page.table.select_line(2)
    assert page.retrieve_action.isEnabled()
    assert not page.deidentify_action.isEnabled()
    assert page.count.text() == "6 studies"


def test_an_archive_that_does_not_answer_says_why(filled: Any, qtbot: Any) -> None:
    filled.workstation.peers.add(PEER)
    page = filled.studies
    page.peers_changed()
    page.box.setText("doe")
    qtbot.keyClick(page.box, Qt.Key.Key_Return)
    source = page.search.sources["Main archive"]
    qtbot.waitUntil(lambda: source.state is SourceState.FAILED, timeout=WAIT)
    chip = page.chips.chips["Main archive"]
    assert "no answer" in chip.text()
    assert "127.0.0.1:1" in chip.toolTip()
    assert "Main archive" in page.hint.text()
    qtbot.waitUntil(lambda: len(page.model.rows) == 2, timeout=WAIT)  # the library still answers


def test_a_source_can_be_left_out_and_is_remembered(filled: Any, qtbot: Any) -> None:
    filled.workstation.peers.add(PEER)
    page = filled.studies
    page.peers_changed()
    chip = page.chips.chips["Main archive"]
    assert chip.isChecked()
    chip.click()
    assert not page.search.sources["Main archive"].chosen
    assert filled.workstation.settings.get("ui.studies.sources") == []
    page.chips.chips["This workstation"].click()
    assert page.model.rows == []


def test_a_truncated_answer_is_said(filled: Any) -> None:
    filled.workstation.peers.add(PEER)
    page = filled.studies
    page.peers_changed()
    source = page.search.sources["Main archive"]
    source.rows = {"1.2.3": from_reply(reply("1.2.3", "ROE^Max", "20261117", 120), "Main archive", StudyRow)}
    source.truncated, source.state = "More than the 500 studies that were asked for", SourceState.ANSWERED
    page.search.sources_changed.emit()
    assert page.hint.text() == "Main archive: More than the 500 studies that were asked for"
    assert page.narrow.isVisible()


# --- parts without a window


def rows_of(*dates: str, here: bool, prefix: str) -> list[StudyRow]:
    announced = {} if here else {"A": 3}
    return [StudyRow(StudyRecord(f"{prefix}.{date}", study_date=date), here, announced) for date in dates]


def test_merge_keeps_remote_rows_back_that_may_have_local_ones_before_them() -> None:
    local = rows_of("20260105", "20260103", here=True, prefix="1")
    remote = rows_of("20260104", "20260102", here=False, prefix="2")
    some = merge(local, remote, "study_date", descending=True, exhausted=False)
    assert [row.record.study_date for row in some] == ["20260105", "20260104", "20260103"]
    everything = merge(local, remote, "study_date", descending=True, exhausted=True)
    assert [row.record.study_date[-1] for row in everything] == ["5", "4", "3", "2"]


def test_merge_of_the_same_study_from_two_archives() -> None:
    record = StudyRecord("1.2")
    first, second = StudyRow(record, False, {"A": 100}), StudyRow(record, False, {"B": 120})
    merged = merge([], [first, second], "study_date", descending=True, exhausted=True)
    assert len(merged) == 1
    assert merged[0].expected == 120
    here = merge(
        [StudyRow(replace(record, number_of_instances=118), True)],
        merged,
        "study_date",
        descending=True,
        exhausted=True,
    )
    assert here[0].images() == "118/120"


def test_words_are_asked_as_attributes_and_checked_in_the_reply() -> None:
    query = StudyQuery(text="doe chest", study_date_from="20260101", modalities=("CT", "MR"))
    asked = study_keys(query)
    attributes = [next(name for name, value in keys.items() if value == "*chest*") for keys in asked]
    assert attributes == ["PatientName", "PatientID", "AccessionNumber", "StudyDescription"]
    assert all(keys["StudyDate"] == "20260101-" and keys["ModalitiesInStudy"] == "CT\\MR" for keys in asked)
    assert fits(StudyRecord("1", patient_name="DOE^Jane", study_description="CHEST PA"), "doe chest")
    assert not fits(StudyRecord("1", patient_name="DOE^Jane", study_description="Head"), "doe chest")
    assert fits(StudyRecord("1", patient_name="Müller^Jörg"), "muller")


@pytest.mark.parametrize(
    ("age", "birth", "at", "expected"),
    [
        ("", "19610412", "20261118", "65"),
        ("", "19611119", "20261118", "64"),
        ("045Y", "", "20200101", "45"),
        ("011M", "", "20200101", "11 m"),
        ("", "20200101", "20200111", "10 d"),
        ("", "", "20200101", ""),
        ("", "20210101", "20200101", ""),
    ],
)
def test_age(age: str, birth: str, at: str, expected: str) -> None:
    assert words.age(age, birth, at) == expected


def test_dates_that_are_none_are_shown_as_they_are() -> None:
    assert words.moment("2026.11.18", "0942") == "2026-11-18 09:42"
    assert words.day("unknown") == "unknown"
    assert words.day("20261345") == "20261345"


def test_ui_studies_are_valid(tmp_path: Path) -> None:
    assert len(set(ui_studies.write_all(tmp_path))) == 5
