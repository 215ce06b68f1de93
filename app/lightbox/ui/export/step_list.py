"""The steps at the left of the wizard: done, present, to come."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from lightbox.ui import theme

_HEIGHT = 58


class StepItem(QWidget):
    """One step: its number or a tick, its name, a line on what was chosen."""

    chosen = Signal()

    def __init__(self, number: int, name: str, hint: str) -> None:
        super().__init__()
        self._number = number
        self.name = name
        self.hint = hint
        self.state = "waiting"
        self.setFixedHeight(_HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def show_state(self, state: str, hint: str) -> None:
        """Show ``done``, ``present``, ``open`` (can be gone to) or ``waiting``."""
        self.state, self.hint = state, hint
        said = {"done": "done", "present": "present step", "open": "can be opened", "waiting": "not yet"}[state]
        self.setAccessibleName(f"Step {self._number}, {self.name}, {said}. {hint}")
        self.setCursor(Qt.CursorShape.PointingHandCursor if state in ("done", "open") else Qt.CursorShape.ArrowCursor)
        self.update()

    def sizeHint(self) -> QSize:
        """Return the fixed size."""
        return QSize(240, _HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the step."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.state == "present":
            painter.fillRect(self.rect(), theme.color("selection"))
        circle = QRect(16, (_HEIGHT - 24) // 2, 24, 24)
        fill, ink = {
            "done": ("ok-tint", "ok"),
            "present": ("accent", "text-on-accent"),
            "open": ("raised", "text"),
            "waiting": ("raised", "text-secondary"),
        }[self.state]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(fill))
        painter.drawEllipse(circle)
        painter.setPen(QPen(theme.color(ink), 2))
        if self.state == "done":
            middle = circle.center()
            painter.drawPolyline([middle - _at(5, 0), middle + _at(-1, 4), middle + _at(6, -4)])
        else:
            painter.setFont(theme.font(12, weight=QFont.Weight.DemiBold))
            painter.drawText(circle, int(Qt.AlignmentFlag.AlignCenter), str(self._number))
        room = QRect(54, 0, self.width() - 66, _HEIGHT)
        painter.setFont(theme.font(weight=QFont.Weight.Medium))
        painter.setPen(theme.color("text-secondary" if self.state == "waiting" else "text-strong"))
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        name_box = room.adjusted(0, 10, 0, -28) if self.hint else room
        painter.drawText(name_box, left, self.name)
        if self.hint:
            painter.setFont(theme.font(12))
            painter.setPen(theme.color("text-secondary"))
            shown = painter.fontMetrics().elidedText(self.hint, Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(room.adjusted(0, 29, 0, -9), left, shown)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(1, 1, -2, -2))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        if self.state in ("done", "open"):
            self.chosen.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go there on Enter or space."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if event.key() in keys and self.state in ("done", "open"):
            self.chosen.emit()
        else:
            super().keyPressEvent(event)


def _at(x: int, y: int):  # noqa: ANN202 - a QPoint
    from PySide6.QtCore import QPoint

    return QPoint(x, y)


class StepList(QFrame):
    """All steps of the wizard."""

    chosen = Signal(int)

    def __init__(self, names: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self.setObjectName("sideleft")
        self.setFixedWidth(236)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 8)
        column.setSpacing(0)
        self.items: list[StepItem] = []
        for number, (name, hint) in enumerate(names):
            item = StepItem(number + 1, name, hint)
            item.chosen.connect(lambda number=number: self.chosen.emit(number))
            self.items.append(item)
            column.addWidget(item)
        column.addStretch(1)
