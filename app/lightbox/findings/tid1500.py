"""Measurement reports (PS3.16 TID 1500): groups of TID 1410, 1411 and 1501 as findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lightbox.core.errors import Problem, Severity
from lightbox.findings.codes import Code
from lightbox.findings.colour import hex_colour
from lightbox.findings.model import Finding, FindingType, Graphic, ImageReference, Producer, SegmentRef
from lightbox.findings.sr_concepts import (
    COLOUR,
    CONTEXT,
    FINDING,
    GROUP,
    MANUAL_PROCESSING,
    PROCESSING_TYPE,
    REFERENCED_SEGMENT,
    REPORT,
    SEGMENTATION_FRAME,
    SHORT_LABEL,
    TRACKING_ID,
    TRACKING_UID,
    certainty_of,
    dotted,
    first_text,
    has_concept,
    is_context,
    is_readable,
    modifiers,
    site_in_words,
    sites_of,
    unique,
)  # fmt: skip
from lightbox.findings.sr_graphics import SHAPES, graphic_of
from lightbox.findings.sr_producer import algorithm_of, observer_of
from lightbox.findings.sr_text import number_in_words, value_in_words
from lightbox.findings.sr_tree import Coordinates, Node, Number, ObjectReference


@dataclass
class GroupContext:
    """What holds for all findings of a measurement group; ``name`` is its finding and site, empty when none is said."""

    group_id: str
    label: str
    name: str
    tracking_id: str
    tracking_uid: str
    site: str
    producer: Producer
    colour: tuple[int, int, int] | None
    certainty: float | None
    images: list[ImageReference] = field(default_factory=list)
    segment: SegmentRef | None = None


def is_measurement_report(root: Node) -> bool:
    """Return whether a document holds measurement groups: TID 1500, or groups without its frame."""
    return any(node.concept is not None and node.concept.key in (REPORT, GROUP) for node in (root, *root.children))


def read_report(root: Node, sop_uid: str, producer: Producer) -> tuple[list[Finding], list[Problem]]:
    """Return the findings of a measurement report in document order.

    A group with graphics and one number is one MEASUREMENT that carries the graphics. With several numbers the graphics
    are one REGION and each number a MEASUREMENT of the same ``group_id``. Coded answers and texts are QUALITATIVE.
    `producer` made what says nothing else.
    """
    reader = _Reader(sop_uid, root, producer)
    for node in root.walk():
        if node.value_type == "CONTAINER" and node.concept is not None and node.concept.key == GROUP:
            reader.read_group(node)
        elif node.value_type in ("CODE", "TEXT", "NUM") and _outside_groups(node, root):
            reader.read_loose(node)
    return reader.findings, reader.problems


def _outside_groups(node: Node, root: Node) -> bool:
    """Whether an evaluation stands in the report itself: not in a group, in the image library or as context."""
    if node.relationship != "CONTAINS" or (node.concept is not None and node.concept.key in CONTEXT):
        return False
    parent = node.parent
    while parent is not None:
        if parent.value_type != "CONTAINER" or (parent.concept is not None and parent.concept.key == GROUP):
            return False
        if parent.concept is not None and parent.concept.key == ("111028", "DCM"):  # Image Library
            return False
        parent = parent.parent
    return True


class _Reader:
    def __init__(self, sop_uid: str, root: Node, producer: Producer) -> None:
        self.sop_uid = sop_uid
        self.root = root
        self.producer = producer
        self.findings: list[Finding] = []
        self.problems: list[Problem] = []

    def read_group(self, group: Node) -> None:
        """Add the findings of one measurement group."""
        parts = _separate_measurements(group)
        for items in parts:
            self._read_items(group, items, dotted(group if len(parts) == 1 else items[0]))

    def read_loose(self, node: Node) -> None:
        """Add an evaluation that stands outside all groups."""
        context = GroupContext(dotted(node), "", "", "", "", "", algorithm_of(node) or self.producer, None, None)
        self._add_evaluation(context, node)

    def _read_items(self, group: Node, items: list[Node], own_id: str) -> None:
        context = self._context(group, items, own_id)
        graphics = [graphic for node in items for graphic in self._graphics(node)]
        numbers = [node for node in items if node.value_type == "NUM"]
        answers = [node for node in items if node.value_type in ("CODE", "TEXT") and not is_context(node)]
        own = {id(node): self._own_graphics(node) for node in numbers}
        images = unique([*(g.image for g in graphics if g.image), *context.images])
        context.images = images
        lone = len(numbers) == 1 and not own[id(numbers[0])]
        if (graphics or context.segment) and not lone:
            self._add(context, "", context.label, FindingType.REGION, graphics=graphics, segment=True)
        for node in numbers:
            shapes = graphics if lone else own[id(node)]
            self._add_number(context, node, shapes, with_segment=lone)
        for node in answers:
            self._add_evaluation(context, node)
        if not (graphics or context.segment or numbers or answers):
            self._add(context, "", context.label, FindingType.QUALITATIVE, value=context.label)

    def _context(self, group: Node, items: list[Node], own_id: str) -> GroupContext:
        scope = [*items, *(child for node in items if node.value_type in SHAPES for child in node.children)]
        tracking_id = first_text(scope, TRACKING_ID)
        tracking_uid = first_text(scope, TRACKING_UID)
        finding = next((n for n in scope if has_concept(n, FINDING) and isinstance(n.value, Code)), None)
        sites = [site_in_words(node) for node in sites_of(scope, finding)]
        short = first_text(scope, SHORT_LABEL)
        name = value_in_words(finding.value) if finding else ("" if short.startswith("{") else short)
        called = ", ".join(part for part in (name, *dict.fromkeys(sites)) if part)
        shape = next((node.name for node in items if node.value_type in SHAPES and node.name), group.name)
        label = called or (tracking_id if is_readable(tracking_id) else shape)
        context = GroupContext(
            group_id=tracking_uid or own_id,
            label=label,
            name=called,
            tracking_id=tracking_id,
            tracking_uid=tracking_uid,
            site=", ".join(dict.fromkeys(sites)),
            producer=self._producer(group, scope),
            colour=hex_colour(first_text(scope, COLOUR)),
            certainty=certainty_of(scope),
        )
        for node in items:
            self._add_images(context, node)
        return context

    def _producer(self, group: Node, scope: list[Node]) -> Producer:
        found = algorithm_of(group)
        if found is not None:
            return found
        manual = any(
            has_concept(n, PROCESSING_TYPE) and isinstance(n.value, Code) and n.value.key == MANUAL_PROCESSING
            for n in scope
        )
        observer = observer_of(group, below=self.root) or self.producer
        return Producer("person", observer.name, observer.version, observer.manufacturer) if manual else observer

    def _add_images(self, context: GroupContext, node: Node) -> None:
        if not isinstance(node.value, ObjectReference):
            return
        reference = node.value
        if not reference.image.sop_instance_uid:
            self.problems.append(
                Problem(Severity.WARNING, "sr.image", "An item of the report refers to no image", where=self.sop_uid)
            )
        elif has_concept(node, REFERENCED_SEGMENT) or has_concept(node, SEGMENTATION_FRAME) or reference.segments:
            number = reference.segments[0] if reference.segments else 0
            context.segment = SegmentRef(reference.image.sop_instance_uid, number)
        else:
            context.images.append(reference.image)

    def _graphics(self, node: Node) -> Iterator[Graphic]:
        """Yield the graphics of an item that is a shape, and those that belong to its label or properties."""
        if node.value_type == "NUM":
            return
        for found in node.walk():
            real = found.resolved()
            if real.value_type in SHAPES and isinstance(real.value, Coordinates):
                graphic = graphic_of(real, self.sop_uid, self.problems)
                if graphic is not None:
                    yield graphic

    def _own_graphics(self, node: Node) -> list[Graphic]:
        return [
            graphic
            for found in node.walk()
            if found.resolved().value_type in SHAPES
            for graphic in [graphic_of(found.resolved(), self.sop_uid, self.problems)]
            if graphic is not None
        ]

    def _add_number(self, context: GroupContext, node: Node, graphics: list[Graphic], with_segment: bool) -> None:
        number = node.value if isinstance(node.value, Number) else Number(None)
        name = ", ".join([node.name or "Measurement", *(modifiers(node))])
        label = f"{context.name}: {name}" if context.name else name
        value: float | str | None = number.value
        if value is None:
            value = number_in_words(number)
        producer = algorithm_of(node) or context.producer
        self._add(
            context,
            dotted(node),
            label,
            FindingType.MEASUREMENT,
            graphics=graphics,
            segment=with_segment,
            value=value,
            unit=number.unit.value if number.unit is not None and number.unit.value not in ("", "1") else None,
            producer=producer,
            extra=unique([g.image for g in graphics if g.image]),
        )

    def _add_evaluation(self, context: GroupContext, node: Node) -> None:
        if node.value_type == "NUM":
            self._add_number(context, node, self._own_graphics(node), with_segment=False)
            return
        words = ", ".join([value_in_words(node.value), *modifiers(node)])
        label = f"{context.name}: {node.name}" if context.name and node.name else node.name or context.label
        self._add(context, dotted(node), label or "Finding", FindingType.QUALITATIVE, value=words)

    def _add(
        self,
        context: GroupContext,
        suffix: str,
        label: str,
        kind: FindingType,
        *,
        graphics: list[Graphic] | None = None,
        segment: bool = False,
        value: float | str | None = None,
        unit: str | None = None,
        producer: Producer | None = None,
        extra: list[ImageReference] | None = None,
    ) -> None:
        self.findings.append(
            Finding(
                finding_id=f"{self.sop_uid}:{suffix or 'group.' + str(len(self.findings))}",
                label=label,
                type=kind,
                producer=producer or context.producer,
                source_sop_instance_uid=self.sop_uid,
                referenced_images=tuple(unique([*(extra or ()), *context.images])),
                value=value,
                unit=unit,
                site=context.site,
                certainty=context.certainty,
                tracking_uid=context.tracking_uid,
                tracking_id=context.tracking_id,
                graphics=tuple(graphics or ()),
                segment=context.segment if segment else None,
                colour=context.colour,
                group_id=f"{self.sop_uid}:{context.group_id}",
            )
        )


def _separate_measurements(group: Node) -> list[list[Node]]:
    """Split a group whose shapes carry their own identifiers and numbers; usually the group is one.

    Some writers put several independent shapes into one group and hang tracking, label and numbers below each shape.
    """
    children = [child.resolved() for child in group.children]
    shapes = [n for n in children if n.value_type in SHAPES]
    if not any(n.first(TRACKING_ID) is not None or any(c.value_type == "NUM" for c in n.children) for n in shapes):
        return [children]
    rest = [n for n in children if n not in shapes]
    parts = [[shape, *(c.resolved() for c in shape.children if c.value_type in ("NUM", "CODE"))] for shape in shapes]
    return [*parts, rest] if any(not is_context(n) for n in rest) else parts
