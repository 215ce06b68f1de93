"""Graphics of SCOORD and SCOORD3D content items with the images they lie on (PS3.3 C.18.6, C.18.9)."""

from __future__ import annotations

from lightbox.core.errors import Problem, Severity
from lightbox.findings.model import Graphic, GraphicType, ImageReference
from lightbox.findings.sr_tree import Coordinates, Node, ObjectReference

SHAPES = ("SCOORD", "SCOORD3D")


def graphic_of(node: Node, sop_uid: str, problems: list[Problem]) -> Graphic | None:
    """Return the graphic of an SCOORD or SCOORD3D item with its image; None with a problem when it is unusable."""
    if not isinstance(node.value, Coordinates):
        return None
    coordinates = node.value
    image = _image_of(node)
    try:
        kind = GraphicType(coordinates.graphic_type)
    except ValueError:
        problems.append(
            Problem(
                Severity.WARNING,
                "sr.graphic",
                f"A graphic of type {coordinates.graphic_type or 'unknown'} cannot be drawn",
                where=sop_uid,
            )
        )
        return None
    if not len(coordinates.points):
        problems.append(Problem(Severity.WARNING, "sr.graphic", "A graphic has no points", where=sop_uid))
        return None
    if node.value_type == "SCOORD" and (image is None or not image.sop_instance_uid):
        problems.append(
            Problem(
                Severity.WARNING,
                "sr.image",
                "A graphic cannot be placed",
                where=sop_uid,
                why="It does not say on which image it lies",
            )
        )
    return Graphic(kind, coordinates.points, image, coordinates.frame_of_reference_uid, node.name)


def _image_of(node: Node) -> ImageReference | None:
    """Return the image that a graphic is selected from; a shape below another shape lies on the same image."""
    current: Node | None = node
    while current is not None:
        if current.value_type in SHAPES:
            for child in current.children:
                real = child.resolved()
                if child.relationship == "SELECTED FROM" and isinstance(real.value, ObjectReference):
                    return real.value.image
        current = current.parent
    return None
