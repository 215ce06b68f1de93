"""A reformatted plane on screen: the viewport with the lines of the other planes, which can be dragged."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from lightbox.ui import theme
from lightbox.ui.viewer.viewport_widget import ViewportWidget
from lightbox.viewer import corner_text
from lightbox.viewer.frame_view import FrameView
from lightbox.viewer.mpr import MprState
from lightbox.viewer.tools import Tool, frames_of_drag
from lightbox.viewer.transforms import ViewTransform
from lightbox.viewer.viewport import Role

PLANE_COLOURS = {Role.AXIAL: "#FF8AC2", Role.CORONAL: "#E0A93B", Role.SAGITTAL: "#4DD7E6"}
"""Colour of each plane's line in the other two viewports, and of its own mark."""

GAP = 14.0
"""Lines stop this far from the crossing, so that what lies there can be seen."""

REACH = 6.0


class MprView(ViewportWidget):
    """A viewport for an axial, coronal or sagittal plane."""

    @property
    def planes(self) -> MprState | None:
        """The planes of the session, None before the volume is there."""
        return self.session.mpr.planes

    def _lines(self, transform: ViewTransform) -> tuple[QPointF, dict[Role, QPointF]] | None:
        """Return the crossing in the viewport and the direction of each other plane's line."""
        planes, plane = self.planes, self.feed.plane
        if planes is None or plane is None:
            return None
        column, row, _ = plane.to_pixel(planes.point)
        centre = QPointF(*transform.to_viewport(float(column) + 0.5, float(row) + 0.5))
        found: dict[Role, QPointF] = {}
        for role in (Role.AXIAL, Role.CORONAL, Role.SAGITTAL):
            if role is self.state.role:
                continue
            along = np.cross(plane.normal, planes.plane(role).normal)
            tip = plane.to_pixel(planes.point + along)
            end = transform.to_viewport(float(tip[0]) + 0.5, float(tip[1]) + 0.5)
            direction = QPointF(*end) - centre
            length = float(np.hypot(direction.x(), direction.y()))
            if length > 1e-9:
                found[role] = direction / length
        return centre, found

    def paint_extra(self, painter: QPainter, view: FrameView, transform: ViewTransform) -> None:
        """Paint the lines of the other planes and the colour mark of this one."""
        lines = self._lines(transform)
        if lines is None:
            return
        centre, directions = lines
        reach = float(self.width() + self.height())
        for role, direction in directions.items():
            pen = QPen(QColor(PLANE_COLOURS[role]), 1.0)
            pen.setDashPattern([5, 4])
            painter.setPen(pen)
            painter.drawLine(QLineF(centre + direction * GAP, centre + direction * reach))
            painter.drawLine(QLineF(centre - direction * GAP, centre - direction * reach))

    def title_lines(self, title: str, view: FrameView) -> tuple[str, ...]:
        """Name plane and slab, then number and position."""
        slab = self.planes.slab.name if self.planes is not None else ""
        name = self.state.role.value.capitalize()
        head = f"{name} · {slab}" if slab else name
        return (head, *corner_text.series_lines("", self.feed.index, self.feed.count, view.plane)[1:], title)

    def tool_at(self, position: QPointF, tool: Tool) -> Tool:
        """Return the crosshair tool when the left button goes down on a line."""
        if tool is self.session.bindings.active and self._line_at(position):
            return Tool.CROSSHAIR
        return tool

    def _line_at(self, position: QPointF) -> bool:
        transform = self.state.transform
        lines = self._lines(transform) if transform is not None else None
        if lines is None:
            return False
        centre, directions = lines
        away = position - centre
        return any(
            abs(away.x() * direction.y() - away.y() * direction.x()) <= REACH for direction in directions.values()
        )

    def begin_drag(self, position: QPointF) -> None:
        """Move the crosshair to the press."""
        if self._tool is Tool.CROSSHAIR:
            self._move_point(position)

    def drag(self, tool: Tool, position: QPointF, delta: QPointF) -> None:
        """Move the crosshair, or do what the tool does."""
        if tool is Tool.CROSSHAIR:
            self._move_point(position)
        elif tool is Tool.SCROLL:
            self._remainder += delta.y()
            steps = frames_of_drag(self._remainder, self.height(), self.feed.count)
            if steps:
                self._remainder = 0.0
                self.scroll_frames(steps)
        else:
            super().drag(tool, position, delta)

    def _move_point(self, position: QPointF) -> None:
        planes, plane, transform = self.planes, self.feed.plane, self.state.transform
        if planes is None or plane is None or transform is None:
            return
        x, y = transform.to_image(position.x(), position.y())
        planes.set_point(plane.to_patient(x - 0.5, y - 0.5))

    def scroll_frames(self, steps: int) -> None:
        """Move the plane along its normal."""
        self.session.touch()
        if self.planes is not None:
            self.planes.scroll(self.state.role, steps)

    def mouseMoveEvent(self, event) -> None:  # noqa: ANN001
        """Show that a line can be dragged."""
        if event.buttons() == Qt.MouseButton.NoButton:
            over = self._line_at(event.position())
            self.setCursor(Qt.CursorShape.SizeAllCursor if over else Qt.CursorShape.ArrowCursor)
        super().mouseMoveEvent(event)

    def _paint_frame(self, painter: QPainter) -> None:
        super()._paint_frame(painter)
        painter.fillRect(1, 1, 3, self.height() - 2, QColor(PLANE_COLOURS[self.state.role]))
        if self.is_active:
            painter.setPen(QPen(theme.color("accent"), 1))
            painter.drawRect(0, 0, self.width() - 1, self.height() - 1)
