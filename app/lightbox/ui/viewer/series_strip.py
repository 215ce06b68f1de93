"""The series of the study and of its prior: a picture, what it is, how many images, whether AI results lie on it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QByteArray, QMimeData, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QDrag, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QApplication, QFrame, QScrollArea, QVBoxLayout, QWidget

from lightbox.ui import theme, widgets
from lightbox.ui.viewer.viewport_widget import DISPLAY_SET_MIME
from lightbox.viewer.display_sets_model import DisplaySet, DisplaySetKind

WIDTH = 150
PICTURE = 108


class SeriesTile(QWidget):
    """One display set of the strip: drag it to a viewport, or double-click."""

    chosen = Signal(str)
    """Double-clicked, or Enter: show it in the active viewport."""

    def __init__(self, display_set: DisplaySet, *, prior: bool = False) -> None:
        super().__init__()
        self.display_set = display_set
        self.prior = prior
        self.has_results = self.by_algorithm = False
        self.shown = False
        self._picture: QPixmap | None = None
        self._press: QPoint | None = None
        self.setFixedHeight(PICTURE + 40)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.setAccessibleName(f"{display_set.title}, {_count(display_set)}")
        lines = [display_set.title, _count(display_set), *display_set.split_reasons]
        lines += [problem.sentence() for problem in display_set.problems]
        if display_set.unsupported_reason:
            lines.append(display_set.unsupported_reason)
        self.setToolTip("\n".join(lines) + "\n\nDouble-click or drag to a viewport")

    def set_picture(self, pixmap: QPixmap) -> None:
        """Show a thumbnail."""
        self._picture = pixmap
        self.update()

    def set_marks(self, *, has_results: bool, shown: bool, by_algorithm: bool = True) -> None:
        """Mark that results lie on it, whether some are an algorithm's, and that a viewport shows it."""
        if (has_results, by_algorithm, shown) != (self.has_results, self.by_algorithm, self.shown):
            self.has_results, self.by_algorithm, self.shown = has_results, by_algorithm, shown
            self.update()

    def sizeHint(self) -> QSize:
        """Return the size of a tile."""
        return QSize(WIDTH - 20, PICTURE + 40)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint picture, marks and two lines of text."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRect(1, 1, self.width() - 2, PICTURE)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("image"))
        painter.drawRoundedRect(box, 6, 6)
        if self._picture is not None and not self._picture.isNull():
            inner = box.adjusted(4, 4, -4, -4)
            scaled = self._picture.size().scaled(inner.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRect(QPoint(0, 0), scaled)
            place.moveCenter(inner.center())
            painter.drawPixmap(place, self._picture)
        else:
            painter.setPen(theme.color("text-disabled"))
            painter.setFont(theme.font(12))
            words = self.display_set.modality or "Series"
            if self.display_set.kind is DisplaySetKind.UNSUPPORTED:
                words = f"{words}\nnot an image"
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), words)
        focus = self.hasFocus()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        border = "accent" if self.shown else "text-secondary" if focus else "border"
        painter.setPen(theme.color(border))
        painter.drawRoundedRect(box, 6, 6)
        painter.setFont(theme.font(11, tabular=True))
        if self.has_results:
            mark = QRect(box.right() - 28, box.top() + 6, 22, 16)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.token("algorithm-tint" if self.by_algorithm else "raised")))
            painter.drawRoundedRect(mark, 4, 4)
            painter.setPen(theme.color("algorithm" if self.by_algorithm else "text"))
            painter.drawText(mark, int(Qt.AlignmentFlag.AlignCenter), "AI" if self.by_algorithm else "SR")
        metrics = QFontMetrics(painter.font())
        painter.setPen(theme.color("prior" if self.prior else "text"))
        width = self.width() - 4
        title = metrics.elidedText(self.display_set.title, Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRect(2, PICTURE + 4, width, 16), int(Qt.AlignmentFlag.AlignLeft), title)
        painter.setPen(theme.color("warn" if self.display_set.problems else "text-secondary"))
        painter.drawText(QRect(2, PICTURE + 19, width, 16), int(Qt.AlignmentFlag.AlignLeft), _count(self.display_set))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a drag may begin."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._press = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Begin a drag once the mouse moved far enough."""
        if self._press is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        if (event.position().toPoint() - self._press).manhattanLength() < QApplication.startDragDistance():
            return
        self._press = None
        data = QMimeData()
        data.setData(DISPLAY_SET_MIME, QByteArray(self.display_set.uid.encode("utf-8")))
        drag = QDrag(self)
        drag.setMimeData(data)
        if self._picture is not None:
            drag.setPixmap(self._picture.scaledToWidth(96, Qt.TransformationMode.SmoothTransformation))
        drag.exec(Qt.DropAction.CopyAction)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Forget the press."""
        self._press = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show it in the active viewport."""
        self.chosen.emit(self.display_set.uid)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Show it in the active viewport with Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(self.display_set.uid)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event) -> None:  # noqa: ANN001
        """Draw the focus."""
        self.update()
        super().focusInEvent(event)

    def focusOutEvent(self, event) -> None:  # noqa: ANN001
        """Draw that the focus is gone."""
        self.update()
        super().focusOutEvent(event)


class SeriesStrip(QFrame):
    """The column of tiles at the left."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sideleft")
        self.setFixedWidth(WIDTH)
        self.tiles: dict[str, SeriesTile] = {}
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outer.addWidget(self._area)
        self._inner = QWidget()
        self._column = QVBoxLayout(self._inner)
        self._column.setContentsMargins(8, 8, 10, 8)
        self._column.setSpacing(6)
        self._area.setWidget(self._inner)

    def set_series(self, current: Sequence[DisplaySet], prior: Sequence[DisplaySet], prior_date: str = "") -> None:
        """List the display sets; pictures that are there already are kept."""
        kept = {uid: tile._picture for uid, tile in self.tiles.items()}
        widgets.clear(self._column)
        self.tiles = {}
        for group, is_prior in ((current, False), (prior, True)):
            if is_prior and group:
                heading = widgets.label(f"Prior {prior_date}".strip(), "section")
                heading.setStyleSheet(f"color: {theme.token('prior')}; padding-top: 4px;")
                self._column.addWidget(heading)
            for item in group:
                tile = SeriesTile(item, prior=is_prior)
                tile.chosen.connect(self.chosen)
                picture = kept.get(item.uid)
                if picture is not None:
                    tile.set_picture(picture)
                self.tiles[item.uid] = tile
                self._column.addWidget(tile)
        self._column.addStretch(1)

    def set_picture(self, uid: str, pixmap: QPixmap) -> None:
        """Give a tile its thumbnail."""
        tile = self.tiles.get(uid)
        if tile is not None:
            tile.set_picture(pixmap)

    def set_marks(self, with_results: dict[str, bool], shown: set[str]) -> None:
        """Mark the tiles by uid of their display sets; `with_results` says whether an algorithm made some result."""
        for uid, tile in self.tiles.items():
            tile.set_marks(
                has_results=uid in with_results, shown=uid in shown, by_algorithm=with_results.get(uid, False)
            )


def _count(display_set: DisplaySet) -> str:
    """Return "98 images", "65 frames", or what it is instead of images."""
    if display_set.kind is DisplaySetKind.UNSUPPORTED:
        return "not an image"
    number = display_set.number_of_frames
    word = "frame" if display_set.kind is DisplaySetKind.CINE else "image"
    text = f"{number:,} {word}{'' if number == 1 else 's'}"
    return f"{text} · see why" if display_set.problems else text
