"""How likely an object carries identifiers in its pixels or in a form that cannot be cleaned, from its attributes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from lightbox.deid.elements import find
from lightbox.deid.part10 import Part10, ascii_value
from lightbox.deid.pseudonyms import well_known_uids

SOP_CLASS, MODALITY, IMAGE_TYPE, BURNED_IN, CONVERSION_TYPE = 0x00080016, 0x00080060, 0x00080008, 0x00280301, 0x00080064
_STANDARD = "1.2.840.10008."
_STORAGE = _STANDARD + "5.1.4.1.1."


_UID = re.compile(r"[0-9.]+")


class Risk(Enum):
    """Risk of text in the pixels."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Assessment:
    """A risk and the reasons for it, each in a few words."""

    risk: Risk
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why objects of a kind are never written, whatever the person accepts; `code` is stable."""

    code: str
    why: str


_REFUSED = {
    "1.2.840.10008.1.3.10": Refusal("dicomdir", "a DICOMDIR lists files by their old names"),
    _STORAGE + "66": Refusal("raw-data", "raw data hold private content that cannot be cleaned"),
    _STORAGE + "9.4.1": Refusal("audio", "a voice recording cannot be cleaned"),
    _STORAGE + "9.4.2": Refusal("audio", "a voice recording cannot be cleaned"),
}
_HIGH_CLASSES = {
    _STORAGE + "7": "secondary capture",
    _STORAGE + "7.1": "secondary capture",
    _STORAGE + "7.2": "secondary capture",
    _STORAGE + "7.3": "secondary capture",
    _STORAGE + "7.4": "secondary capture",
    _STORAGE + "6.1": "ultrasound",
    _STORAGE + "6": "ultrasound",
    _STORAGE + "3.1": "ultrasound",
    _STORAGE + "3": "ultrasound",
    _STORAGE + "6.2": "ultrasound",
}
_HIGH_MODALITIES = {
    "US": "ultrasound",
    "IVUS": "ultrasound",
    "OT": "modality OT",
    "SC": "secondary capture",
    "DOC": "document",
}
_MEDIUM_MODALITIES = frozenset(
    ("CR", "DX", "ES", "GM", "IO", "MG", "PX", "RF", "RG", "SM", "XA", "XC", "OP", "NM", "RTIMAGE")
)
PIXEL_TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009)


def refusal(part10: Part10) -> Refusal | None:
    """Return why an object cannot be exported at all, or None."""
    uid = part10.text(SOP_CLASS)
    if not _UID.fullmatch(uid):
        if any(element.tag == 0x00041220 for element in part10.elements):
            return _REFUSED["1.2.840.10008.1.3.10"]
        return Refusal("no-sop-class", "the object does not say what it is (SOP Class UID is missing)")
    if uid in _REFUSED:
        return _REFUSED[uid]
    if uid.startswith(_STORAGE + "104.") or find(part10.elements, 0x00420011) is not None:
        return Refusal("encapsulated-document", "an encapsulated document cannot be cleaned")
    if uid not in well_known_uids() and not uid.startswith(_STANDARD):
        return Refusal("private-sop-class", "the kind of object is private or unknown")
    return None


def assess(part10: Part10) -> Assessment:
    """Return the risk of text in the pixels.

    High: Burned In Annotation YES, ultrasound, secondary capture, screen captures and modality OT, unless the object
    says that nothing is burned in (then medium). Medium: projection, endoscopy, photography and nuclear images. Low:
    cross-sectional images, and objects without pixels.
    """
    if not any(find(part10.elements, tag) is not None for tag in PIXEL_TAGS):
        return Assessment(Risk.LOW)
    stated = part10.text(BURNED_IN).upper()
    if stated == "YES":
        return Assessment(Risk.HIGH, ("Burned In Annotation is YES",))
    reasons: list[str] = []
    modality = part10.text(MODALITY).upper()
    for reason in (_HIGH_CLASSES.get(part10.text(SOP_CLASS)), _HIGH_MODALITIES.get(modality)):
        if reason and reason not in reasons:
            reasons.append(reason)
    element = find(part10.elements, IMAGE_TYPE)
    image_type = bytes(element.value).decode("ascii", "replace").upper() if element and element.items is None else ""
    if any(word in image_type for word in ("SCREEN", "CAPTURE", "SNAPSHOT", "PRINT", "DOSE_INFO", "REPORT")):
        reasons.append("image type tells of a screen capture")
    conversion = ascii_value(find(part10.elements, CONVERSION_TYPE)).upper()
    if conversion in ("DF", "DRW", "DV", "SD", "SI", "WSD") and not reasons:
        reasons.append("converted from something else")
    if reasons:
        return Assessment(Risk.MEDIUM if stated == "NO" else Risk.HIGH, tuple(reasons))
    if modality in _MEDIUM_MODALITIES:
        return Assessment(Risk.LOW if stated == "NO" else Risk.MEDIUM, (f"modality {modality}",))
    return Assessment(Risk.LOW)
