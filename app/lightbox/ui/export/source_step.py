"""Step 1: what is to be exported."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QStackedWidget, QVBoxLayout, QWidget

from lightbox.ui import words
from lightbox.ui.export.plan import Plan
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.widgets import EmptyState, button, label, row


class SourceStep(QWidget):
    """The chosen studies and folders."""

    changed = Signal()
    studies_wanted = Signal()

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 18, 24, 16)
        column.setSpacing(10)
        self._stack = QStackedWidget()
        empty = EmptyState(
            "What do you want to export?",
            "Choose studies in the list of studies and press De-identify there, or take a folder of DICOM files.",
            button("Choose studies", "primary", on_click=self.studies_wanted.emit),
            button("Take a folder…", on_click=self.choose_folder),
            icon="export",
        )
        self._stack.addWidget(empty)
        listed = QWidget()
        inner = QVBoxLayout(listed)
        inner.setContentsMargins(0, 0, 0, 0)
        self.table = PlainTable(
            "Studies to export",
            ("Patient", "ID", "Study date", "Mod.", "Description", "Images"),
            (200, 140, 120, 90, 240, 80),
            4,
        )
        self._remove = button("Take out", tip="Take the chosen lines out of the export", on_click=self.remove_chosen)
        inner.addLayout(
            row(
                label("These studies will be exported", "heading"),
                None,
                self._remove,
                button("Add studies", on_click=self.studies_wanted.emit),
                button("Add a folder…", on_click=self.choose_folder),
            )
        )
        inner.addWidget(self.table, 1)
        inner.addWidget(
            label("The originals are only read. Nothing in the library or the folders is changed.", "small")
        )
        self._stack.addWidget(listed)
        column.addWidget(self._stack, 1)
        self.refresh()

    def refresh(self) -> None:
        """Show what is chosen."""
        plan = self._plan
        rows: list[tuple[tuple[str, str], ...]] = [
            (
                (words.name(study.patient_name), "text-strong"),
                (study.patient_id, ""),
                (words.day(study.study_date), ""),
                (", ".join(study.modalities_in_study), "text-secondary"),
                (study.study_description, ""),
                (words.count(study.number_of_instances), ""),
            )
            for study in plan.studies
        ]
        rows += [
            ((f"Folder {words.place(path)}", "text-strong"), ("", ""), ("", ""), ("", ""), ("", ""), ("", ""))
            for path in plan.folders
        ]
        self.table.fill(rows, right=(5,))
        self._stack.setCurrentIndex(0 if plan.empty else 1)

    def remove_chosen(self) -> None:
        """Take the chosen lines out."""
        gone = set(self.table.chosen())
        number = len(self._plan.studies)
        self._plan.studies = [study for line, study in enumerate(self._plan.studies) if line not in gone]
        self._plan.folders = [path for line, path in enumerate(self._plan.folders) if line + number not in gone]
        self._plan.forget_results()
        self.refresh()
        self.changed.emit()

    def choose_folder(self) -> None:
        """Ask for a folder and add it."""
        folder = QFileDialog.getExistingDirectory(self, "Export from a folder")
        if folder:
            self.add_folder(Path(folder))

    def add_folder(self, folder: Path) -> None:
        """Add a folder."""
        if folder not in self._plan.folders:
            self._plan.folders.append(folder)
            self._plan.forget_results()
        self.refresh()
        self.changed.emit()
