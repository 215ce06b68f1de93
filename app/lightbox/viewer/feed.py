"""What one viewport paints right now: the picture, its overlays, or in words why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from lightbox.core.errors import LightboxError
from lightbox.viewer import overlays
from lightbox.viewer.display_sets_model import DisplaySetKind
from lightbox.viewer.mpr_volume import VolumeState
from lightbox.viewer.overlays import EMPTY, OverlayScene
from lightbox.viewer.viewport import Aspect, Role

if TYPE_CHECKING:
    from lightbox.dicom.image_plane import ImagePlane
    from lightbox.viewer.frame_view import FrameView
    from lightbox.viewer.session import ViewerSession
    from lightbox.viewer.viewport import ViewportState


@dataclass(frozen=True, slots=True)
class Notice:
    """Words in the middle of a viewport. ``kind`` is "wait", "warn" or "" (plain)."""

    text: str
    detail: str = ""
    kind: str = ""


EMPTY_NOTICE = Notice("Nothing here yet", "Drag a series here, or double-click one in the strip")
NO_IMAGES_NOTICE = Notice("This study has no images", "What was reported about it is listed under Findings")
NO_STUDY_NOTICE = Notice("No study is open", "Choose one under Studies (Alt+1) and press Enter")


def empty_notice(session: ViewerSession) -> Notice:
    """Return why a viewport shows nothing, and what to do about it."""
    if session.study is None:
        return NO_STUDY_NOTICE
    return EMPTY_NOTICE if session.display_sets else NO_IMAGES_NOTICE


class Feed:
    """Follows a viewport's state and holds what it shows.

    While the next picture is being read, ``view``, ``scene`` and ``index`` stay those of the previous one of the same
    display set, so that scrolling never flashes black and what is written always belongs to what is seen; `is_current`
    tells whether it is the one that was asked for.
    """

    changed = Signal()

    def __init__(self, session: ViewerSession, state: ViewportState) -> None:
        self.session = session
        self.state = state
        self.view: FrameView | None = None
        self.scene: OverlayScene = EMPTY
        self.notice: Notice | None = None
        self.is_current = False
        self.index = 0
        self.count = 0

    @property
    def plane(self) -> ImagePlane | None:
        """Where the picture is in the patient."""
        return self.view.plane if self.view is not None else None

    def close(self) -> None:
        """Stop following."""
        raise NotImplementedError


class StackFeed(Feed):
    """Stored frames of a display set."""

    def __init__(self, session: ViewerSession, state: ViewportState) -> None:
        super().__init__(session, state)
        self._shown: tuple[str, int] | None = None
        self._channel = f"viewport-{id(state)}"
        state.changed.connect(self._on_state)
        session.frames.arrived.connect(self._on_frame)
        session.scenes.ready.connect(self._on_scene)
        session.results_changed.connect(self._on_results)
        self.refresh()

    def close(self) -> None:
        """Stop following."""
        self.state.changed.disconnect(self._on_state)
        self.session.frames.arrived.disconnect(self._on_frame)
        self.session.scenes.ready.disconnect(self._on_scene)
        self.session.results_changed.disconnect(self._on_results)
        self.session.frames.release(self._channel)

    def _on_state(self, aspect: Aspect) -> None:
        if aspect is Aspect.DISPLAY_SET:
            self.view, self._shown, self.scene = None, None, EMPTY
        if aspect in (Aspect.DISPLAY_SET, Aspect.FRAME):
            self.refresh()
        self.changed.emit()

    def _on_frame(self, uid: str, index: int) -> None:
        if self._is_mine(uid, index) and not self.is_current:
            self.refresh()
            self.changed.emit()

    def _on_scene(self, uid: str, index: int) -> None:
        if self._is_mine(uid, index):
            self._update_scene()
            self.changed.emit()

    def _on_results(self) -> None:
        self._update_scene()
        self.changed.emit()

    def _is_mine(self, uid: str, index: int) -> bool:
        display_set = self.state.display_set
        return display_set is not None and display_set.uid == uid and self.state.frame_index == index

    def refresh(self) -> None:
        """Fetch what the state asks for; what is not there yet is requested."""
        state = self.state
        display_set = state.display_set
        self.count = state.frame_count
        self.notice, self.is_current = None, False
        if display_set is None:
            self.view, self.scene = None, EMPTY
            self.notice = empty_notice(self.session)
            return
        if display_set.kind is DisplaySetKind.UNSUPPORTED or not display_set.frames:
            self.view, self.scene = None, EMPTY
            self.notice = Notice(display_set.title, display_set.unsupported_reason)
            return
        store = self.session.frames
        view = store.view(display_set, state.frame_index, self._channel)
        if view is None:
            failure = store.failure(display_set, state.frame_index)
            if failure is not None:
                self.view, self._shown, self.scene = None, None, EMPTY
                self.index = state.frame_index
                self.notice = Notice("This image cannot be shown", _sentence(failure), "warn")
            else:
                self.notice = Notice(f"Reading image {state.frame_index + 1} of {state.frame_count}…", "", "wait")
            return
        self.view, self._shown = view, (display_set.uid, state.frame_index)
        self.index = state.frame_index
        self.is_current = True
        state.set_shape(view.shape)
        self._update_scene()

    def _update_scene(self) -> None:
        display_set = self.state.display_set
        if display_set is None or self.view is None:
            self.scene = EMPTY
            return
        if not self.is_current:
            return
        shape = self.view.shape
        found = self.session.scenes.scene(
            self.session.result_sets, display_set, self.state.frame_index, shape.rows, shape.columns, self._channel
        )
        self.scene = found if found is not None else EMPTY


class PlaneFeed(Feed):
    """A plane cut through the volume of the MPR layout."""

    def __init__(self, session: ViewerSession, state: ViewportState) -> None:
        super().__init__(session, state)
        self._number = 0
        state.changed.connect(self._on_state)
        session.mpr.changed.connect(self.refresh)
        session.results_changed.connect(self.refresh)
        self.refresh()

    def close(self) -> None:
        """Stop following."""
        self.state.changed.disconnect(self._on_state)
        self.session.mpr.changed.disconnect(self.refresh)
        self.session.results_changed.disconnect(self.refresh)
        self.session.worker.forget(("plane", self.state.role))

    def _on_state(self, aspect: Aspect) -> None:
        if aspect is Aspect.DISPLAY_SET:
            self.view = None
            self.refresh()
        self.changed.emit()

    def refresh(self) -> None:
        """Ask for the plane through the present point; a plane asked for before is dropped when it comes late."""
        mpr = self.session.mpr
        self._number += 1
        self.notice = mpr_notice(self.session)
        if self.notice is not None or mpr.planes is None:
            self.view, self.scene, self.is_current = None, EMPTY, False
            self.changed.emit()
            return
        planes, role, number = mpr.planes, self.state.role, self._number
        position = planes.position(role)
        self.state.frame_index, self.state.frame_count = position
        plane, slab, results = planes.plane(role), planes.slab, list(self.session.result_sets)
        half = planes.half_thickness_mm(role)
        volume = planes.volume
        self.is_current = False

        def work() -> tuple[FrameView, OverlayScene]:
            from lightbox.imaging.reslice import reslice
            from lightbox.viewer.frame_view_of import of_plane

            values, inside = reslice(volume, plane, slab_mm=slab.thickness_mm, mode=slab.mode)
            scene = overlays.for_plane(results, plane, tolerance_mm=half, plane_of=mpr.plane_of)
            return of_plane(volume, plane, values, inside), scene

        def done(made: tuple[FrameView, OverlayScene] | None, error: Exception | None) -> None:
            self.session.post(lambda: self._arrived(number, position, made, error))

        self.session.worker.ask(("plane", role), work, done)

    def _arrived(
        self,
        number: int,
        position: tuple[int, int],
        made: tuple[FrameView, OverlayScene] | None,
        error: Exception | None,
    ) -> None:
        if number != self._number:
            return
        if made is None:
            self.view, self.scene = None, EMPTY
            self.notice = Notice("This plane cannot be shown", _sentence(error), "warn")
        else:
            self.view, self.scene = made
            self.index, self.count = position
            self.is_current = True
            self.state.set_shape(self.view.shape)
        self.changed.emit()


def mpr_notice(session: ViewerSession) -> Notice | None:
    """Return why there is no volume to look at, None when there is one."""
    mpr = session.mpr
    if mpr.state is VolumeState.READY:
        return None
    if mpr.state is VolumeState.BUILDING:
        return Notice("Building the volume…", f"{mpr.done} of {mpr.total} slices", "wait")
    if mpr.state is VolumeState.FAILED:
        return Notice("No reformatted planes", mpr.reason, "warn")
    return empty_notice(session)


def feed_for(session: ViewerSession, state: ViewportState) -> Feed | None:
    """Return the feed for a viewport; the volume view has none, it renders by itself."""
    if state.role is Role.STACK:
        return StackFeed(session, state)
    return None if state.role is Role.VOLUME else PlaneFeed(session, state)


def _sentence(error: Exception | None) -> str:
    if isinstance(error, LightboxError):
        return error.sentence()
    return type(error).__name__ if error is not None else ""
