"""Who or what made an SR document or a part of it (PS3.16 TID 1001-1004, 4019)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from lightbox.findings.codes import Code
from lightbox.findings.model import Producer
from lightbox.findings.sr_text import value_in_words
from lightbox.findings.sr_tree import Node
from lightbox.findings.tolerant import text

OBSERVER_TYPE, PERSON, DEVICE = ("121005", "DCM"), ("121006", "DCM"), ("121007", "DCM")
PERSON_NAME = ("121008", "DCM")
DEVICE_UID, DEVICE_NAME, DEVICE_MANUFACTURER = ("121012", "DCM"), ("121013", "DCM"), ("121014", "DCM")
DEVICE_MODEL = ("121015", "DCM")
ALGORITHM_NAME, ALGORITHM_VERSION, ALGORITHM_FAMILY = ("111001", "DCM"), ("111003", "DCM"), ("111000", "DCM")


def _said(node: Node, key: tuple[str, str]) -> str:
    found = node.first(key)
    return value_in_words(found.value) if found is not None else ""


def algorithm_of(node: Node | None, below: Node | None = None) -> Producer | None:
    """Return the algorithm identified at `node` or the nearest item above it (below `below`), or None."""
    while node is not None and node is not below:
        name = _said(node, ALGORITHM_NAME)
        if name:
            return Producer(
                "algorithm",
                name=name,
                version=_said(node, ALGORITHM_VERSION),
                manufacturer=_said(node, DEVICE_MANUFACTURER),
                family=_said(node, ALGORITHM_FAMILY),
            )
        node = node.parent
    return None


def observer_of(node: Node | None, below: Node | None = None) -> Producer | None:
    """Return the observer in force at `node`: an algorithm or device, or a person, or None when none is named.

    Where a person and a device are both named the person made the observations with the device. Only items below
    `below` are asked.
    """
    algorithm = algorithm_of(node, below)
    if algorithm is not None:
        return algorithm
    while node is not None and node is not below:
        person = _said(node, PERSON_NAME)
        kinds = [n.value.key for n in node.having(OBSERVER_TYPE) if isinstance(n.value, Code)]
        if person:
            return Producer("person", name=_readable_name(person))
        if DEVICE in kinds or node.first(DEVICE_NAME, DEVICE_MODEL, DEVICE_UID) is not None:
            return Producer(
                "algorithm",
                name=_said(node, DEVICE_NAME) or _said(node, DEVICE_MODEL),
                manufacturer=_said(node, DEVICE_MANUFACTURER),
            )
        node = node.parent
    return None


def equipment_of(dataset: Dataset) -> Producer:
    """Return the equipment that wrote the document, for documents that name no observer."""
    return Producer(
        "unknown",
        name=text(dataset, 0x00081090),
        version=text(dataset, 0x00181020).replace("\\", ", "),
        manufacturer=text(dataset, 0x00080070),
    )


def with_equipment(producer: Producer | None, equipment: Producer) -> Producer:
    """Return the observer with what only the equipment says (version, manufacturer) when both are one device."""
    if producer is None:
        return equipment
    if producer.kind != "algorithm":
        return producer
    same = producer.name in ("", equipment.name)
    return Producer(
        producer.kind,
        producer.name or equipment.name,
        producer.version or (equipment.version if same else ""),
        producer.manufacturer or equipment.manufacturer,
        producer.family,
    )


def _readable_name(name: str) -> str:
    """Return a person name as "Given Family" (first component group)."""
    family, *rest = name.split("=")[0].split("^")
    return " ".join(part.strip() for part in (*rest[:1], family) if part.strip())
