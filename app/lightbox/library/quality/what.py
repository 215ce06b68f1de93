"""What the object is: SOP Class, modality and side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightbox.library.quality.elements import DamagedSequence, items, text
from lightbox.library.quality.model import Change, Severity, shown
from lightbox.library.quality.uids import SOP_CLASS

if TYPE_CHECKING:
    from lightbox.library.quality.conditions import Subject
    from lightbox.library.quality.report import Report

MODALITY, BODY_PART, LATERALITY, IMAGE_LATERALITY = 0x00080060, 0x00180015, 0x00200060, 0x00200062
_STORAGE = "1.2.840.10008.5.1.4.1.1."

# SOP Class -> modalities (PS3.3, enumerated values and defined terms of the IODs). The first is the usual one.
_MODALITIES: dict[str, tuple[str, ...]] = {
    "1": ("CR",),
    "1.1": ("DX",),
    "1.1.1": ("DX",),
    "1.2": ("MG",),
    "1.2.1": ("MG",),
    "1.3": ("IO",),
    "1.3.1": ("IO",),
    "2": ("CT",),
    "2.1": ("CT",),
    "2.2": ("CT",),
    "3": ("US", "IVUS"),
    "3.1": ("US", "IVUS"),
    "4": ("MR",),
    "4.1": ("MR",),
    "4.2": ("MR",),
    "4.3": ("MR",),
    "4.4": ("MR",),
    "5": ("NM",),
    "6": ("US", "IVUS"),
    "6.1": ("US", "IVUS"),
    "6.2": ("US",),
    "9.1.1": ("ECG",),
    "9.1.2": ("ECG",),
    "9.1.3": ("ECG",),
    "9.2.1": ("HD",),
    "9.3.1": ("EPS",),
    "9.4.1": ("AU",),
    "9.4.2": ("AU",),
    "9.5.1": ("HD",),
    "9.6.1": ("RESP",),
    "11.1": ("PR",),
    "11.2": ("PR",),
    "11.3": ("PR",),
    "11.4": ("PR",),
    "11.5": ("PR",),
    "11.6": ("PR",),
    "11.8": ("PR",),
    "12.1": ("XA",),
    "12.1.1": ("XA",),
    "12.2": ("RF",),
    "12.2.1": ("RF",),
    "13.1.1": ("XA",),
    "13.1.2": ("DX", "CT", "PX"),
    "13.1.3": ("MG",),
    "13.1.4": ("MG",),
    "13.1.5": ("MG",),
    "14.1": ("IVOCT",),
    "14.2": ("IVOCT",),
    "20": ("NM",),
    "66.1": ("REG",),
    "66.2": ("FID",),
    "66.3": ("REG",),
    "66.4": ("SEG",),
    "66.5": ("SEG",),
    "66.7": ("SEG",),
    "67": ("RWV",),
    "77.1.1": ("ES",),
    "77.1.1.1": ("ES",),
    "77.1.2": ("GM",),
    "77.1.2.1": ("GM",),
    "77.1.3": ("SM",),
    "77.1.4": ("XC", "DMS"),
    "77.1.4.1": ("XC",),
    "77.1.5.1": ("OP",),
    "77.1.5.2": ("OP",),
    "77.1.5.4": ("OPT",),
    "77.1.6": ("SM",),
    "88.11": ("SR",),
    "88.22": ("SR",),
    "88.33": ("SR",),
    "88.34": ("SR",),
    "88.35": ("SR",),
    "88.40": ("SR",),
    "88.50": ("SR",),
    "88.59": ("KO",),
    "88.65": ("SR",),
    "88.67": ("SR",),
    "88.68": ("SR",),
    "91.1": ("ANN",),
    "104.3": ("M3D",),
    "128": ("PT",),
    "128.1": ("PT",),
    "130": ("PT",),
    "481.1": ("RTIMAGE",),
    "481.2": ("RTDOSE",),
    "481.3": ("RTSTRUCT",),
    "481.4": ("RTRECORD",),
    "481.5": ("RTPLAN",),
    "481.6": ("RTRECORD",),
    "481.7": ("RTRECORD",),
    "481.8": ("RTPLAN",),
    "481.9": ("RTRECORD",),
}
# X-ray devices change hands between these classes; a swapped one confuses nobody about the patient.
_RELATED = frozenset({"XA", "RF", "DX", "CR", "DF", "PX", "MG", "IO", "RG"})
_TERMS = frozenset(
    [
        "ANN",
        "AR",
        "ASMT",
        "AU",
        "BDUS",
        "BI",
        "BMD",
        "CFM",
        "CR",
        "CT",
        "CTPROTOCOL",
        "DMS",
        "DG",
        "DOC",
        "DX",
        "ECG",
        "EEG",
        "EMG",
        "EOG",
        "EPS",
        "ES",
        "FID",
        "GM",
        "HC",
        "HD",
        "IO",
        "IOL",
        "IVOCT",
        "IVUS",
        "KER",
        "KO",
        "LEN",
        "LS",
        "M3D",
        "MG",
        "MR",
        "NM",
        "OAM",
        "OCT",
        "OP",
        "OPM",
        "OPT",
        "OPTBSV",
        "OPTENF",
        "OPV",
        "OSS",
        "OT",
        "PA",
        "PLAN",
        "POS",
        "PR",
        "PT",
        "PX",
        "REG",
        "RESP",
        "RF",
        "RG",
        "RTDOSE",
        "RTIMAGE",
        "RTINTENT",
        "RTPLAN",
        "RTRAD",
        "RTRECORD",
        "RTSEGANN",
        "RTSTRUCT",
        "RWV",
        "SEG",
        "SM",
        "SMR",
        "SR",
        "SRF",
        "STAIN",
        "TEXTUREMAP",
        "TG",
        "US",
        "VA",
        "XA",
        "XAPROTOCOL",
        "XC",
    ]
)
# Paired parts of the body (PS3.16 annex L) that name no side themselves.
_PAIRED = frozenset(
    [
        "ANKLE",
        "ARM",
        "BREAST",
        "CALCANEUS",
        "CAROTID",
        "CLAVICLE",
        "ELBOW",
        "EXTREMITY",
        "EYE",
        "FEMUR",
        "FINGER",
        "FOOT",
        "FOREARM",
        "HAND",
        "HIP",
        "HUMERUS",
        "KIDNEY",
        "KNEE",
        "LEG",
        "PATELLA",
        "RADIUS",
        "RADIUSULNA",
        "SCAPULA",
        "SHOULDER",
        "SIJOINT",
        "THIGH",
        "THUMB",
        "TIBIA",
        "TIBIAFIBULA",
        "TOE",
        "ULNA",
        "WRIST",
        "ZYGOMA",
    ]
)


def check_what(report: Report, subject: Subject) -> None:
    """Check SOP Class, modality and laterality."""
    _check_class(report, subject.sop_class_uid)
    _check_modality(report, subject)
    _check_laterality(report, subject)


def _check_class(report: Report, uid: str) -> None:
    from pydicom._uid_dict import UID_dictionary

    from lightbox.library.quality.iod import iod_of

    if uid and uid not in UID_dictionary and not iod_of(uid):
        report.add(
            "sop-class.unknown",
            SOP_CLASS,
            shown(uid),
            "a SOP Class of PS3.6",
            "Nothing, if the class is a private one of the vendor; many archives refuse it",
        )


def _check_modality(report: Report, subject: Subject) -> None:
    uid = subject.sop_class_uid
    expected: tuple[str, ...] = _MODALITIES.get(uid.removeprefix(_STORAGE), ()) if uid.startswith(_STORAGE) else ()
    usual = next(iter(expected), "")
    modality = text(subject.ds, MODALITY)
    if not modality:
        state = "empty" if MODALITY in subject.ds._dict else "missing"
        # Secondary capture may do without (PS3.3 C.8.6.1).
        capture = uid == _STORAGE + "7" or uid.startswith(_STORAGE + "7.")
        one = Change(MODALITY, "CS", usual) if len(expected) == 1 else None
        report.add(
            "modality.missing",
            MODALITY,
            state,
            " or ".join(expected) or "the modality",
            f"Write {usual}" if one else "Write the modality of the device",
            change=one,
            severity=Severity.WARNING if capture else None,
        )
    elif expected and modality not in expected:
        related = modality in _RELATED and usual in _RELATED
        report.add(
            "modality.wrong",
            MODALITY,
            shown(modality),
            f"{' or '.join(expected)} for this SOP Class",
            "Find out whether the modality or the SOP Class is wrong",
            severity=Severity.WARNING if related else None,
        )
    elif not expected and modality not in _TERMS:
        report.add("modality.unknown", MODALITY, shown(modality), "a defined term", "Use a term of PS3.3 C.7.3.1.1.1")


def _check_laterality(report: Report, subject: Subject) -> None:
    ds = subject.ds
    side, image_side = text(ds, LATERALITY), text(ds, IMAGE_LATERALITY)
    if side and image_side and {side, image_side} == {"L", "R"}:
        report.add(
            "laterality.conflict",
            LATERALITY,
            f"{side}, but Image Laterality {image_side}",
            "the same side",
            "Look at the image and its order; remove Laterality where the series holds both sides",
        )
    part = text(ds, BODY_PART).upper().replace(" ", "")
    if part in _PAIRED and not side and not image_side and subject.is_image and not _frame_side(subject):
        report.add(
            "laterality.missing",
            LATERALITY,
            f"no side for {part}",
            "L, R or B; or Image Laterality (type 2C for paired body parts)",
            "Take the side from the order or the technologist; never guess it",
        )


def _frame_side(subject: Subject) -> bool:
    """Whether the anatomic region of the object names a side, or frames tell their own."""
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        if subject.has(keyword):
            return True
    try:
        return any(
            items(region, 0x00082220) for region in items(subject.ds, 0x00082218)
        )  # Anatomic Region Modifier Sequence
    except DamagedSequence:
        return False


def is_report(sop_class_uid: str) -> bool:
    """Whether the object is a structured report or a key object selection: its content is a tree of items."""
    return sop_class_uid.startswith(_STORAGE + "88.")
