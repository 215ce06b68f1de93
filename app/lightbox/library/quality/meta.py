"""The File Meta Information against the data set (PS3.10 clause 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightbox.library.quality.elements import has_value, text
from lightbox.library.quality.model import Change, Severity, shown
from lightbox.library.quality.uids import SOP_CLASS, SOP_INSTANCE

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.library.quality.report import Report

GROUP_LENGTH, VERSION, IMPLEMENTATION = 0x00020000, 0x00020001, 0x00020012
TRANSFER_SYNTAX, MEDIA_CLASS, MEDIA_INSTANCE = 0x00020010, 0x00020002, 0x00020003
_LATER = frozenset({"1.2.840.10008.1.2.8.1"})
"""Standard transfer syntaxes that pydicom does not know yet: Deflated Image Frame Compression."""
_IMPLICIT, _EXPLICIT, _BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


def check_meta(report: Report, ds: Dataset, *, named: bool) -> str:
    """Check the File Meta Information of a file that was read; return its transfer syntax.

    `named` tells whether the file itself names the transfer syntax; else the reader told it from the data set.
    """
    from pydicom.uid import UID

    meta = ds.file_meta
    syntax = text(meta, TRANSFER_SYNTAX)
    if not named and set(meta.keys()) <= {TRANSFER_SYNTAX}:
        report.add(
            "meta.missing",
            TRANSFER_SYNTAX,
            "no File Meta Information",
            "a Part 10 file",
            "Nothing for sending (it is written anew); import makes no file of it",
        )
        return syntax
    if not named:
        report.add(
            "meta.no-transfer-syntax",
            TRANSFER_SYNTAX,
            "missing",
            "the transfer syntax of the data set",
            f"Write {syntax}, which the data set is encoded in",
            change=Change(TRANSFER_SYNTAX, "UI", syntax),
        )
    known = UID(syntax)
    if syntax and syntax not in _LATER and not (known.is_valid and known.is_transfer_syntax):
        report.add(
            "meta.unknown-transfer-syntax",
            TRANSFER_SYNTAX,
            shown(syntax),
            "a transfer syntax of PS3.6",
            "Nothing, if it is a private one of the vendor; other systems cannot read the object",
        )
    _check_pair(report, ds, MEDIA_INSTANCE, SOP_INSTANCE, "meta.sop-instance-mismatch")
    _check_pair(report, ds, MEDIA_CLASS, SOP_CLASS, "meta.sop-class-mismatch")
    for tag in (GROUP_LENGTH, VERSION, IMPLEMENTATION):
        if not has_value(ds.file_meta, tag):
            report.add(
                "meta.incomplete",
                tag,
                "missing" if tag not in ds.file_meta else "empty",
                "type 1 in the File Meta Information",
                "Nothing for sending (it is written anew); else write the file anew",
                severity=Severity.INFO,
            )
    _check_encoding(report, ds, syntax)
    return syntax


def _check_pair(report: Report, ds: Dataset, outside: int, inside: int, code: str) -> None:
    out, within = text(ds.file_meta, outside), text(ds, inside)
    if not out:
        report.add(
            "meta.incomplete",
            outside,
            "missing" if outside not in ds.file_meta else "empty",
            "type 1 in the File Meta Information",
            "Write the value of the data set",
            change=Change(outside, "UI", within) if within else None,
        )
    elif within and out != within:
        report.add(
            code,
            outside,
            shown(out) or "empty",
            shown(within),
            "Write the value of the data set into the File Meta Information",
            change=Change(outside, "UI", within),
        )


def _check_encoding(report: Report, ds: Dataset, syntax: str) -> None:
    """Compare the transfer syntax with how the data set really reads."""
    implicit, little = ds.original_encoding
    if implicit is None or not syntax.startswith("1.2.840.10008.1.2"):
        return
    real = _IMPLICIT if implicit else _EXPLICIT if little else _BIG
    told = syntax if syntax in (_IMPLICIT, _BIG) else _EXPLICIT
    if real != told and len(ds):
        report.add(
            "meta.encoding-mismatch",
            TRANSFER_SYNTAX,
            f"{syntax}, but the data set is {'implicit' if implicit else 'explicit'} VR "
            f"{'little' if little else 'big'} endian",
            "the transfer syntax of the data set",
            f"Write {real}",
            change=Change(TRANSFER_SYNTAX, "UI", real) if syntax in (_IMPLICIT, _EXPLICIT, _BIG) else None,
        )
