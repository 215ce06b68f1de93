"""Unique identifiers: their form (PS3.5 9.1) and whether they are what they have to be in one object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lightbox.library.quality.model import Change, Severity, shown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.library.quality.report import Path, Report

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
FRAME_OF_REFERENCE = 0x00200052
IDENTITY = {
    SOP_CLASS: "SOPClassUID",
    SOP_INSTANCE: "SOPInstanceUID",
    STUDY: "StudyInstanceUID",
    SERIES: "SeriesInstanceUID",
}
LONGEST = 64
GOOD = re.compile(rb"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+\0?").fullmatch
"""Matches a well-formed UID with its padding; the length is checked apart."""
FORM = "digits and dots, no component with a leading zero, at most 64 characters (PS3.5 9.1)"
_NEW = (
    "Have the origin corrected, or give a new UID to everything that uses this one; changed in one object alone it "
    "would break references"
)


class UidFault(NamedTuple):
    """What is wrong with one UID."""

    code: str
    found: str
    repair: str
    clean: str = ""
    """The value without wrong padding, where that is the only fault."""


def fault(raw: bytes) -> UidFault | None:
    """Return the gravest fault of an encoded UID, None for a good one. An empty value has no fault."""
    if GOOD(raw) and len(raw.rstrip(b"\0")) <= LONGEST:
        return None
    text = raw.decode("latin-1")
    bare = text.strip("\0 \t\r\n")
    if not bare:
        return None
    if re.search(r"[^0-9.]", bare):
        return UidFault("uid.invalid-character", shown(bare), _NEW)
    if len(bare) > LONGEST:
        return UidFault("uid.too-long", f"{len(bare)} characters: {shown(bare)}", _NEW)
    parts = bare.split(".")
    if "" in parts:
        return UidFault("uid.empty-component", shown(bare), _NEW)
    if any(len(part) > 1 and part.startswith("0") for part in parts):
        return UidFault("uid.leading-zero", shown(bare), _NEW)
    if bare != text.removesuffix("\0"):
        return UidFault("uid.padding", shown(text), "Pad with one NULL where the length is odd", bare)
    if len(parts) == 1:
        return UidFault("uid.invalid-character", f"{shown(bare)} (no dot)", _NEW)
    return None


def check_value(report: Report, tag: int, raw: bytes, path: Path) -> None:
    """Check the values of a UI element."""
    if GOOD(raw) and len(raw) <= LONGEST:
        return
    values = raw.split(b"\\")
    severity = None if tag in IDENTITY and not path else Severity.WARNING
    for number, value in enumerate(values):
        last = number == len(values) - 1
        found = fault(value if last else value + b"\0" * (len(value) % 2))
        if found is not None:
            change = Change(tag, "UI", found.clean) if found.clean and len(values) == 1 else None
            report.add(found.code, tag, found.found, FORM, found.repair, path=path, severity=severity, change=change)


def check_identity(report: Report, ds: Dataset) -> None:
    """Check that the UIDs that identify the object are there, and that none of them means two things."""
    from lightbox.library.quality.elements import text

    seen: dict[str, int] = {}
    for tag, keyword in IDENTITY.items():
        uid = text(ds, tag)
        if not uid:
            state = "empty" if tag in ds else "missing"
            todo = {
                SOP_CLASS: "Set the SOP Class UID of the object's kind",
                SOP_INSTANCE: "Give the object a new SOP Instance UID",
            }.get(tag, "Give all objects that belong together the same new UID")
            report.add("uid.missing", tag, state, f"a value: {keyword} is of type 1", todo)
            continue
        _reused(report, tag, uid, seen)
        seen.setdefault(uid, tag)
    frame = text(ds, FRAME_OF_REFERENCE)
    if frame:
        _reused(report, FRAME_OF_REFERENCE, frame, seen, Severity.WARNING)


def _reused(report: Report, tag: int, uid: str, seen: dict[str, int], severity: Severity | None = None) -> None:
    from lightbox.library.quality.elements import place

    if uid in seen:
        report.add(
            "uid.reused",
            tag,
            f"the same UID as {place(seen[uid])}: {shown(uid)}",
            "different UIDs for different things",
            "Give the upper level a new UID in all objects that share it",
            severity=severity,
        )
