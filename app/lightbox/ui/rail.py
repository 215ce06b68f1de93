"""The left rail: one button a place."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout

from lightbox.ui import icons, theme


class Rail(QFrame):
    """The places of the window, Settings at the bottom."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.setFixedWidth(theme.metric("rail-width"))
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(4, 8, 4, 8)
        self._column.setSpacing(4)
        self._column.addStretch(1)
        self._top = 0
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self.buttons: dict[str, QToolButton] = {}

    def add(self, place: str, text: str, key: str, *, bottom: bool = False) -> QToolButton:
        """Add the button of a place."""
        made = QToolButton()
        made.setProperty("role", "place")
        made.setText(text)
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        made.setIconSize(QSize(22, 22))
        made.setCheckable(True)
        made.setFixedSize(theme.metric("rail-width") - 9, 54)
        made.setToolTip(f"{text}  ({key})")
        made.setAccessibleName(text)
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        made.clicked.connect(lambda: self.chosen.emit(place))
        self._group.addButton(made)
        self.buttons[place] = made
        if bottom:
            self._column.addWidget(made)
        else:
            self._column.insertWidget(self._top, made)
            self._top += 1
        return made

    def paint_icons(self) -> None:
        """Give every button its icon (after the window is up)."""
        for place, made in self.buttons.items():
            made.setIcon(icons.icon(place, "text-secondary", selected="accent"))

    def show_place(self, place: str) -> None:
        """Mark `place` as the present one."""
        self.buttons[place].setChecked(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down go from button to button."""
        order = list(self.buttons.values())
        focused = next((number for number, made in enumerate(order) if made.hasFocus()), -1)
        if focused >= 0 and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            step = 1 if event.key() == Qt.Key.Key_Down else -1
            order[(focused + step) % len(order)].setFocus()
        else:
            super().keyPressEvent(event)
