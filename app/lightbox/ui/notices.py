"""Notices: what happened, said in place above the page, never in a dialog."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from lightbox.ui import icons
from lightbox.ui.widgets import button, label

_ICONS = {
    "info": ("info", "accent"),
    "ok": ("ok", "ok"),
    "warn": ("warn", "warn"),
    "critical": ("critical", "critical"),
}
_SHORT_MS = 8000
_MOST = 4


class Notice(QFrame):
    """One notice with an optional thing to do about it."""

    closed = Signal()

    def __init__(self, kind: str, text: str, action: str = "", on_action: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.text = text
        self.setProperty("role", "notice")
        self.setProperty("kind", kind)
        self.setAccessibleName(text)
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 6, 6, 6)
        line.setSpacing(10)
        picture = QLabel()
        name, shade = _ICONS[kind]
        picture.setPixmap(icons.pixmap(name, 18, shade))
        line.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        words = label(text, wrap=True, selectable=True)
        words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        line.addWidget(words, 1)
        if action and on_action is not None:
            line.addWidget(button(action, "link", on_click=lambda: (self.dismiss(), on_action())))
        close = button("", "flat", "close", "Dismiss", self.dismiss)
        close.setAccessibleName("Dismiss this notice")
        close.setFixedWidth(30)
        line.addWidget(close)

    def dismiss(self) -> None:
        """Take the notice away."""
        self.closed.emit()


class Notices(QWidget):
    """The stack of notices. Good news leaves by itself; problems stay until they are dismissed."""

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(16, 10, 16, 2)
        self._column.setSpacing(6)
        self._shown: list[Notice] = []
        self.hide()

    def show_notice(
        self, kind: str, text: str, action: str = "", on_action: Callable[[], object] | None = None
    ) -> Notice:
        """Show `text`; `kind` is info, ok, warn or critical. The same words are not shown twice."""
        for old in [item for item in self._shown if item.text == text]:
            self._drop(old)
        while len(self._shown) >= _MOST:
            self._drop(self._shown[0])
        notice = Notice(kind, text, action, on_action)
        notice.closed.connect(lambda: self._drop(notice))
        self._shown.append(notice)
        self._column.addWidget(notice)
        self.show()
        if kind in ("info", "ok"):
            QTimer.singleShot(_SHORT_MS, notice, lambda: self._drop(notice))
        return notice

    def texts(self) -> list[str]:
        """Return what is shown now."""
        return [notice.text for notice in self._shown]

    def _drop(self, notice: Notice) -> None:
        if notice in self._shown:
            self._shown.remove(notice)
            self._column.removeWidget(notice)
            notice.hide()
            notice.deleteLater()
        self.setVisible(bool(self._shown))
