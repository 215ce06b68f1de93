"""A thin bar of several colours: how much is confirmed, sent, failed, and still to go."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from lightbox.ui import theme

_HEIGHT = 6


class SharesBar(QWidget):
    """Shows shares of a total from left to right; what they mean is said in words beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.shares: tuple[tuple[int, str], ...] = ()
        self.total = 0

    def show_shares(self, shares: Sequence[tuple[int, str]], total: int) -> None:
        """Show (number, token of the theme) of `total`; the rest stays empty."""
        found = tuple((number, shade) for number, shade in shares if number)
        if (found, total) != (self.shares, self.total):
            self.shares, self.total = found, total
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the shares; none that is there is narrower than 2 pixels."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect())
        rounded = QPainterPath()
        rounded.addRoundedRect(box, _HEIGHT / 2, _HEIGHT / 2)
        painter.setClipPath(rounded)
        painter.fillRect(box, theme.color("raised"))
        left = 0.0
        painter.setPen(Qt.PenStyle.NoPen)
        for number, shade in self.shares:
            width = max(2.0, box.width() * number / max(self.total, 1))
            painter.fillRect(QRectF(left, 0, width, box.height()), theme.color(shade))
            left += width
