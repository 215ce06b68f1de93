"""Playing frames at the speed the file asks for (PS3.3 C.7.6.5). Frames are dropped rather than played slower."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightbox.viewer.display_sets_model import DisplaySet

DEFAULT_RATE = 15.0
"""Frames per second when the file does not say, or when a stack of slices is played."""

MIN_RATE, MAX_RATE = 0.5, 120.0


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """When each frame is due.

    Attributes
    ----------
    times : tuple of float
        Start of each frame in seconds after the first.
    period : float
        Seconds until the loop starts again.
    source : str
        Where the speed comes from, in words.
    """

    times: tuple[float, ...]
    period: float
    source: str

    @classmethod
    def steady(cls, frames: int, rate: float, source: str = "") -> FrameTiming:
        """Equal times for `frames` at `rate` per second."""
        rate = max(MIN_RATE, min(MAX_RATE, rate))
        return cls(tuple(index / rate for index in range(frames)), frames / rate, source or f"{rate:g} frames/s")

    @classmethod
    def of(cls, display_set: DisplaySet) -> FrameTiming:
        """Return the timing of a display set: its rate, its frame times, otherwise `DEFAULT_RATE`."""
        frames = display_set.number_of_frames
        if display_set.rate_fps and display_set.rate_fps > 0:
            rate = display_set.rate_fps
            return cls.steady(frames, rate, f"{rate:.3g} frames/s (from the file)")
        durations = display_set.frame_times_ms
        if len(durations) == frames and frames > 1 and min(durations) > 0:
            ends = tuple(itertools.accumulate(milliseconds / 1000.0 for milliseconds in durations))
            return cls((0.0, *ends[:-1]), ends[-1], "frame times from the file")
        return cls.steady(frames, DEFAULT_RATE, f"{DEFAULT_RATE:g} frames/s (not given by the file)")

    def frame_at(self, seconds: float, speed: float = 1.0) -> int:
        """Return the frame due `seconds` after the start of the loop."""
        if len(self.times) <= 1 or self.period <= 0:
            return 0
        return bisect.bisect_right(self.times, (seconds * speed) % self.period) - 1

    @property
    def rate(self) -> float:
        """Mean frames per second."""
        return len(self.times) / self.period if self.period > 0 else 0.0


class Cine:
    """A player: tell it the time, it tells the frame.

    Parameters
    ----------
    timing : FrameTiming
        When each frame is due.
    start : int
        Frame to begin with.
    moment : float
        Time of the start, seconds of a monotonic clock.
    """

    def __init__(self, timing: FrameTiming, start: int, moment: float) -> None:
        self.timing = timing
        self.speed = 1.0
        self._origin = moment - (timing.times[start] if 0 <= start < len(timing.times) else 0.0)

    def frame_at(self, moment: float) -> int:
        """Return the frame due at `moment`; a late caller skips frames, the speed stays true."""
        return self.timing.frame_at(moment - self._origin, self.speed)

    @property
    def interval_ms(self) -> int:
        """How often to ask: twice a frame, at most 60 times a second."""
        return max(16, int(500.0 / max(self.timing.rate * self.speed, 0.1)))
