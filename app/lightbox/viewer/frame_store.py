"""Frames ready to be painted: asks the loader, and turns what it decodes into `FrameView`s on its threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from psygnal import Signal

from lightbox.viewer.loader import FrameLoader, LoadedFrame

if TYPE_CHECKING:
    from lightbox.core.errors import LightboxError
    from lightbox.core.jobs import JobRunner
    from lightbox.library.library import Library
    from lightbox.viewer.display_sets_model import DisplaySet
    from lightbox.viewer.frame_view import FrameView

KEPT_BYTES = 512 << 20
"""Most memory that views may hold; the least recently used go first."""

Key = tuple[str, int]


class FrameStore:
    """Views of the frames that viewports ask for.

    Parameters
    ----------
    library : Library
        Opens the objects.
    jobs : JobRunner
        Decodes them.
    post : callable
        Brings answers to the thread of the screen.
    """

    arrived = Signal(str, int)
    """A wanted frame is there or failed (uid of the display set, index); on the thread of the screen."""

    progressed = Signal(str, int, int)
    """Display set uid, frames done, frames in all; on the thread of the screen."""

    def __init__(self, library: Library, jobs: JobRunner, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._lock = threading.Lock()
        self._views: OrderedDict[Key, FrameView] = OrderedDict()
        self._bytes = 0
        self._wanted: dict[str, Key] = {}
        self._progress: dict[str, tuple[int, int]] = {}
        self.loader = FrameLoader(library.open_object, jobs)
        self.loader.frame_ready.connect(self._on_ready)
        self.loader.frame_failed.connect(self._on_failed)
        self.loader.progressed.connect(self._on_progress)

    # -- asked on the thread of the screen -------------------------------------------------------------------------
    def view(self, display_set: DisplaySet, index: int, channel: str) -> FrameView | None:
        """Return a frame if it is ready; otherwise it is asked for and `arrived` tells.

        Parameters
        ----------
        channel : str
            Name of the viewport that asks; a newer request of it makes an older one pointless.
        """
        key = (display_set.uid, index)
        with self._lock:
            self._wanted[channel] = key
            found = self._views.get(key)
            if found is not None:
                self._views.move_to_end(key)
        done, total = self._progress.get(display_set.uid, (0, 1))
        request = self.loader.request(display_set, index, channel=channel, prefetch=found is None or done < total)
        if found is not None:
            return found
        return self._make(request.loaded) if request.loaded is not None else None

    def is_settled(self, display_set: DisplaySet, index: int) -> bool:
        """Whether a frame is there or known to be bad."""
        key = (display_set.uid, index)
        return self.loader.get(*key) is not None or self.loader.error(*key) is not None

    def failure(self, display_set: DisplaySet, index: int) -> LightboxError | None:
        """Return why a frame cannot be shown, None while that is not known."""
        return self.loader.error(display_set.uid, index)

    def progress(self, display_set: DisplaySet) -> tuple[int, int]:
        """Return how many frames of a display set were read (or failed), and how many there are."""
        with self._lock:
            found = self._progress.get(display_set.uid)
        return found or self.loader.progress(display_set)

    def release(self, channel: str) -> None:
        """Read nothing more for a viewport that is gone."""
        with self._lock:
            self._wanted.pop(channel, None)
        self.loader.release(channel)

    def clear(self) -> None:
        """Drop all frames and ask for nothing more: the study was closed."""
        with self._lock:
            channels, uids = list(self._wanted), {uid for uid, _ in self._views}
            self._views.clear()
            self._wanted.clear()
            self._progress.clear()
            self._bytes = 0
        for channel in channels:
            self.loader.release(channel)
        for uid in uids:
            self.loader.forget(uid)

    def close(self) -> None:
        """Stop reading."""
        self.loader.close()
        with self._lock:
            self._views.clear()

    # -- answered on threads of the loader -------------------------------------------------------------------------
    def _make(self, loaded: LoadedFrame) -> FrameView:
        from lightbox.viewer.frame_view_of import of_frame

        view = of_frame(loaded.image, loaded.decoded, loaded.frame_index, loaded.plane)
        with self._lock:
            key = (loaded.display_set_uid, loaded.number)
            if key not in self._views:
                self._views[key] = view
                self._bytes += view.pixels.nbytes
            while self._bytes > KEPT_BYTES and len(self._views) > 1:
                _, oldest = self._views.popitem(last=False)
                self._bytes -= oldest.pixels.nbytes
        return view

    def _on_ready(self, uid: str, index: int) -> None:
        loaded = self.loader.get(uid, index)
        if loaded is None:
            return
        self._make(loaded)
        self._tell((uid, index))

    def _on_failed(self, uid: str, index: int) -> None:
        self._tell((uid, index))

    def _tell(self, key: Key) -> None:
        with self._lock:
            wanted = key in self._wanted.values()
        if wanted:
            self._post(lambda: self.arrived.emit(*key))

    def _on_progress(self, uid: str, done: int, total: int) -> None:
        with self._lock:
            self._progress[uid] = (done, total)
        self._post(lambda: self.progressed.emit(uid, done, total))
