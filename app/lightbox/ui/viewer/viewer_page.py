"""The reading room: toolbar, series at the left, viewports in the middle, findings at the right."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QHideEvent, QPixmap
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from lightbox.core.jobs import Job, Priority
from lightbox.dicom import dates, person_name
from lightbox.ui import actions
from lightbox.ui.bridge import Bridge
from lightbox.ui.viewer.findings_panel import FindingsPanel, made_by_algorithm
from lightbox.ui.viewer.mpr_view import MprView
from lightbox.ui.viewer.series_strip import SeriesStrip
from lightbox.ui.viewer.toolbar import Toolbar, windows_for
from lightbox.ui.viewer.viewport_widget import ViewportWidget
from lightbox.ui.viewer.volume_view import VolumeView
from lightbox.viewer import layout as layouts
from lightbox.viewer.cine import Cine, FrameTiming
from lightbox.viewer.display_sets_model import DisplaySet
from lightbox.viewer.feed import Feed, feed_for
from lightbox.viewer.session import ViewerSession
from lightbox.viewer.tools import TOOLS
from lightbox.viewer.viewport import Aspect, Role, ViewportState

if TYPE_CHECKING:
    from lightbox.dicom.voi import Voi
    from lightbox.viewer.layout import Layout
    from lightbox.workstation import Workstation

GROUP = "Viewer"
STATUS_MS = 100
PAGE_STEP = 10
"""Images that Page Up and Page Down move by."""


class ViewerPage(QWidget):
    """One study on screen.

    Parameters
    ----------
    workstation : Workstation
        Library, jobs and the ways to display sets and results.
    """

    status_changed = Signal(str)
    """What the status line should say."""

    def __init__(self, workstation: Workstation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.workstation = workstation
        self.bridge = Bridge(self)
        self.session = ViewerSession(workstation, self.bridge.post)
        self.toolbar = Toolbar(self.session)
        self.strip = SeriesStrip()
        self.findings = FindingsPanel(self.session)
        self.widgets: list[ViewportWidget | VolumeView] = []
        self._enlarged: int | None = None
        self._cine: Cine | None = None
        self._cine_timer = QTimer(self)
        self._cine_timer.timeout.connect(self._cine_tick)
        self._said = ""
        self._ended = False
        self._status_timer = QTimer(self)
        self._status_timer.setSingleShot(True)
        self._status_timer.timeout.connect(self._tell_status_now)
        # Decoding threads hand the interpreter over after 1 ms instead of 5: an image is due every 16.
        sys.setswitchinterval(0.001)
        self._build()
        self._connect()
        self._make_actions()
        self._rebuild_viewports()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.toolbar)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.strip)
        room = QWidget()
        room.setObjectName("room")
        room.setStyleSheet("QWidget#room { background: #000000; }")
        self._grid = QGridLayout(room)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        row.addWidget(room, 1)
        row.addWidget(self.findings)
        column.addLayout(row, 1)

    def _connect(self) -> None:
        session = self.session
        session.study_changed.connect(self._on_study)
        session.first_image.connect(lambda: self._load_thumbnails(session.display_sets))
        session.layout_changed.connect(self._rebuild_viewports)
        session.active_changed.connect(self._on_active)
        session.results_changed.connect(self._on_results)
        session.said.connect(self._say)
        session.frames.progressed.connect(lambda uid, done, total: self._tell_status())
        session.mpr.changed.connect(self.toolbar.refresh)
        self.strip.chosen.connect(self.show_display_set)
        bar = self.toolbar
        bar.layout_chosen.connect(self.set_layout)
        bar.voi_chosen.connect(self._set_voi)
        bar.slab_chosen.connect(self._set_slab)
        bar.volume_preset_chosen.connect(self._set_volume_preset)
        bar.offered_windows = self.offered_windows
        bar.ai.clicked.connect(session.toggle_overlays)
        bar.cine.clicked.connect(self.toggle_cine)
        bar.invert.clicked.connect(lambda: self._do(ViewportState.toggle_invert))
        bar.rotate.clicked.connect(lambda: self._do(ViewportState.rotate))
        bar.flip_h.clicked.connect(lambda: self._do(ViewportState.flip_horizontal))
        bar.flip_v.clicked.connect(lambda: self._do(ViewportState.flip_vertical))
        bar.fit.clicked.connect(lambda: self._do(ViewportState.fit))
        bar.reset.clicked.connect(self.reset_view)

    def _make_actions(self) -> None:
        """Give every action its key; the palette and the overview read them from here."""
        session = self.session

        def add(text: str, keys: str | tuple[str, ...], call: object) -> None:
            actions.add(self, GROUP, text, call, keys)  # type: ignore[arg-type]

        add("Next image", ("Down", "Right"), lambda: self.scroll_images(1))
        add("Previous image", ("Up", "Left"), lambda: self.scroll_images(-1))
        add("Ten images on", "PgDown", lambda: self.scroll_images(PAGE_STEP))
        add("Ten images back", "PgUp", lambda: self.scroll_images(-PAGE_STEP))
        add("First image", "Home", lambda: self.scroll_images(-1_000_000))
        add("Last image", "End", lambda: self.scroll_images(1_000_000))
        add("Play or stop", "Space", self.toggle_cine)
        add("Invert", "I", lambda: self._do(ViewportState.toggle_invert))
        add("Rotate clockwise", "R", lambda: self._do(ViewportState.rotate))
        add("Mirror left to right", "H", lambda: self._do(ViewportState.flip_horizontal))
        add("Mirror top to bottom", "V", lambda: self._do(ViewportState.flip_vertical))
        add("Fit to the viewport", "F", lambda: self._do(ViewportState.fit))
        add("Reset the view", "0", self.reset_view)
        add("Next finding", "N", lambda: session.step_finding(1))
        add("Previous finding", "P", lambda: session.step_finding(-1))
        add("Hide or show all AI results", "A", session.toggle_overlays)
        add("Names of findings on the image", "T", session.toggle_labels)
        add("Smooth or exact pixels", "X", lambda: self._do(ViewportState.toggle_interpolation))
        add("First tool, nothing selected", "Escape", self._escape)
        add("Fill the room with this viewport", "Return", self.toggle_enlarged)
        for info in TOOLS:
            add(f"Tool: {info.name}", info.key, partial(self.toolbar.choose_tool, info.tool))
        for number, layout in enumerate(layouts.LAYOUTS):
            add(f"Layout: {layout.name}", f"Ctrl+{number + 1}", partial(self.set_layout, layout))
        for number in range(9):
            add(f"Window {number + 1}", str(number + 1), partial(self._set_window, number))

    # -- study -----------------------------------------------------------------------------------------------------
    def open_study(self, study_uid: str) -> None:
        """Open a study of the library; everything comes as soon as it is there."""
        self._stop_cine()
        self._say("Opening the study…")
        self.session.open(study_uid)

    def close_study(self) -> None:
        """Close the study that is open."""
        self._stop_cine()
        self.session.close_study()
        self._on_study()
        self.findings.rebuild()

    def _on_study(self) -> None:
        session, study = self.session, self.session.study
        if study is None:
            self.toolbar.set_study("", "")
            self.strip.set_series((), ())
            return
        sex_age = " ".join(
            part for part in (study.patient_sex, dates.age(study.patient_birth_date, study.study_date)) if part
        )
        day = dates.format_da(study.study_date) if study.study_date else ""
        what = " ".join(part for part in (study.study_description, day) if part)
        self.toolbar.set_study(
            person_name.display(study.patient_name) or "No patient name",
            " · ".join(part for part in (sex_age, what) if part),
        )
        prior_date = dates.format_da(session.prior.study_date) if session.prior is not None else ""
        self.strip.set_series(session.display_sets, session.prior_sets, prior_date)
        if session.prior is not None:
            self._load_thumbnails(session.prior_sets)
        self._mark_strip()
        self._said = ""
        self._tell_status()
        if self.widgets and session.prior is None:
            self.widgets[min(session.active, len(self.widgets) - 1)].setFocus(Qt.FocusReason.OtherFocusReason)

    def _load_thumbnails(self, display_sets: list[DisplaySet]) -> None:
        """Fetch pictures from the library; what has none yet gets one made of its middle image."""
        library = self.workstation.library
        for item in display_sets:
            if not item.frames:
                continue
            alone = sum(other.series_instance_uid == item.series_instance_uid for other in display_sets) == 1

            def work(_: Job[bytes | None], item: DisplaySet = item, alone: bool = alone) -> bytes | None:
                found = library.thumbnail(item.series_instance_uid) if alone else None
                return found or _picture_of(self.session, item)

            def done(png: bytes | None, uid: str = item.uid) -> None:
                pixmap = QPixmap()
                if png and pixmap.loadFromData(png):
                    self.strip.set_picture(uid, pixmap)

            self.bridge.run(
                self.workstation.jobs,
                "Making a thumbnail",
                work,
                done,
                lambda _error: None,
                priority=Priority.THUMBNAIL,
            )

    def _on_results(self) -> None:
        self._mark_strip()
        self._tell_status()

    def _mark_strip(self) -> None:
        session = self.session
        with_results: dict[str, bool] = {}
        for finding, result in session.findings:
            target = None
            if finding.graphics or finding.segment is not None or finding.referenced_images:
                target = session.target_of(finding, result)
            if target is not None:
                uid = target.display_set.uid
                with_results[uid] = with_results.get(uid, False) or made_by_algorithm(result)
        shown = {item.display_set.uid for item in session.viewports if item.display_set is not None}
        self.strip.set_marks(with_results, shown)

    def show_display_set(self, uid: str, index: int | None = None) -> None:
        """Show a display set in a viewport, by default in the active one."""
        session = self.session
        for item in (*session.display_sets, *session.prior_sets):
            if item.uid == uid:
                self._stop_cine()
                session.touch()
                session.show(item, index=index)
                self._mark_strip()
                self._tell_status()
                return

    # -- viewports -------------------------------------------------------------------------------------------------
    def _rebuild_viewports(self) -> None:
        self._stop_cine()
        # When the focused viewport goes, Qt moves the focus to some button and the keys of the page fall silent.
        in_hand = any(widget.hasFocus() for widget in self.widgets)
        for widget in self.widgets:
            widget.detach()
            self._grid.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self.widgets = []
        self._enlarged = None
        for index, (cell, state) in enumerate(zip(self.session.layout.cells, self.session.viewports)):
            feed = feed_for(self.session, state)
            widget = self._widget(state, feed)
            widget.activated.connect(partial(self.session.activate, index))
            widget.dropped.connect(lambda uid, index=index: self.show_display_set(uid, index))
            widget.enlarged.connect(lambda index=index: self.toggle_enlarged(index))
            state.changed.connect(self._on_state)
            self._grid.addWidget(widget, cell.row, cell.column, cell.row_span, cell.column_span)
            widget.show()  # what is not on screen yet cannot take the focus
            self.widgets.append(widget)
        for line in range(2):
            used = any(cell.row == line for cell in self.session.layout.cells)
            self._grid.setRowStretch(line, 1 if used else 0)
            used = any(cell.column == line for cell in self.session.layout.cells)
            self._grid.setColumnStretch(line, 1 if used else 0)
        if in_hand:
            self.widgets[min(self.session.active, len(self.widgets) - 1)].setFocus(Qt.FocusReason.OtherFocusReason)
        self._on_active()

    def _widget(self, state: ViewportState, feed: Feed | None) -> ViewportWidget | VolumeView:
        if feed is None:
            view = VolumeView(self.session, state)
            view.preset_changed.connect(lambda: self._on_volume_preset(view))
            return view
        return ViewportWidget(self.session, feed) if state.role is Role.STACK else MprView(self.session, feed)

    def _on_state(self, aspect: Aspect) -> None:
        if aspect in (Aspect.FRAME, Aspect.DISPLAY_SET):
            self._tell_status()
        if aspect is Aspect.DISPLAY_SET:
            self._mark_strip()
        if aspect is Aspect.WINDOW:
            self.toolbar.refresh()

    def _on_active(self) -> None:
        self._stop_cine()
        several = len(self.widgets) > 1
        for index, widget in enumerate(self.widgets):
            widget.set_active(several and index == self.session.active)
        self.toolbar.refresh()
        self._tell_status()

    def set_layout(self, layout: Layout) -> None:
        """Divide the screen anew."""
        self.session.touch()
        self.session.set_layout(layout)
        self._mark_strip()

    def toggle_enlarged(self, index: int | None = None) -> None:
        """Fill the room with one viewport, or put all back."""
        if len(self.widgets) < 2:
            return
        chosen = self.session.active if index is None else index
        self._enlarged = None if self._enlarged is not None else chosen
        for number, widget in enumerate(self.widgets):
            widget.setVisible(self._enlarged is None or number == self._enlarged)

    @property
    def active_widget(self) -> ViewportWidget | VolumeView:
        """The widget of the active viewport."""
        return self.widgets[min(self.session.active, len(self.widgets) - 1)]

    def _do(self, call: object) -> None:
        self.session.touch()
        call(self.session.viewport)  # type: ignore[operator]

    def scroll_images(self, steps: int) -> None:
        """Move the active viewport by images."""
        widget = self.active_widget
        if isinstance(widget, ViewportWidget):
            widget.scroll_frames(steps)

    def reset_view(self) -> None:
        """Undo window, zoom, position and orientation of the active viewport."""
        widget = self.active_widget
        if isinstance(widget, VolumeView):
            widget.reset()
        else:
            self._do(ViewportState.reset)

    def _escape(self) -> None:
        self._stop_cine()
        self.session.bindings.reset()
        self.session.select("")
        self.toolbar.refresh()

    # -- windows ---------------------------------------------------------------------------------------------------
    def offered_windows(self) -> list[tuple[str, Voi | None]]:
        """Return names and windows for the active viewport."""
        widget = self.active_widget
        view = widget.feed.view if isinstance(widget, ViewportWidget) else None
        display_set = self.session.viewport.display_set
        if view is None or display_set is None or view.is_colour:
            return []
        return windows_for(view.presets, display_set.modality, view.unit, view.first_voi)

    def _set_window(self, number: int) -> None:
        offered = self.offered_windows()
        if number < len(offered):
            self._set_voi(offered[number][1])

    def _set_voi(self, voi: Voi | None) -> None:
        """Use a window; in MPR in all planes."""
        self.session.touch()
        states = self.session.viewports if self.session.layout.has_mpr else [self.session.viewport]
        for state in states:
            state.set_voi(voi)

    def _set_slab(self, slab: object) -> None:
        if self.session.mpr.planes is not None:
            self.session.mpr.planes.set_slab(slab)  # type: ignore[arg-type]

    def _set_volume_preset(self, name: str) -> None:
        for widget in self.widgets:
            if isinstance(widget, VolumeView):
                widget.choose(name)

    def _on_volume_preset(self, view: VolumeView) -> None:
        self.toolbar.volume_presets = tuple(preset.name for preset in view.presets)
        self.toolbar.volume_preset = view.preset.name if view.preset is not None else ""
        self.toolbar.refresh()

    # -- cine ------------------------------------------------------------------------------------------------------
    def toggle_cine(self) -> None:
        """Play the frames of the active viewport, or stop."""
        if self._cine is not None:
            self._stop_cine()
            return
        state = self.session.viewport
        if state.display_set is None or state.frame_count < 2 or state.role is not Role.STACK:
            self._stop_cine()
            self._say("There is nothing to play here: it needs several images")
            return
        timing = FrameTiming.of(state.display_set)
        self._cine = Cine(timing, state.frame_index, time.monotonic())
        self._cine_timer.start(self._cine.interval_ms)
        self.toolbar.cine.setChecked(True)
        self.session.touch()
        self._say(f"Playing · {timing.source}")

    def _cine_tick(self) -> None:
        if self._cine is not None:
            self.session.viewport.go_to(self._cine.frame_at(time.monotonic()))

    def _stop_cine(self) -> None:
        was_playing = self._cine is not None
        self._cine = None
        self._cine_timer.stop()
        self.toolbar.cine.setChecked(False)
        if was_playing:
            self._said = ""
            self._tell_status()

    # -- status ----------------------------------------------------------------------------------------------------
    def _say(self, text: str) -> None:
        self._said = text
        self.status_changed.emit(text)

    def _tell_status(self) -> None:
        """Say what is to be said about the active series, soon: not for every image that is passed."""
        if not self._status_timer.isActive():
            self._status_timer.start(STATUS_MS)

    def _tell_status_now(self) -> None:
        """Say how much of the active series was read, and what is to know about its geometry."""
        if self._cine is not None:
            return
        display_set = self.session.viewport.display_set
        if display_set is None:
            if self.session.study is not None:
                self.status_changed.emit("")
            return
        self.status_changed.emit(status_text(display_set, *self.session.frames.progress(display_set)))

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop playing when another place is shown."""
        self._stop_cine()
        super().hideEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """End with the window that the page is in."""
        self.shutdown()
        super().closeEvent(event)

    def shutdown(self) -> None:
        """End threads and windows; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        self._stop_cine()
        self._status_timer.stop()
        for widget in self.widgets:
            widget.detach()
        self.widgets = []
        self.bridge.close()
        self.session.close()


def status_text(display_set: DisplaySet, done: int, total: int) -> str:
    """Return "412 of 412 images · slices regular 1.0 mm", with the keys that help."""
    parts = [f"{done:,} of {total:,} image{'' if total == 1 else 's'}"] if total else []
    if display_set.problems:
        parts.append(display_set.problems[0].sentence())
    elif display_set.is_volume and display_set.spacing_mm:
        parts.append(f"slices regular {display_set.spacing_mm:.2f} mm")
    if display_set.tilt_deg and abs(display_set.tilt_deg) > 0.1:
        parts.append(f"gantry tilt {display_set.tilt_deg:.1f}°")
    parts.append("N / P finding · A hide AI · Space play")
    return " · ".join(parts)


def _picture_of(session: ViewerSession, item: DisplaySet) -> bytes | None:
    """Return a thumbnail of the middle image of a display set (on a worker thread)."""
    from lightbox.imaging import picture
    from lightbox.imaging.image_object import ImageObject

    frame = item.frames[item.number_of_frames // 2]
    with session.services.library.open_object(frame.sop_instance_uid) as file:
        return picture.thumbnail(ImageObject.open(file), frame=frame.frame_index)
