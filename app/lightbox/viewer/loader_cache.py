"""What the frame loader keeps: decoded frames within a budget of memory, errors, and the order to look ahead in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.viewer.display_sets_model import DisplaySet

if TYPE_CHECKING:
    from lightbox.dicom.image_plane import ImagePlane
    from lightbox.imaging.image_object import Frame, ImageObject

HEADER_BYTES = 1 << 16
"""What the header of a cached frame is reckoned to take."""
PREFETCH_SHARE = 0.8
"""Frames that are loaded ahead may take this share of the cache."""

FrameKey = tuple[str, int]


@dataclass(frozen=True, eq=False)
class LoadedFrame:
    """A decoded frame with what is needed to show it.

    Attributes
    ----------
    display_set_uid : str
    number : int
        0-based place in the display set.
    image : ImageObject
    decoded : Frame
        Stored values and their photometric interpretation.
    frame_index : int
        0-based frame in `image`.
    plane : ImagePlane or None
    """

    display_set_uid: str
    number: int
    image: ImageObject
    decoded: Frame
    frame_index: int
    plane: ImagePlane | None

    @property
    def nbytes(self) -> int:
        """Memory that the frame takes."""
        return self.decoded.values.nbytes + HEADER_BYTES


@dataclass(frozen=True, eq=False)
class FrameRequest:
    """One wish for a frame; never changed after it was made. `loaded` holds the frame when it was cached already."""

    id: int
    display_set: DisplaySet
    number: int
    channel: str
    loaded: LoadedFrame | None = None


class FrameCache:
    """Decoded frames, least recently used out first, and the errors of frames that cannot be had.

    Not safe for threads by itself: the loader holds its lock.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self.errors: dict[FrameKey, LightboxError] = {}
        self._frames: OrderedDict[FrameKey, LoadedFrame] = OrderedDict()
        self._seen: dict[str, set[int]] = {}
        self._largest: dict[str, int] = {}

    def get(self, key: FrameKey) -> LoadedFrame | None:
        """Return a frame and mark it as used."""
        found = self._frames.get(key)
        if found is not None:
            self._frames.move_to_end(key)
        return found

    def is_settled(self, key: FrameKey) -> bool:
        """Whether a frame is there or known to be bad."""
        return key in self._frames or key in self.errors

    def put(self, loaded: LoadedFrame) -> None:
        """Add a frame; the least recently used go until the budget is kept. The newest always stays."""
        uid, number = key = (loaded.display_set_uid, loaded.number)
        self._frames[key] = loaded
        self.bytes += loaded.nbytes
        self._seen.setdefault(uid, set()).add(number)
        self._largest[uid] = max(loaded.nbytes, self._largest.get(uid, 0))
        while self.bytes > self.limit_bytes and len(self._frames) > 1:
            _, oldest = self._frames.popitem(last=False)
            self.bytes -= oldest.nbytes

    def fail(self, key: FrameKey, error: LightboxError) -> None:
        """Remember why a frame cannot be had."""
        self.errors[key] = error
        self._seen.setdefault(key[0], set()).add(key[1])

    def done(self, uid: str) -> int:
        """Return how many frames of a display set were decoded or found to be bad."""
        return len(self._seen.get(uid, ()))

    def forget_errors(self, uid: str) -> None:
        """Let bad frames be tried again."""
        for key in [key for key in self.errors if key[0] == uid]:
            del self.errors[key]
            self._seen[uid].discard(key[1])

    def forget(self, uid: str) -> None:
        """Drop everything of a display set."""
        for key in [key for key in self._frames if key[0] == uid]:
            self.bytes -= self._frames.pop(key).nbytes
        for key in [key for key in self.errors if key[0] == uid]:
            del self.errors[key]
        self._seen.pop(uid, None)
        self._largest.pop(uid, None)

    def clear(self) -> None:
        """Drop everything."""
        self._frames.clear()
        self.errors.clear()
        self._seen.clear()
        self.bytes = 0

    def outward(self, display_set: DisplaySet, start: int, sharing: int) -> Iterator[int]:
        """Yield frame numbers from `start` outward, as far as a `sharing`-th of the cache reaches.

        Loading further ahead would push out of the cache what was just loaded.
        """
        pixels = (display_set.rows or 512) * (display_set.columns or 512)
        frame_bytes = max(2 * pixels + HEADER_BYTES, self._largest.get(display_set.uid, 0))
        room = max(1, int(PREFETCH_SHARE * self.limit_bytes / max(1, sharing) / frame_bytes))
        yield start
        sent = 1
        for away in range(1, display_set.number_of_frames):
            for number in (start + away, start - away):
                if 0 <= number < display_set.number_of_frames:
                    if sent >= room:
                        return
                    sent += 1
                    yield number
