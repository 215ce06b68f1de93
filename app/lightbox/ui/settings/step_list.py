"""The steps of an examination, each with its time, its reason, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from lightbox.ui import icons
from lightbox.ui.widgets import clear, label

if TYPE_CHECKING:
    from lightbox.network.diagnosis.steps import Step

_ICONS = {
    "ok": ("ok", "ok"),
    "warning": ("warn", "warn"),
    "failed": ("critical", "critical"),
    "skipped": ("info", "text-disabled"),
}
_ROLES = {"ok": "", "warning": "warn", "failed": "critical", "skipped": "secondary"}


class _Words(QLabel):
    """A label that is as high as its words need at its present width: grids in scrolled cards do not ask for that."""

    def __init__(self, text: str, role: str) -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Follow the width."""
        super().resizeEvent(event)
        self.setMinimumHeight(self.heightForWidth(self.width()))


class StepList(QWidget):
    """A line a step; under a line that is not well, why and what to do."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnStretch(2, 1)
        self._labels: list[QLabel] = []

    def clear(self) -> None:
        """Forget all steps."""
        clear(self._grid)
        self._labels = []

    def say(self, text: str, role: str = "secondary") -> None:
        """Add a line of words."""
        self._put(_Words(text, role), 0, 4)

    def add(self, step: Step) -> None:
        """Add a step."""
        name, shade = _ICONS[step.state]
        picture = QLabel()
        picture.setPixmap(icons.pixmap(name, 16, shade))
        picture.setToolTip(step.state)
        picture.setAccessibleName(f"{step.name}: {step.state}")
        kind = label(step.name, "secondary")
        kind.setMinimumWidth(92)
        taken = label(f"{step.milliseconds:.0f} ms" if step.state != "skipped" else "", "small")
        said = _Words(step.text, _ROLES[step.state])
        at = self._grid.rowCount()
        top = Qt.AlignmentFlag.AlignTop
        self._grid.addWidget(picture, at, 0, top)
        self._grid.addWidget(kind, at, 1, top)
        self._grid.addWidget(said, at, 2)
        self._grid.addWidget(taken, at, 3, top | Qt.AlignmentFlag.AlignRight)
        self._labels += [kind, said]
        for text in ((step.why if step.state != "skipped" else ""), step.todo):
            if text:
                self._put(_Words(text, "secondary"), 2, 1)

    def _put(self, made: QLabel, column: int, span: int) -> None:
        self._grid.addWidget(made, self._grid.rowCount(), column, 1, span)
        self._labels.append(made)

    def told(self) -> list[str]:
        """Return every word that is shown."""
        return [made.text() for made in self._labels if made.text()]
