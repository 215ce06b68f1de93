"""The content tree of any SR document (PS3.3 C.17.3), read tolerantly: what cannot be understood is kept as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset

from lightbox.core.errors import Problem, Severity
from lightbox.findings.codes import Code, first_code
from lightbox.findings.model import ImageReference
from lightbox.findings.tolerant import integers, item, items, numbers, text, value

CONTENT = 0x0040A730
MAXIMUM_NODES = 200_000


@dataclass(frozen=True)
class Number:
    """Value of a NUM item. ``value`` is None when none was measured; ``qualifier`` then says why."""

    value: float | None
    written: str = ""
    unit: Code | None = None
    qualifier: Code | None = None


@dataclass(frozen=True)
class Coordinates:
    """Value of an SCOORD or SCOORD3D item: graphic type as written and points (n, 2) or (n, 3)."""

    graphic_type: str
    points: np.ndarray
    frame_of_reference_uid: str = ""


@dataclass(frozen=True)
class ObjectReference:
    """Value of an IMAGE, COMPOSITE or WAVEFORM item."""

    sop_class_uid: str
    image: ImageReference
    segments: tuple[int, ...] = ()
    presentation_state_uid: str = ""


NodeValue = str | Code | Number | Coordinates | ObjectReference | None


@dataclass(eq=False)
class Node:
    """One content item.

    ``path`` is its Content Item Identifier, (1, 2, 3) for "1.2.3"; ``target`` is set on an item that stands for another
    one by reference.
    """

    relationship: str
    value_type: str
    concept: Code | None
    value: NodeValue
    path: tuple[int, ...]
    observed_at: str = ""
    children: list[Node] = field(default_factory=list)
    parent: Node | None = field(default=None, repr=False)
    target: Node | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Meaning of the concept name, or an empty string."""
        return str(self.concept) if self.concept else ""

    def resolved(self) -> Node:
        """Return the item that this one stands for: itself unless it is a reference."""
        seen: set[int] = set()
        node = self
        while node.target is not None and id(node) not in seen:
            seen.add(id(node))
            node = node.target
        return node

    def walk(self) -> Iterator[Node]:
        """Yield this item and all below it in document order; references are not followed, so it always ends."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def having(self, *keys: tuple[str, str]) -> Iterator[Node]:
        """Yield the children (references resolved) whose concept name is one of `keys`."""
        for child in self.children:
            found = child.resolved()
            if found.concept is not None and found.concept.key in keys:
                yield found

    def first(self, *keys: tuple[str, str]) -> Node | None:
        """Return the first child whose concept name is one of `keys`, or None."""
        return next(self.having(*keys), None)


def read_tree(dataset: Dataset) -> tuple[Node, list[Problem]]:
    """Return the root of the content tree and what is wrong with it.

    Never raises for wrong content. By-reference relationships are resolved to their targets and never expanded, so a
    cycle does no harm; it is reported.
    """
    where = text(dataset, 0x00080018)
    problems: list[Problem] = []
    root = _node(dataset, (1,))
    by_path = {root.path: root}
    pending: list[tuple[Node, tuple[int, ...]]] = []
    stack: list[tuple[Dataset, Node]] = [(dataset, root)]
    count = 1
    while stack:
        source, parent = stack.pop()
        if CONTENT in source and not items(source, CONTENT) and value(source, CONTENT) not in (None, [], ""):
            problems.append(Problem(Severity.ERROR, "sr.content", "A part of the document could not be read", where))
        for index, child in enumerate(items(source, CONTENT), start=1):
            if count >= MAXIMUM_NODES:
                problems.append(
                    Problem(
                        Severity.ERROR,
                        "sr.size",
                        f"Only the first {MAXIMUM_NODES} items of the document are shown",
                        where,
                    )
                )
                stack.clear()
                break
            count += 1
            node = _node(child, (*parent.path, index))
            node.parent = parent
            parent.children.append(node)
            by_path[node.path] = node
            reference = integers(child, 0x0040DB73)
            if reference:
                pending.append((node, reference))
            stack.append((child, node))
    for node, reference in pending:
        _resolve(node, reference, by_path, problems, where)
    return root, problems


def _resolve(
    node: Node, reference: tuple[int, ...], by_path: dict[tuple[int, ...], Node], problems: list[Problem], where: str
) -> None:
    target = by_path.get(reference)
    dotted = ".".join(map(str, reference))
    if target is None or target is node:
        problems.append(
            Problem(
                Severity.WARNING,
                "sr.reference",
                f"The document refers to its item {dotted}, which does not exist",
                where,
            )
        )
        node.value = node.value or f"reference to item {dotted}"
        return
    node.target = target
    ancestor = node.parent
    while ancestor is not None:
        if ancestor is target:
            problems.append(
                Problem(Severity.WARNING, "sr.cycle", f"The item {dotted} of the document refers to itself", where)
            )
            return
        ancestor = ancestor.parent


def _node(source: Dataset, path: tuple[int, ...]) -> Node:
    value_type = text(source, 0x0040A040).upper()
    return Node(
        relationship=text(source, 0x0040A010).upper(),
        value_type=value_type,
        concept=first_code(source, 0x0040A043),
        value=_read_value(source, value_type),
        path=path,
        observed_at=text(source, 0x0040A032),
    )


_SIMPLE = {
    "TEXT": (0x0040A160,),
    "DATETIME": (0x0040A120,),
    "DATE": (0x0040A121,),
    "TIME": (0x0040A122,),
    "PNAME": (0x0040A123,),
    "UIDREF": (0x0040A124,),
}


def _read_value(source: Dataset, value_type: str) -> NodeValue:
    if value_type in _SIMPLE:
        return text(source, _SIMPLE[value_type][0]) or _any_text(source)
    if value_type == "CODE":
        return first_code(source, 0x0040A168)
    if value_type == "NUM":
        return _read_number(source)
    if value_type in ("SCOORD", "SCOORD3D"):
        width = 2 if value_type == "SCOORD" else 3
        data = np.asarray(numbers(source, 0x00700022), dtype=np.float64)
        points = data[: data.size // width * width].reshape(-1, width)
        return Coordinates(text(source, 0x00700023).upper(), points, text(source, 0x30060024))
    if value_type in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        return _read_reference(source)
    if value_type == "TCOORD":
        return _read_time_coordinates(source)
    if value_type in ("CONTAINER", ""):
        return None
    return _any_text(source)


def _any_text(source: Dataset) -> str:
    """Return whatever value attribute an item of a wrong or unknown value type carries."""
    for tag in (0x0040A160, 0x0040A124, 0x0040A123, 0x0040A120, 0x0040A121, 0x0040A122):
        found = text(source, tag)
        if found:
            return found
    code = first_code(source, 0x0040A168)
    return str(code) if code else ""


def _read_number(source: Dataset) -> Number:
    qualifier = first_code(source, 0x0040A301)
    measured = item(source, 0x0040A300)
    if measured is None:
        return Number(None, qualifier=qualifier)
    unit = first_code(measured, 0x004008EA)
    written = text(measured, 0x0040A30A)
    exact = numbers(measured, 0x0040A161) or numbers(measured, 0x0040A30A)
    return Number(exact[0] if exact else None, written, unit, qualifier)


def _read_reference(source: Dataset) -> ObjectReference:
    reference = item(source, 0x00081199)
    if reference is None:
        return ObjectReference("", ImageReference(""))
    state = item(reference, 0x00081199)
    return ObjectReference(
        text(reference, 0x00081150),
        ImageReference(text(reference, 0x00081155), integers(reference, 0x00081160)),
        integers(reference, 0x0062000B),
        text(state, 0x00081155) if state is not None else "",
    )


def _read_time_coordinates(source: Dataset) -> str:
    kind = text(source, 0x0040A130)
    for tag, what in ((0x0040A132, "samples"), (0x0040A138, "seconds"), (0x0040A13A, "times")):
        found = text(source, tag)
        if found:
            return f"{kind} {what} {found}".replace("\\", ", ")
    return kind
