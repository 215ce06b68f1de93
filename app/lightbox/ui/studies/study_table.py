"""The study table: fixed rows, drawn in one pass, with columns that are chosen and remembered."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from lightbox.core.settings import Settings
from lightbox.ui import theme
from lightbox.ui.studies.study_model import COLUMNS, HIDDEN_AT_FIRST, ROW_ROLE, StudyModel
from lightbox.ui.studies.study_row import StudyRow
from lightbox.ui.widgets import draw_badge

_Index = QModelIndex | QPersistentModelIndex
_WIDTHS = "ui.studies.widths"
_HIDDEN = "ui.studies.hidden"
_PADDING = 10
_BADGED = {"modality": "", "ai": "algorithm"}
_QUIET = {"here", "source", "sex"}
_WHEN_NARROW = ("source", "series", "id")
"""Columns that go first when the window is narrow and nobody chose the columns."""


class StudyDelegate(QStyledItemDelegate):
    """Draws one cell: text, or badges for modalities, results and what is missing."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._plain = theme.font(tabular=True)
        self._strong = theme.font(weight=QFont.Weight.Medium)
        self._small = theme.font(12)

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Return the fixed height of a row."""
        return QSize(60, theme.metric("row-height"))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw the cell."""
        row = index.data(ROW_ROLE)
        if not isinstance(row, StudyRow):
            return
        box: QRect = option.rect  # type: ignore[attr-defined]
        state = option.state  # type: ignore[attr-defined]
        selected = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        if selected:
            painter.fillRect(box, theme.color("selection"))
        elif index.row() == getattr(self.parent(), "hovered", -1):
            painter.fillRect(box, theme.color("hover"))
        painter.setPen(theme.color("line"))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        column = COLUMNS[index.column()]
        room = box.adjusted(_PADDING, 0, -_PADDING, 0)
        if column.key in _BADGED or (column.key == "here" and row.partial):
            self._badges(painter, room, row, column.key)
        else:
            painter.setFont(self._strong if column.key == "patient" else self._plain)
            shade = "text-secondary" if column.key in _QUIET else "text"
            if not row.here and column.key != "patient":
                shade = "text-secondary"
            if selected:
                shade = "text-strong"
            painter.setPen(theme.color(shade))
            text = painter.fontMetrics().elidedText(column.text(row), Qt.TextElideMode.ElideRight, room.width())
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            painter.drawText(room, int(side | Qt.AlignmentFlag.AlignVCenter), text)
        if selected and state & QStyle.StateFlag.State_HasFocus:
            painter.fillRect(QRect(box.left(), box.bottom(), box.width(), 1), theme.color("accent"))
        painter.restore()

    def _badges(self, painter: QPainter, room: QRect, row: StudyRow, key: str) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._small)
        if key == "here":
            word, kind = row.badge()
            texts = [(word, kind)]
        else:
            texts = [(text, _BADGED[key]) for text in (row.results() if key == "ai" else row.modalities())]
        x, left = room.left(), room.width()
        for number, (text, kind) in enumerate(texts):
            more = len(texts) - number - 1
            reserve = 26 if more else 0
            used = draw_badge(painter, x, room.center().y(), text, kind, left - reserve)
            if not used:
                painter.setPen(theme.color("text-secondary"))
                rest = QRect(x, room.top(), max(0, room.right() - x + _PADDING), room.height())
                painter.drawText(rest, int(Qt.AlignmentFlag.AlignVCenter), f"+{more + 1}" if number else text)
                break
            x, left = x + used + 4, left - used - 4


