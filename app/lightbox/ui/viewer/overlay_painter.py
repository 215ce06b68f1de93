"""Paints an `OverlayScene`: fill, outlines with a dark edge, shapes, markers and their labels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen, QPolygonF

from lightbox.ui.viewer import qimage
from lightbox.ui.viewer.text_painter import TextPainter
from lightbox.viewer.mask_raster import rasterise
from lightbox.viewer.overlays import MaskLayer, OverlayScene, OverlayStyle, Region, Shape
from lightbox.viewer.transforms import ViewTransform

OUTLINE = 2.0
HALO = 4.0
MARKER = 6.0
"""Half of the length of the cross that marks a point, logical pixels."""

MANY_LABELS = 6
"""With more regions than this on one picture only the selected one is labelled: the panel is the legend."""

MAX_LABEL = 300.0
"""Longest line of a label, logical pixels."""

MAX_LINES = 4

_HALO_COLOUR = QColor(0, 0, 0, 170)
_PLATE = QColor(0, 0, 0, 165)


def _pen(color: QColor, width: float) -> QPen:
    pen = QPen(color, width)
    pen.setCosmetic(True)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    return pen


def _polygon(points: NDArray[np.float64]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points.tolist()])


class OverlayPainter:
    """Paints scenes; keeps the pictures of masks until scene, style or view change (windowing leaves them alone)."""

    def __init__(self) -> None:
        self._key: object = None
        self._scene: OverlayScene | None = None
        self._masks: list[tuple[float, float, QImage]] = []

    def _prepare(
        self,
        scene: OverlayScene,
        style: OverlayStyle,
        transform: ViewTransform,
        size: tuple[float, float],
        ratio: float,
    ) -> None:
        key = (style.look(), transform.matrix.tobytes(), size, ratio)
        if scene is self._scene and key == self._key:
            return
        self._scene, self._key = scene, key
        self._masks = []
        for layer in scene.layers:
            found = rasterise(layer, style, transform, size, ratio)
            if found is not None:
                image = qimage.overlay(found.argb)
                image.setDevicePixelRatio(ratio)
                self._masks.append((found.x / ratio, found.y / ratio, image))

    def paint(
        self,
        painter: QPainter,
        scene: OverlayScene,
        style: OverlayStyle,
        transform: ViewTransform,
        size: tuple[float, float],
        text: TextPainter,
    ) -> None:
        """Paint `scene`; the painter is in viewport coordinates before and after."""
        if scene.empty or not style.shown:
            return
        self._prepare(scene, style, transform, size, painter.device().devicePixelRatioF())
        for x, y, image in self._masks:
            painter.drawImage(QPointF(x, y), image)
        regions = [region for region in self._regions(scene.layers) if style.visible(region.finding_id)]
        shapes = [shape for shape in scene.shapes if any(style.visible(finding) for finding in shape.finding_ids)]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for shape in shapes:
            self._shape(painter, shape, style, transform)
        if style.labels:
            self._labels(painter, regions, shapes, style, transform, size, text)
        painter.restore()

    @staticmethod
    def _regions(layers: Iterable[MaskLayer]) -> Iterable[Region]:
        for layer in layers:
            yield from layer.regions.values()

    def _shape(self, painter: QPainter, shape: Shape, style: OverlayStyle, transform: ViewTransform) -> None:
        selected = style.selected in shape.finding_ids
        color = QColor(*style.colour(shape.finding_ids[0]))
        for stroke in shape.strokes:
            points = transform.points_to_viewport(stroke.points)
            path = QPainterPath()
            if len(points) == 1:
                x, y = points[0]
                for dx, dy in ((1, 0), (0, 1)):
                    path.moveTo(x - MARKER * dx, y - MARKER * dy)
                    path.lineTo(x - 2 * dx, y - 2 * dy)
                    path.moveTo(x + 2 * dx, y + 2 * dy)
                    path.lineTo(x + MARKER * dx, y + MARKER * dy)
            else:
                path.addPolygon(_polygon(points))
                if stroke.closed:
                    path.closeSubpath()
            wide = 1.0 if selected else 0.0
            painter.setPen(_pen(_HALO_COLOUR, HALO + wide))
            painter.drawPath(path)
            painter.setPen(_pen(color, OUTLINE + wide))
            painter.drawPath(path)

    def _labels(
        self,
        painter: QPainter,
        regions: list[Region],
        shapes: list[Shape],
        style: OverlayStyle,
        transform: ViewTransform,
        size: tuple[float, float],
        text: TextPainter,
    ) -> None:
        """Put each label beside its finding, joined by a thin line, none over another."""
        if len(regions) > MANY_LABELS:
            regions = [region for region in regions if region.finding_id == style.selected]
        wanted = [(region.anchor, label_lines((region.label,)), region.finding_id) for region in regions]
        wanted += [(shape.anchor, label_lines(shape.lines_of_text), shape.finding_ids[0]) for shape in shapes]
        placed: list[QRectF] = []
        line = text.height + 1
        for anchor, lines, finding_id in sorted(wanted, key=lambda item: transform.to_viewport(*item[0])[1]):
            x, y = transform.to_viewport(*anchor)
            if not (0 <= x <= size[0] and 0 <= y <= size[1]):
                continue
            lines = tuple(text.elided(item, min(MAX_LABEL, size[0] * 0.45)) for item in lines)
            width = max(text.width(item) for item in lines)
            left = x + 26 if x + 26 + width <= size[0] - 8 else x - 26 - width
            box = QRectF(max(8.0, left), max(60.0, y - 26 - line * len(lines) / 2), width, line * len(lines))
            while any(box.intersects(other) for other in placed):
                box.translate(0, line)
            placed.append(box)
            color = QColor(*style.colour(finding_id))
            end = QPointF(box.left() - 4 if box.left() > x else box.right() + 4, box.top() + line / 2)
            painter.setPen(QPen(color, 1.0))
            painter.drawLine(QPointF(x, y), end)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(_PLATE)
            painter.drawRoundedRect(box.adjusted(-4, -1, 4, 1), 3, 3)
            for number, item in enumerate(lines):
                text.draw(painter, box.left(), box.top() + number * line, item, color)


def label_lines(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines of a label: what several lines begin with ("Nodule, lung: ") is written once, above them."""
    heads = {text.partition(": ")[0] for text in texts if ": " in text}
    if len(heads) == 1 and all(": " in text for text in texts):
        texts = (heads.pop(), *(text.partition(": ")[2] for text in texts))
    return texts if len(texts) <= MAX_LINES else (*texts[: MAX_LINES - 1], f"{len(texts) - MAX_LINES + 1} more")


