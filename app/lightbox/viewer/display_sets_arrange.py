"""The order of the frames of one display set: along the normal where the geometry gives one, else by number."""

from __future__ import annotations

from dataclasses import dataclass

from lightbox.core.errors import Problem
from lightbox.imaging import geometry
from lightbox.library.records import InstanceRecord
from lightbox.viewer.display_sets_frames import name_of
from lightbox.viewer.split_rules import Group


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Frames in the order in which they are scrolled, and what their geometry allows.

    Attributes
    ----------
    frames : list of Candidate
    positions_mm : tuple of float or None
        Position of each frame along the normal of the first; None without geometry.
    by_position : bool
        Whether the frames are sorted along their normal.
    one_place : bool
        All frames show one place, again and again: a series in time.
    """

    frames: Group
    positions_mm: tuple[float | None, ...]
    by_position: bool = False
    one_place: bool = False
    is_volume: bool = False
    spacing_mm: float | None = None
    tilt_deg: float = 0.0
    problems: tuple[Problem, ...] = ()


def by_number(record: InstanceRecord) -> tuple[bool, int, str]:
    """Sort key of instances without geometry: Instance Number, then UID."""
    return record.instance_number is None, record.instance_number or 0, record.sop_instance_uid


def arrange(frames: Group, *, by_geometry: bool = True) -> Arrangement:
    """Sort the frames of one display set.

    Parameters
    ----------
    frames : list of Candidate
        At least one.
    by_geometry : bool
        False keeps the order of numbers although positions are known (many images at each position).
    """
    if frames[0].unit and all(frame.unit == frames[0].unit for frame in frames):
        numbered = sorted(frames, key=lambda frame: (frame.place, *by_number(frame.record)))
    else:
        numbered = sorted(frames, key=lambda frame: (*by_number(frame.record), frame.frame_index))
    planes = [frame.plane for frame in numbered if frame.plane is not None]
    if len(planes) != len(numbered):
        return Arrangement(numbered, (None,) * len(numbered))
    positions = tuple(float(planes[0].normal @ plane.position) for plane in planes)
    if len(numbered) == 1 or not by_geometry:
        return Arrangement(numbered, positions)
    shape = geometry.classify(planes, [name_of(frame.record) for frame in numbered])
    if not shape.uniform:
        # A direction of its own for every image: there is no common normal to sort along.
        wanted = {"geometry.mixed-orientation", "geometry.mixed-spacing", "geometry.mixed-size"}
        problems = tuple(problem for problem in shape.problems if problem.code in wanted)
        return Arrangement(numbered, (None,) * len(numbered), problems=problems)
    if shape.spacing_mm is None:
        return Arrangement(numbered, positions, one_place=True)
    return Arrangement(
        [numbered[index] for index in shape.order],
        shape.positions_mm,
        by_position=True,
        is_volume=shape.is_volume,
        spacing_mm=shape.spacing_mm,
        tilt_deg=shape.tilt_deg,
        problems=shape.problems,
    )