class StudyTable(QTableView):
    """The table of studies. Enter and a double click open; columns are chosen from the menu of the heading."""

    opened = Signal()
    current_changed = Signal()

    def __init__(self, model: StudyModel, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self.studies = model
        self.hovered = -1
        self.setModel(model)
        self.setItemDelegate(StudyDelegate(self))
        self.setAccessibleName("Studies")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        lines = self.verticalHeader()
        lines.setVisible(False)
        lines.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        lines.setDefaultSectionSize(theme.metric("row-height"))
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setSectionsClickable(True)
        head.setSectionsMovable(False)
        head.setMinimumSectionSize(44)
        head.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        head.customContextMenuRequested.connect(self._column_menu)
        head.sectionClicked.connect(self._heading_clicked)
        self._restore_columns()
        self._save = QTimer(self, singleShot=True, interval=600)
        self._save.timeout.connect(self._remember)
        head.sectionResized.connect(self._resized)
        self._fitting = False
        self.setSortingEnabled(True)
        self.doubleClicked.connect(lambda _index: self.opened.emit())
        self.selectionModel().selectionChanged.connect(lambda *_: self.current_changed.emit())

    # --- columns

    def _restore_columns(self) -> None:
        widths = self._settings.get(_WIDTHS, {})
        hidden = self._settings.get(_HIDDEN, None)
        for number, column in enumerate(COLUMNS):
            self.setColumnWidth(number, int(widths.get(column.key, column.width)))
            self.setColumnHidden(number, column.key in (HIDDEN_AT_FIRST if hidden is None else hidden))

    def _resized(self) -> None:
        if not self._fitting:
            self._save.start()

    def _remember(self) -> None:
        widths = {
            column.key: self.columnWidth(number)
            for number, column in enumerate(COLUMNS)
            if not self.isColumnHidden(number) and column.key != "description"
        }
        self._settings.set(_WIDTHS, {**self._settings.get(_WIDTHS, {}), **widths})

    def _column_menu(self, where: QPoint) -> None:
        self.column_menu().popup(self.horizontalHeader().mapToGlobal(where))

    def column_menu(self) -> QMenu:
        """Return the menu that chooses the columns."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for number, column in enumerate(COLUMNS):
            entry = menu.addAction(column.tip if column.key == "accession" else column.heading)
            entry.setCheckable(True)
            entry.setChecked(not self.isColumnHidden(number))
            entry.setEnabled(column.key != "patient")
            entry.toggled.connect(lambda shown, number=number: self._choose_column(number, shown))
        return menu

    def _choose_column(self, number: int, shown: bool) -> None:
        self.setColumnHidden(number, not shown)
        hidden = [column.key for position, column in enumerate(COLUMNS) if self.isColumnHidden(position)]
        self._settings.set(_HIDDEN, hidden)
        self._fit()

    def _fit(self) -> None:
        """Give the description what room is left; without a choice of columns, leave out some when there is little."""
        self._fitting = True
        if self._settings.get(_HIDDEN, None) is None:
            room = self.viewport().width()
            shown = [column for column in COLUMNS if column.key not in HIDDEN_AT_FIRST]
            gone: set[str] = set(HIDDEN_AT_FIRST)
            widths = {column.key: self._settings.get(_WIDTHS, {}).get(column.key, column.width) for column in shown}
            widths["description"] = 150
            for key in _WHEN_NARROW:
                if sum(widths.values()) <= room:
                    break
                gone.add(key)
                widths.pop(key)
            for number, column in enumerate(COLUMNS):
                self.setColumnHidden(number, column.key in gone)
        description = next(number for number, column in enumerate(COLUMNS) if column.key == "description")
        if not self.isColumnHidden(description):
            others = sum(
                self.columnWidth(number)
                for number in range(len(COLUMNS))
                if number != description and not self.isColumnHidden(number)
            )
            self.setColumnWidth(description, max(140, self.viewport().width() - others))
        self._fitting = False

    def resizeEvent(self, event: object) -> None:
        """Fit the columns to the width."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._fit()

    def _heading_clicked(self, section: int) -> None:
        if not COLUMNS[section].sort_by:
            self.show_order(*self._order)

    _order: tuple[str, bool] = ("study_date", True)

    def show_order(self, field: str, descending: bool) -> None:
        """Show the arrow of the present order without asking for it again."""
        self._order = (field, descending)
        section = next(number for number, column in enumerate(COLUMNS) if column.sort_by == field)
        order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        head = self.horizontalHeader()
        head.blockSignals(True)
        head.setSortIndicator(section, order)
        head.blockSignals(False)
        head.viewport().update()

    # --- rows

    def selected(self) -> list[StudyRow]:
        """Return the selected studies, top first."""
        lines = sorted({index.row() for index in self.selectionModel().selectedRows()})
        return [self.studies.rows[line] for line in lines if line < len(self.studies.rows)]

    def select_line(self, line: int) -> None:
        """Select one study and show it."""
        self.selectRow(line)
        self.scrollTo(self.studies.index(line, 0))

    def select_studies(self, study_uids: set[str]) -> None:
        """Select the studies that are (still) listed."""
        from PySide6.QtCore import QItemSelection, QItemSelectionModel

        chosen = QItemSelection()
        last = len(COLUMNS) - 1
        for line, row in enumerate(self.studies.rows):
            if row.uid in study_uids:
                chosen.select(self.studies.index(line, 0), self.studies.index(line, last))
        self.selectionModel().select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if chosen.indexes():
            self.selectionModel().setCurrentIndex(chosen.indexes()[0], QItemSelectionModel.SelectionFlag.NoUpdate)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open on Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit()
        else:
            super().keyPressEvent(event)

    def mouseMoveEvent(self, event: object) -> None:
        """Light up the row under the pointer."""
        super().mouseMoveEvent(event)  # type: ignore[arg-type]
        line = self.indexAt(event.position().toPoint()).row()  # type: ignore[attr-defined]
        if line != self.hovered:
            self.hovered = line
            self.viewport().update()

    def leaveEvent(self, event: object) -> None:
        """No row is under the pointer any more."""
        super().leaveEvent(event)  # type: ignore[arg-type]
        self.hovered = -1
        self.viewport().update()
