"""The volume in three dimensions on screen: drag to turn, wheel to zoom. Rendering happens on a thread of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from lightbox.core.errors import LightboxError
from lightbox.dicom.orientation import Edges, letters, opposite
from lightbox.ui import theme
from lightbox.ui.viewer import qimage
from lightbox.ui.viewer.corner_painter import paint_corners, paint_edges, paint_notice
from lightbox.ui.viewer.text_painter import TextPainter
from lightbox.ui.viewer.volume_renderer import Preset, View, VolumeRenderer, presets_for
from lightbox.viewer import corner_text
from lightbox.viewer.corner_text import Corners
from lightbox.viewer.feed import Notice, mpr_notice
from lightbox.viewer.latest import LatestWorker
from lightbox.viewer.tools import ZOOM_PER_WHEEL_STEP

if TYPE_CHECKING:
    from lightbox.imaging.volume import Volume
    from lightbox.viewer.session import ViewerSession
    from lightbox.viewer.viewport import ViewportState

DEGREES_PER_PIXEL = 0.5
CLOSE_SECONDS = 5.0
REST_MS = 180
"""After a drag rests this long the picture is made again in full size."""


class VolumeView(QWidget):
    """A viewport that shows the volume of the MPR layout.

    Parameters
    ----------
    session : ViewerSession
        Gives the volume.
    state : ViewportState
        The viewport it fills.
    """

    activated = Signal()
    dropped = Signal(str)
    enlarged = Signal()
    preset_changed = Signal()
    """There are other presets, or another one is chosen."""

    def __init__(self, session: ViewerSession, state: ViewportState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.state = state
        self.is_active = False
        self.view = View()
        self.presets: tuple[Preset, ...] = ()
        self.preset: Preset | None = None
        self.notice: Notice | None = None
        self.thinned = 1
        self._image: QImage | None = None
        self._worker: LatestWorker | None = None
        self._box: list[VolumeRenderer] = []
        self._finishing: list[list[VolumeRenderer]] = []
        """Renderers of former volumes; emptied on their thread."""
        self._volume: Volume | None = None
        self._number = 0
        self._last: QPointF | None = None
        self._text = TextPainter(12)
        self._letters = TextPainter(13)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.timeout.connect(lambda: self._ask(1.0))
        self.setMinimumSize(120, 100)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setAccessibleName("Volume")
        session.mpr.changed.connect(self._on_mpr)
        self._on_mpr()

    def detach(self) -> None:
        """Stop listening and give the window and the thread back."""
        self.session.mpr.changed.disconnect(self._on_mpr)
        self._rest.stop()
        self._number += 1
        worker, self._worker = self._worker, None
        boxes = [*self._finishing, self._box]
        self._box, self._finishing = [], []

        def close() -> None:
            for box in boxes:
                for renderer in box:
                    renderer.close()

        if worker is not None:
            worker.close(CLOSE_SECONDS, last=close)

    def _finish(self, worker: LatestWorker) -> None:
        """Close the renderer on the thread it was made on."""
        box, self._box = self._box, []
        self._finishing.append(box)

        def close() -> None:
            for renderer in box:
                renderer.close()

        worker.ask(("close", id(box)), close, lambda _result, _error: box.clear())

    def set_active(self, active: bool) -> None:
        """Draw the frame of the active viewport."""
        if active != self.is_active:
            self.is_active = active
            self.update()

    def _on_mpr(self) -> None:
        self.notice = mpr_notice(self.session)
        planes = self.session.mpr.planes
        volume = planes.volume if planes is not None else None
        if volume is not self._volume:
            self._use(volume)
        self.update()

    def _use(self, volume: Volume | None) -> None:
        self._volume = volume
        self._image = None
        self._number += 1
        if self._worker is not None:
            self._finish(self._worker)
        if volume is None:
            return
        self.presets = presets_for(volume.unit)
        self.preset = self.presets[0]
        self.view = View()
        self.preset_changed.emit()
        self._ask(1.0)

    def choose(self, name: str) -> None:
        """Show another preset."""
        found = next((preset for preset in self.presets if preset.name == name), None)
        if found is not None and found is not self.preset:
            self.preset = found
            self.preset_changed.emit()
            self._ask(1.0)

    # -- rendering -------------------------------------------------------------------------------------------------
    def _ask(self, scale: float) -> None:
        """Have a picture made at a part of the full size; older wishes are dropped."""
        volume, preset = self._volume, self.preset
        if volume is None or preset is None or self.width() < 20 or self.height() < 20:
            return
        if self._worker is None:
            self._worker = LatestWorker("volume view")
        self._number += 1
        number, view, box = self._number, self.view, self._box
        ratio = self.devicePixelRatioF() * scale
        width, height = int(self.width() * ratio), int(self.height() * ratio)

        def work() -> tuple[int, NDArray[np.uint8]]:
            if not box:
                box.append(VolumeRenderer(volume))
            box[0].use(preset)
            return box[0].thinned, box[0].render(view, width, height)

        def done(made: tuple[int, NDArray[np.uint8]] | None, error: Exception | None) -> None:
            self.session.post(lambda: self._arrived(number, volume, made, error))

        if self._image is None:
            self.notice = Notice("Rendering the volume…", "", "wait")
        self._worker.ask("picture", work, done)

    def _arrived(
        self, number: int, volume: Volume, made: tuple[int, NDArray[np.uint8]] | None, error: Exception | None
    ) -> None:
        if volume is not self._volume:
            return
        if made is None:
            if number == self._number:
                self._image = None
                if isinstance(error, LightboxError):
                    self.notice = Notice(
                        error.what, ". ".join(part for part in (error.why, error.todo) if part), "warn"
                    )
                else:
                    self.notice = Notice("The volume cannot be shown", type(error).__name__, "warn")
                self.update()
            return
        self.thinned, pixels = made
        self._image = qimage.picture(pixels)
        self.notice = None
        self.update()

    # -- painting --------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture, texts and frame."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("image"))
        size = (float(self.width()), float(self.height()))
        display_set = self.state.display_set
        if self._image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRectF(0, 0, *size), self._image)
            right, up, _ = self.view.axes
            across, above = letters(right.tolist()), letters(up.tolist())
            paint_edges(painter, self._letters, size, Edges(opposite(across), across, above, opposite(above)))
        if display_set is not None:
            study = self.session.studies.get(display_set.study_instance_uid)
            lines = corner_text.patient_lines(study)[:1] if study is not None else ()
            name = f"Volume · {self.preset.name}" if self.preset is not None else "Volume"
            thin = f"every {_ordinal(self.thinned)} voxel" if self.thinned > 1 and self._image is not None else ""
            zoom = f"zoom {self.view.zoom:.2f}×" if self._image is not None else ""
            paint_corners(painter, self._text, size, Corners(lines, (name,), (zoom,), (thin,)), None)
        if self.notice is not None:
            paint_notice(painter, size, self.notice)
        if self.is_active:
            painter.setPen(QPen(theme.color("accent"), 1))
            painter.drawRect(0, 0, self.width() - 1, self.height() - 1)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Make the picture again in the new size, soon."""
        super().resizeEvent(event)
        if self._volume is not None:
            self._rest.start(REST_MS if self._image is not None else 0)

    # -- mouse -----------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to turn."""
        self.activated.emit()
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self._last = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Turn: right button or Ctrl zooms instead."""
        if self._last is None:
            return
        delta = event.position() - self._last
        self._last = event.position()
        if event.buttons() & Qt.MouseButton.RightButton:
            self._zoom(1.008 ** -delta.y())
            return
        elevation = float(np.clip(self.view.elevation + delta.y() * DEGREES_PER_PIXEL, -89.0, 89.0))
        self.view = replace(
            self.view, azimuth=(self.view.azimuth - delta.x() * DEGREES_PER_PIXEL) % 360, elevation=elevation
        )
        self._ask(0.5)
        self._rest.start(REST_MS)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the drag."""
        self._last = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Enlarge this viewport, or put it back."""
        self.enlarged.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom."""
        self._zoom(ZOOM_PER_WHEEL_STEP ** (event.angleDelta().y() / 120.0))
        event.accept()

    def _zoom(self, factor: float) -> None:
        self.view = replace(self.view, zoom=float(np.clip(self.view.zoom * factor, 0.3, 12.0)))
        self._ask(0.5)
        self._rest.start(REST_MS)

    def reset(self) -> None:
        """Look from the front again."""
        self.view = View()
        self._ask(1.0)


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")
