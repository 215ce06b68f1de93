"""Content items of an SR document in words: single values and the whole tree as indented text."""

from __future__ import annotations

from lightbox.findings.codes import Code
from lightbox.findings.sr_tree import Coordinates, Node, NodeValue, Number


def value_in_words(found: NodeValue) -> str:
    """Return a value of a content item as one readable text."""
    if found is None:
        return ""
    if isinstance(found, str | Code):
        return str(found)
    if isinstance(found, Number):
        return number_in_words(found)
    if isinstance(found, Coordinates):
        points = "; ".join(", ".join(f"{part:g}" for part in point) for point in found.points[:12])
        more = f" and {len(found.points) - 12} more" if len(found.points) > 12 else ""
        return f"{found.graphic_type} ({points}{more})"
    frames = f" frames {', '.join(map(str, found.image.frame_numbers))}" if found.image.frame_numbers else ""
    segments = f" segments {', '.join(map(str, found.segments))}" if found.segments else ""
    return f"{found.image.sop_instance_uid or 'no object named'}{frames}{segments}"


def number_in_words(number: Number) -> str:
    """Return a measured number with its unit; where none was measured, the reason."""
    parts = [number.written or (f"{number.value:g}" if number.value is not None else "")]
    if parts[0] and number.unit is not None and number.unit.value not in ("1", ""):
        parts.append(number.unit.value)
    if number.qualifier is not None:
        parts.append(f"({number.qualifier})")
    words = " ".join(part for part in parts if part)
    return words or "no value"


def render_text(root: Node) -> str:
    """Return the whole tree as indented lines, every item included."""
    lines = []
    stack: list[tuple[Node, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        lines.append("  " * min(depth, 40) + _line(node))
        stack.extend((child, depth + 1) for child in reversed(node.children))
    return "\n".join(lines)


def _line(node: Node) -> str:
    if node.target is not None:
        target = node.target
        said = f"{target.name}: {value_in_words(target.value)}".strip(": ")
        return f"{node.relationship.lower() or 'refers to'} item {'.'.join(map(str, target.path))} ({said})"
    head = node.name or (node.value_type if node.value_type != "CONTAINER" else "")
    words = value_in_words(node.value)
    line = f"{head}: {words}" if head and words else head or words or node.value_type or "item without type"
    return f"{line} [{node.observed_at}]" if node.observed_at else line
