"""Step 5: what was done, and where it lies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from lightbox.ui import theme, words
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.widgets import ElidedLabel, button, card, clear, label, row

if TYPE_CHECKING:
    from lightbox.export.job import ExportReport

CERTIFICATE = "certificate.html"


def show_path(path: Path) -> None:
    """Open a file or folder with the program of the operating system."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


def said(flag: str) -> str:
    """Return what a reviewer should know in words (``burned-in:medium:modality CR``)."""
    kind, _, rest = flag.partition(":")
    if kind == "burned-in":
        risk, _, reason = rest.partition(":")
        return f"text in the pixels, {risk} risk ({reason})"
    return flag.replace("-", " ").replace(":", ": ")


class CertificateStep(QWidget):
    """Counts, what was withheld and why, and the way to the files."""

    again_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(24, 18, 24, 16)
        self._column.setSpacing(10)
        self.heading = ""
        self.counts: dict[str, str] = {}
        self.table: PlainTable | None = None

    def show_report(self, report: ExportReport) -> None:
        """Show the result of an export."""
        clear(self._column)
        self.table = None
        withheld = report.quarantined + report.failed
        self.heading = (
            f"{words.plural(report.exported, 'object')} exported and verified"
            if report.complete
            else f"{words.count(report.exported)} of {words.plural(report.total, 'object')} exported,"
            f" {words.count(withheld)} withheld"
        )
        title = label(self.heading, "large")
        self._column.addWidget(title)
        self._column.addWidget(
            label(
                "No identifier of a patient was found in what was written. The originals were not changed."
                if report.complete
                else "What was withheld is listed below with its reason. The originals were not changed.",
                "ok" if report.complete else "warn",
                wrap=True,
            )
        )
        self.counts = {
            "Objects": words.count(report.total),
            "Exported": words.count(report.exported),
            "Withheld": words.count(report.quarantined),
            "Failed": words.count(report.failed),
            "Patients": words.count(report.patients),
            "Studies": words.count(report.studies),
            "Series": words.count(report.series),
            "Written": words.size(report.bytes_written),
            "Changes": words.count(sum(report.actions.values())),
        }
        box, inside = card()
        box.setMaximumWidth(1000)
        numbers = row(spacing=28)
        for name, value in self.counts.items():
            one = QVBoxLayout()
            one.setSpacing(0)
            figure = label(value, "heading")
            figure.setFont(theme.font(18, tabular=True))
            one.addWidget(figure)
            one.addWidget(label(name, "small"))
            numbers.addLayout(one)
        numbers.addStretch(1)
        inside.addLayout(numbers)
        self._column.addWidget(box)
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        for line, (name, path, what) in enumerate(
            (
                ("Files", report.out, "This folder may be shared"),
                ("Report", report.report_dir, "Certificate, tag log, manifest: for your records"),
            )
        ):
            shown = ElidedLabel(words.place(path))
            shown.setFont(theme.mono_font())
            grid.addWidget(label(name, "secondary"), line, 0)
            grid.addWidget(shown, line, 1)
            grid.addWidget(label(what, "small"), line, 2)
            grid.addWidget(button("Show folder", on_click=lambda path=path: show_path(path)), line, 3)
        grid.setColumnStretch(1, 1)
        holder = QWidget()
        holder.setLayout(grid)
        holder.setMaximumWidth(1000)
        self._column.addWidget(holder)
        certificate = report.report_dir / CERTIFICATE
        self._column.addLayout(
            row(
                button("Open the certificate", "primary", on_click=lambda: show_path(certificate)),
                button("Another export", on_click=self.again_wanted.emit),
                None,
            )
        )
        if report.flags:
            told = ", ".join(f"{words.count(number)} × {said(flag)}" for flag, number in report.flags.most_common(6))
            self._column.addWidget(label(f"For the reviewer: {told}", "small", wrap=True))
        if report.withheld:
            reasons = Counter(entry.reason for entry in report.withheld)
            why = " · ".join(f"{words.count(number)} × {reason}" for reason, number in reasons.most_common(4))
            self._column.addWidget(label("Withheld", "heading"))
            self._column.addWidget(label(why, "secondary", wrap=True))
            table = PlainTable("Objects that were withheld", ("Object", "State", "Reason"), (420, 110, 300), 2)
            table.fill(
                [
                    ((entry.label, ""), (entry.outcome.value, "warn"), (entry.reason, "text-secondary"))
                    for entry in report.withheld[:1000]
                ]
            )
            self.table = table
            self._column.addWidget(table, 1)
        else:
            self._column.addStretch(1)
