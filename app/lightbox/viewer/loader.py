"""Frames for the screen: the wanted one first, its neighbours behind it, decoded off the calling thread.

A viewport asks for a frame on its own channel. What is cached comes back at once; otherwise the frame is decoded at
interaction priority and `FrameLoader.frame_ready` tells. A newer request on the same channel makes an older one that
has not started pointless: it is dropped. Meanwhile background jobs work outward from the frame each channel shows, in
short turns, so that a new request never waits behind a whole series.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from psygnal import Signal

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import PROGRESS_INTERVAL_S, Job, JobRunner, Priority
from lightbox.viewer.display_sets_model import DisplaySet, FrameRef
from lightbox.viewer.loader_cache import FrameCache, FrameKey, FrameRequest, LoadedFrame

if TYPE_CHECKING:
    from lightbox.imaging.image_object import ImageObject

__all__ = ["FrameLoader", "FrameRequest", "LoadedFrame"]

CACHE_BYTES = 1 << 30
PREFETCH_JOBS = 2
TURN_S = 0.05
"""A background job gives way after this long."""
MULTIFRAME_OBJECTS = 8
"""Multi-frame objects whose headers are kept for further frames."""


class FrameLoader:
    """Decodes and caches the frames of display sets.

    Parameters
    ----------
    open_object : callable
        Returns a seekable file for a SOP Instance UID.
    jobs : JobRunner
    cache_bytes : int
        Most memory that decoded frames may take; the least recently used go first.
    """

    frame_ready = Signal(str, int)
    """A frame came into the cache: display set UID and number. Emitted on a worker thread."""

    frame_failed = Signal(str, int)
    """A frame cannot be shown; `error` says why. The others go on. Emitted on a worker thread."""

    answered = Signal(object)
    """A `FrameRequest` that is still current was decoded or failed; answers to older requests are not told."""

    progressed = Signal(str, int, int)
    """Display set UID, frames done and frames in all; at most ten times a second, and at the end."""

    def __init__(
        self, open_object: Callable[[str], BinaryIO], jobs: JobRunner, *, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._open = open_object
        self._jobs = jobs
        self._lock = threading.RLock()
        self._ids = itertools.count(1)
        self._cache = FrameCache(cache_bytes)
        self._busy: dict[FrameKey, threading.Event] = {}
        self._current: dict[str, FrameRequest] = {}
        self._images: OrderedDict[str, ImageObject] = OrderedDict()
        self._image_locks: dict[str, threading.Lock] = {}
        self._prefetching: set[Job[Any]] = set()
        self._told: dict[str, float] = {}
        self._closed = False

    def get(self, display_set_uid: str, number: int) -> LoadedFrame | None:
        """Return a frame if it is in the cache; never waits."""
        with self._lock:
            return self._cache.get((display_set_uid, number))

    def error(self, display_set_uid: str, number: int) -> LightboxError | None:
        """Return why a frame cannot be shown, or None."""
        with self._lock:
            return self._cache.errors.get((display_set_uid, number))

    def request(
        self, display_set: DisplaySet, number: int, *, channel: str = "", prefetch: bool = True
    ) -> FrameRequest:
        """Ask for a frame; what was asked for on the same channel before is no longer wanted.

        Parameters
        ----------
        display_set : DisplaySet
        number : int
            0-based place in it.
        channel : str
            Who asks: one name a viewport.
        prefetch : bool
            Load the neighbours, too, nearest first.

        Returns
        -------
        FrameRequest
            With `FrameRequest.loaded` when the frame was there already; otherwise `error` says that it cannot be
            shown, or `frame_ready`, `frame_failed` and `answered` will tell.

        Raises
        ------
        IndexError
            The display set has no such frame.
        """
        if not 0 <= number < display_set.number_of_frames:
            raise IndexError(f"frame {number} of {display_set.number_of_frames}")
        loaded = self.get(display_set.uid, number)
        request = FrameRequest(next(self._ids), display_set, number, channel, loaded)
        with self._lock:
            if self._closed:
                return request
            self._current[channel] = request
            failed = (display_set.uid, number) in self._cache.errors
        if loaded is None and not failed:
            self._jobs.submit("Show an image", partial(self._answer, request), Priority.INTERACTION)
        if prefetch:
            self._start_prefetch()
        return request

    def is_current(self, request: FrameRequest) -> bool:
        """Whether nothing newer was asked for on the channel of `request`."""
        with self._lock:
            return self._current.get(request.channel) is request

    def load(self, display_set: DisplaySet, number: int) -> LoadedFrame:
        """Return a frame, decoding it on the calling thread if need be.

        Raises
        ------
        LightboxError
            The frame cannot be shown; says why.
        """
        key = (display_set.uid, number)
        while True:
            with self._lock:
                found, error, busy = self._cache.get(key), self._cache.errors.get(key), self._busy.get(key)
                if found is not None:
                    return found
                if error is not None:
                    raise error
                if busy is None:
                    self._busy[key] = threading.Event()
                    break
            busy.wait()
        return self._decode(display_set, number)

    def retry(self, display_set: DisplaySet) -> None:
        """Forget the errors of a display set, so that its bad frames are tried again."""
        with self._lock:
            self._cache.forget_errors(display_set.uid)

    def progress(self, display_set: DisplaySet) -> tuple[int, int]:
        """Return how many frames were decoded or found to be bad, and how many there are."""
        with self._lock:
            return self._cache.done(display_set.uid), display_set.number_of_frames

    def release(self, channel: str) -> None:
        """Load nothing more for a viewport that was closed or shows something else."""
        with self._lock:
            self._current.pop(channel, None)

    def forget(self, display_set_uid: str) -> None:
        """Drop all frames of a display set from the cache."""
        with self._lock:
            self._cache.forget(display_set_uid)

    def close(self) -> None:
        """Stop loading and let go of everything."""
        with self._lock:
            self._closed = True
            self._current.clear()
            self._cache.clear()
            self._images.clear()
            jobs = list(self._prefetching)
        for job in jobs:
            job.cancel()

    @property
    def cached_bytes(self) -> int:
        """Memory that cached frames take."""
        return self._cache.bytes

    def _answer(self, request: FrameRequest, _job: Job[None]) -> None:
        if not self.is_current(request):
            return  # scrolled on before this frame's turn came
        try:
            self.load(request.display_set, request.number)
        except LightboxError:
            pass  # kept for `error`, told by `frame_failed`
        if self.is_current(request):
            self.answered.emit(request)

    def _decode(self, display_set: DisplaySet, number: int) -> LoadedFrame:
        """Decode a frame that this thread has marked as busy."""
        key = (display_set.uid, number)
        reference = display_set.frames[number]
        try:
            image = self._image(display_set, reference)
            decoded = image.frame(reference.frame_index)
        except Exception as error:
            wrapped = _as_lightbox_error(error, reference)
            with self._lock:
                self._cache.fail(key, wrapped)
                self._busy.pop(key).set()
            self.frame_failed.emit(*key)
            self._tell(display_set)
            raise wrapped from error
        loaded = LoadedFrame(display_set.uid, number, image, decoded, reference.frame_index, reference.plane)
        with self._lock:
            if not self._closed:
                self._cache.put(loaded)
            self._busy.pop(key).set()
        self.frame_ready.emit(*key)
        self._tell(display_set)
        return loaded

    def _image(self, display_set: DisplaySet, reference: FrameRef) -> ImageObject:
        """Return the image object of a frame; the header of a multi-frame object is read once for all its frames."""
        from lightbox.imaging.image_object import ImageObject

        uid = reference.sop_instance_uid
        opener = partial(self._open, uid)
        if not _shares_object(display_set):
            return ImageObject.open(opener)
        with self._lock:
            lock = self._image_locks.setdefault(uid, threading.Lock())
        with lock:
            with self._lock:
                found = self._images.get(uid)
                if found is not None:
                    self._images.move_to_end(uid)
                    return found
            image = ImageObject.open(opener)
            with self._lock:
                self._images[uid] = image
                while len(self._images) > MULTIFRAME_OBJECTS:
                    self._images.popitem(last=False)
            return image

    def _tell(self, display_set: DisplaySet) -> None:
        done, total = self.progress(display_set)
        moment = time.monotonic()
        with self._lock:
            due = done == total or moment - self._told.get(display_set.uid, 0.0) >= PROGRESS_INTERVAL_S
            if due:
                self._told[display_set.uid] = moment
        if due:
            self.progressed.emit(display_set.uid, done, total)

    def _start_prefetch(self) -> None:
        with self._lock:
            if self._closed or self._next_wanted() is None:
                return
            missing = PREFETCH_JOBS - len(self._prefetching)
        for _ in range(missing):
            self._submit_prefetch()

    def _submit_prefetch(self) -> None:
        with self._lock:  # held while submitting, so that a turn ends after it was noted
            if self._closed:
                return
            try:
                job = self._jobs.submit("Load images", self._prefetch_turn, Priority.PREFETCH)
            except RuntimeError:
                return  # the program is closing
            self._prefetching.add(job)

    def _prefetch_turn(self, job: Job[None]) -> None:
        """Decode the most wanted frames for a short time, then queue up again."""
        end = time.monotonic() + TURN_S
        wanted: tuple[DisplaySet, int] | None = None
        try:
            while time.monotonic() < end:
                job.token.raise_if_cancelled()
                with self._lock:
                    wanted = self._next_wanted()
                    if wanted is not None:
                        self._busy[(wanted[0].uid, wanted[1])] = threading.Event()
                if wanted is None:
                    break
                try:
                    self._decode(*wanted)
                except LightboxError:
                    continue  # kept for `error`; the next frame may be fine
        finally:
            with self._lock:
                self._prefetching.discard(job)
        if wanted is not None:
            self._submit_prefetch()

    def _next_wanted(self) -> tuple[DisplaySet, int] | None:
        """Return the frame nearest to what some channel shows that is neither there, bad nor on its way."""
        requests = list(self._current.values())
        searches = [
            (request.display_set, self._cache.outward(request.display_set, request.number, len(requests)))
            for request in requests
        ]
        while searches:
            for entry in list(searches):
                display_set, numbers = entry
                number = next(numbers, None)
                if number is None:
                    searches.remove(entry)
                    continue
                key = (display_set.uid, number)
                if not self._cache.is_settled(key) and key not in self._busy:
                    return display_set, number
        return None


def _shares_object(display_set: DisplaySet) -> bool:
    frames = display_set.frames
    return len(frames) > 1 and frames[0].sop_instance_uid == frames[1].sop_instance_uid


def _as_lightbox_error(error: Exception, reference: FrameRef) -> LightboxError:
    if isinstance(error, LightboxError):
        return error
    name = f"image {reference.instance_number}" if reference.instance_number is not None else ""
    return LightboxError("This image cannot be shown", where=name, why=f"{type(error).__name__}: {error}")
