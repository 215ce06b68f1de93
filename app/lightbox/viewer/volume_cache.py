"""Volumes of display sets, assembled in the background and kept within a budget of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from psygnal import Signal

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import Job, JobRunner, Priority
from lightbox.viewer.display_sets_model import DisplaySet
from lightbox.viewer.loader import FrameLoader

if TYPE_CHECKING:
    from lightbox.imaging.volume import Volume

CACHE_BYTES = 2 << 30


class VolumeCache:
    """Assembles and keeps the volumes of display sets.

    Parameters
    ----------
    open_object : callable
        Returns a seekable file for a SOP Instance UID.
    jobs : JobRunner
    loader : FrameLoader, optional
        Frames that it has decoded already are not decoded again.
    cache_bytes : int
        Most memory that volumes may take together; the newest always stays.
    """

    volume_ready = Signal(str)
    """A volume can be had by `get`: display set UID. Emitted on a worker thread."""

    volume_failed = Signal(str, object)
    """Display set UID and the `LightboxError` that says why there is no volume. Emitted on a worker thread."""

    progressed = Signal(str, int, int)
    """Display set UID, slices done and slices in all; at most ten times a second."""

    def __init__(
        self,
        open_object: Callable[[str], BinaryIO],
        jobs: JobRunner,
        loader: FrameLoader | None = None,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._open = open_object
        self._jobs = jobs
        self._loader = loader
        self._limit = cache_bytes
        self._lock = threading.RLock()
        self._volumes: OrderedDict[str, Volume] = OrderedDict()
        self._running: dict[str, Job[Volume]] = {}
        self._errors: dict[str, LightboxError] = {}

    def get(self, display_set_uid: str) -> Volume | None:
        """Return a volume if it is there; never waits."""
        with self._lock:
            found = self._volumes.get(display_set_uid)
            if found is not None:
                self._volumes.move_to_end(display_set_uid)
            return found

    def error(self, display_set_uid: str) -> LightboxError | None:
        """Return why the last attempt gave no volume, or None."""
        with self._lock:
            return self._errors.get(display_set_uid)

    def request(self, display_set: DisplaySet, *, priority: Priority = Priority.INTERACTION) -> Job[Volume]:
        """Assemble the volume of a display set in the background, unless that is going on already.

        The job's result is the volume; `volume_ready` or `volume_failed` tell, too, and `progressed` on the way.

        Raises
        ------
        LightboxError
            The display set is no volume; says why.
        """
        if not display_set.is_volume:
            reasons = [problem.sentence() for problem in display_set.problems]
            raise LightboxError(
                "These images make no volume",
                why="; ".join(reasons) or "they have no regular position in the patient",
                todo="Look at them as a stack",
            )
        with self._lock:
            running = self._running.get(display_set.uid)
            if running is not None:
                return running
            self._errors.pop(display_set.uid, None)
            job = self._jobs.submit("Load the volume", partial(self._assemble, display_set), priority)
            self._running[display_set.uid] = job  # the job itself waits for the lock before it ends
        job.changed.connect(partial(self._follow, display_set.uid, job))
        return job

    def cancel(self, display_set_uid: str) -> None:
        """Stop assembling a volume; does nothing when that is not going on."""
        with self._lock:
            job = self._running.pop(display_set_uid, None)
        if job is not None:
            job.cancel()

    def forget(self, display_set_uid: str) -> None:
        """Let go of a volume and its memory."""
        self.cancel(display_set_uid)
        with self._lock:
            self._volumes.pop(display_set_uid, None)

    def close(self) -> None:
        """Stop all work and let go of every volume."""
        with self._lock:
            jobs = list(self._running.values())
            self._running.clear()
            self._volumes.clear()
        for job in jobs:
            job.cancel()

    def _assemble(self, display_set: DisplaySet, job: Job[Volume]) -> Volume:
        from lightbox.imaging.volume import assemble

        found = self.get(display_set.uid)
        if found is not None:
            self._done(display_set.uid)
            return found
        try:
            volume = assemble(
                volume_frames(display_set, self._open, self._loader),
                progress=lambda done, total: job.report(done, total, unit="images"),
                cancel=job.token,
            )
        except Cancelled:
            self._done(display_set.uid)
            raise
        except LightboxError as error:
            with self._lock:
                self._errors[display_set.uid] = error
            self._done(display_set.uid)
            self.volume_failed.emit(display_set.uid, error)
            raise
        with self._lock:
            self._volumes[display_set.uid] = volume
            while len(self._volumes) > 1 and self._bytes() > self._limit:
                self._volumes.popitem(last=False)
        self._done(display_set.uid)
        self.volume_ready.emit(display_set.uid)
        return volume

    def _done(self, uid: str) -> None:
        with self._lock:
            self._running.pop(uid, None)

    def _follow(self, uid: str, job: Job[Any]) -> None:
        if job.progress.total:
            self.progressed.emit(uid, job.progress.done, job.progress.total)

    def _bytes(self) -> int:
        return sum(volume.voxels.nbytes for volume in self._volumes.values())


def volume_frames(
    display_set: DisplaySet, open_object: Callable[[str], BinaryIO], loader: FrameLoader | None = None
) -> list[Any]:
    """Return the `VolumeFrame`s of a display set, slice k of the volume being its frame k.

    Raises
    ------
    LightboxError
        A frame has no place in the patient.
    """
    from lightbox.imaging.grey import GreyChain
    from lightbox.imaging.volume import VolumeFrame

    def decoded(number: int) -> Any:
        found = loader.get(display_set.uid, number) if loader is not None else None
        return None if found is None else (found.decoded.values, GreyChain.of(found.image, found.frame_index))

    frames: list[VolumeFrame] = []
    for number, frame in enumerate(display_set.frames):
        if frame.plane is None:
            raise LightboxError("These images make no volume", why="an image has no position in the patient")
        frames.append(
            VolumeFrame(
                open=partial(open_object, frame.sop_instance_uid),
                frame=frame.frame_index,
                plane=frame.plane,
                key=frame.sop_instance_uid,
                decoded=partial(decoded, number) if loader is not None else None,
            )
        )
    return frames
