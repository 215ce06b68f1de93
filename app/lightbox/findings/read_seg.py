"""A SEG as a `ResultSet`: one finding for each segment (PS3.3 A.51)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from lightbox.core.errors import LightboxError, Problem, Severity
from lightbox.findings.labelmap_build import build_labelmap
from lightbox.findings.model import Finding, FindingType, ImageReference, Producer, ResultSet, SegmentRef
from lightbox.findings.segment_info import SegmentInfo, read_segments
from lightbox.findings.tolerant import text


def read_seg(dataset: Dataset) -> ResultSet:
    """Return the segments of a SEG as findings, with its label map.

    Never raises for a data set whose attributes are wrong or missing: what cannot be read is in ``problems``.
    """
    uid = text(dataset, 0x00080018)
    result = ResultSet(
        sop_instance_uid=uid,
        series_instance_uid=text(dataset, 0x0020000E),
        study_instance_uid=text(dataset, 0x0020000D),
        modality=text(dataset, 0x00080060) or "SEG",
        title=text(dataset, 0x0008103E) or text(dataset, 0x00700081) or text(dataset, 0x00700080) or "Segmentation",
        producer=Producer("unknown"),
        created_at=(text(dataset, 0x00080023) + text(dataset, 0x00080033)).strip(),
    )
    manufacturer = text(dataset, 0x00080070)
    segments: dict[int, SegmentInfo]
    try:
        result.labelmap, result.problems = build_labelmap(dataset)
        segments = result.labelmap.segments
    except LightboxError as error:
        result.problems.append(
            Problem(Severity.ERROR, "seg.unreadable", error.what, error.where, error.why, error.todo)
        )
        segments = {number: info for number, info in read_segments(dataset).items() if not info.is_background}
    sources = result.labelmap.sources if result.labelmap is not None else {}
    creator = text(dataset, 0x00700084)
    for number, info in segments.items():
        producer = info.producer(manufacturer)
        if producer.kind == "person":
            producer = Producer("person", name=creator, manufacturer=manufacturer)
        result.findings.append(_finding(uid, number, info, producer, sources.get(number, ())))
    result.producer = _common_producer(result.findings, manufacturer)
    return result


def _finding(
    uid: str, number: int, info: SegmentInfo, producer: Producer, images: tuple[ImageReference, ...]
) -> Finding:
    return Finding(
        finding_id=f"{uid}:{number}",
        label=info.label,
        type=FindingType.SEGMENT,
        producer=producer,
        source_sop_instance_uid=uid,
        referenced_images=images,
        site=info.site,
        tracking_uid=info.tracking_uid,
        tracking_id=info.tracking_id,
        segment=SegmentRef(uid, number),
        colour=info.colour,
        voxels=info.voxels,
        volume_ml=info.volume_ml,
        group_id=info.tracking_uid or f"{uid}:{number}",
    )


def _common_producer(findings: list[Finding], manufacturer: str) -> Producer:
    """Return the producer of all segments when it is one, else only the manufacturer."""
    producers = {finding.producer for finding in findings}
    if len(producers) == 1:
        return producers.pop()
    kinds = {producer.kind for producer in producers}
    return Producer(kinds.pop() if len(kinds) == 1 else "unknown", manufacturer=manufacturer)
