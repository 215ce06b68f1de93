"""The content tree of structured reports: what each content item needs by its value type (PS3.3 C.17.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightbox.library.quality.elements import DamagedSequence, has_value, items, text
from lightbox.library.quality.types import check_code, tell_empty, tell_missing

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.library.quality.report import Path, Report

_CONTENT, _VALUE_TYPE, _RELATIONSHIP, _REFERENCE = 0x0040A730, 0x0040A040, 0x0040A010, 0x0040DB73
_CONCEPT_NAME, _CONCEPT_CODE, _MEASURED = 0x0040A043, 0x0040A168, 0x0040A300
_NEEDED: dict[str, tuple[int, ...]] = {
    "TEXT": (0x0040A160,),
    "CODE": (_CONCEPT_CODE,),
    "DATETIME": (0x0040A120,),
    "DATE": (0x0040A121,),
    "TIME": (0x0040A122,),
    "UIDREF": (0x0040A124,),
    "PNAME": (0x0040A123,),
    "COMPOSITE": (0x00081199,),
    "IMAGE": (0x00081199,),
    "WAVEFORM": (0x00081199,),
    "SCOORD": (0x00700022, 0x00700023),
    "SCOORD3D": (0x00700022, 0x00700023, 0x30060024),
    "TCOORD": (0x0040A130,),
    "CONTAINER": (0x0040A050,),
}
_NAMED = frozenset({"TEXT", "NUM", "CODE", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME"})
_REFERRING = frozenset({"COMPOSITE", "IMAGE", "WAVEFORM"})
_REFERENCED = 0x00081199
_MODULE = "sr-document-content"
_DEPTH = 32


def check_content(report: Report, ds: Dataset) -> None:
    """Check the content items of a report, the root included."""
    if _VALUE_TYPE in ds._dict or _CONTENT in ds._dict:
        _check_item(report, ds, ())


def _check_item(report: Report, item: Dataset, path: Path) -> None:
    there = item._dict
    if path:
        _demand(report, item, _RELATIONSHIP, path)
        if _REFERENCE in there:
            return  # by reference: the content stands elsewhere
    _demand(report, item, _VALUE_TYPE, path)
    kind = text(item, _VALUE_TYPE)
    for tag in _NEEDED.get(kind, ()):
        _demand(report, item, tag, path)
    if kind == "NUM" and _MEASURED not in there:
        tell_missing(report, _MEASURED, "2", _MODULE, path)
    if kind in _NAMED or (kind == "CONTAINER" and not path):
        _demand(report, item, _CONCEPT_NAME, path, kind="1C")
    try:
        for number, reference in enumerate(items(item, _REFERENCED) if kind in _REFERRING else (), 1):
            for tag in (0x00081150, 0x00081155):
                _demand(report, reference, tag, (*path, (_REFERENCED, number)))
        for tag in (_CONCEPT_NAME, _CONCEPT_CODE):
            for number, code in enumerate(items(item, tag) if tag in there else (), 1):
                check_code(report, code, (*path, (tag, number)))
        if len(path) < _DEPTH:
            for number, child in enumerate(items(item, _CONTENT), 1):
                _check_item(report, child, (*path, (_CONTENT, number)))
    except DamagedSequence:
        return  # told by the walk over the values


def _demand(report: Report, item: Dataset, tag: int, path: Path, *, kind: str = "1") -> None:
    if tag not in item._dict:
        tell_missing(report, tag, kind, _MODULE, path)
    elif not has_value(item, tag):
        tell_empty(report, tag, kind, _MODULE, path)
