"""What the object is: SOP Class, modality and side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightbox.library.quality.elements import DamagedSequence, items, text
from lightbox.library.quality.modalities import MODALITIES, PAIRED, RELATED, STORAGE, TERMS
from lightbox.library.quality.model import Change, Severity, shown
from lightbox.library.quality.uids import SOP_CLASS

if TYPE_CHECKING:
    from lightbox.library.quality.report import Report
    from lightbox.library.quality.subject import Subject

MODALITY, BODY_PART, LATERALITY, IMAGE_LATERALITY = 0x00080060, 0x00180015, 0x00200060, 0x00200062


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
    expected: tuple[str, ...] = MODALITIES.get(uid, ())
    usual = next(iter(expected), "")
    modality = text(subject.ds, MODALITY)
    if not modality:
        state = "empty" if MODALITY in subject.ds._dict else "missing"
        # Secondary capture may do without (PS3.3 C.8.6.1).
        capture = uid == STORAGE + "7" or uid.startswith(STORAGE + "7.")
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
        related = modality in RELATED and usual in RELATED
        report.add(
            "modality.wrong",
            MODALITY,
            shown(modality),
            f"{' or '.join(expected)} for this SOP Class",
            "Find out whether the modality or the SOP Class is wrong",
            severity=Severity.WARNING if related else None,
        )
    elif not expected and modality not in TERMS:
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
    if part in PAIRED and not side and not image_side and subject.is_image and not _frame_side(subject):
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
    return sop_class_uid.startswith(STORAGE + "88.")
