"""Which presentation contexts to propose and accept (PS3.8 9.3.2.2), chosen so that objects keep their encoding.

An acceptor picks one transfer syntax of each context. With several in one context an archive may pick the one it likes
best and transcode; with one context for each (SOP class, transfer syntax) it can send what it has stored as it is. The
uncompressed little-endian contexts come first because simple archives use the first accepted context of a SOP class.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydicom import uid as u
from pydicom._uid_dict import UID_dictionary

from lightbox.network.wire.contexts import MAXIMUM_CONTEXTS as MAXIMUM_CONTEXTS
from lightbox.network.wire.contexts import (
    REFUSED_ABSTRACT_SYNTAX,
    REFUSED_TRANSFER_SYNTAXES,
    VERIFICATION,
    Proposal,
    Proposed,
)

LITTLE_ENDIAN = (str(u.ExplicitVRLittleEndian), str(u.ImplicitVRLittleEndian))
_LAST_RESORT = (str(u.DeflatedExplicitVRLittleEndian), str(u.ExplicitVRBigEndian))
_LOSSLESS = (
    str(u.JPEG2000Lossless),
    str(u.JPEGLosslessSV1),
    str(u.JPEGLSLossless),
    str(u.RLELossless),
    str(u.HTJ2KLossless),
    str(u.HTJ2KLosslessRPCL),
    str(u.JPEGLossless),
)
_MAYBE_LOSSY = (
    str(u.JPEG2000),
    str(u.JPEGBaseline8Bit),
    str(u.JPEGExtended12Bit),
    str(u.JPEGLSNearLossless),
    str(u.HTJ2K),
)
_RETIRED_JPEG = ("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55")
_VIDEO = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (100, 101, 102, 103, 104, 105, 106, 107, 108))
_ENCAPSULATED_RAW = ("1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93")

IMAGE_SYNTAXES = (*LITTLE_ENDIAN, *_LOSSLESS, *_MAYBE_LOSSY, *_LAST_RESORT, *_RETIRED_JPEG)
DOCUMENT_SYNTAXES = (*LITTLE_ENDIAN, *_LAST_RESORT)
ALL_SYNTAXES = (*IMAGE_SYNTAXES, *_ENCAPSULATED_RAW, *_VIDEO)
_RISKY = frozenset((*_MAYBE_LOSSY, *_RETIRED_JPEG, *_VIDEO, *_LAST_RESORT))

VIDEO_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.77.1.1.1",  # Video Endoscopic
        "1.2.840.10008.5.1.4.1.1.77.1.2.1",  # Video Microscopic
        "1.2.840.10008.5.1.4.1.1.77.1.4.1",  # Video Photographic
        "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame
        "1.2.840.10008.5.1.4.1.1.7.4",  # Multi-frame True Colour Secondary Capture
        "1.2.840.10008.5.1.4.1.1.12.1",  # X-Ray Angiographic
        "1.2.840.10008.5.1.4.1.1.12.2",  # X-Ray Radiofluoroscopic
    }
)

_MODALITY_WORDS: dict[str, tuple[str, ...]] = {
    "CT": ("CT Image Storage",),
    "MR": ("MR Image Storage", "MR Color Image Storage", "MR Spectroscopy Storage"),
    "PT": ("Positron Emission", "PET Image Storage", "PET Curve"),
    "NM": ("Nuclear Medicine",),
    "US": ("Ultrasound",),
    "IVUS": ("Ultrasound",),
    "CR": ("Computed Radiography", "Digital X-Ray"),
    "DX": ("Digital X-Ray", "Computed Radiography"),
    "MG": ("Mammography", "Breast"),
    "IO": ("Intra-Oral", "Digital X-Ray"),
    "XA": ("X-Ray Angiographic", "XA Image"),
    "RF": ("X-Ray Radiofluoroscopic", "XRF Image"),
    "OT": ("Secondary Capture", "Raw Data"),
    "SC": ("Secondary Capture",),
    "SR": ("SR Storage", "Dose SR", "CAD SR", "Radiation Dose", "Procedure Log"),
    "KO": ("Key Object",),
    "PR": ("Presentation State",),
    "SEG": ("Segmentation",),
    "REG": ("Registration", "Fiducials"),
    "RTSTRUCT": ("RT Structure Set",),
    "RTPLAN": ("RT Plan", "RT Ion Plan"),
    "RTDOSE": ("RT Dose",),
    "RTIMAGE": ("RT Image",),
    "RTRECORD": ("Treatment Record",),
    "ECG": ("ECG Waveform",),
    "SM": ("VL Slide-Coordinates", "VL Whole Slide", "VL Microscopic"),
    "GM": ("VL Microscopic", "VL Photographic"),
    "XC": ("VL Photographic", "Video Photographic"),
    "ES": ("VL Endoscopic", "Video Endoscopic"),
    "OP": ("Ophthalmic Photography",),
    "OPT": ("Ophthalmic Tomography",),
    "DOC": ("Encapsulated",),
}

COMMON_CLASSES: tuple[str, ...] = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR
    "1.2.840.10008.5.1.4.1.1.1",  # CR
    "1.2.840.10008.5.1.4.1.1.1.1",  # DX
    "1.2.840.10008.5.1.4.1.1.1.2",  # MG
    "1.2.840.10008.5.1.4.1.1.6.1",  # US
    "1.2.840.10008.5.1.4.1.1.3.1",  # US multi-frame
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.12.1",  # XA
    "1.2.840.10008.5.1.4.1.1.12.2",  # RF
    "1.2.840.10008.5.1.4.1.1.20",  # NM
    "1.2.840.10008.5.1.4.1.1.128",  # PET
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.66.1",  # Spatial Registration
    "1.2.840.10008.5.1.4.1.1.88.11",  # Basic Text SR
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
    "1.2.840.10008.5.1.4.1.1.88.59",  # Key Object Selection
    "1.2.840.10008.5.1.4.1.1.88.67",  # X-Ray Radiation Dose SR
    "1.2.840.10008.5.1.4.1.1.11.1",  # Greyscale Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF
    "1.2.840.10008.5.1.4.1.1.481.1",  # RT Image
    "1.2.840.10008.5.1.4.1.1.481.2",  # RT Dose
    "1.2.840.10008.5.1.4.1.1.481.3",  # RT Structure Set
    "1.2.840.10008.5.1.4.1.1.481.5",  # RT Plan
)
"""Proposed when an archive does not tell which SOP classes a study holds."""


def is_storage_class(sop_class_uid: str) -> bool:
    """Whether `sop_class_uid` is stored by C-STORE: a Storage SOP Class, or private or unknown and not a service."""
    entry = UID_dictionary.get(sop_class_uid)
    if entry is None:
        return True
    return entry[1] == "SOP Class" and "Storage" in entry[0] and not sop_class_uid.startswith("1.2.840.10008.1.")


ALL_CLASSES: tuple[str, ...] = tuple(
    uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and is_storage_class(uid)
)
"""Every storage class of the data dictionary, retired ones too."""


def syntaxes_for(sop_class_uid: str) -> tuple[str, ...]:
    """Return the transfer syntaxes worth proposing for a SOP class, in order."""
    name = UID_dictionary[sop_class_uid][0] if sop_class_uid in UID_dictionary else ""
    if sop_class_uid in VIDEO_CLASSES:
        return (*IMAGE_SYNTAXES, *_VIDEO)
    images = ("Image", "Segmentation", "Dose", "Parametric Map", "Surface", "Capture", "Microscopy")
    if not name or any(word in name for word in images):
        return IMAGE_SYNTAXES
    return DOCUMENT_SYNTAXES


Pair = tuple[str, str]


def pairs_for(sop_class_uid: str, known_syntaxes: Iterable[str] = ()) -> list[Pair]:
    """Return (SOP class, transfer syntax) pairs to propose; `known_syntaxes` are those the archive says it holds."""
    known = [syntax for syntax in known_syntaxes if syntax]
    syntaxes = [*known, *(s for s in LITTLE_ENDIAN if s not in known)] if known else syntaxes_for(sop_class_uid)
    return [(sop_class_uid, syntax) for syntax in syntaxes]


def guess_classes(modality: str) -> tuple[str, ...]:
    """Return the storage classes to expect in a series of `modality` when the archive does not tell them."""
    words = _MODALITY_WORDS.get(modality, ())
    found = [uid for uid in ALL_CLASSES if any(word in UID_dictionary[uid][0] for word in words)]
    return tuple(found) or COMMON_CLASSES


def uncompressed_pairs() -> list[Pair]:
    """Return pairs of every known storage class with the uncompressed little-endian encodings: the last attempt."""
    return [(sop_class, syntax) for sop_class in ALL_CLASSES for syntax in LITTLE_ENDIAN]


def build(pairs: Iterable[Pair], *, scp_role: bool = False) -> list[Proposal]:
    """Return one presentation context for each pair; with `scp_role` we are the ones who receive (C-GET)."""
    return [Proposal(sop_class, (syntax,), scp_role) for sop_class, syntax in pairs]


def accept_storage(proposed: Proposed) -> str | int:
    """Choose the transfer syntax in which our storage SCP takes a context: every storage class in any encoding.

    Where a context offers a choice, the sender's order counts, except that lossy, big-endian and deflated encodings
    come last: a sender must not be led to compress lossily, or to convert, what it could send as it is.

    Returns
    -------
    str or int
        The transfer syntax, or the result of refusal (PS3.8 9.3.3.2); a rule for `wire.negotiation.accept_by`.
    """
    if proposed.abstract_syntax == VERIFICATION:
        return accept_service(proposed)
    if not is_storage_class(proposed.abstract_syntax):
        return REFUSED_ABSTRACT_SYNTAX
    offered = sorted(proposed.transfer_syntaxes, key=lambda syntax: syntax in _RISKY)
    return offered[0] if offered else REFUSED_TRANSFER_SYNTAXES


def accept_service(proposed: Proposed) -> str | int:
    """Choose the transfer syntax of a service whose messages we encode ourselves: native little endian."""
    usable = [syntax for syntax in proposed.transfer_syntaxes if syntax in LITTLE_ENDIAN]
    return usable[0] if usable else REFUSED_TRANSFER_SYNTAXES
