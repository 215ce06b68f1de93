"""Values that are valid for a VR and tell nothing (PS3.15 E.1, action D)."""

from __future__ import annotations

from lightbox.deid.charsets import encode
from lightbox.deid.dates import DUMMY_DA, DUMMY_DT, DUMMY_TM
from lightbox.deid.elements import Element
from lightbox.deid.part10 import padded

REMOVED = "REMOVED"
NAME = "Removed^"
_BY_VR: dict[str, bytes] = {
    "AE": padded(REMOVED),
    "AS": b"000Y",
    "CS": padded(REMOVED),
    "DA": padded(DUMMY_DA),
    "DS": b"0 ",
    "DT": padded(DUMMY_DT),
    "IS": b"0 ",
    "LO": padded(REMOVED),
    "LT": padded(REMOVED),
    "OB": b"\0\0",
    "OW": b"\0\0",
    "PN": padded(NAME),
    "SH": padded(REMOVED),
    "ST": padded(REMOVED),
    "TM": padded(DUMMY_TM),
    "UC": padded(REMOVED),
    "UN": b"\0\0",
    "UR": padded("urn:removed"),
    "UT": padded(REMOVED),
}
_BY_TAG: dict[int, bytes] = {0x04000565: padded("CORRECT")}
NUMBERED_SUFFIXES = ("ID", "Identifier", "Number")
CODE_VALUE, CODING_SCHEME, CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
CODE_SEQUENCES = frozenset((0x00080082, 0x00401101))
CONTENT_SEQUENCE, GRAPHIC_ANNOTATION_SEQUENCE = 0x0040A730, 0x00700001


def value(tag: int, vr: str) -> bytes | None:
    """Return a dummy value for an attribute, or None when its VR has none (numbers, sequences)."""
    return _BY_TAG.get(tag) or _BY_VR.get(vr)


def code(value: str, scheme: str, meaning: str) -> list[Element]:
    """Return an item of a code sequence (PS3.3 8)."""
    return [
        Element(CODE_VALUE, "SH", encode(value, "SH")),
        Element(CODING_SCHEME, "SH", encode(scheme, "SH")),
        Element(CODE_MEANING, "LO", encode(meaning, "LO")),
    ]


def items(tag: int, old: list[list[Element]]) -> list[list[Element]] | None:
    """Return one item that stands for the removed content of a sequence.

    None for a sequence whose own attributes are all treated by the table: its items stay and are treated one by one.
    """
    if tag in CODE_SEQUENCES:
        return [code(REMOVED, "99LIGHTBOX", "Removed")]
    if tag == CONTENT_SEQUENCE:
        return [
            [
                Element(0x0040A010, "CS", padded("CONTAINS")),
                Element(0x0040A040, "CS", padded("TEXT")),
                Element(0x0040A043, "SQ", b"", [code("121106", "DCM", "Comment")]),
                Element(0x0040A160, "UT", padded(REMOVED)),
            ]
        ]
    if tag == GRAPHIC_ANNOTATION_SEQUENCE:
        layer = next((e for item in old for e in item if e.tag == 0x00700002 and e.items is None), None)
        text = [
            Element(0x00700004, "CS", padded("DISPLAY")),
            Element(0x00700006, "ST", padded(REMOVED)),
            Element(0x00700014, "FL", b"\0" * 8),
            Element(0x00700015, "CS", padded("N")),
        ]
        return [
            [
                Element(0x00700002, "CS", bytes(layer.value) if layer else padded(REMOVED)),
                Element(0x00700008, "SQ", b"", [text]),
            ]
        ]
    return None
