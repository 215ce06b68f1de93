"""The quality list as a technologist sees it."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt

from lightbox.ui.widgets import Badge

pytestmark = pytest.mark.ui
WAIT = 60_000


def test_the_quality_of_a_study_is_said_and_told_in_full(filled: Any, qtbot: Any) -> None:
    window = filled
    library = window.workstation.library
    library.check_quality()
    row = next(row for row in window.studies.model.rows if library.quality_issues(row.uid))
    window.studies.table.select_studies({row.uid})
    detail = window.studies.detail

    def badges() -> list[str]:
        return [badge.text() for badge in detail.findChildren(Badge)]

    qtbot.waitUntil(lambda: any("error" in text or "warning" in text for text in badges()), timeout=WAIT)
    issues = library.quality_issues(row.uid)
    detail.quality_wanted.emit("a study", issues)
    sheet = window.quality_sheet
    assert sheet.isVisible()
    assert sheet.table.lines() == len(issues)
    sheet.table.selectRow(len(issues) - 1)
    last = issues[-1].issue
    assert [part.text() for part in sheet._told] == [
        last.where,
        f"Found: {last.found}",
        f"Expected: {last.expected}",
        f"Repair: {last.repair}",
    ]
    qtbot.keyClick(sheet, Qt.Key.Key_Escape)
    assert not sheet.isVisible()
