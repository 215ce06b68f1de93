"""Display sets: a study's series split and sorted by geometry, with reasons and problems that name slices.

The geometry of classic images comes from the index, so that opening a series of hundreds of slices opens no file. What
is not an image is either a result shown on images (SEG, SR, presentation state, ...: no display set) or an object that
Lightbox cannot show, which is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2s
from typing import TYPE_CHECKING

from lightbox.core.errors import Problem, Severity
from lightbox.dicom.sop_classes import Kind, kind
from lightbox.dicom.sop_classes import name as sop_class_name
from lightbox.imaging import geometry
from lightbox.library.records import InstanceRecord, SeriesRecord, StudyRecord
from lightbox.viewer import display_sets_frames, split_rules
from lightbox.viewer.display_sets_arrange import Arrangement, arrange, by_number
from lightbox.viewer.display_sets_frames import OpenObject, Timing
from lightbox.viewer.display_sets_headers import add_headers
from lightbox.viewer.display_sets_model import DisplaySet, DisplaySetKind, FrameRef
from lightbox.viewer.split_rules import Group, Part

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["DisplaySet", "DisplaySetKind", "FrameRef", "build", "first_to_show"]

CINE_MODALITIES = frozenset({"US", "IVUS", "XA", "RF", "XC", "ES", "ECHO", "GM", "EPS"})
RESULT_KINDS = frozenset({Kind.SEG, Kind.SR, Kind.PR, Kind.KOS, Kind.RT})
"""Objects that are shown on images or in lists beside them, never as images."""
SECONDARY_MODALITIES = frozenset({"OT", "SC", "DOC", "REG"})
MANY_REPEATS = "geometry.many-repeats"
MAX_PARTS = 30
"""More repetitions than this (functional MR, perfusion) stay one stack: a list of hundreds of entries helps nobody."""


def build(
    study: StudyRecord,
    series: SeriesRecord | Iterable[SeriesRecord],
    instances: Iterable[InstanceRecord],
    open_object: OpenObject,
) -> list[DisplaySet]:
    """Return the display sets of the given series, sorted by series number.

    Parameters
    ----------
    study : StudyRecord
    series : SeriesRecord or iterable of them
    instances : iterable of InstanceRecord
        The instances of those series, in any order.
    open_object : callable
        Returns a seekable file for a SOP Instance UID. Called for multi-frame and enhanced objects, and where positions
        repeat and the index alone cannot tell the images apart.

    Returns
    -------
    list of DisplaySet
    """
    entries = [series] if isinstance(series, SeriesRecord) else list(series)
    members: dict[str, list[InstanceRecord]] = {entry.series_instance_uid: [] for entry in entries}
    for instance in instances:
        if instance.series_instance_uid in members:
            members[instance.series_instance_uid].append(instance)
    entries.sort(key=lambda entry: (entry.series_number is None, entry.series_number or 0, entry.series_instance_uid))
    found: list[DisplaySet] = []
    for entry in entries:
        found.extend(_of_series(study, entry, members[entry.series_instance_uid], open_object))
    return found


def first_to_show(display_sets: Sequence[DisplaySet]) -> DisplaySet | None:
    """Return the display set that opens first: the largest volume, else the first images.

    Localizers, captured screens and documents come after images of a modality.
    """
    images = [entry for entry in display_sets if entry.kind is not DisplaySetKind.UNSUPPORTED]
    if not images:
        return display_sets[0] if display_sets else None

    def rank(place: int) -> tuple[bool, bool, int, int]:
        entry = images[place]
        secondary = entry.modality in SECONDARY_MODALITIES or _is_secondary_capture(entry.sop_class_uid)
        return entry.is_localizer, secondary, -entry.number_of_frames if entry.is_volume else 0, place

    return images[min(range(len(images)), key=rank)]


def _is_secondary_capture(sop_class_uid: str) -> bool:
    uid = "1.2.840.10008.5.1.4.1.1.7"
    return sop_class_uid == uid or sop_class_uid.startswith(uid + ".")


def _of_series(
    study: StudyRecord, series: SeriesRecord, instances: list[InstanceRecord], open_object: OpenObject
) -> list[DisplaySet]:
    images = [item for item in instances if _is_image(item)]
    others = [item for item in instances if not _is_image(item) and kind(item.sop_class_uid) not in RESULT_KINDS]
    images.sort(key=by_number)
    found = display_sets_frames.collect(images, open_object)
    parts: list[tuple[Part, tuple[Problem, ...]]] = []
    for part in split_rules.apply_group_rules(found.candidates) if found.candidates else []:
        parts.extend(_resolve(part, open_object, found.datasets))
    parts.sort(key=lambda entry: (_is_localizer(entry[0].frames), *_first_number(entry[0].frames)))
    sets: list[DisplaySet] = []
    for part, inherited in parts:
        sets.append(
            _display_set(len(sets) + 1, study, series, part, (*inherited, *_problems_of(found, part)), found.timings)
        )
    sets.extend(_unsupported(study, series, others, len(sets)))
    return sets


def _is_image(record: InstanceRecord) -> bool:
    return kind(record.sop_class_uid, has_pixels=bool(record.rows and record.columns)) is Kind.IMAGE


def _is_localizer(frames: Group) -> bool:
    return bool(frames) and all(split_rules.is_localizer(frame) for frame in frames)


def _first_number(frames: Group) -> tuple[int, int, float]:
    first = min(frames, key=lambda frame: (frame.record.instance_number or 0, frame.frame_index))
    return first.record.instance_number or 0, first.frame_index, first.plane.distance if first.plane else 0.0


def _problems_of(found: display_sets_frames.FrameList, part: Part) -> tuple[Problem, ...]:
    names = {display_sets_frames.name_of(frame.record) for frame in part.frames}
    return tuple(problem for problem in found.problems if problem.where in names)


def _resolve(
    part: Part, open_object: OpenObject, datasets: dict[str, Dataset]
) -> list[tuple[Part, tuple[Problem, ...]]]:
    """Make volumes of a part whose positions repeat or whose spacing is irregular, where an attribute allows it."""
    if not split_rules.needs_help(part.frames):
        return [(part, ())]
    whole = geometry.classify([frame.plane for frame in part.frames if frame.plane is not None])
    positions = len(part.frames) - sum(len(group) - 1 for group in whole.duplicates)
    if positions < 2:
        return [(part, ())]  # one place seen again and again: a series in time, scrolled as it is
    pieces = split_rules.resolve(part, split_rules.REPEAT_RULES)
    if any(split_rules.repetition(piece.frames) > 1 for piece in pieces):
        add_headers(part.frames, open_object, datasets)
        pieces = [
            leaf
            for piece in split_rules.resolve(part, split_rules.HEADER_RULES)
            for leaf in split_rules.resolve(piece, split_rules.REPEAT_RULES)
        ]
    if len(pieces) > MAX_PARTS or split_rules.repetition(part.frames) > MAX_PARTS:
        note = Problem(
            Severity.INFO,
            MANY_REPEATS,
            f"{positions} positions were imaged up to {split_rules.repetition(part.frames)} times",
            why=f"more than {MAX_PARTS} parts would be needed",
            todo="They are shown as one stack in the order of image numbers",
        )
        return [(part, (note,))]
    final = [
        leaf
        for piece in pieces
        for leaf in (split_rules.split_by_occurrence(piece) if split_rules.repetition(piece.frames) > 1 else [piece])
    ]
    # A split must not hide that slices are missing from the whole.
    missing = tuple(problem for problem in whole.problems if problem.code == "geometry.missing-slice")
    return [(piece, missing if len(final) > 1 else ()) for piece in final]


def _display_set(
    number: int,
    study: StudyRecord,
    series: SeriesRecord,
    part: Part,
    problems: tuple[Problem, ...],
    timings: dict[str, Timing],
) -> DisplaySet:
    first = part.frames[0].record
    arranged = arrange(part.frames, by_geometry=not any(problem.code == MANY_REPEATS for problem in problems))
    frames = arranged.frames
    timing = timings.get(frames[0].unit, Timing()) if frames[0].unit else Timing()
    planes = [frame.plane for frame in frames if frame.plane is not None]
    in_time = bool(frames[0].unit) and not arranged.by_position
    return DisplaySet(
        uid=f"{series.series_instance_uid}/{number}/{_fingerprint(frames)}",
        study_instance_uid=study.study_instance_uid,
        series_instance_uid=series.series_instance_uid,
        title=_title(series, part.labels),
        modality=series.modality,
        kind=_kind(arranged, in_time, timing, series.modality),
        frames=tuple(
            FrameRef(
                frame.record.sop_instance_uid, frame.frame_index, frame.plane, frame.record.instance_number, position
            )
            for frame, position in zip(frames, arranged.positions_mm)
        ),
        series_number=series.series_number,
        series_description=series.series_description,
        rows=first.rows,
        columns=first.columns,
        frame_of_reference_uid=planes[0].frame_of_reference_uid if planes else first.frame_of_reference_uid,
        is_volume=arranged.is_volume,
        is_localizer=_is_localizer(frames),
        spacing_mm=arranged.spacing_mm,
        tilt_deg=arranged.tilt_deg,
        split_reasons=part.reasons,
        problems=(*problems, *arranged.problems),
        frame_times_ms=timing.frame_times_ms if len(timing.frame_times_ms) == len(frames) else (),
        rate_fps=timing.rate_fps,
        sop_class_uid=first.sop_class_uid,
    )


def _fingerprint(frames: Group) -> str:
    """Return a short text that other frames, or another order of them, would not have.

    Pictures, overlays and volumes are kept by the uid of a display set and the number of the frame: when a series has
    grown, number 17 is another slice.
    """
    named = "\n".join(f"{frame.record.sop_instance_uid} {frame.frame_index}" for frame in frames)
    return blake2s(named.encode(), digest_size=6).hexdigest()


def _kind(arranged: Arrangement, in_time: bool, timing: Timing, modality: str) -> DisplaySetKind:
    if arranged.is_volume:
        return DisplaySetKind.VOLUME
    if len(arranged.frames) == 1:
        return DisplaySetKind.SINGLE
    timed = timing.rate_fps is not None or bool(timing.frame_times_ms) or arranged.one_place
    if in_time and (timed or modality in CINE_MODALITIES):
        return DisplaySetKind.CINE
    return DisplaySetKind.STACK


def _title(series: SeriesRecord, labels: tuple[str, ...] = ()) -> str:
    name = series.series_description or series.protocol_name or series.modality or "Series"
    head = name if series.series_number is None else f"{series.series_number}: {name}"
    return f"{head} ({', '.join(labels)})" if labels else head


def _unsupported(
    study: StudyRecord, series: SeriesRecord, others: list[InstanceRecord], before: int
) -> list[DisplaySet]:
    """Return one entry for each kind of object that Lightbox cannot show as images."""
    kinds: dict[str, list[InstanceRecord]] = {}
    for record in others:
        kinds.setdefault(record.sop_class_uid, []).append(record)
    found: list[DisplaySet] = []
    for uid, records in kinds.items():
        named = sop_class_name(uid)
        what = named if named and named != uid else "its kind is unknown"
        count = f"These {len(records)} objects" if len(records) > 1 else "This object"
        found.append(
            DisplaySet(
                uid=f"{series.series_instance_uid}/{before + len(found) + 1}",
                study_instance_uid=study.study_instance_uid,
                series_instance_uid=series.series_instance_uid,
                title=_title(series),
                modality=series.modality,
                kind=DisplaySetKind.UNSUPPORTED,
                frames=(),
                series_number=series.series_number,
                series_description=series.series_description,
                sop_class_uid=uid,
                unsupported_reason=f"{count} cannot be shown as images yet: {what}",
            )
        )
    return found