def finding_at(
    scene: OverlayScene, style: OverlayStyle, transform: ViewTransform, x: float, y: float, reach: float = 6.0
) -> str:
    """Return the finding under a point of the viewport: a line within `reach` pixels, else a region, else nothing."""
    for shape in reversed(scene.shapes):
        if not any(style.visible(finding) for finding in shape.finding_ids):
            continue
        for stroke in shape.strokes:
            points = transform.points_to_viewport(stroke.points)
            if _distance(points, stroke.closed, np.array([x, y])) <= reach:
                return shape.finding_ids[0]
    column, row = (int(np.floor(value)) for value in transform.to_image(x, y))
    for layer in reversed(scene.layers):
        rows, columns = layer.labels.shape
        if 0 <= column < columns and 0 <= row < rows:
            region = layer.regions.get(int(layer.labels[row, column]))
            if region is not None and style.visible(region.finding_id):
                return region.finding_id
    return ""


def _distance(points: NDArray[np.float64], closed: bool, target: NDArray[np.float64]) -> float:
    """Return the distance of `target` to a polyline."""
    if len(points) == 1:
        return float(np.linalg.norm(points[0] - target))
    starts = points if closed else points[:-1]
    ends = np.roll(points, -1, axis=0) if closed else points[1:]
    along = ends - starts
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    part = np.clip(((target - starts) * along).sum(axis=1) / length, 0.0, 1.0)
    nearest = starts + part[:, None] * along
    return float(np.sqrt(((nearest - target) ** 2).sum(axis=1)).min())
