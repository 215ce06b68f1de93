"""The overview of all keys (F1 or ?)."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from lightbox.ui import actions
from lightbox.ui.sheet import Sheet
from lightbox.ui.widgets import button, label, row


class ShortcutsOverview(Sheet):
    """Every action that has a key, under its heading, in two columns."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window, 860, 640)
        self.column.setContentsMargins(20, 14, 20, 16)
        close = button("", "flat", "close", "Close  (Esc)", self.dismiss)
        close.setAccessibleName("Close the overview")
        self._close = close
        self.column.addLayout(row(label("Keyboard", "heading"), None, close))
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.column.addWidget(self._scroll, 1)

    def open_with(self, found: list[QAction]) -> None:
        """Open the overview over `found`."""
        groups: dict[str, list[QAction]] = {}
        for action in found:
            if actions.keys_of(action):
                groups.setdefault(actions.group_of(action), []).append(action)
        inner = QWidget()
        outer = QGridLayout(inner)
        outer.setContentsMargins(0, 0, 8, 0)
        outer.setHorizontalSpacing(40)
        sides = (QVBoxLayout(), QVBoxLayout())
        heights = [0, 0]
        for group, members in groups.items():
            side = heights.index(min(heights))
            heights[side] += len(members) + 2
            sides[side].addWidget(label(group, "section"))
            for action in members:
                keys = [label(key, "key") for key in actions.keys_of(action)]
                sides[side].addLayout(row(label(action.text()), None, *keys, spacing=6))
            sides[side].addSpacing(12)
        for number, side_column in enumerate(sides):
            side_column.setSpacing(7)
            side_column.addStretch(1)
            outer.addLayout(side_column, 0, number)
            outer.setColumnStretch(number, 1)
        self._scroll.setWidget(inner)
        inner.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.open()
        self._close.setFocus()
