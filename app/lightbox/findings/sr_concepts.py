"""Concepts of measurement reports (PS3.16 TID 1500 and below) and what their items say in words."""

from __future__ import annotations

from collections.abc import Iterator

from lightbox.findings.model import ImageReference
from lightbox.findings.sr_text import value_in_words
from lightbox.findings.sr_tree import Node, Number

REPORT = ("126000", "DCM")
GROUP = ("125007", "DCM")
TRACKING_ID, TRACKING_UID = ("112039", "DCM"), ("112040", "DCM")
FINDING, CATEGORY = ("121071", "DCM"), ("276214006", "SCT")
SITE, LATERALITY, TOPOGRAPHY = ("363698007", "SCT"), ("272741003", "SCT"), ("106233006", "SCT")
REFERENCED_SEGMENT, SEGMENTATION_FRAME = ("121191", "DCM"), ("121214", "DCM")
SHORT_LABEL, COLOUR = ("125309", "DCM"), ("718499004", "SCT")
PROCESSING_TYPE, MANUAL_PROCESSING = ("111701", "DCM"), ("123109", "DCM")
CERTAINTY = ("111012", "DCM")
# Items that say who, how and when; they are part of a finding's producer or context and no findings of their own.
CONTEXT = frozenset(
    (
        TRACKING_ID, TRACKING_UID, FINDING, CATEGORY, SITE, LATERALITY, TOPOGRAPHY, SHORT_LABEL, COLOUR,
        PROCESSING_TYPE, CERTAINTY, ("111000", "DCM"), ("111001", "DCM"), ("111002", "DCM"), ("111003", "DCM"),
        ("121005", "DCM"),
        ("121008", "DCM"), ("121012", "DCM"), ("121013", "DCM"), ("121014", "DCM"), ("121015", "DCM"),
        ("121016", "DCM"), ("121049", "DCM"), ("121058", "DCM"), ("C67447", "NCIt"), ("126070", "DCM"),
        ("C2348792", "UMLS"), ("126071", "DCM"), ("126072", "DCM"), ("370129005", "SCT"), ("G-C036", "SRT"),
    )
)  # fmt: skip


def modifiers(node: Node) -> list[str]:
    """Return what modifies a measurement ("Mean", "2D"): its coded concept modifiers and derivations."""
    return [
        value_in_words(child.value)
        for child in (c.resolved() for c in node.children)
        if child.value_type == "CODE"
        and child.relationship == "HAS CONCEPT MOD"
        and not has_concept(child, SITE)
        and not has_concept(child, PROCESSING_TYPE)
        and not (child.concept is not None and child.concept.key[0] in ("111000", "370129005"))
    ]


def sites_of(scope: list[Node], finding: Node | None) -> Iterator[Node]:
    """Yield the finding sites of a group and of its finding."""
    yield from (node for node in scope if has_concept(node, SITE))
    if finding is not None:
        yield from finding.having(SITE)


def site_in_words(node: Node) -> str:
    """Return a finding site with laterality and topography ("left lower lobe of lung")."""
    parts = [value_in_words(side.value).lower() for side in node.having(LATERALITY)]
    parts.append(value_in_words(node.value).lower())
    parts.extend(value_in_words(where.value).lower() for where in node.having(TOPOGRAPHY))
    return " ".join(part for part in parts if part)


def certainty_of(scope: list[Node]) -> float | None:
    """Return the certainty of a finding as 0..1, or None."""
    for node in scope:
        if has_concept(node, CERTAINTY) and isinstance(node.value, Number) and node.value.value is not None:
            percent = node.value.unit is not None and node.value.unit.value == "%"
            return node.value.value / 100.0 if percent else node.value.value
    return None


def has_concept(node: Node, key: tuple[str, str]) -> bool:
    """Return whether the concept name of an item is `key`."""
    return node.concept is not None and node.concept.key == key


def is_context(node: Node) -> bool:
    """Return whether an item is context of other findings and no finding of its own."""
    return node.concept is not None and node.concept.key in CONTEXT


def is_readable(identifier: str) -> bool:
    """Whether a tracking identifier was written for people ("Nodule 1") and not by a generator of random names."""
    return any(part.isupper() or part.isspace() for part in identifier) or not any(map(str.isdigit, identifier))


def first_text(scope: list[Node], key: tuple[str, str]) -> str:
    """Return the value, in words, of the first item named `key`; empty when there is none."""
    return next((value_in_words(n.value) for n in scope if has_concept(n, key) and n.value), "")


def dotted(node: Node) -> str:
    """Return the Content Item Identifier of an item as text."""
    return ".".join(map(str, node.path))


def unique(images: list[ImageReference]) -> list[ImageReference]:
    """Return image references without repetitions, in order."""
    return list(dict.fromkeys(images))
