"""Any SR document as a `ResultSet`: measurement reports as findings, everything else as readable text."""

from __future__ import annotations

from pydicom.dataset import Dataset

from lightbox.core.errors import Problem, Severity
from lightbox.findings import tid1500
from lightbox.findings.model import Finding, FindingType, ImageReference, Producer, ResultSet
from lightbox.findings.sr_graphics import graphic_of
from lightbox.findings.sr_producer import equipment_of, observer_of, with_equipment
from lightbox.findings.sr_text import render_text
from lightbox.findings.sr_tree import Node, ObjectReference, read_tree
from lightbox.findings.tolerant import items, text


def read_sr(dataset: Dataset, sop_instance_uid: str = "") -> ResultSet:
    """Return what an SR document says.

    Parameters
    ----------
    dataset : Dataset
        An SR document of any class, or a key object selection.
    sop_instance_uid : str, optional
        Used where the data set has none of its own.

    Returns
    -------
    ResultSet
        ``document`` always holds the whole content as text. Never raises: what is wrong is in ``problems``.
    """
    uid = text(dataset, 0x00080018) or sop_instance_uid
    root, problems = read_tree(dataset)
    producer = with_equipment(observer_of(root), equipment_of(dataset))
    result = ResultSet(
        sop_instance_uid=uid,
        series_instance_uid=text(dataset, 0x0020000E),
        study_instance_uid=text(dataset, 0x0020000D),
        modality=text(dataset, 0x00080060) or "SR",
        title=root.name or text(dataset, 0x0008103E) or "Structured report",
        producer=producer,
        created_at=(text(dataset, 0x00080023) + text(dataset, 0x00080033)).strip(),
        problems=problems,
        document=render_text(root),
        predecessors=_predecessors(dataset),
    )
    if root.value_type != "CONTAINER" and not root.children:
        result.problems.append(
            Problem(Severity.WARNING, "sr.empty", "The document has no content", uid, "Its content tree is empty")
        )
        return result
    if tid1500.is_measurement_report(root):
        result.findings, more = tid1500.read_report(root, uid, producer)
        result.problems.extend(more)
        if not result.findings:
            result.problems.append(
                Problem(Severity.INFO, "sr.no-findings", "The measurement report holds no measurements", uid)
            )
    else:
        result.findings = _as_text(root, result, producer)
    return result


def _as_text(root: Node, result: ResultSet, producer: Producer) -> list[Finding]:
    """Return a document of another template as one finding with its text, and one region for each of its graphics."""
    uid = result.sop_instance_uid
    values = [node.value for node in root.walk() if node.value_type == "IMAGE"]
    references = [found.image for found in values if isinstance(found, ObjectReference)]
    images = tuple(dict.fromkeys(image for image in references if image.sop_instance_uid))
    findings = [
        Finding(
            finding_id=f"{uid}:1",
            label=result.title,
            type=FindingType.QUALITATIVE,
            producer=producer,
            source_sop_instance_uid=uid,
            referenced_images=images,
            value=result.document,
            group_id=f"{uid}:1",
        )
    ]
    for node in root.walk():
        graphic = graphic_of(node, uid, result.problems)
        if graphic is None:
            continue
        path = ".".join(map(str, node.path))
        parent = node.parent
        label = node.name or (parent.name if parent is not None else "") or result.title
        own: tuple[ImageReference, ...] = (graphic.image,) if graphic.image is not None else ()
        findings.append(
            Finding(
                finding_id=f"{uid}:{path}",
                label=label,
                type=FindingType.REGION,
                producer=producer,
                source_sop_instance_uid=uid,
                referenced_images=own,
                graphics=(graphic,),
                group_id=f"{uid}:{path}",
            )
        )
    return findings


def _predecessors(dataset: Dataset) -> tuple[str, ...]:
    """Return the documents that this one replaces or amends (PS3.3 C.17.2, Predecessor Documents Sequence)."""
    return tuple(
        text(instance, 0x00081155)
        for study in items(dataset, 0x0040A360)
        for series in items(study, 0x00081115)
        for instance in items(series, 0x00081199)
    )
