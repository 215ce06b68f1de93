"""A viewport on screen: paints what its feed holds and turns mouse and wheel into changes of its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from lightbox.ui import theme
from lightbox.ui.viewer import qimage
from lightbox.ui.viewer.corner_painter import paint_corners, paint_edges, paint_notice
from lightbox.ui.viewer.overlay_painter import OverlayPainter, finding_at
from lightbox.ui.viewer.text_painter import TextPainter
from lightbox.viewer import corner_text
from lightbox.viewer.corner_text import Corners
from lightbox.viewer.feed import Feed
from lightbox.viewer.frame_view import FrameView, reduction_for
from lightbox.viewer.orientation_marks import marks
from lightbox.viewer.scale_bar import scale_bar
from lightbox.viewer.screen_image import on_screen
from lightbox.viewer.tools import ZOOM_PER_PIXEL, ZOOM_PER_WHEEL_STEP, Button, Tool, frames_of_drag
from lightbox.viewer.transforms import ViewTransform
from lightbox.viewer.viewport import Interpolation

if TYPE_CHECKING:
    from lightbox.viewer.session import ViewerSession
    from lightbox.viewer.viewport import ViewportState

DISPLAY_SET_MIME = "application/x-lightbox-display-set"
CLICK_REACH = 4.0
"""A press that moves less than this is a click."""

WAIT_MS = 300
"""A notice of waiting appears only after this long."""

_BUTTONS = {
    Qt.MouseButton.LeftButton: Button.LEFT,
    Qt.MouseButton.MiddleButton: Button.MIDDLE,
    Qt.MouseButton.RightButton: Button.RIGHT,
}


class ViewportWidget(QWidget):
    """Paints one viewport with QPainter.

    Parameters
    ----------
    session : ViewerSession
        Style, selection and study texts.
    feed : Feed
        The picture and its overlays.
    """

    activated = Signal()
    """Clicked, or got the focus: this viewport wants to be the active one."""
    dropped = Signal(str)
    """A display set (its uid) was dropped here."""
    enlarged = Signal()
    """Double-clicked: fill the room with this viewport, or put it back."""

    def __init__(self, session: ViewerSession, feed: Feed, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.feed = feed
        self.is_active = False
        self._text = TextPainter(12)
        self._letters = TextPainter(13)
        self._overlays = OverlayPainter()
        self._image: QImage | None = None
        self._image_key: object = None
        self._image_place = QPointF()
        self._grey: NDArray[np.uint8] | None = None
        self._grey_key: object = None
        self._image_view: FrameView | None = None
        self._cursor: QPointF | None = None
        self._press: QPointF | None = None
        self._last: QPointF | None = None
        self._tool: Tool | None = None
        self._remainder = 0.0
        self._wheel = 0.0
        self._drop_hint = False
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self.update)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(120, 100)
        self.setAccessibleName("Image")
        feed.changed.connect(self._on_feed)
        session.style_changed.connect(self._on_style)

    @property
    def state(self) -> ViewportState:
        """What is shown, and how."""
        return self.feed.state

    def detach(self) -> None:
        """Stop listening; called before the widget is thrown away."""
        self.feed.changed.disconnect(self._on_feed)
        self.session.style_changed.disconnect(self._on_style)
        self.feed.close()

    def set_active(self, active: bool) -> None:
        """Draw the frame of the active viewport."""
        if active != self.is_active:
            self.is_active = active
            self.update()

    def _on_style(self) -> None:
        self.update()

    def _on_feed(self) -> None:
        notice = self.feed.notice
        if notice is not None and notice.kind == "wait":
            if not self._patience.isActive():
                self._patience.start(WAIT_MS)
        else:
            self._patience.stop()
        self.update()

    # -- painting --------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint image, overlays, texts and frame."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("image"))
        size = (float(self.width()), float(self.height()))
        view, transform = self.feed.view, self.state.transform
        if view is not None and transform is not None:
            self._paint_image(painter, view, transform)
            self._overlays.paint(painter, self.feed.scene, self.session.style, transform, size, self._text)
            self.paint_extra(painter, view, transform)
            paint_edges(painter, self._letters, size, marks(view.edges, self.state.rotation, self.state.flip))
            bar = scale_bar(self._mm_per_pixel(view), min(240.0, size[0] * 0.3))
            paint_corners(painter, self._text, size, self.corners(view, transform), bar)
        elif self.state.display_set is not None:
            paint_corners(painter, self._text, size, self.corners(None, None), None)
        notice = self.feed.notice
        if notice is not None and not (notice.kind == "wait" and self._patience.isActive()):
            if view is None:
                paint_notice(painter, size, notice)
            else:
                self._text.draw(painter, 10, size[1] / 2 + 24, notice.text, theme.color("warn"))
        self._paint_frame(painter)
        painter.end()

    def _paint_image(self, painter: QPainter, view: FrameView, transform: ViewTransform) -> None:
        """Paint the picture; it is scaled once for each view of it, not for each move of the mouse."""
        ratio = self.devicePixelRatioF()
        size = self.state.size
        voi = self.state.voi_for(view)
        factor = reduction_for(self.state.scale * ratio)
        smooth = self.state.interpolation is Interpolation.LINEAR
        grey = (voi, self.state.invert, factor)
        key = (grey, smooth, transform.matrix.tobytes(), size, ratio)
        if self._image_view is not view or self._image_key != key:
            if self._image_view is not view or self._grey_key != grey:
                self._grey = view.display(voi, invert=self.state.invert, factor=factor)
                self._grey_key = grey
            assert self._grey is not None
            made = on_screen(self._grey, view.shape, transform, size, ratio, smooth=smooth)
            self._image = None
            if made is not None:
                self._image = qimage.picture(made.pixels)
                self._image.setDevicePixelRatio(ratio)
                self._image_place = QPointF(made.x / ratio, made.y / ratio)
            self._image_view, self._image_key = view, key
        if self._image is not None:
            painter.drawImage(self._image_place, self._image)

    def paint_extra(self, painter: QPainter, view: FrameView, transform: ViewTransform) -> None:
        """Paint what a kind of viewport adds between overlays and texts."""

    def _mm_per_pixel(self, view: FrameView) -> float | None:
        """Return mm per logical pixel of the viewport; None without calibration."""
        if not view.calibrated or self.state.scale <= 0:
            return None
        return min(view.shape.row_spacing, view.shape.column_spacing) / self.state.scale

    def corners(self, view: FrameView | None, transform: ViewTransform | None) -> Corners:
        """Return the texts of the four corners."""
        display_set = self.state.display_set
        study = self.session.studies.get(display_set.study_instance_uid) if display_set is not None else None
        title = display_set.title if display_set is not None else ""
        left: tuple[str, ...] = corner_text.patient_lines(study) if study is not None else ()
        is_prior = self.state.is_prior and study is not None
        banner = corner_text.prior_line(study, self.session.study) if is_prior and study is not None else ""
        if view is None or transform is None:
            return Corners(left, (title,), banner=banner)
        pixel = self._pixel_under_cursor(view, transform)
        value = view.value_text(*pixel) if pixel is not None else ""
        return Corners(
            left,
            self.title_lines(title, view),
            (
                corner_text.window_line(self.state.shown_voi, self.state.scale, invert=self.state.invert),
                corner_text.value_line(value, pixel),
            ),
            (corner_text.trust_line(view.lossy, view.calibration),),
            banner,
        )

    def title_lines(self, title: str, view: FrameView) -> tuple[str, ...]:
        """Return the lines of the upper right corner."""
        return corner_text.series_lines(title, self.feed.index, self.feed.count, view.plane)

    def _pixel_under_cursor(self, view: FrameView, transform: ViewTransform) -> tuple[int, int] | None:
        if self._cursor is None:
            return None
        return transform.pixel_at(self._cursor.x(), self._cursor.y(), view.shape)

    def _paint_frame(self, painter: QPainter) -> None:
        if self._drop_hint:
            color, width = theme.color("accent"), 3
        elif self.is_active:
            color, width = theme.color("accent"), 1
        else:
            return
        painter.setPen(QPen(color, width))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        inset = width / 2
        painter.drawRect(QRectF(inset, inset, self.width() - width, self.height() - width))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tell the state its new size."""
        self.state.resize(self.width(), self.height())
        super().resizeEvent(event)

    # -- mouse -----------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a drag with the tool of the button."""
        button = _BUTTONS.get(event.button())
        if button is None:
            return
        self.activated.emit()
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self._press = self._last = event.position()
        self._tool = self.tool_at(event.position(), self.session.bindings.tool_for(button))
        self._remainder = 0.0
        self.begin_drag(event.position())

    def tool_at(self, position: QPointF, tool: Tool) -> Tool:
        """Return what a drag that begins at `position` does."""
        return tool

    def begin_drag(self, position: QPointF) -> None:
        """Answer the press itself."""

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with the drag, and read the value under the cursor."""
        position = event.position()
        self._cursor = position
        if self._last is not None and self._tool is not None and event.buttons() != Qt.MouseButton.NoButton:
            delta = position - self._last
            self._last = position
            self.session.touch()
            self.drag(self._tool, position, delta)
        self.update()

    def drag(self, tool: Tool, position: QPointF, delta: QPointF) -> None:
        """Do one step of a drag."""
        state = self.state
        if tool is Tool.WINDOW:
            state.window(delta.x(), delta.y())
        elif tool is Tool.PAN:
            state.pan(delta.x(), delta.y())
        elif tool is Tool.ZOOM and self._press is not None:
            state.zoom_at(ZOOM_PER_PIXEL ** -delta.y(), self._press.x(), self._press.y())
        elif tool is Tool.SCROLL:
            self._remainder += delta.y()
            steps = frames_of_drag(self._remainder, self.height(), state.frame_count)
            if steps:
                self._remainder = 0.0
                self.scroll_frames(steps)

    def scroll_frames(self, steps: int) -> None:
        """Move by whole images."""
        self.session.touch()
        self.state.scroll(steps)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the drag; a press without movement on a finding selects it."""
        if self._press is not None and event.button() == Qt.MouseButton.LeftButton:
            moved = event.position() - self._press
            if abs(moved.x()) + abs(moved.y()) < CLICK_REACH:
                self._select_at(event.position())
        self._press = self._last = self._tool = None

    def _select_at(self, position: QPointF) -> None:
        transform = self.state.transform
        if transform is None or self.feed.scene.empty:
            return
        found = finding_at(self.feed.scene, self.session.style, transform, position.x(), position.y())
        if found or self.session.selected:
            self.session.select(found)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Enlarge this viewport, or put it back."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.enlarged.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll through the images; with Ctrl zoom at the cursor."""
        self._wheel += event.angleDelta().y() / 120.0
        whole = int(np.trunc(self._wheel))
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._wheel = 0.0
            factor = ZOOM_PER_WHEEL_STEP ** (event.angleDelta().y() / 120.0)
            self.state.zoom_at(factor, event.position().x(), event.position().y())
        elif whole:
            self._wheel -= whole
            self.activated.emit()
            self.scroll_frames(-whole)
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """Forget the cursor: no value is shown."""
        self._cursor = None
        self.update()
        super().leaveEvent(event)

    # -- drag and drop ---------------------------------------------------------------------------------------------
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a series of the strip."""
        if event.mimeData().hasFormat(DISPLAY_SET_MIME):
            event.acceptProposedAction()
            self._drop_hint = True
            self.update()

    def dragLeaveEvent(self, event: QEvent) -> None:
        """Take the hint back."""
        self._drop_hint = False
        self.update()

    def dropEvent(self, event: QDropEvent) -> None:
        """Show the series that was dropped."""
        self._drop_hint = False
        uid = bytes(event.mimeData().data(DISPLAY_SET_MIME).data()).decode("utf-8")
        event.acceptProposedAction()
        self.dropped.emit(uid)
        self.update()
