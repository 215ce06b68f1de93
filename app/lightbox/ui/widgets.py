"""Small widgets used in every place of the window."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QAction, QColor, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from lightbox.ui import icons, theme


def label(text: str = "", role: str = "", *, wrap: bool = False, selectable: bool = False) -> QLabel:
    """Return a label in one of the roles of the style sheet."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        made.setProperty("role", role)
    made.setWordWrap(wrap)
    if selectable:
        made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


def button(
    text: str, role: str = "", icon: str = "", tip: str = "", on_click: Callable[[], object] | None = None
) -> QPushButton:
    """Return a push button in one of the roles of the style sheet."""
    made = QPushButton(text)
    if role:
        made.setProperty("role", role)
    if icon:
        icons.give(made, icon, "text-on-accent" if role == "primary" else "text")
    if tip:
        made.setToolTip(tip)
    if role == "link":
        made.setCursor(Qt.CursorShape.PointingHandCursor)
    made.setAutoDefault(False)
    if on_click is not None:
        made.clicked.connect(lambda: on_click())
    return made


def action_button(action: QAction, role: str = "", text: str = "") -> QPushButton:
    """Return a button that triggers `action`, follows its enabled state and names its key in the tooltip."""
    made = button(text or action.text(), role, on_click=action.trigger)

    def follow() -> None:
        made.setEnabled(action.isEnabled())
        key = action.shortcut().toString()
        tip = action.toolTip()
        made.setToolTip(f"{tip}  ({key})" if key and key not in tip else tip)

    action.changed.connect(follow)
    follow()
    return made


def line(*, vertical: bool = False) -> QFrame:
    """Return a thin line."""
    made = QFrame()
    made.setProperty("role", "line")
    if vertical:
        made.setFixedSize(1, 18)
    else:
        made.setFixedHeight(1)
    return made


def panel(name: str = "panel") -> QFrame:
    """Return a frame that the style sheet knows as `name`."""
    made = QFrame()
    made.setObjectName(name)
    return made


def card() -> tuple[QFrame, QVBoxLayout]:
    """Return a card and its column."""
    made = QFrame()
    made.setProperty("role", "card")
    column = QVBoxLayout(made)
    column.setContentsMargins(12, 10, 12, 10)
    column.setSpacing(4)
    return made, column


def row(
    *items: QWidget | int | None, spacing: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QHBoxLayout:
    """Return widgets in a row; a number is a fixed gap, None is a stretch."""
    made = QHBoxLayout()
    made.setContentsMargins(*margins)
    made.setSpacing(spacing)
    for item in items:
        if item is None:
            made.addStretch(1)
        elif isinstance(item, int):
            made.addSpacing(item)
        else:
            made.addWidget(item)
    return made


def clear(layout: QLayout) -> None:
    """Remove and delete everything in `layout`."""
    while layout.count():
        item = layout.takeAt(0)
        if item is None:
            break
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
        elif inner is not None:
            clear(inner)


class ElidedLabel(QWidget):
    """One line of text that ends in an ellipsis where there is no room; the tooltip then holds all of it."""

    def __init__(
        self, text: str = "", shade: str = "text", *, mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight
    ) -> None:
        super().__init__()
        self._text = text
        self._shade = shade
        self._mode = mode
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(text)

    def text(self) -> str:
        """Return the whole text."""
        return self._text

    def setText(self, text: str, shade: str = "") -> None:
        """Show `text`, in another colour of the theme if `shade` is given."""
        self._text = text
        self._shade = shade or self._shade
        self.setAccessibleName(text)
        self.updateGeometry()
        self._tip()
        self.update()

    def _tip(self) -> None:
        short = QFontMetrics(self.font()).horizontalAdvance(self._text) > self.width()
        self.setToolTip(self._text if short else "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Decide anew whether the text fits."""
        super().resizeEvent(event)
        self._tip()

    def sizeHint(self) -> QSize:
        """Return the room for the whole text."""
        metrics = QFontMetrics(self.font())
        return QSize(metrics.horizontalAdvance(self._text) + 2, metrics.height() + 2)

    def minimumSizeHint(self) -> QSize:
        """Return the room for a few letters."""
        return QSize(24, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text, cut where it must be."""
        painter = QPainter(self)
        painter.setPen(theme.color(self._shade))
        shown = QFontMetrics(self.font()).elidedText(self._text, self._mode, self.width())
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), shown)


class Badge(QLabel):
    """A word on a tint: ``complete``, ``partial``, ``SEG``."""

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        fore, back = BADGES.get(kind, BADGES[""])
        colors = f"color: {theme.token(fore)}; background: {theme.token(back)};"
        self.setStyleSheet(f"{colors} border-radius: 4px; padding: 2px 7px; font-size: 12px;")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)


BADGES = {
    "": ("text-secondary", "raised"),
    "ok": ("ok", "ok-tint"),
    "warn": ("warn", "warn-tint"),
    "critical": ("critical", "critical-tint"),
    "algorithm": ("algorithm", "algorithm-tint"),
    "accent": ("accent", "accent-tint"),
}
"""Kind of badge -> colours of its text and its ground."""


def draw_badge(painter: QPainter, x: int, middle: int, text: str, kind: str, room: int) -> int:
    """Draw a badge with its left edge at `x`, centred on the line `middle`; return its width (0: it did not fit)."""
    metrics = painter.fontMetrics()
    width = metrics.horizontalAdvance(text) + 14
    if width > room:
        return 0
    fore, back = BADGES.get(kind, BADGES[""])
    box = QRect(x, middle - 9, width, 20)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.token(back)))
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(theme.color(fore))
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
    return width


class ThinProgress(QProgressBar):
    """A 4 px bar without text. `total` 0 shows that the end is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setFixedHeight(4)

    def show_progress(self, done: int, total: int, state: str = "") -> None:
        """Show `done` of `total`; `state` is done, warn, failed or empty."""
        self.setRange(0, total)
        self.setValue(min(done, total) if total else -1)
        theme.restyle(self, state=state)


class Dot(QWidget):
    """A small dot whose colour repeats what the words beside it say."""

    def __init__(self, shade: str = "text-secondary") -> None:
        super().__init__()
        self._shade = shade
        self.setFixedSize(8, 8)

    def set_shade(self, shade: str) -> None:
        """Colour it with a token of the theme."""
        if shade != self._shade:
            self._shade = shade
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(self._shade))
        painter.drawEllipse(self.rect())


class EmptyState(QWidget):
    """What a place says when it has nothing to show: a heading, why, and what to do about it."""

    def __init__(self, heading: str, text: str, *buttons: QPushButton, icon: str = "") -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 32, 32, 32)
        column.setSpacing(10)
        column.addStretch(2)
        self._picture = QLabel()
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._icon = icon
        column.addWidget(self._picture)
        self.heading = label(heading, "heading")
        self.heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text = label(text, "secondary", wrap=True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self.heading)
        self.text.setFixedWidth(440)
        column.addLayout(row(None, self.text, None, spacing=0))
        if buttons:
            column.addSpacing(8)
            column.addLayout(row(None, *buttons, None))
        column.addStretch(3)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Fetch the icon when it is first seen."""
        if self._icon and icons.loaded() and self._picture.pixmap().isNull():
            self._picture.setPixmap(icons.pixmap(self._icon, 40, "text-secondary"))
        super().paintEvent(event)
