"""The part of the gate that every object passes on its way into the library: its UIDs, in a few microseconds.

It works on the values that the header scanner has read anyway and imports nothing; the whole gate looks at the object
later.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lightbox.library.header import KEYS
from lightbox.library.quality.codes import CODES
from lightbox.library.quality.model import QualityIssue, shown
from lightbox.library.quality.uids import FORM, fault

if TYPE_CHECKING:
    from lightbox.library.header import Header

_NAMES = {
    "SOPClassUID": "(0008,0016) SOPClassUID",
    "SOPInstanceUID": "(0008,0018) SOPInstanceUID",
    "StudyInstanceUID": "(0020,000D) StudyInstanceUID",
    "SeriesInstanceUID": "(0020,000E) SeriesInstanceUID",
}
_KEYS = tuple((KEYS[keyword], keyword) for keyword in _NAMES)
_CLASS, _INSTANCE, _STUDY, _SERIES = (key for key, _ in _KEYS)
_UID = rb"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+\0?"
_ALL_GOOD = re.compile(rb"%s\x1f%s\x1f%s\x1f%s" % (_UID, _UID, _UID, _UID)).fullmatch


def check_header(header: Header) -> list[QualityIssue]:
    """Return what is wrong with the UIDs that identify an object."""
    get = header.values.get
    study, series, instance = get(_STUDY, b""), get(_SERIES, b""), get(_INSTANCE, b"")
    sop_class = get(_CLASS, b"")
    if (
        _ALL_GOOD(b"\x1f".join((sop_class, instance, study, series)))
        and max(len(study), len(series), len(instance), len(sop_class)) <= 64
        and study != series != instance != study
    ):
        return []
    issues: list[QualityIssue] = []
    seen: dict[bytes, str] = {}
    for key, keyword in _KEYS:
        raw = get(key, b"")
        bare = raw.strip(b"\0 ")
        where = _NAMES[keyword]
        if not bare:
            issues.append(_issue("uid.missing", where, "missing or empty", f"a value: {keyword} is of type 1", _ASSIGN))
            continue
        found = fault(raw)
        if found is not None:
            issues.append(_issue(found.code, where, found.found, FORM, found.repair))
        if bare in seen:
            text = f"the same UID as {_NAMES[seen[bare]]}: {shown(bare.decode('latin-1'))}"
            issues.append(_issue("uid.reused", where, text, "different UIDs for different things", _ASSIGN))
        seen.setdefault(bare, keyword)
    return issues


_ASSIGN = "Have the origin corrected, or give a new UID to all objects that belong together"


def _issue(code: str, where: str, found: str, expected: str, repair: str) -> QualityIssue:
    return QualityIssue(code, CODES[code].severity, where, found, expected, repair)
