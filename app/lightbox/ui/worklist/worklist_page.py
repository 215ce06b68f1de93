"""The Worklist place: what is planned today, at every archive that keeps a worklist."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from lightbox.core.jobs import JobRunner
from lightbox.ui import actions, words
from lightbox.ui.bridge import Bridge
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.studies.pull_downs import MODALITIES
from lightbox.ui.widgets import EmptyState, action_button, button, label, panel, row
from lightbox.ui.worklist.worklist_query import WorklistQueries
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.worklist.entries import WorklistEntry

_DAYS = (
    ("Today", 0, 0),
    ("Tomorrow", 1, 1),
    ("Yesterday", -1, -1),
    ("This week and next", -7, 14),
    ("Any day", None, None),
)
_ANY = "Any modality"
MOST_AHEAD = 40
"""For so many entries of a worklist the priors are fetched ahead, the earliest first."""


class WorklistPage(QWidget):
    """A table of entries; images from outside can be imported as part of one."""

    reconcile_wanted = Signal(object, list)
    archive_wanted = Signal()
    announced = Signal(list)
    """What is planned for today and later: its priors may be fetched ahead."""

    def __init__(self, workstation: Workstation, bridge: Bridge, network: JobRunner) -> None:
        super().__init__()
        self.setObjectName("page")
        self._workstation = workstation
        self.queries = WorklistQueries(workstation, bridge, network)
        self.queries.changed.connect(self._show)
        self.queries.changed.connect(self._announce)
        self._shown: list[WorklistEntry] = []
        self.ask_action = actions.add(self, "Worklist", "Ask the worklists again", self.ask, "F5")
        self.import_action = actions.add(
            self,
            "Worklist",
            "Import a folder for this order…",
            self._choose,
            "Ctrl+I",
            tip="Images from outside, made part of the order",
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        bar = panel("bar")
        bar.setFixedHeight(48)
        self.state = label("", "secondary")
        bar.setLayout(row(label("Worklist", "title"), 8, self.state, None, margins=(16, 0, 16, 0)))
        column.addWidget(bar)
        self.day = QComboBox()
        self.day.addItems([name for name, _, _ in _DAYS])
        self.day.setAccessibleName("Day")
        self.modality = QComboBox()
        self.modality.addItems([_ANY, *MODALITIES])
        self.modality.setAccessibleName("Modality")
        self.box = QLineEdit()
        self.box.setPlaceholderText("Name, ID, accession, procedure")
        self.box.setAccessibleName("Search the worklist")
        self.box.setMinimumWidth(240)
        self.box.setMaximumWidth(320)
        filters = panel("filters")
        filters.setLayout(
            row(
                self.box,
                self.day,
                self.modality,
                None,
                action_button(self.ask_action, text="Ask again"),
                action_button(self.import_action, "primary", "Import for this order…"),
                margins=(16, 10, 16, 10),
            )
        )
        column.addWidget(filters)
        self.table = PlainTable(
            "Worklist",
            ("When", "Patient", "ID", "Born, sex", "Mod.", "Procedure", "Accession", "Station", "From"),
            (140, 180, 110, 120, 56, 240, 120, 120, 120),
            5,
        )
        self._stack = QStackedWidget()
        self._stack.addWidget(self.table)
        self._nothing = EmptyState(
            "Nothing is planned", "", button("Add an archive…", on_click=self.archive_wanted.emit), icon="document"
        )
        self._stack.addWidget(self._nothing)
        column.addWidget(self._stack, 1)
        self.notes = label("", "warn", wrap=True, selectable=True)
        self.notes.setContentsMargins(16, 6, 16, 8)
        column.addWidget(self.notes)
        self.day.currentIndexChanged.connect(self.ask)
        self.modality.currentIndexChanged.connect(self.ask)
        self.box.textChanged.connect(self._show)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._selection())
        self._show()

    def showEvent(self, event: object) -> None:
        """Ask when the place is first seen."""
        super().showEvent(event)  # type: ignore[arg-type]
        if not self.queries.answers:
            self.ask()

    def ask(self, *_: object) -> None:
        """Ask every archive."""
        _name, first, last = _DAYS[self.day.currentIndex()]
        dates = "" if first is None or last is None else f"{_day(first)}..{_day(last)}"
        modality = self.modality.currentText() if self.modality.currentIndex() else ""
        self.queries.ask(dates, modality)

    def chosen(self) -> WorklistEntry | None:
        """Return the chosen entry."""
        lines = self.table.chosen()
        return self._shown[lines[0]] if len(lines) == 1 else None

    def _show(self) -> None:
        typed = self.box.text().casefold().split()
        before = self.chosen()
        self._shown = [found for found in self.queries.entries() if all(word in _hay(found) for word in typed)]
        self.table.fill([_cells(entry) for entry in self._shown])
        if before in self._shown:
            self.table.selectRow(self._shown.index(before))
        answers = self.queries.answers
        asking: list[str] = [name for name, answer in answers.items() if answer.asking]
        number = words.plural(len(self._shown), "entry", "entries")
        self.state.setText(f"{number} · asking {', '.join(asking)} …" if asking else number if answers else "")
        wrong = [f"{name}: {answer.error}" for name, answer in answers.items() if answer.error]
        wrong += [f"{name}: {problem.what}" for name, answer in answers.items() for problem in answer.problems]
        self.notes.setText("\n".join(wrong))
        self.notes.setVisible(bool(wrong) and bool(self._shown))
        self._nothing.text.setText(self._why_nothing(wrong))
        self._stack.setCurrentIndex(0 if self._shown else 1)
        self._selection()

    def _announce(self) -> None:
        today = _day(0)
        coming = [entry for entry in self.queries.entries() if entry.when[0] >= today]
        if coming and not self.queries.asking:
            self.announced.emit(coming[:MOST_AHEAD])

    def _why_nothing(self, wrong: list[str]) -> str:
        answers = self.queries.answers
        if not answers:
            return "No archive is set up yet that could keep a worklist."
        if self.queries.asking:
            return "Asking the archives …"
        without = [name for name, answer in answers.items() if answer.without]
        kept = [name for name, answer in answers.items() if not answer.without and not answer.error]
        lines = list(wrong)
        if kept:
            lines.insert(0, f"{', '.join(kept)}: nothing fits this day, modality and search.")
        if without:
            lines.append(f"No worklist is kept by {', '.join(without)}.")
        return "\n".join(lines)

    def _selection(self) -> None:
        self.import_action.setEnabled(self.chosen() is not None)

    def _choose(self) -> None:
        entry = self.chosen()
        folder = QFileDialog.getExistingDirectory(self, "Images that belong to this order") if entry else ""
        if entry is not None and folder:
            self.reconcile_wanted.emit(entry, [Path(folder)])


def _day(offset: int) -> str:
    return (date.today() + timedelta(offset)).strftime("%Y%m%d")


def _hay(entry: WorklistEntry) -> str:
    step = entry.step
    texts = (
        entry.patient_name,
        entry.patient_id,
        entry.accession_number,
        entry.requested_procedure_description,
        step.description,
    )
    return " ".join(texts).replace("^", " ").casefold()


def _cells(entry: WorklistEntry) -> tuple[tuple[str, str], ...]:
    step = entry.step
    born = " · ".join(part for part in (words.day(entry.patient_birth_date), entry.patient_sex) if part)
    what = entry.requested_procedure_description or step.description
    station = ", ".join(step.station_name or step.station_ae)
    return (
        (words.moment(step.start_date, step.start_time), "text-secondary"),
        (words.name(entry.patient_name) or "No name", "text-strong"),
        (entry.patient_id, ""),
        (born, "text-secondary"),
        (step.modality, ""),
        (what, ""),
        (entry.accession_number, ""),
        (station, "text-secondary"),
        (entry.source, "text-secondary"),
    )
