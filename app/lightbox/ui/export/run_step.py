"""Step 4: where to, then de-identify, write and verify."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QLineEdit, QVBoxLayout, QWidget

from lightbox.core.jobs import Progress
from lightbox.ui import words
from lightbox.ui.export.plan import Plan
from lightbox.ui.widgets import ThinProgress, button, card, label, row

_WIDTH = 860


class RunStep(QWidget):
    """Destination, progress, cancel."""

    changed = Signal()
    cancel_wanted = Signal()

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 18, 24, 16)
        column.setSpacing(10)
        column.addWidget(label("Destination", "heading"))
        box, inside = card()
        inside.setSpacing(8)
        box.setMaximumWidth(_WIDTH)
        self.field = QLineEdit()
        self.field.setPlaceholderText("An empty or new folder")
        self.field.setAccessibleName("Destination folder")
        self.field.textChanged.connect(self._typed)
        self.browse = button("Choose…", on_click=self.choose)
        inside.addLayout(row(self.field, self.browse))
        self.where = label("", "small", wrap=True)
        inside.addWidget(self.where)
        column.addWidget(box)
        self.summary = label("", "secondary", wrap=True)
        self.summary.setMaximumWidth(_WIDTH)
        column.addWidget(self.summary)
        self._progress_card, inside = card()
        self._progress_card.setMaximumWidth(_WIDTH)
        inside.setSpacing(8)
        self.doing = label("", "title")
        self.cancel = button(
            "Cancel", tip="Stop; what was exported and verified stays", on_click=self.cancel_wanted.emit
        )
        inside.addLayout(row(self.doing, None, self.cancel))
        self.bar = ThinProgress()
        inside.addWidget(self.bar)
        self.amount = label("", "secondary")
        self.pace = label("", "secondary")
        inside.addLayout(row(self.amount, None, self.pace))
        column.addWidget(self._progress_card)
        self._progress_card.hide()
        self.error = label("", "critical", wrap=True, selectable=True)
        self.error.setMaximumWidth(_WIDTH)
        column.addWidget(self.error)
        column.addWidget(
            label(
                "Every file is read again after it was written and searched for the patients' identifiers. "
                "A file that fails is withheld and listed with its reason.",
                "small",
                wrap=True,
            )
        )
        column.addStretch(1)
        self._typed()

    def choose(self) -> None:
        """Ask for the destination."""
        folder = QFileDialog.getExistingDirectory(self, "Destination folder")
        if folder:
            self.field.setText(folder)

    def _typed(self) -> None:
        text = self.field.text().strip()
        self._plan.out = Path(text).expanduser() if text else None
        self._plan.report = None
        if self._plan.out is None:
            self.where.setText("The report (certificate, tag log, manifest) goes to a folder beside it, never inside.")
        else:
            out = self._plan.out
            report = out.with_name(out.name + "-report")
            self.where.setText(f"Files: {words.place(out)}\nReport: {words.place(report)}")
        self.changed.emit()

    def show_plan(self, summary: str) -> None:
        """Say in one line what is about to happen."""
        self.summary.setText(summary)

    def show_running(self, progress: Progress) -> None:
        """Show how far it is. The work goes over the objects twice: to learn the identifiers, then to take them out."""
        self._progress_card.show()
        self.error.setText("")
        self.field.setEnabled(False)
        self.browse.setEnabled(False)
        self.cancel.setEnabled(True)
        self.doing.setText(progress.message or "Starting")
        self.bar.show_progress(progress.done, progress.total)
        half = progress.total // 2
        done = progress.done if progress.done <= half else progress.done - half
        self.amount.setText(f"{words.count(done)} of {words.plural(half, 'object')}" if half else "")
        left = progress.remaining_s
        self.pace.setText(
            f"{progress.rate:.0f}/s · {words.duration(left)} left" if left is not None and progress.seconds > 1 else ""
        )

    def show_stopped(self, text: str = "") -> None:
        """Show that it ended; `text` says why, if not well."""
        self._progress_card.hide()
        self.field.setEnabled(True)
        self.browse.setEnabled(True)
        self.error.setText(text)
