"""A series in the detail pane: picture, number of images, description."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from lightbox.library.records import SeriesRecord
from lightbox.ui import theme, words
from lightbox.ui.studies.study_row import RESULT_MODALITIES
from lightbox.ui.widgets import draw_badge

PICTURE = 108
_WIDTH = 110
_HEIGHT = PICTURE + 2 + 36


class SeriesCard(QWidget):
    """Black square with the picture; below it what the series is. Enter or a double click opens the study there."""

    opened = Signal(str)

    def __init__(self, series: SeriesRecord, announced: int = 0) -> None:
        super().__init__()
        self.series = series
        self._announced = announced
        self._picture: QPixmap | None = None
        self._waiting = True
        self.setFixedSize(_WIDTH, _HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        name = self.title()
        self.setAccessibleName(f"Series {name}, {words.plural(series.number_of_instances, 'image')}")
        facts = [
            f"Series {series.series_number}" if series.series_number is not None else "",
            series.series_description,
            series.modality,
            words.plural(series.number_of_instances, "image"),
            series.body_part_examined,
            f"{series.manufacturer} {series.manufacturer_model_name}".strip(),
        ]
        self.setToolTip("\n".join(fact for fact in facts if fact))

    def title(self) -> str:
        """Return number and description."""
        series = self.series
        number = f"{series.series_number} · " if series.series_number is not None else ""
        return f"{number}{series.series_description or series.protocol_name or series.modality or 'Series'}"

    def show_picture(self, png: bytes) -> None:
        """Show the picture, or the modality when there is none."""
        self._waiting = False
        if png:
            picture = QPixmap()
            picture.loadFromData(png)
            self._picture = picture if not picture.isNull() else None
        self.update()

    def sizeHint(self) -> QSize:
        """Return the fixed size."""
        return QSize(_WIDTH, _HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the card."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        square = QRect(1, 1, PICTURE, PICTURE)
        painter.setBrush(theme.color("image"))
        focused = self.hasFocus()
        painter.setPen(QPen(theme.color("accent" if focused else "border"), 1))
        painter.drawRoundedRect(square, 5, 5)
        result = self.series.modality in RESULT_MODALITIES
        if self._picture is not None:
            ratio = self.devicePixelRatioF()
            inside = square.adjusted(2, 2, -2, -2)
            scaled = self._picture.scaled(
                inside.size() * ratio, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            scaled.setDevicePixelRatio(ratio)
            size = scaled.deviceIndependentSize()
            x = inside.x() + round((inside.width() - size.width()) / 2)
            painter.drawPixmap(x, inside.y() + round((inside.height() - size.height()) / 2), scaled)
        else:
            painter.setPen(theme.color("algorithm" if result else "text-secondary"))
            painter.setFont(theme.font(15))
            text = self.series.modality or "?"
            painter.drawText(square, int(Qt.AlignmentFlag.AlignCenter), "…" if self._waiting and not result else text)
        painter.setFont(theme.font(11))
        number = words.count(self.series.number_of_instances)
        if self._announced > self.series.number_of_instances:
            number = f"{number}/{words.count(self._announced)}"
        width = painter.fontMetrics().horizontalAdvance(number) + 8
        label = QRect(square.left() + 4, square.bottom() - 20, width, 16)
        painter.fillRect(label, theme.color("image"))
        painter.setPen(theme.color("warn" if "/" in number else "text"))
        painter.drawText(label, int(Qt.AlignmentFlag.AlignCenter), number)
        if result and self._picture is not None:
            draw_badge(painter, square.left() + 4, square.top() + 14, self.series.modality, "algorithm", 80)
        painter.setFont(theme.font(12))
        painter.setPen(theme.color("text" if focused else "text-secondary"))
        words_at = QRect(1, PICTURE + 5, PICTURE, 32)
        painter.drawText(
            words_at,
            int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap),
            _two_lines(painter, self.title(), PICTURE),
        )

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open."""
        self.opened.emit(self.series.series_instance_uid)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open on Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(self.series.series_instance_uid)
        else:
            super().keyPressEvent(event)


def _two_lines(painter: QPainter, text: str, width: int) -> str:
    """Return `text` broken into at most two lines, the second one with an ellipsis where it must be."""
    metrics = painter.fontMetrics()
    if metrics.horizontalAdvance(text) <= width:
        return text
    first = ""
    for word in text.split(" "):
        longer = f"{first} {word}".strip()
        if metrics.horizontalAdvance(longer) > width:
            break
        first = longer
    if not first:
        return metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
    rest = text[len(first) :].strip()
    return f"{first}\n{metrics.elidedText(rest, Qt.TextElideMode.ElideRight, width)}"
