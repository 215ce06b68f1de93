"""Overlay scenes of stored frames: made in the background, kept, and made ahead for the frames to come."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from psygnal import Signal

from lightbox.core.errors import LightboxError
from lightbox.viewer import overlays
from lightbox.viewer.overlays import EMPTY, OverlayScene

if TYPE_CHECKING:
    from lightbox.findings.model import ResultSet
    from lightbox.viewer.display_sets_model import DisplaySet
    from lightbox.viewer.latest import LatestWorker

logger = logging.getLogger(__name__)

KEPT = 400
AHEAD = 6
"""How many frames on each side are prepared."""

Key = tuple[str, int]


class SceneStore:
    """Scenes by display set and frame.

    Parameters
    ----------
    worker : LatestWorker
        Makes them.
    post : callable
        Brings answers to the thread of the screen.
    """

    ready = Signal(str, int)
    """A scene was made: uid of the display set, frame index."""
    failed = Signal(str)
    """A scene could not be made, in words: results may be missing on the image."""

    def __init__(self, worker: LatestWorker, post: Callable[[Callable[[], None]], None]) -> None:
        self._worker = worker
        self._post = post
        self._kept: OrderedDict[Key, OverlayScene] = OrderedDict()
        self._generation = 0

    def clear(self) -> None:
        """Forget all scenes: the results changed."""
        self._generation += 1
        self._kept.clear()

    def scene(
        self,
        result_sets: Sequence[ResultSet],
        display_set: DisplaySet,
        index: int,
        rows: int,
        columns: int,
        channel: str = "",
    ) -> OverlayScene | None:
        """Return the scene of a frame, or None while it is being made (`ready` tells when it is there).

        Parameters
        ----------
        rows, columns : int
            Size of the frame.
        channel : str
            Who asks: a newer request of one viewport makes its older one pointless, not that of another viewport.
        """
        if not result_sets:
            return EMPTY
        key = (display_set.uid, index)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            self._ask_ahead(result_sets, display_set, index, rows, columns)
            return found
        generation = self._generation

        def done(scene: OverlayScene | None, error: Exception | None) -> None:
            self._post(lambda: self._keep(generation, key, EMPTY if scene is None else scene, error))

        self._worker.ask(("scene", channel), lambda: make(result_sets, display_set, index, rows, columns), done)
        return None

    def _keep(self, generation: int, key: Key, scene: OverlayScene, error: Exception | None = None) -> None:
        if generation != self._generation:
            return
        if error is not None:
            logger.error("overlays could not be made: %s", type(error).__name__)
            why = str(error) if isinstance(error, LightboxError) else type(error).__name__
            self.failed.emit(f"The results on this image could not be drawn: {why}")
        self._kept[key] = scene
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.ready.emit(*key)

    def _ask_ahead(
        self, result_sets: Sequence[ResultSet], display_set: DisplaySet, index: int, rows: int, columns: int
    ) -> None:
        wanted = [
            place
            for away in range(1, AHEAD + 1)
            for place in (index + away, index - away)
            if 0 <= place < display_set.number_of_frames and (display_set.uid, place) not in self._kept
        ]
        if not wanted:
            return
        generation = self._generation

        def work() -> list[tuple[Key, OverlayScene]]:
            return [
                ((display_set.uid, place), make(result_sets, display_set, place, rows, columns)) for place in wanted
            ]

        def done(made: list[tuple[Key, OverlayScene]] | None, error: Exception | None) -> None:
            for key, scene in made or ():
                self._post(lambda key=key, scene=scene: self._keep(generation, key, scene))

        self._worker.ask(("ahead", display_set.uid), work, done)


def make(
    result_sets: Sequence[ResultSet], display_set: DisplaySet, index: int, rows: int, columns: int
) -> OverlayScene:
    """Return the overlays of frame `index` of a display set.

    A CT localizer is a projection: everything behind and before its plane is in it too, so that a cut through a mask
    would say something wrong. Only what refers to the localizer itself is drawn on it.
    """
    frame = display_set.frames[index]
    projection = display_set.is_localizer and display_set.modality == "CT"
    plane = None if projection else frame.plane
    thickness = display_set.spacing_mm or (plane.slice_thickness if plane is not None else None) or 1.0
    return overlays.for_image(
        result_sets, frame.sop_instance_uid, frame.frame_index, rows, columns, plane, tolerance_mm=thickness / 2
    )
