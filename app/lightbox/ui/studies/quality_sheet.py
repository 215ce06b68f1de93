"""The quality list of a study: what is wrong, where, what was expected, and how it can be repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from lightbox.core.errors import Severity
from lightbox.ui import words
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.sheet import Sheet
from lightbox.ui.widgets import Badge, button, label, row

if TYPE_CHECKING:
    from lightbox.library.quality.model import StoredIssue

SEVERITIES = {
    Severity.ERROR: ("error", "critical", "critical"),
    Severity.WARNING: ("warning", "warn", "warn"),
    Severity.INFO: ("note", "", "text-secondary"),
}
"""Word, kind of badge and colour by severity."""


def badges(counts: dict[Severity, int]) -> list[Badge]:
    """Return a badge for each severity that occurs."""
    return [
        Badge(words.plural(counts[severity], word), kind)
        for severity, (word, kind, _) in SEVERITIES.items()
        if counts.get(severity)
    ]


class QualitySheet(Sheet):
    """Opens over the window; the chosen line is told in full below the table."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window, 1180, 720)
        self.column.setContentsMargins(20, 14, 20, 16)
        self._heading = label("", "heading")
        close = button("", "flat", "close", "Close  (Esc)", self.dismiss)
        close.setAccessibleName("Close the quality list")
        self.column.addLayout(row(self._heading, None, close))
        self.column.addWidget(
            label(
                "What other systems may refuse or misread. Nothing has been changed: originals stay as they came.",
                "secondary",
                wrap=True,
            )
        )
        self.table = PlainTable(
            "Quality list", ("", "Where", "Found", "Expected", "Objects"), (90, 300, 260, 260, 76), 3
        )
        self.column.addWidget(self.table, 1)
        details = QWidget()
        inner = QVBoxLayout(details)
        inner.setContentsMargins(0, 4, 0, 0)
        inner.setSpacing(3)
        self._told = [label("", role, wrap=True, selectable=True) for role in ("title", "", "", "ok")]
        for part in self._told:
            inner.addWidget(part)
        self.column.addWidget(details)
        self._issues: list[StoredIssue] = []
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._tell())

    def open_with(self, title: str, issues: list[StoredIssue]) -> None:
        """Show the list of a study."""
        self._issues = issues
        self._heading.setText(f"Quality of {title}")
        rows = []
        for entry in issues:
            word, _, shade = SEVERITIES[entry.issue.severity]
            found = entry.issue
            rows.append(
                (
                    (word, shade),
                    (found.where, ""),
                    (found.found, ""),
                    (found.expected, "text-secondary"),
                    (words.count(entry.count), "text-secondary"),
                )
            )
        self.table.fill(rows, right=(4,))
        self.open()
        self.table.setFocus()
        if issues:
            self.table.selectRow(0)
        self._tell()

    def _tell(self) -> None:
        chosen = self.table.chosen()
        if not chosen:
            for part in self._told:
                part.setText("")
            return
        entry = self._issues[chosen[0]].issue
        texts = (entry.where, f"Found: {entry.found}", f"Expected: {entry.expected}", f"Repair: {entry.repair}")
        for part, text in zip(self._told, texts, strict=True):
            part.setText(text)
