"""The model of the study table. Sorting, filtering and paging happen in the library; this only holds what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QMimeData, QModelIndex, QPersistentModelIndex, Qt, Signal

from lightbox.ui import words
from lightbox.ui.studies import study_drag
from lightbox.ui.studies.study_row import StudyRow

_Index = QModelIndex | QPersistentModelIndex
ROW_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, the field it is sorted by (empty: cannot be sorted), its width in pixels, its text."""

    key: str
    heading: str
    sort_by: str
    width: int
    text: Callable[[StudyRow], str]
    right: bool = False
    tip: str = ""


def _age(row: StudyRow) -> str:
    record = row.record
    return words.age(record.patient_age, record.patient_birth_date, record.study_date)


COLUMNS: tuple[Column, ...] = (
    Column("patient", "Patient", "patient_name", 180, lambda row: words.name(row.record.patient_name)),
    Column("id", "ID", "patient_id", 130, lambda row: row.record.patient_id),
    Column("sex", "Sex, age", "", 76, lambda row: words.sex_age(row.record.patient_sex, _age(row))),
    Column(
        "date", "Study date", "study_date", 148, lambda row: words.moment(row.record.study_date, row.record.study_time)
    ),
    Column("modality", "Mod.", "modality", 66, lambda row: ", ".join(row.modalities()), tip="Modalities"),
    Column("description", "Description", "study_description", 240, lambda row: row.record.study_description),
    Column(
        "accession",
        "Accession",
        "accession_number",
        110,
        lambda row: row.record.accession_number,
        tip="Accession number",
    ),
    Column(
        "series",
        "Series",
        "number_of_series",
        66,
        lambda row: words.count(row.record.number_of_series) if row.record.number_of_series else "",
        right=True,
    ),
    Column("images", "Images", "number_of_instances", 78, lambda row: row.images(), right=True),
    Column("here", "Here", "", 86, lambda row: row.badge()[0], tip="How much of the study is on this workstation"),
    Column(
        "ai", "AI", "", 96, lambda row: ", ".join(row.results()), tip="Segmentations (SEG) and structured reports (SR)"
    ),
    Column("source", "Source", "source", 140, lambda row: row.source()),
)
HIDDEN_AT_FIRST = ("accession",)


class StudyModel(QAbstractTableModel):
    """Rows as they were loaded so far; asks for more when the view scrolls to the end."""

    more_wanted = Signal()
    sort_wanted = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[StudyRow] = []
        self._more = False

    def show(self, rows: list[StudyRow], *, more: bool) -> None:
        """Show `rows`; only what was appended is inserted when the beginning stayed the same."""
        self._more = more
        old = self.rows
        if len(rows) > len(old) > 0 and rows[: len(old)] == old:
            self.beginInsertRows(QModelIndex(), len(old), len(rows) - 1)
            self.rows = rows
            self.endInsertRows()
        elif len(rows) == len(old) and [row.uid for row in rows] == [row.uid for row in old]:
            self.rows = rows
            if rows and rows != old:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(COLUMNS) - 1))
        else:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()

    def row_of(self, study_uid: str) -> int:
        """Return the line of a study, or -1."""
        return next((line for line, row in enumerate(self.rows) if row.uid == study_uid), -1)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Return the number of loaded rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def canFetchMore(self, parent: _Index) -> bool:
        """Whether the library has more."""
        return self._more and not parent.isValid()

    def fetchMore(self, parent: _Index) -> None:
        """Ask for the next page, once."""
        if self._more:
            self._more = False
            self.more_wanted.emit()

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell holds."""
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row, column = self.rows[index.row()], COLUMNS[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(row)
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            if column.key in ("here", "images"):
                return row.presence_reason()
            if column.key == "modality":
                return ", ".join(row.record.modalities_in_study)
            if column.key == "ai" and row.results():
                return "Holds " + " and ".join(
                    {"SEG": "a segmentation (SEG)", "SR": "a structured report (SR)"}[name] for name in row.results()
                )
            return column.text(row)
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Studies can be chosen, and dragged to an archive."""
        return super().flags(index) | (Qt.ItemFlag.ItemIsDragEnabled if index.isValid() else Qt.ItemFlag.NoItemFlags)

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """Return what a drag of these cells carries: the studies that are here."""
        rows = sorted({index.row() for index in indexes})
        return study_drag.carry([self.rows[row].uid for row in rows if self.rows[row].here])

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a heading holds."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        column = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.heading
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip or (f"Sort by {column.heading.lower()}" if column.sort_by else column.heading)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Ask for another order; the library sorts."""
        field = COLUMNS[column].sort_by
        if field:
            self.sort_wanted.emit(field, order is Qt.SortOrder.DescendingOrder)
