"""Rows of a form: a name, a field, and what to enter there."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLineEdit, QSpinBox, QWidget

from lightbox.ui.widgets import button, label, row

NAME_WIDTH = 128
FIELD_WIDTH = 280


def number(least: int, most: int, suffix: str = "") -> QSpinBox:
    """Return a field for a whole number."""
    made = QSpinBox()
    made.setRange(least, most)
    made.setSuffix(suffix)
    made.lineEdit().setTextMargins(7, 0, 0, 0)
    return made


class FileField(QWidget):
    """The path of a file, typed or chosen."""

    changed = Signal()

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self.line = QLineEdit()
        self.line.setAccessibleName(what)
        self.line.textChanged.connect(self.changed)
        browse = button("…", tip=f"Choose {what.lower()}", on_click=self._choose)
        browse.setFixedWidth(36)
        browse.setAccessibleName(f"Choose {what}")
        self.setLayout(row(self.line, browse, spacing=6))
        self.setFixedHeight(32)
        self.setFocusProxy(self.line)

    def text(self) -> str:
        """Return the path."""
        return self.line.text().strip()

    def setText(self, text: str) -> None:
        """Show a path."""
        self.line.setText(text)

    def _choose(self) -> None:
        found, _ = QFileDialog.getOpenFileName(self, self._what, self.text(), "PEM (*.pem *.crt *.cer *.key);;All (*)")
        if found:
            self.line.setText(found)


class Rows(QGridLayout):
    """Rows of a form that can be hidden one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.setHorizontalSpacing(12)
        self.setVerticalSpacing(8)
        self.setColumnMinimumWidth(0, NAME_WIDTH)
        self.setColumnStretch(2, 1)
        self._parts: dict[QWidget, tuple[QWidget, QWidget]] = {}

    def add(self, text: str, field: QWidget, tip: str) -> None:
        """Add a row at the end."""
        field.setAccessibleName(text)
        field.setToolTip(tip)
        field.setFixedWidth(FIELD_WIDTH)
        name, hint = label(text, "secondary"), label(tip, "small", wrap=True)
        at = self.rowCount()
        self.addWidget(name, at, 0)
        self.addWidget(field, at, 1)
        self.addWidget(hint, at, 2)
        self._parts[field] = (name, hint)

    def show_row(self, field: QWidget, shown: bool) -> None:
        """Show or hide the row of `field`."""
        for part in (field, *self._parts[field]):
            part.setVisible(shown)
