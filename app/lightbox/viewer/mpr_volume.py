"""The volume behind the reformatted planes: built in the background, shared by the viewports of an MPR layout."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from psygnal import Signal

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import Job, JobState
from lightbox.viewer.mpr import MprState

if TYPE_CHECKING:
    from lightbox.dicom.image_plane import ImagePlane
    from lightbox.imaging.volume import Volume
    from lightbox.viewer.display_sets_model import DisplaySet
    from lightbox.viewer.session import ViewerSession


class VolumeState(Enum):
    """Where the building of the volume is."""

    NONE = "none"
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


class MprVolume:
    """Builds the volume of one display set at a time and holds the planes through it.

    Parameters
    ----------
    session : ViewerSession
        Gives jobs, the library and the thread of the screen.
    """

    changed = Signal()
    """State, progress, point or slab changed."""

    def __init__(self, session: ViewerSession) -> None:
        self._session = session
        self.display_set: DisplaySet | None = None
        self.state = VolumeState.NONE
        self.planes: MprState | None = None
        self.reason = ""
        self.done = 0
        self.total = 0
        self._job: Job[Volume] | None = None
        self._goal: tuple[float, float, float] | None = None
        self._plane_of: dict[tuple[str, int], ImagePlane] = {}

    def clear(self) -> None:
        """Drop the volume and stop building."""
        if self.display_set is not None and self._job is not None:
            self._session.volumes.cancel(self.display_set.uid)
        self._job = None
        self.display_set, self.planes = None, None
        self.state, self.reason = VolumeState.NONE, ""
        self._goal = None
        self._plane_of = {}

    def use(self, display_set: DisplaySet | None) -> None:
        """Build the volume of a display set, unless it is there already."""
        if display_set is not None and display_set is self.display_set and self.state is not VolumeState.FAILED:
            return
        self.clear()
        self.display_set = display_set
        if display_set is None:
            self.changed.emit()
            return
        if not display_set.is_volume:
            self.state, self.reason = VolumeState.FAILED, why_no_volume(display_set)
            self.changed.emit()
            return
        self._build(display_set)

    def _build(self, display_set: DisplaySet) -> None:
        session = self._session
        self._plane_of = {
            (frame.sop_instance_uid, frame.frame_index): frame.plane
            for frame in display_set.frames
            if frame.plane is not None
        }
        self.state, self.done, self.total = VolumeState.BUILDING, 0, display_set.number_of_frames
        job = session.volumes.request(display_set)
        self._job = job

        def told() -> None:
            session.post(lambda: self._follow(job))

        job.changed.connect(told)
        told()
        self.changed.emit()

    def _follow(self, job: Job[Volume]) -> None:
        if job is not self._job or self.state is not VolumeState.BUILDING:
            return
        self.done, self.total = job.progress.done, job.progress.total or self.total
        if job.state is JobState.DONE and job.result is not None:
            self.planes = MprState(job.result)
            self.state = VolumeState.READY
            if self._goal is not None:
                self.planes.set_point(self._goal)
            self.planes.changed.connect(lambda: self.changed.emit())
        elif job.finished:
            self.state = VolumeState.FAILED
            error = job.error
            self.reason = (
                "Cancelled"
                if isinstance(error, Cancelled)
                else error.sentence()
                if isinstance(error, LightboxError)
                else f"The volume cannot be built: {type(error).__name__}"
            )
        self.changed.emit()

    def go_to(self, point: tuple[float, float, float]) -> None:
        """Let the planes pass through a patient position, now or as soon as the volume is there."""
        self._goal = point
        if self.planes is not None:
            self.planes.set_point(point)

    def plane_of(self, sop_instance_uid: str, frame_index: int) -> ImagePlane | None:
        """Return where a frame of the volume lies in the patient."""
        return self._plane_of.get((sop_instance_uid, frame_index))


def why_no_volume(display_set: DisplaySet) -> str:
    """Return in words why a display set cannot be reformatted."""
    if display_set.number_of_frames < 3:
        return "Reformatted planes need at least three slices of one stack"
    geometry = [problem for problem in display_set.problems if problem.code.startswith("geometry.")]
    if geometry:
        return f"This series is no regular volume. {geometry[0].sentence()}"
    return "This series is no regular volume: its slices are not parallel and evenly spaced"
