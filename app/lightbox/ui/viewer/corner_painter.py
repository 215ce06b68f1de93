"""Paints corner text, orientation letters, scale bar and notices of a viewport."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap

from lightbox.dicom.orientation import Edges
from lightbox.ui import theme
from lightbox.ui.viewer.text_painter import LINE, TextPainter
from lightbox.viewer.corner_text import Corners
from lightbox.viewer.feed import Notice
from lightbox.viewer.scale_bar import ScaleBar

MARGIN = 10.0
NARROW = 340.0
"""Below this width the second and third lines of the upper corners give way to the image."""


def paint_corners(
    painter: QPainter, text: TextPainter, size: tuple[float, float], corners: Corners, bar: ScaleBar | None
) -> None:
    """Paint the four corners; long lines are cut, and on small viewports the less important ones are left out."""
    width, height = size
    color = theme.color("text")
    half = width / 2 - 2 * MARGIN
    lines = 3 if width >= NARROW and height >= 220 else 1
    top = MARGIN
    # A warning is never cut: on a narrow viewport it takes a line more.
    banner = [corners.banner] if text.width(corners.banner) <= half else corners.banner.rsplit(" · ", 1)
    for line in filter(None, banner):
        text.draw_in(painter, QRectF(MARGIN, top, half, LINE), line, theme.color("prior"), Qt.AlignmentFlag.AlignLeft)
        top += LINE
    above = len(banner) if corners.banner else 0
    right = [text.width(line) for line in corners.top_right[: max(lines, 2)]]
    for number, line in enumerate(corners.top_left[:lines]):
        row = number + above
        # Below the letter in the middle a line may go on to where the right corner begins.
        taken = right[row] if row < len(right) else 0.0
        room = half if row == 0 else max(half, width - 3 * MARGIN - min(taken, half))
        box = QRectF(MARGIN, top + number * LINE, room, LINE)
        text.draw_in(painter, box, line, color, Qt.AlignmentFlag.AlignLeft)
    for number, line in enumerate(corners.top_right[: max(lines, 2)]):
        box = QRectF(width - MARGIN - half, MARGIN + number * LINE, half, LINE)
        text.draw_in(painter, box, line, color, Qt.AlignmentFlag.AlignRight)
    bottom = height - MARGIN - LINE
    for number, line in enumerate(reversed(corners.bottom_left)):
        box = QRectF(MARGIN, bottom - number * LINE, half, LINE)
        text.draw_in(painter, box, line, color, Qt.AlignmentFlag.AlignLeft)
    lift = LINE + 4 if bar is not None else 0
    for number, line in enumerate(reversed(corners.bottom_right)):
        box = QRectF(width - MARGIN - half, bottom - lift - number * LINE, half, LINE)
        text.draw_in(painter, box, line, color, Qt.AlignmentFlag.AlignRight)
    if bar is not None:
        _paint_bar(painter, text, width - MARGIN, bottom + LINE / 2, bar)


def _paint_bar(painter: QPainter, text: TextPainter, right: float, middle: float, bar: ScaleBar) -> None:
    """Paint |—— 5 cm ——| with its right end at `right`."""
    width = max(4, round(bar.pixels))
    label = text.width(bar.label)
    left = round(right) - width
    fits = width > label + 24
    gap = round(label) + 10 if fits else 0
    painter.drawPixmap(
        QPointF(left - 2, round(middle) - 8), _bar_picture(width, gap, painter.device().devicePixelRatioF())
    )
    x = left + (width - label) / 2
    text.draw(
        painter, x, middle - text.height / 2 if fits else middle - text.height - 6, bar.label, theme.color("text")
    )


@lru_cache(maxsize=64)
def _bar_picture(width: int, gap: int, ratio: float) -> QPixmap:
    pixmap = QPixmap(round((width + 4) * ratio), round(16 * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    for pen in (QPen(QColor(0, 0, 0, 170), 3), QPen(theme.color("text"), 1)):
        painter.setPen(pen)
        for x in (2.5, width + 1.5):
            painter.drawLine(QPointF(x, 3.5), QPointF(x, 12.5))
        side = (width - gap) / 2
        painter.drawLine(QPointF(2.5, 8.5), QPointF(2.5 + side, 8.5))
        painter.drawLine(QPointF(width + 1.5 - side, 8.5), QPointF(width + 1.5, 8.5))
    painter.end()
    return pixmap


def paint_edges(painter: QPainter, text: TextPainter, size: tuple[float, float], edges: Edges) -> None:
    """Paint the orientation letters in the middle of the four edges."""
    width, height = size
    color = theme.color("text")
    middle = height / 2 - text.height / 2
    text.draw(painter, MARGIN, middle, edges.left, color)
    text.draw(painter, width - MARGIN - text.width(edges.right), middle, edges.right, color)
    text.draw(painter, (width - text.width(edges.top)) / 2, MARGIN, edges.top, color)
    text.draw(painter, (width - text.width(edges.bottom)) / 2, height - MARGIN - LINE, edges.bottom, color)


def paint_notice(painter: QPainter, size: tuple[float, float], notice: Notice) -> None:
    """Paint words in the middle of the viewport: what it is, and why."""
    width, height = size
    color = theme.color("warn" if notice.kind == "warn" else "text-secondary")
    room = QRectF(24, 24, max(40.0, width - 48), max(40.0, height - 48))
    flags = int(Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap)
    painter.setFont(theme.font(14))
    head = painter.boundingRect(room, flags, notice.text)
    painter.setFont(theme.font(12))
    detail = painter.boundingRect(room, flags, notice.detail) if notice.detail else QRectF()
    top = (height - head.height() - (detail.height() + 8 if notice.detail else 0)) / 2
    painter.setPen(color)
    painter.setFont(theme.font(14))
    painter.drawText(QRectF(room.left(), top, room.width(), head.height() + 2), flags, notice.text)
    if notice.detail:
        painter.setPen(theme.color("text-secondary"))
        painter.setFont(theme.font(12))
        painter.drawText(
            QRectF(room.left(), top + head.height() + 8, room.width(), detail.height() + 2), flags, notice.detail
        )
