"""Who may call this workstation, and what for."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from lightbox.network.receiving.policy import ANYONE, ECHO, NOTIFY, STORE, Caller
from lightbox.ui.widgets import button, row

_TEXTS = ("AE title", "Address or network", "Certificate SHA-256")
_OPERATIONS = ((ECHO, "Echo"), (STORE, "Send"), (NOTIFY, "Notify"))
_LINE = 30


class CallersTable(QWidget):
    """A line a rule: what is filled in must match, and only what is ticked is allowed."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.table = QTableWidget(0, len(_TEXTS) + len(_OPERATIONS))
        self.table.setHorizontalHeaderLabels([*_TEXTS, *(name for _, name in _OPERATIONS)])
        self.table.setAccessibleName("Callers and what they may do")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setProperty("role", "plain")
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_LINE)
        head = self.table.horizontalHeader()
        head.setHighlightSections(False)
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        for number, width in enumerate((150, 170, 200, 70, 70, 70)):
            self.table.setColumnWidth(number, width)
        self.table.itemChanged.connect(self.changed)
        self.add_button = button("Add a caller", on_click=self._add)
        self.remove_button = button("Remove", tip="Remove the chosen callers", on_click=self._remove)
        column.addWidget(self.table)
        column.addLayout(row(self.add_button, self.remove_button, None))
        self._size()

    def show_callers(self, callers: tuple[Caller, ...]) -> None:
        """Show the rules."""
        self.table.blockSignals(True)
        self.table.setRowCount(0)
        for caller in callers:
            self._put(caller.ae_title, caller.host, caller.fingerprint, caller.operations)
        self.table.blockSignals(False)
        self._size()

    def callers(self) -> tuple[Caller, ...]:
        """Return the rules; lines that name nobody are left out. Raises `UsageError` for what makes no sense."""
        found = []
        for line in range(self.table.rowCount()):
            texts = [self._text(line, column) for column in range(len(_TEXTS))]
            if any(texts):
                shown = tuple(name for column, (name, _) in enumerate(_OPERATIONS) if self._ticked(line, column))
                before = self._item(line, 0).data(Qt.ItemDataRole.UserRole) or ()
                hidden = tuple(name for name in before if name not in ANYONE)  # of the embedded archive
                found.append(Caller(*texts, operations=shown + hidden))
        return tuple(found)

    def _put(self, ae_title: str, host: str, fingerprint: str, operations: tuple[str, ...]) -> None:
        line = self.table.rowCount()
        self.table.insertRow(line)
        for column, text in enumerate((ae_title, host, fingerprint)):
            cell = QTableWidgetItem(text)
            cell.setData(Qt.ItemDataRole.UserRole, operations)
            self.table.setItem(line, column, cell)
        for column, (name, _) in enumerate(_OPERATIONS, start=len(_TEXTS)):
            box = QTableWidgetItem()
            box.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable)
            box.setCheckState(Qt.CheckState.Checked if name in operations else Qt.CheckState.Unchecked)
            self.table.setItem(line, column, box)

    def _item(self, line: int, column: int) -> QTableWidgetItem:
        found = self.table.item(line, column)
        assert found is not None
        return found

    def _text(self, line: int, column: int) -> str:
        return self._item(line, column).text().strip()

    def _ticked(self, line: int, operation: int) -> bool:
        return self._item(line, len(_TEXTS) + operation).checkState() is Qt.CheckState.Checked

    def _add(self) -> None:
        self._put("", "", "", (ECHO, STORE))
        self._size()
        self.table.setCurrentCell(self.table.rowCount() - 1, 0)
        self.table.editItem(self._item(self.table.rowCount() - 1, 0))

    def _remove(self) -> None:
        for line in sorted({index.row() for index in self.table.selectedIndexes()}, reverse=True):
            self.table.removeRow(line)
        self._size()
        self.changed.emit()

    def _size(self) -> None:
        lines = self.table.rowCount()
        self.table.setVisible(bool(lines))
        self.remove_button.setVisible(bool(lines))
        self.table.setFixedHeight(36 + _LINE * min(lines, 6))
