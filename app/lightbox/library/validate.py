"""Decide whether a scanned object may enter the library, and say in words why not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lightbox.library.dataset_walk import PIXEL_DATA
from lightbox.library.header import KEYS, tag_key

if TYPE_CHECKING:
    from lightbox.library.header_scan import ScanResult

_DIRECTORY = b"1.2.840.10008.1.3.10"
_MEDIA_CLASS = tag_key(0x0002, 0x0002)
_SOP_CLASS = KEYS["SOPClassUID"]

NOT_DICOM = "not-dicom"
TRUNCATED = "truncated"
MISSING_UID = "missing-uid"
UNREADABLE = "unreadable"
CONFLICT = "conflict"
UNSUPPORTED = "unsupported"

_REQUIRED = (
    ("SOPClassUID", "SOP Class UID"),
    ("SOPInstanceUID", "SOP Instance UID"),
    ("StudyInstanceUID", "Study Instance UID"),
    ("SeriesInstanceUID", "Series Instance UID"),
)
_REQUIRED_KEYS = tuple(KEYS[keyword] for keyword, _ in _REQUIRED)
_PLAIN = re.compile(rb"(?:[0-9][0-9.]{0,63}[\0 ]?\x1f){3}[0-9][0-9.]{0,63}[\0 ]?").fullmatch
"""Matches the four UIDs of nearly every object at once."""
_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._\-]{0,127}").fullmatch


def is_directory(result: ScanResult) -> bool:
    """Whether the object is a DICOMDIR (Basic Directory, PS3.3 F.3)."""
    header = result.header
    get = header.values.get
    return get(_MEDIA_CLASS, b"").startswith(_DIRECTORY) or get(_SOP_CLASS, b"").startswith(_DIRECTORY)


def refusal(result: ScanResult) -> tuple[str, str] | None:
    """Return (code, reason) when the object must not be indexed, None when it may.

    UIDs that break PS3.5 9.1 (leading zeros, too long) are taken as they are: such objects exist and can be read. What
    is refused cannot be identified (no UIDs) or is not whole.
    """
    values = result.header.values
    if not result.damage and _PLAIN(b"\x1f".join([values.get(key, b"") for key in _REQUIRED_KEYS])):
        shortage = _pixel_shortage(result)
        return (TRUNCATED, shortage) if shortage else None
    code = result.header.code
    missing: list[str] = []
    wrong = ""
    for keyword, name in _REQUIRED:
        uid = code(keyword)
        if not uid:
            missing.append(name)
        elif not _UID(uid):
            wrong = name
    if result.damage:
        return TRUNCATED, result.damage
    if len(missing) == len(_REQUIRED):
        return (
            NOT_DICOM,
            "the file holds no DICOM object: SOP Class, SOP Instance, Study and Series Instance UID are missing",
        )
    if missing:
        return MISSING_UID, f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing or empty"
    if wrong:
        return MISSING_UID, f"{wrong} is not a UID"
    shortage = _pixel_shortage(result)
    return (TRUNCATED, shortage) if shortage else None


def _pixel_shortage(result: ScanResult) -> str:
    """Return why the native pixel data are too short for the image that is described, or nothing (PS3.5 8.1.1)."""
    pixels = result.pixels
    if pixels is None or pixels.length is None or pixels.tag != PIXEL_DATA:
        return ""
    header = result.header
    rows, columns = header.unsigned("Rows"), header.unsigned("Columns")
    bits, samples = header.unsigned("BitsAllocated"), header.unsigned("SamplesPerPixel") or 1
    frames = header.integer("NumberOfFrames") or 1
    if not rows or not columns or not bits or frames < 1:
        return ""
    if header.code("PhotometricInterpretation") in ("YBR_FULL_422", "YBR_PARTIAL_422") and samples == 3:
        samples = 2
    expected = (rows * columns * samples * frames * bits + 7) // 8
    if pixels.length >= expected:
        return ""
    return (
        f"the file is truncated or lies about its size: {expected} bytes of pixel data are described, "
        f"{pixels.length} are there"
    )
