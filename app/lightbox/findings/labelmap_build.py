"""From a SEG data set to a `LabelMap`: frames sorted into stacks by their own geometry, pixels decoded."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lightbox.core.errors import LightboxError, Problem, Severity
from lightbox.findings.labelmap import FlatMasks, LabelMap
from lightbox.findings.model import ImageReference
from lightbox.findings.seg_frames import FrameInfo, read_frames
from lightbox.findings.seg_geometry import sort_into_stacks
from lightbox.findings.seg_pixels import FramePixels, open_pixels
from lightbox.findings.segment_info import SegmentInfo, read_segments
from lightbox.findings.stack import Stack
from lightbox.findings.tolerant import integer, items, text


@dataclass
class _Build:
    """What is gathered while a SEG is read."""

    where: str
    kind: str
    threshold: float
    background: int
    stacks: list[Stack]
    places: list[tuple[int, int] | None]
    flat: FlatMasks
    problems: list[Problem] = field(default_factory=list)
    voxels: Counter[int] = field(default_factory=Counter)
    placements: dict[int, Counter[tuple[int, int]]] = field(default_factory=lambda: defaultdict(Counter))
    fractions: dict[int, dict[tuple[int, int], NDArray[np.uint8]]] = field(default_factory=lambda: defaultdict(dict))
    sources: dict[int, dict[str, set[int]]] = field(default_factory=lambda: defaultdict(dict))

    def problem(self, severity: Severity, code: str, what: str, why: str = "", todo: str = "") -> None:
        self.problems.append(Problem(severity, code, what, where=self.where, why=why, todo=todo))


def build_labelmap(dataset: Dataset) -> tuple[LabelMap, list[Problem]]:
    """Read the masks of a SEG (BINARY, FRACTIONAL or LABELMAP).

    Returns
    -------
    LabelMap
        Its segments carry voxel counts and, where the geometry is regular, volumes.
    list of Problem
        What could not be used, in words.

    Raises
    ------
    LightboxError
        There are no segments or no pixels that can be read.
    """
    where = text(dataset, 0x00080018)
    segments = read_segments(dataset)
    if not segments:
        raise LightboxError(
            "The segmentation lists no segments", where=where, why="Segment Sequence is missing or empty"
        )
    frames = read_frames(dataset)
    announced = max(integer(dataset, 0x00280008, 1), 1)
    pixels = open_pixels(dataset, announced)
    build = _prepare(dataset, where, segments, frames)
    _check_frames(build, frames, announced, pixels, text(dataset, 0x00209311))
    usable = min(len(frames), pixels.count, announced)
    for index in range(usable):
        try:
            _add_frame(build, segments, frames[index], build.places[index], pixels, index)
        except Exception as error:  # one damaged frame must not hide the others, whatever its codec raises
            build.problem(
                Severity.ERROR, "seg.frame", f"Frame {index + 1} of the segmentation could not be decoded", str(error)
            )
    return _finish(dataset, build, segments, frames[:usable])


def _prepare(dataset: Dataset, where: str, segments: dict[int, SegmentInfo], frames: list[FrameInfo]) -> _Build:
    kind = text(dataset, 0x00620001).upper() or "BINARY"
    rows, columns = integer(dataset, 0x00280010), integer(dataset, 0x00280011)
    maximum = integer(dataset, 0x0062000E, 255) or 255
    dtype = np.uint8 if max(segments) < 256 else np.uint16
    stacks, places = sort_into_stacks(frames, rows, columns, dtype)
    build = _Build(
        where=where,
        kind=kind,
        threshold=maximum / 2,
        background=integer(dataset, 0x00280120, 0),
        stacks=stacks,
        places=places,
        flat=FlatMasks(rows, columns),
    )
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        build.problem(
            Severity.WARNING, "seg.type", f"The segmentation type {kind} is not known", "It is read as BINARY"
        )
        build.kind = "BINARY"
    return build


def _check_frames(build: _Build, frames: list[FrameInfo], announced: int, pixels: FramePixels, tiling: str) -> None:
    if not frames:
        why = (
            "Its tiles have no functional groups of their own (TILED_FULL), which is not supported yet"
            if tiling == "TILED_FULL"
            else "Per-Frame Functional Groups Sequence is missing"
        )
        build.problem(Severity.ERROR, "seg.geometry", "The masks cannot be placed on images", why)
    elif min(len(frames), pixels.count) < announced:
        build.problem(
            Severity.ERROR,
            "seg.frames",
            f"The segmentation announces {announced} frames but holds {pixels.count} and describes {len(frames)}",
            "The object is incomplete",
            "Retrieve it again",
        )
    if frames and all(frame.on_slide and frame.position is None for frame in frames):
        build.problem(
            Severity.WARNING,
            "seg.slide",
            "The segmentation lies on a tiled whole-slide image",
            "Its tiles are shown only on the source tiles that they name",
        )


def _add_frame(
    build: _Build,
    segments: dict[int, SegmentInfo],
    frame: FrameInfo,
    place: tuple[int, int] | None,
    pixels: FramePixels,
    index: int,
) -> None:
    """Decode one frame and put its masks where they belong."""
    if build.kind == "LABELMAP":
        values = pixels.values(index)
        for number in np.flatnonzero(np.bincount(values)):
            info = segments.get(int(number))
            if number == build.background or number == 0 or (info is not None and info.is_background):
                continue
            if info is None:
                segments[int(number)] = SegmentInfo(int(number), f"Segment {number}")
                build.problem(
                    Severity.WARNING,
                    "seg.segment",
                    f"Pixels name segment {number}, which the segmentation does not list",
                )
            _mark(build, frame, place, np.flatnonzero(values == number), int(number))
        return
    number = frame.segment if frame.segment is not None else (next(iter(segments)) if len(segments) == 1 else 0)
    if number not in segments or number < 1:
        build.problem(
            Severity.ERROR,
            "seg.segment",
            f"Frame {index + 1} names segment {number}, which the segmentation does not list",
        )
        return
    if build.kind == "FRACTIONAL" and pixels.bits_allocated > 1:
        values = pixels.values(index)
        if values.any() and place is not None:
            build.fractions[number][place] = np.array(values, dtype=np.uint8)
        found = np.flatnonzero(values >= build.threshold)
    else:
        found = pixels.bits(index)
    _mark(build, frame, place, found, number)


def _mark(build: _Build, frame: FrameInfo, place: tuple[int, int] | None, found: NDArray[np.intp], number: int) -> None:
    if found.size:
        for source in frame.sources:
            build.sources[number].setdefault(source.sop_instance_uid, set()).update(source.frame_numbers)
    if place is not None:
        build.stacks[place[0]].add(place[1], found, number)
        if found.size:
            build.placements[number][place] += int(found.size)
            build.voxels[number] += int(found.size)
        return
    build.voxels[number] += int(found.size)
    for source in frame.sources:
        for key in [(source.sop_instance_uid, k) for k in source.frame_numbers or (0,)]:
            layers = build.flat.layers.setdefault(key, [])
            rest = found
            depth = 0
            while rest.size:
                if depth == len(layers):
                    layers.append(np.zeros((build.flat.rows, build.flat.columns), dtype=np.uint16))
                flat = layers[depth].reshape(-1)
                free = flat[rest] == 0
                flat[rest[free]] = number
                rest = rest[~free]
                depth += 1


def _finish(
    dataset: Dataset, build: _Build, segments: dict[int, SegmentInfo], frames: list[FrameInfo]
) -> tuple[LabelMap, list[Problem]]:
    """Assemble the label map, volumes and the problems that only show once all frames are read."""
    shown = {
        number: info
        for number, info in sorted(segments.items())
        if not info.is_background and number != 0 and not (build.kind == "LABELMAP" and number == build.background)
    }
    for number, info in shown.items():
        info.voxels = build.voxels[number] if frames else None
        places = build.placements.get(number, {})
        if info.voxels and places and all(build.stacks[stack].regular for stack, _index in places):
            volume = sum(
                count
                * build.stacks[stack].row_spacing
                * build.stacks[stack].column_spacing
                * build.stacks[stack].spacing
                for (stack, _index), count in places.items()
            )
            info.volume_ml = volume / 1000.0
    frame_of_reference = text(dataset, 0x00200052)
    if build.stacks and not frame_of_reference:
        build.problem(
            Severity.WARNING,
            "seg.frame-of-reference",
            "The segmentation has positions but no frame of reference",
            "It is shown only on images that it refers to",
        )
    if any(not stack.regular for stack in build.stacks):
        build.problem(
            Severity.INFO,
            "seg.irregular",
            "The planes of the segmentation are not evenly spaced, or far apart for their thickness",
            "No volumes are calculated from it",
        )
    by_source: dict[tuple[str, int], set[tuple[int, int]]] = defaultdict(set)
    unplaced = 0
    for frame, place in zip(frames, build.places, strict=False):
        if place is None and not frame.sources:
            unplaced += 1
        for source in frame.sources:
            for number in source.frame_numbers or (0,):
                if place is not None:
                    by_source[(source.sop_instance_uid, number)].add(place)
    if unplaced:
        build.problem(
            Severity.ERROR,
            "seg.geometry",
            f"{unplaced} of {len(frames)} frames of the segmentation cannot be placed",
            "They have neither a position nor a source image",
        )
    labelmap = LabelMap(
        build.where,
        frame_of_reference,
        shown,
        build.stacks,
        build.flat,
        {
            number: [(stack, index, count) for (stack, index), count in places.items()]
            for number, places in build.placements.items()
        },
        dict(by_source),
        _references(dataset, frames),
    )
    for layers in build.flat.layers.values():
        for layer in layers:
            layer.flags.writeable = False
    labelmap.sources = {
        number: tuple(ImageReference(uid, tuple(sorted(numbers))) for uid, numbers in images.items() if uid)
        for number, images in build.sources.items()
    }
    labelmap.fractions = dict(build.fractions)
    labelmap.maximum_fraction = integer(dataset, 0x0062000E, 255) or 255
    return labelmap, build.problems


def _references(dataset: Dataset, frames: list[FrameInfo]) -> set[str]:
    """Return the SOP Instance UIDs of the images that a SEG names anywhere."""
    found = {source.sop_instance_uid for frame in frames for source in frame.sources}
    found |= {text(source, 0x00081155) for source in items(dataset, 0x00082112)}
    studies = items(dataset, 0x00081200)
    for series in [*items(dataset, 0x00081115), *(one for study in studies for one in items(study, 0x00081115))]:
        found |= {text(instance, 0x00081155) for instance in items(series, 0x0008114A)}
        found |= {text(instance, 0x00081155) for instance in items(series, 0x00081199)}
    return found - {""}
