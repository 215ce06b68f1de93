"""A sheet: a panel that lies over the window until it is answered or dismissed. The work below goes on."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

_SHADE = QColor(0, 0, 0, 130)


class Sheet(QWidget):
    """A panel of at most `width` x `height` near the top of the `window` it covers."""

    closed = Signal()

    def __init__(self, window: QWidget, width: int, height: int) -> None:
        super().__init__(window)
        self._window = window
        self._size = (width, height)
        self._focus_before: QWidget | None = None
        self.frame = QFrame(self)
        self.frame.setObjectName("sheet")
        self.column = QVBoxLayout(self.frame)
        self.column.setContentsMargins(12, 12, 12, 12)
        self.column.setSpacing(8)
        self.hide()
        window.installEventFilter(self)

    def open(self) -> None:
        """Show the sheet over the window."""
        self._focus_before = self._window.focusWidget()
        self._place()
        self.show()
        self.raise_()

    def dismiss(self) -> None:
        """Hide the sheet and give the focus back."""
        if not self.isVisible():
            return
        self.hide()
        if self._focus_before is not None:
            self._focus_before.setFocus()
            self._focus_before = None
        self.closed.emit()

    def _place(self) -> None:
        window = self._window
        self.setGeometry(window.rect())
        width = min(self._size[0], window.width() - 48)
        height = min(self._size[1], window.height() - 96)
        self.frame.setGeometry((window.width() - width) // 2, max(32, min(96, window.height() // 10)), width, height)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the window."""
        if event.type() is QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Dismiss the sheet on a press beside the panel."""
        if not self.frame.geometry().contains(event.position().toPoint()):
            self.dismiss()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Dismiss the sheet on Escape."""
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Darken what lies below."""
        QPainter(self).fillRect(self.rect(), _SHADE)
