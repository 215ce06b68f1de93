"""Text over images: light letters with a dark edge, kept as pictures, since the same lines are painted all the time."""

from __future__ import annotations

from collections import OrderedDict

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPixmap

from lightbox.ui import theme

LINE = 17
"""Distance of lines in a corner, logical pixels."""

_KEPT = 256


class TextPainter:
    """Paints lines of text with a dark edge.

    Parameters
    ----------
    size : int
        Height of the font in pixels.
    """

    def __init__(self, size: int = 12, weight: QFont.Weight = QFont.Weight.Normal) -> None:
        self._font = theme.font(size, weight=weight, tabular=True)
        self._metrics = QFontMetricsF(self._font)
        self._widths: dict[str, float] = {}
        self._cut: dict[tuple[str, int], str] = {}
        self._cache: OrderedDict[tuple[str, int, float, float], QPixmap] = OrderedDict()

    def width(self, text: str) -> float:
        """Return the width of a line."""
        found = self._widths.get(text)
        if found is None:
            if len(self._widths) > 4 * _KEPT:
                self._widths.clear()
            found = self._widths[text] = self._metrics.horizontalAdvance(text)
        return found

    @property
    def height(self) -> float:
        """Height of a line."""
        return self._metrics.height()

    def elided(self, text: str, room: float) -> str:
        """Return as much of `text` as fits."""
        key = (text, int(room))
        found = self._cut.get(key)
        if found is None:
            found = self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
            if len(self._cut) > _KEPT:
                self._cut.clear()
            self._cut[key] = found
        return found

    def draw(self, painter: QPainter, x: float, y: float, text: str, color: QColor, opacity: float = 1.0) -> None:
        """Draw one line with its upper left corner at (x, y)."""
        if not text:
            return
        ratio = painter.device().devicePixelRatioF()
        key = (text, color.rgba(), ratio, opacity)
        kept = self._cache.get(key)
        if kept is None:
            kept = self._render(text, color, ratio, opacity)
            self._cache[key] = kept
            if len(self._cache) > _KEPT:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(key)
        painter.drawPixmap(QPointF(round(x) - 2, round(y) - 2), kept)

    def _render(self, text: str, color: QColor, ratio: float, opacity: float) -> QPixmap:
        width, height = int(self.width(text)) + 6, int(self.height) + 6
        pixmap = QPixmap(int(width * ratio), int(height * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setFont(self._font)
        baseline = 2 + self._metrics.ascent()
        painter.setPen(QColor(0, 0, 0, 190))
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1), (1, 1), (-1, -1), (1, -1), (-1, 1)):
            painter.drawText(QPointF(2 + dx, baseline + dy), text)
        painter.setOpacity(opacity)
        painter.setPen(color)
        painter.drawText(QPointF(2, baseline), text)
        painter.end()
        return pixmap

    def draw_in(self, painter: QPainter, box: QRectF, text: str, color: QColor, align: Qt.AlignmentFlag) -> None:
        """Draw one line inside `box`, aligned left, right or centred, cut where it does not fit."""
        shown = self.elided(text, box.width())
        width = self.width(shown)
        x = box.left()
        if align == Qt.AlignmentFlag.AlignRight:
            x = box.right() - width
        elif align == Qt.AlignmentFlag.AlignCenter:
            x = box.left() + (box.width() - width) / 2
        self.draw(painter, x, box.top(), shown, color)
