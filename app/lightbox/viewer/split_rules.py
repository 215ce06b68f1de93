"""The rules that split a series into display sets, as tables; the machinery that applies them knows no attribute.

`GROUP_RULES` always apply. `REPEAT_RULES` and `HEADER_RULES` apply only where the geometry asks for help, because
positions repeat or the spacing is irregular; among them the split wins that makes the geometry valid, so that an
attribute which merely differs from slice to slice (an acquisition number counted up) never tears a volume apart.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lightbox.dicom.image_plane import ImagePlane
from lightbox.imaging import geometry
from lightbox.library.records import InstanceRecord


@dataclass(slots=True)
class Candidate:
    """One frame on its way into a display set; `header` holds attributes that had to be read from the object."""

    record: InstanceRecord
    frame_index: int = 0
    plane: ImagePlane | None = None
    header: dict[str, Hashable] = field(default_factory=dict)
    unit: str = ""
    """Objects that stand alone (a multi-frame object, a concatenation) have a name here."""
    place: int = 0
    """0-based place of the frame in its unit, across the parts of a concatenation."""


Group = list[Candidate]


@dataclass(frozen=True)
class Rule:
    """One way to split: frames stay together while `key` (or `same`) agrees.

    Attributes
    ----------
    name : str
        Stable name of the rule.
    reason : str
        What to tell a person; ``{value}`` is replaced by the key.
    key : callable, optional
        Returns what frames must share.
    same : callable, optional
        Compares two frames with a tolerance, instead of `key`.
    """

    name: str
    reason: str
    key: Callable[[Candidate], Hashable] | None = None
    same: Callable[[Candidate, Candidate], bool] | None = None


@dataclass(slots=True)
class Part:
    """A group of frames and why it is apart from others of its series."""

    frames: Group
    reasons: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def _planes_agree(same: Callable[[ImagePlane, ImagePlane], bool]) -> Callable[[Candidate, Candidate], bool]:
    def agree(a: Candidate, b: Candidate) -> bool:
        if a.plane is None or b.plane is None:
            return a.plane is b.plane
        return same(a.plane, b.plane)

    return agree


def is_localizer(candidate: Candidate) -> bool:
    """Whether Image Type says that this is a localizer (PS3.3 C.8.2.1.1.1, C.8.3.1.1.1)."""
    return any("LOCALIZER" in value.upper() for value in candidate.record.image_type)


GROUP_RULES: tuple[Rule, ...] = (
    Rule("object", "Multi-frame objects stand alone", key=lambda c: c.unit),
    Rule("sop-class", "Split by kind of object", key=lambda c: c.record.sop_class_uid),
    Rule("localizer", "Localizer images are kept apart", key=is_localizer),
    Rule("size", "Split by image size: {value}", key=lambda c: f"{c.record.columns} x {c.record.rows}"),
    Rule("position", "Images without a position in the patient are kept apart", key=lambda c: c.plane is not None),
    Rule(
        "frame-of-reference",
        "Split by frame of reference",
        key=lambda c: c.plane.frame_of_reference_uid if c.plane else "",
    ),
    Rule("pixel-spacing", "Split by pixel spacing", same=_planes_agree(geometry.same_pixel_spacing)),
    Rule("orientation", "Split by orientation", same=_planes_agree(geometry.same_orientation)),
)
"""Frames that differ in one of these are never in one stack."""

REPEAT_RULES: tuple[Rule, ...] = (
    Rule("echo", "Split by echo time: {value} ms", key=lambda c: c.record.echo_time),
    Rule("acquisition", "Split by acquisition: {value}", key=lambda c: c.record.acquisition_number),
    Rule("slice-thickness", "Split by slice thickness: {value} mm", key=lambda c: c.record.slice_thickness),
    Rule("image-type", "Split by image type: {value}", key=lambda c: "\\".join(c.record.image_type)),
    Rule("content-time", "Split by time: {value}", key=lambda c: c.record.content_time),
)
"""Tried, in this order, where positions repeat or spacing is irregular; they read no file."""


def _header(keyword: str) -> Callable[[Candidate], Hashable]:
    return lambda candidate: candidate.header.get(keyword)


HEADER_RULES: tuple[Rule, ...] = (
    Rule("stack", "Split by stack: {value}", key=_header("StackID")),
    Rule("temporal-position", "Split by time point: {value}", key=_header("TemporalPositionIndex")),
    Rule("temporal-position", "Split by time point: {value}", key=_header("TemporalPositionIdentifier")),
    Rule("b-value", "Split by b-value: {value} s/mm²", key=_header("DiffusionBValue")),
    Rule("direction", "Split by diffusion direction: {value}", key=_header("DiffusionGradientOrientation")),
    Rule("echo", "Split by echo time: {value} ms", key=_header("EchoTime")),
    Rule("echo", "Split by echo: {value}", key=_header("EchoNumbers")),
    Rule("inversion-time", "Split by inversion time: {value} ms", key=_header("InversionTime")),
    Rule("trigger-time", "Split by heart phase: {value} ms", key=_header("TriggerTime")),
    Rule("trigger-time", "Split by heart phase: {value} ms", key=_header("NominalCardiacTriggerDelayTime")),
    Rule("component", "Split by component: {value}", key=_header("ComplexImageComponent")),
    Rule("image-type", "Split by image type: {value}", key=_header("ImageType")),
    Rule("kernel", "Split by reconstruction kernel: {value}", key=_header("ConvolutionKernel")),
    Rule("frame-time", "Split by time: {value} ms", key=_header("FrameReferenceTime")),
    Rule("acquisition", "Split by acquisition: {value}", key=_header("AcquisitionNumber")),
    Rule("acquisition-time", "Split by acquisition time: {value}", key=_header("AcquisitionTime")),
    Rule("dimension", "Split by dimension: {value}", key=_header("DimensionWithoutPosition")),
)
"""Tried last: attributes that are read from the objects themselves."""

HEADER_KEYWORDS: tuple[str, ...] = (
    "StackID",
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "EchoTime",
    "EchoNumbers",
    "InversionTime",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "ComplexImageComponent",
    "ImageType",
    "ConvolutionKernel",
    "FrameReferenceTime",
    "AcquisitionNumber",
    "AcquisitionTime",
)
"""The attributes that `HEADER_RULES` look at, by keyword."""


def split(frames: Group, rule: Rule) -> list[tuple[Hashable, Group]]:
    """Split `frames` by one rule; the parts keep the order in which they were first met."""
    if rule.key is not None:
        parts: dict[Hashable, Group] = {}
        for frame in frames:
            parts.setdefault(rule.key(frame), []).append(frame)
        return list(parts.items())
    if rule.same is None:
        raise ValueError(f"the rule {rule.name!r} has neither key nor same")
    groups: list[Group] = []
    for frame in frames:
        # The last group first: neighbours mostly agree.
        home = next((group for group in reversed(groups) if rule.same(group[0], frame)), None)
        if home is None:
            groups.append([frame])
        else:
            home.append(frame)
    return [(number + 1, group) for number, group in enumerate(groups)]


def apply_group_rules(frames: Group) -> list[Part]:
    """Split by `GROUP_RULES`.

    Orientation is left alone when nearly every image has its own (three localizer planes, a rotating acquisition):
    scrolling through them beats a row of single images.
    """
    parts = [Part(frames)]
    for rule in GROUP_RULES:
        following: list[Part] = []
        for part in parts:
            pieces = split(part.frames, rule)
            scattered = rule.name == "orientation" and len(pieces) > 1 and len(pieces) * 2 > len(part.frames)
            if len(pieces) == 1 or scattered:
                following.append(part)
                continue
            following.extend(_part_of(part, rule, value, piece) for value, piece in pieces)
        parts = following
    return parts


def _part_of(part: Part, rule: Rule, value: Hashable, piece: Group) -> Part:
    shown = _text(value)
    label = shown if "{value}" in rule.reason and shown else ""
    return Part(
        piece,
        (*part.reasons, rule.reason.format(value=shown or "none")),
        (*part.labels, label) if label else part.labels,
        (*part.rules, rule.name),
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)


def needs_help(frames: Group) -> bool:
    """Whether positions repeat or the spacing is irregular, so that another split could make a volume of it."""
    planes = [frame.plane for frame in frames if frame.plane is not None]
    if len(planes) != len(frames) or len(planes) < 2:
        return False
    found = geometry.classify(planes)
    return found.uniform and not found.is_volume


def resolve(part: Part, rules: Sequence[Rule]) -> list[Part]:
    """Split a part whose geometry `needs_help` by the rule that makes it valid; otherwise return it as it is.

    A rule is accepted when it leaves no position twice and either gives as few parts as repetition demands or makes
    every part a volume. Where one rule is not enough, the first that lowers the repetition is followed by the others.
    """
    if not needs_help(part.frames):
        return [part]
    repeats = repetition(part.frames)
    partial: list[Part] | None = None
    for rule in rules:
        pieces = split(part.frames, rule)
        if len(pieces) < 2:
            continue
        groups = [piece for _, piece in pieces]
        worst = max(repetition(group) for group in groups)
        parts = [_part_of(part, rule, value, piece) for value, piece in pieces]
        if worst == 1 and ((repeats > 1 and len(groups) <= repeats) or all(_is_volume(group) for group in groups)):
            return parts
        if partial is None and repeats > 1 and worst < repeats and len(groups) <= repeats:
            partial = parts
    if partial is None:
        return [part]
    return [piece for half in partial for piece in resolve(half, rules)]


def repetition(frames: Group) -> int:
    """Return how many frames lie at the position that has most of them."""
    planes = [frame.plane for frame in frames if frame.plane is not None]
    if len(planes) < 2:
        return 1
    return max((len(group) for group in geometry.classify(planes).duplicates), default=1)


def _is_volume(frames: Group) -> bool:
    planes = [frame.plane for frame in frames if frame.plane is not None]
    return len(planes) == len(frames) >= 3 and geometry.classify(planes).is_volume


def split_by_occurrence(part: Part) -> list[Part]:
    """Split positions that repeat without any attribute to tell the frames apart: first of each, second of each, ..."""
    planes = [frame.plane for frame in part.frames if frame.plane is not None]
    repeats = [[part.frames[index] for index in group] for group in geometry.classify(planes).duplicates]
    sets: list[Group] = [[] for _ in range(max(len(group) for group in repeats))]
    taken = {id(frame) for group in repeats for frame in group}
    sets[0].extend(frame for frame in part.frames if id(frame) not in taken)
    for group in repeats:
        ordered = sorted(group, key=lambda frame: (frame.record.instance_number or 0, frame.frame_index))
        for number, frame in enumerate(ordered):
            sets[number].append(frame)
    reason = "Positions repeat and no attribute tells the images apart: split by order"
    return [
        Part(frames, (*part.reasons, reason), (*part.labels, f"set {number + 1}"), (*part.rules, "occurrence"))
        for number, frames in enumerate(sets)
    ]
