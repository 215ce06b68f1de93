"""The quality list of a study: what is wrong, where, what was expected, and how it can be repaired."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from lightbox.core.errors import Severity
from lightbox.ui import words
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.sheet import Sheet
from lightbox.ui.widgets import Badge, button, label, row

if TYPE_CHECKING:
    from lightbox.library.quality.model import QualityIssue, StoredIssue
    from lightbox.library.quality.sending import Doubt

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
        self.send_anyway = button("Send anyway", "primary", on_click=self._send)
        self._keep = button("Do not send", on_click=self.dismiss)
        self.column.addLayout(row(None, self._keep, self.send_anyway))
        self._issues: list[tuple[QualityIssue, int]] = []
        self._on_send: Callable[[], object] | None = None
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._tell())

    def open_with(self, title: str, issues: list[StoredIssue]) -> None:
        """Show the list of a study."""
        self._open(f"Quality of {title}", [(entry.issue, entry.count) for entry in issues], None)

    def ask(self, peer_name: str, doubts: list[Doubt], send: Callable[[], object]) -> None:
        """Show what an archive may refuse or misread before it is sent; `send` sends it all the same."""
        title = f"Before this is sent to {peer_name}"
        self._open(title, [(entry.issue, entry.count) for entry in doubts], send)

    def _open(self, title: str, issues: list[tuple[QualityIssue, int]], send: Callable[[], object] | None) -> None:
        self._issues, self._on_send = issues, send
        self._heading.setText(title)
        for part in (self.send_anyway, self._keep):
            part.setVisible(send is not None)
        rows = []
        for issue, count in issues:
            word, _, shade = SEVERITIES[issue.severity]
            rows.append(
                (
                    (word, shade),
                    (issue.where, ""),
                    (issue.found, ""),
                    (issue.expected, "text-secondary"),
                    (words.count(count), "text-secondary"),
                )
            )
        self.table.fill(rows, right=(4,))
        self.open()
        self.table.setFocus()
        if issues:
            self.table.selectRow(0)
        self._tell()

    def _send(self) -> None:
        send, self._on_send = self._on_send, None
        self.dismiss()
        if send is not None:
            send()

    def _tell(self) -> None:
        chosen = self.table.chosen()
        if not chosen:
            for part in self._told:
                part.setText("")
            return
        entry = self._issues[chosen[0]][0]
        texts = (entry.where, f"Found: {entry.found}", f"Expected: {entry.expected}", f"Repair: {entry.repair}")
        for part, text in zip(self._told, texts, strict=True):
            part.setText(text)
