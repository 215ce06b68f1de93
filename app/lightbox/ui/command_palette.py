"""The command palette (Ctrl+K): every action by a few letters of its name, with its key."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QAction, QKeyEvent, QPainter
from PySide6.QtWidgets import QLineEdit, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from lightbox.ui import actions, theme
from lightbox.ui.sheet import Sheet

_Index = QModelIndex | QPersistentModelIndex


def score(wanted: str, text: str) -> int | None:
    """Return how well `text` fits what was typed (smaller is better), or None when a word does not occur in it."""
    text = text.casefold()
    total = 0
    for word in wanted.casefold().split():
        at = text.find(word)
        if at < 0:
            return None
        total += 0 if at == 0 else 1 if text[at - 1] == " " else 5
    return total


class _Commands(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.shown: list[QAction] = []

    def show(self, found: list[QAction]) -> None:
        self.beginResetModel()
        self.shown = found
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.shown)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        action = self.shown[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return action.text()
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{action.text()}, {', '.join(actions.keys_of(action)) or 'no key'}"
        return None


class _Line(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        return QSize(200, 36)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        model = index.model()
        if not isinstance(model, _Commands):
            return
        action = model.shown[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = option.rect.adjusted(2, 1, -2, -1)  # type: ignore[attr-defined]
        if option.state & QStyle.StateFlag.State_Selected:  # type: ignore[attr-defined]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("selection"))
            painter.drawRoundedRect(box, 6, 6)
        text = box.adjusted(12, 0, -12, 0)
        painter.setPen(theme.color("text" if action.isEnabled() else "text-disabled"))
        painter.drawText(text, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), action.text())
        used = painter.fontMetrics().horizontalAdvance(action.text()) + 12
        painter.setPen(theme.color("text-secondary"))
        group = text.adjusted(used, 0, 0, 0)
        left = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        painter.drawText(group, left, actions.group_of(action))
        keys = "   ".join(actions.keys_of(action))
        painter.drawText(text, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight), keys)
        painter.restore()


class CommandPalette(Sheet):
    """Type, choose, Enter."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window, 640, 460)
        self._all: list[QAction] = []
        self.field = QLineEdit()
        self.field.setPlaceholderText("What do you want to do?")
        self.field.setAccessibleName("Search all commands")
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self._model = _Commands()
        self.list = QListView()
        self.list.setModel(self._model)
        self.list.setItemDelegate(_Line(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setAccessibleName("Commands")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.clicked.connect(lambda index: self._do(index.row()))
        self.column.addWidget(self.field)
        self.column.addWidget(self.list, 1)

    def open_with(self, found: list[QAction]) -> None:
        """Open the palette over `found`."""
        self._all = found
        self.field.clear()
        self._search("")
        self.open()
        self.field.setFocus()

    def _search(self, wanted: str) -> None:
        scored = [(score(wanted, f"{action.text()} {actions.group_of(action)}"), action) for action in self._all]
        fitting = [(points, action) for points, action in scored if points is not None]
        fitting.sort(key=lambda pair: pair[0])
        self._model.show([action for _, action in fitting])
        if fitting:
            self.list.setCurrentIndex(self._model.index(0, 0))

    def _do(self, line: int) -> None:
        if not 0 <= line < len(self._model.shown):
            return
        action = self._model.shown[line]
        if action.isEnabled():
            self.dismiss()
            action.trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Up, Down and Enter in the field act on the list."""
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            line = self.list.currentIndex().row()
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                step = 1 if event.key() == Qt.Key.Key_Down else -1
                count = self._model.rowCount()
                if count:
                    self.list.setCurrentIndex(self._model.index((line + step) % count, 0))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._do(line)
                return True
        return super().eventFilter(watched, event)
