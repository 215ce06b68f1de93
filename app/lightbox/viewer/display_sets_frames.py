"""From instance records to frames: geometry from the index where it holds it, from the objects where it does not.

A series of classic single-frame images is sorted without opening a file. Multi-frame and enhanced objects are opened
once, up to their pixels, for the plane of each frame and the timing of a cine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from lightbox.core.errors import LightboxError, Problem, Severity
from lightbox.dicom.image_plane import ImagePlane
from lightbox.library.records import InstanceRecord
from lightbox.viewer.split_rules import Candidate

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

OpenObject = Callable[[str], BinaryIO]

ENHANCED_SOP_CLASSES = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{tail}"
    for tail in (
        "2.1",  # Enhanced CT
        "2.2",  # Legacy Converted Enhanced CT
        "4.1",  # Enhanced MR
        "4.3",  # Enhanced MR Color
        "4.4",  # Legacy Converted Enhanced MR
        "128.1",  # Legacy Converted Enhanced PET
        "130",  # Enhanced PET
        "6.2",  # Enhanced US Volume
        "12.1.1",  # Enhanced XA
        "12.2.1",  # Enhanced XRF
        "13.1.1",  # X-Ray 3D Angiographic
        "13.1.2",  # X-Ray 3D Craniofacial
        "13.1.3",  # Breast Tomosynthesis
        "13.1.4",  # Breast Projection X-Ray, presentation
        "13.1.5",  # Breast Projection X-Ray, processing
        "14.1",  # Intravascular OCT, presentation
        "14.2",  # Intravascular OCT, processing
        "30",  # Parametric Map
        "77.1.5.4",  # Ophthalmic Tomography
    )
)
"""SOP classes whose geometry is in functional groups, so that the index does not hold it."""

_UNIT_LENGTH_TOLERANCE = 0.05
_ORTHOGONAL_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class Timing:
    """When the frames of a cine are shown (PS3.3 C.7.6.5)."""

    rate_fps: float | None = None
    frame_times_ms: tuple[float, ...] = ()


@dataclass(slots=True)
class FrameList:
    """The candidates of a series and what was learned on the way."""

    candidates: list[Candidate] = field(default_factory=list)
    timings: dict[str, Timing] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def collect(instances: list[InstanceRecord], open_object: OpenObject) -> FrameList:
    """Return one candidate a frame of the given image instances. An object that cannot be opened becomes a problem."""
    found = FrameList()
    for record in instances:
        if record.number_of_frames <= 1 and not _geometry_is_inside(record):
            plane, problem = plane_of(record)
            if problem is not None:
                found.problems.append(problem)
            found.candidates.append(Candidate(record, 0, plane))
            continue
        try:
            _collect_object(found, record, open_object)
        except (LightboxError, OSError, EOFError, ValueError) as error:
            found.problems.append(_unreadable(record, error))
            found.candidates.extend(
                Candidate(record, frame, None, unit=record.sop_instance_uid if record.number_of_frames > 1 else "")
                for frame in range(max(1, record.number_of_frames))
            )
    return found


def plane_of(record: InstanceRecord) -> tuple[ImagePlane | None, Problem | None]:
    """Return the plane of a classic image from its record, and a problem when what the header says is impossible."""
    position, orientation, spacing = record.image_position, record.image_orientation, record.pixel_spacing
    if position is None or orientation is None or spacing is None or not record.rows or not record.columns:
        return None, None
    row, column = orientation[:3], orientation[3:]
    lengths = math.hypot(*row), math.hypot(*column)
    finite = all(math.isfinite(value) for value in (*position, *orientation, *spacing))
    if (
        not finite
        or min(spacing) <= 0
        or any(abs(length - 1.0) > _UNIT_LENGTH_TOLERANCE for length in lengths)
        or abs(sum(a * b for a, b in zip(row, column))) > _ORTHOGONAL_TOLERANCE
    ):
        return None, Problem(
            Severity.WARNING,
            "geometry.impossible-plane",
            "The position of an image in the patient cannot be true and is ignored",
            where=name_of(record),
            why="its orientation is not two perpendicular directions or its spacing is not positive",
        )
    return (
        ImagePlane(
            position=position,
            row_cosines=(row[0] / lengths[0], row[1] / lengths[0], row[2] / lengths[0]),
            column_cosines=(column[0] / lengths[1], column[1] / lengths[1], column[2] / lengths[1]),
            row_spacing=spacing[0],
            column_spacing=spacing[1],
            rows=record.rows,
            columns=record.columns,
            frame_of_reference_uid=record.frame_of_reference_uid,
            slice_thickness=record.slice_thickness,
        ),
        None,
    )


def name_of(record: InstanceRecord) -> str:
    """Return what a person calls an image: its number in the series."""
    return "an image without a number" if record.instance_number is None else f"image {record.instance_number}"


def timing_of(ds: Dataset) -> Timing:
    """Return the timing of a multi-frame image.

    The rate is the Recommended Display Frame Rate, else the Cine Rate, else what Frame Time or Frame Time Vector give.
    """
    from lightbox.dicom import values

    frames = max(1, values.integer(ds, "NumberOfFrames", 1))
    vector = [step for step in values.numbers(ds, "FrameTimeVector") if step >= 0]
    frame_time = values.number(ds, "FrameTime")
    times: tuple[float, ...] = ()
    if len(vector) == frames and frames > 1:
        total, moments = 0.0, []
        for step in vector:
            total += step
            moments.append(total - vector[0])
        times = tuple(moments)
    elif frame_time is not None and frame_time > 0:
        times = tuple(frame_time * number for number in range(frames))
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = values.number(ds, keyword)
        if rate is not None and rate > 0:
            return Timing(rate, times)
    if len(times) > 1 and times[-1] > 0:
        return Timing(1000.0 * (len(times) - 1) / times[-1], times)
    return Timing(None, times)


def _geometry_is_inside(record: InstanceRecord) -> bool:
    return record.image_position is None and record.sop_class_uid in ENHANCED_SOP_CLASSES


def _collect_object(found: FrameList, record: InstanceRecord, open_object: OpenObject) -> None:
    from lightbox.dicom import frames, values
    from lightbox.dicom.reading import read_header

    with open_object(record.sop_instance_uid) as file:
        ds = read_header(file)
    count = frames.number_of_frames(ds)
    unit = ""
    if count > 1:
        # The parts of a concatenation (PS3.3 C.7.6.16.2.2.4) are one object that was cut for transport.
        unit = values.text(ds, "ConcatenationUID") or record.sop_instance_uid
        found.timings[unit] = timing_of(ds)
        found.datasets[record.sop_instance_uid] = ds
    first = values.integer(ds, "ConcatenationFrameOffsetNumber", 0)
    found.candidates.extend(
        Candidate(record, frame, frames.frame_plane(ds, frame), unit=unit, place=first + frame)
        for frame in range(count)
    )


def _unreadable(record: InstanceRecord, error: Exception) -> Problem:
    why = error.sentence() if isinstance(error, LightboxError) else type(error).__name__
    return Problem(
        Severity.ERROR,
        "object.unreadable",
        "An image object cannot be read",
        where=name_of(record),
        why=why,
        todo="Retrieve the series again",
    )
