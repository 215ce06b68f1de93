"""A table of short texts."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from lightbox.ui import theme


class PlainTable(QTableView):
    """Rows of text under headings; one column takes what room is left."""

    def __init__(self, name: str, headings: tuple[str, ...], widths: tuple[int, ...], stretch: int) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setProperty("role", "plain")
        self._model = QStandardItemModel(0, len(headings), self)
        self._model.setHorizontalHeaderLabels(list(headings))
        self.setModel(self._model)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(theme.metric("row-height"))
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for number, width in enumerate(widths):
            self.setColumnWidth(number, width)
        head.setSectionResizeMode(stretch, QHeaderView.ResizeMode.Stretch)

    def fill(self, rows: list[tuple[tuple[str, str], ...]], *, right: tuple[int, ...] = ()) -> None:
        """Show `rows` of (text, colour of the theme or empty); the columns in `right` are numbers."""
        self._model.setRowCount(0)
        tabular = theme.font(tabular=True)
        for row in rows:
            items = []
            for number, (text, shade) in enumerate(row):
                item = QStandardItem(text)
                item.setToolTip(text)
                item.setFont(tabular)
                if shade:
                    item.setForeground(theme.color(shade))
                if number in right:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                items.append(item)
            self._model.appendRow(items)
        for number in right:
            self._model.setHeaderData(
                number,
                Qt.Orientation.Horizontal,
                int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter),
                Qt.ItemDataRole.TextAlignmentRole,
            )

    def text_at(self, line: int, column: int) -> str:
        """Return what a cell shows."""
        item = self._model.item(line, column)
        return item.text() if item is not None else ""

    def lines(self) -> int:
        """Return the number of rows."""
        return self._model.rowCount()

    def chosen(self) -> list[int]:
        """Return the selected lines."""
        return sorted({index.row() for index in self.selectionModel().selectedRows()})
