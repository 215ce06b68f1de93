"""The AI results and measurements of the studies that are open, and where each finding is to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from lightbox.findings.model import Finding, ResultSet
from lightbox.viewer.display_sets_model import DisplaySet, DisplaySetKind
from lightbox.viewer.graphics import curve, on_plane


class ResultsState(Enum):
    """Where the reading of results is."""

    IDLE = "idle"
    READING = "reading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to look at a finding.

    ``point`` is patient LPS mm, when the finding has a place in the patient; ``image_point`` image coordinates on the
    frame, when it is known.
    """

    display_set: DisplaySet
    frame_index: int
    point: tuple[float, float, float] | None = None
    image_point: tuple[float, float] | None = None


def _shown(display_sets: Sequence[DisplaySet], first: DisplaySet | None) -> list[DisplaySet]:
    """Return what can be shown, what is on screen already first."""
    found = [item for item in display_sets if item.kind is not DisplaySetKind.UNSUPPORTED]
    return sorted(found, key=lambda item: item is not first)


def locate(
    finding: Finding, result: ResultSet, display_sets: Sequence[DisplaySet], shown: DisplaySet | None = None
) -> Target | None:
    """Return where a finding is best seen, preferring the display set `shown`; None when it is on no image here.

    Order: the image its graphics lie on, its place in the patient, the images it refers to.
    """
    candidates = _shown(display_sets, shown)
    for graphic in finding.graphics:
        if graphic.image is not None and np.asarray(graphic.points).shape[-1] == 2:
            frame = (graphic.image.frame_numbers or (1,))[0] - 1
            for item in candidates:
                index = item.index_of(graphic.image.sop_instance_uid, frame)
                if index is not None:
                    lines, _ = curve(graphic)
                    middle = np.vstack(lines).mean(axis=0)[:2] if lines else np.zeros(2)
                    plane = item.frames[index].plane
                    point = on_plane(middle[None, :], plane)[0] if plane is not None else None
                    return Target(
                        item, index, _point(point) if point is not None else None, (float(middle[0]), float(middle[1]))
                    )
    point, reference = _place(finding, result)
    if point is not None:
        found = _nearest(candidates, point, reference)
        if found is not None:
            return found
    for image in finding.referenced_images:
        for item in candidates:
            for frame in image.frame_numbers or (1,):
                index = item.index_of(image.sop_instance_uid, frame - 1)
                if index is not None:
                    return Target(item, index)
    return None


def _place(finding: Finding, result: ResultSet) -> tuple[tuple[float, float, float] | None, str]:
    """Return a point of the finding in the patient and its frame of reference."""
    if finding.segment is not None and result.labelmap is not None:
        centre = result.labelmap.centre_of(finding.segment.segment_number)
        if centre is not None:
            return centre, result.labelmap.frame_of_reference_uid
    for graphic in finding.graphics:
        points = np.asarray(graphic.points, dtype=np.float64)
        if points.ndim == 2 and len(points) and points.shape[1] == 3:
            return _point(points.mean(axis=0)), graphic.frame_of_reference_uid
    return None, ""


def _point(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _nearest(
    candidates: Sequence[DisplaySet], point: tuple[float, float, float], frame_of_reference_uid: str
) -> Target | None:
    """Return the frame nearest to a point, in the first display set of its space that comes close enough to show it."""
    for item in candidates:
        if not frame_of_reference_uid or item.frame_of_reference_uid != frame_of_reference_uid:
            continue
        index = item.nearest(point)
        plane = item.frames[index].plane if index is not None else None
        if index is None or plane is None:
            continue
        column, row, away = (float(value) for value in plane.to_pixel(point))
        reach = max(item.spacing_mm or 0.0, plane.slice_thickness or 0.0, 1.0)
        if abs(away) <= reach and -0.5 <= column <= plane.columns - 0.5 and -0.5 <= row <= plane.rows - 0.5:
            return Target(item, index, point, (column + 0.5, row + 0.5))
    return None
