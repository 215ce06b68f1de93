"""SOP classes (PS3.4 B.5, PS3.6 A): what kind of object an instance is, and its readable name."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache


class Kind(Enum):
    """What an object is for."""

    IMAGE = "image"
    SEG = "segmentation"
    SR = "structured report"
    PR = "presentation state"
    KOS = "key object selection"
    RT = "radiotherapy"
    WAVEFORM = "waveform"
    DOCUMENT = "document"
    RAW = "raw data"
    OTHER = "other"


_STORAGE = "1.2.840.10008.5.1.4.1.1."

KEY_OBJECT_SELECTION = _STORAGE + "88.59"
RT_IMAGE = _STORAGE + "481.1"

_EXACT: dict[str, Kind] = {
    _STORAGE + "66.4": Kind.SEG,  # Segmentation
    _STORAGE + "66.7": Kind.SEG,  # Label Map Segmentation
    _STORAGE + "66.8": Kind.SEG,  # Height Map Segmentation
    _STORAGE + "66.5": Kind.SEG,  # Surface Segmentation
    _STORAGE + "66.6": Kind.RAW,  # Tractography Results
    _STORAGE + "66": Kind.RAW,  # Raw Data
    _STORAGE + "66.1": Kind.OTHER,  # Spatial Registration
    _STORAGE + "66.2": Kind.OTHER,  # Spatial Fiducials
    _STORAGE + "66.3": Kind.OTHER,  # Deformable Spatial Registration
    _STORAGE + "67": Kind.OTHER,  # Real World Value Mapping
    _STORAGE + "68.1": Kind.OTHER,  # Surface Scan Mesh
    _STORAGE + "68.2": Kind.OTHER,  # Surface Scan Point Cloud
    _STORAGE + "88.59": Kind.KOS,
    _STORAGE + "104.1": Kind.DOCUMENT,  # Encapsulated PDF
    _STORAGE + "104.2": Kind.DOCUMENT,  # Encapsulated CDA
    _STORAGE + "104.3": Kind.DOCUMENT,  # Encapsulated STL
    _STORAGE + "104.4": Kind.DOCUMENT,  # Encapsulated OBJ
    _STORAGE + "104.5": Kind.DOCUMENT,  # Encapsulated MTL
    _STORAGE + "481.1": Kind.IMAGE,  # RT Image
    _STORAGE + "481.23": Kind.IMAGE,  # Enhanced RT Image
    _STORAGE + "481.24": Kind.IMAGE,  # Enhanced Continuous RT Image
    _STORAGE + "30": Kind.IMAGE,  # Parametric Map
    _STORAGE + "4.2": Kind.RAW,  # MR Spectroscopy
    _STORAGE + "78.1": Kind.OTHER,
    _STORAGE + "79.1": Kind.OTHER,  # Macular Grid Thickness and Volume Report
    _STORAGE + "80.1": Kind.OTHER,
    _STORAGE + "9": Kind.WAVEFORM,  # Standalone Curve (retired)
    _STORAGE + "8": Kind.OTHER,  # Standalone Overlay (retired)
    _STORAGE + "10": Kind.OTHER,  # Standalone Modality LUT (retired)
    _STORAGE + "11": Kind.OTHER,  # Standalone VOI LUT (retired)
    _STORAGE + "129": Kind.OTHER,  # Standalone PET Curve (retired)
    _STORAGE + "40": Kind.OTHER,  # MR Image Storage Zero Padded, never standardised
    "1.2.840.10008.1.3.10": Kind.OTHER,  # Media Storage Directory
    "1.2.840.10008.5.1.4.34.10": Kind.RT,  # RT Brachy Application Setup Delivery Instruction
    "1.2.840.10008.5.1.4.34.7": Kind.RT,  # RT Beams Delivery Instruction
}

# Longest prefix first.
_PREFIXES: tuple[tuple[str, Kind], ...] = (
    (_STORAGE + "77.1.5.3", Kind.RAW),  # Stereometric Relationship
    (_STORAGE + "481.", Kind.RT),
    (_STORAGE + "88.", Kind.SR),
    (_STORAGE + "90.", Kind.OTHER),  # content assessment
    (_STORAGE + "11.", Kind.PR),
    (_STORAGE + "9.", Kind.WAVEFORM),
    (_STORAGE + "78.", Kind.OTHER),  # lensometry, refraction, ...
    (_STORAGE + "79.", Kind.OTHER),
    (_STORAGE + "80.", Kind.OTHER),
    (_STORAGE + "81.", Kind.IMAGE),  # Ophthalmic Thickness Map, Corneal Topography Map
    (_STORAGE + "82.", Kind.IMAGE),
    (_STORAGE, Kind.IMAGE),
)

# Vendors' own classes that carry ordinary images.
_PRIVATE_IMAGES = frozenset(
    {
        "1.2.392.200036.9125.1.1.2",  # Fuji CR
        "1.3.46.670589.2.3.1.1",  # Philips specialised XA
        "1.3.46.670589.2.4.1.1",  # Philips CX
        "1.3.46.670589.11.0.0.12.3",  # Philips MR colour
    }
)


def kind(uid: str, *, has_pixels: bool = False) -> Kind:
    """Return what kind of object a SOP class is.

    Parameters
    ----------
    uid : str
        SOP Class UID.
    has_pixels : bool
        Whether the object has Rows, Columns and pixel data: then an unknown (private) class is an image.
    """
    cleaned = str(uid).strip(" \x00")
    found = _EXACT.get(cleaned)
    if found is not None:
        return found
    for prefix, value in _PREFIXES:
        if cleaned.startswith(prefix):
            return value
    return Kind.IMAGE if cleaned in _PRIVATE_IMAGES or has_pixels else Kind.OTHER


@lru_cache(maxsize=1024)
def name(uid: str) -> str:
    """Return a readable name of a SOP class, without "Storage" at its end; the UID itself when it is unknown."""
    from pydicom.uid import UID

    cleaned = str(uid).strip(" \x00")
    if not cleaned:
        return "unknown object"
    known = UID(cleaned).name
    return known.removesuffix(" (Retired)").removesuffix(" - Retired").removesuffix(" Storage").strip() or cleaned
