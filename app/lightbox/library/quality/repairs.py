"""Repairs that need no judgement, made on a copy; what was there before is noted (PS3.3 C.12.1.1.9)."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from lightbox.core import clock
from lightbox.library.quality.charsets import declared_in
from lightbox.library.quality.elements import TEXT, element, vr_of
from lightbox.library.quality.model import Change, QualityIssue
from lightbox.library.quality.report import Report
from lightbox.library.quality.uids import check_value
from lightbox.library.quality.values import check_bytes

ORIGINAL_ATTRIBUTES = 0x04000561
MODIFYING_SYSTEM = "Lightbox"
_CHARACTER_SET = 0x00080005


def apply_repairs(ds: Dataset, issues: Iterable[QualityIssue]) -> tuple[Dataset, list[QualityIssue]]:
    """Return a repaired copy of a data set, and the issues that were repaired.

    Only issues with a `Change` are repaired; the data set that was given is left as it is. The values that were
    replaced are kept in an item of Original Attributes Sequence (0400,0561): in Modified Attributes Sequence those that
    obey their value representation; of others there is an empty element, and the bytes in Nonconforming Modified
    Attributes Sequence. Changes of the File Meta Information are not noted there, because it is no part of the
    data set. The SOP Instance UID stays: whoever sends the copy decides whether it is a new object.

    Parameters
    ----------
    ds : Dataset
        Header or whole data set.
    issues : iterable of QualityIssue
        What `check` returned for it.

    Returns
    -------
    Dataset
        The copy.
    list of QualityIssue
        Those that were repaired.
    """
    wanted: dict[int, tuple[Change, QualityIssue]] = {}
    for issue in issues:
        if issue.change is not None:
            wanted.setdefault(issue.change.tag, (issue.change, issue))
    repaired = copy.deepcopy(ds)
    if hasattr(ds, "file_meta"):
        repaired.file_meta = copy.deepcopy(ds.file_meta)
    before = Dataset()
    nonconforming: list[Dataset] = []
    done: list[QualityIssue] = []
    # The character set first: texts that are written after it are encoded by it.
    for tag, (change, issue) in sorted(wanted.items(), key=lambda entry: entry[0] != _CHARACTER_SET):
        if tag >> 16 == 2:
            meta = repaired.file_meta if hasattr(repaired, "file_meta") else FileMetaDataset()
            meta[tag] = DataElement(tag, change.vr, change.value)
            repaired.file_meta = meta
        else:
            _remember(ds, tag, before, nonconforming)
            if tag == _CHARACTER_SET:
                _set_character_set(repaired, change.value)
            else:
                repaired[tag] = DataElement(tag, change.vr, _value(change))
        done.append(issue)
    if any(issue.change is not None and issue.change.tag >> 16 != 2 for issue in done):
        _note(repaired, before, nonconforming)
    return repaired, done


def _value(change: Change) -> object:
    if change.vr == "SQ":
        return Sequence()
    if not change.value:
        return None
    return change.value.split("\\") if "\\" in change.value else change.value


def _set_character_set(ds: Dataset, value: str) -> None:
    """Declare another character set for the bytes that are there.

    pydicom decodes an element when it is first asked for, with the character set that the data set had when it was
    read; so texts that are still bytes are decoded anew here.
    """
    from pydicom.charset import convert_encodings

    terms = value.split("\\")
    ds[_CHARACTER_SET] = DataElement(_CHARACTER_SET, "CS", terms if len(terms) > 1 else value)
    encodings = convert_encodings(list(terms))
    for item in ds._dict.values():
        if isinstance(item, DataElement) and item.VR == "SQ":
            for inner in item.value:
                if _CHARACTER_SET not in inner:
                    inner.set_original_encoding(*inner.original_encoding, encodings)
    ds.set_original_encoding(*ds.original_encoding, encodings)


def _remember(ds: Dataset, tag: int, before: Dataset, nonconforming: list[Dataset]) -> None:
    """Keep the old value of an attribute.

    What was absent or empty leaves an empty element; so does a value that breaks the rules of its value representation
    or cannot be decoded, whose bytes are kept beside it.
    """
    vr = vr_of(tag).split(" or ")[0]
    found = element(ds, tag)
    if not vr or vr == "SQ":
        return
    before[tag] = DataElement(tag, vr, None)
    raw = b"" if found is None else found.raw if found.raw is not None else (found.text or "").encode("utf-8")
    if not raw:
        return
    text = _conforming(ds, tag, vr, raw)
    if text is not None:
        before[tag] = DataElement(tag, vr, text.split("\\") if "\\" in text else text)
        return
    item = Dataset()
    item.SelectorAttribute = tag
    item.SelectorValueNumber = 0
    item.add_new(0x04000552, "OB", raw + b"\0" * (len(raw) % 2))  # Nonconforming Data Element Value
    nonconforming.append(item)


def _conforming(ds: Dataset, tag: int, vr: str, raw: bytes) -> str | None:
    """Return the value as text when it obeys its value representation, else None.

    An old character set is never written as a value: in an item it would declare that of the item.
    """
    if tag == _CHARACTER_SET:
        return None
    report = Report()
    if vr in TEXT:
        decoded = declared_in(ds, None).decode(raw, person_name=vr == "PN")
        return None if decoded is None else decoded.rstrip("\0 ")
    if vr == "UI":
        check_value(report, tag, raw, ())
    else:
        check_bytes(report, tag, vr, raw, ())
    return raw.decode("latin-1").rstrip("\0 ") if not report.issues() and raw.isascii() else None


def _note(ds: Dataset, before: Dataset, nonconforming: list[Dataset]) -> None:
    item = Dataset()
    item.SourceOfPreviousValues = ""
    item.AttributeModificationDateTime = clock.now().strftime("%Y%m%d%H%M%S+0000")
    item.ModifyingSystem = MODIFYING_SYSTEM
    item.ReasonForTheAttributeModification = "CORRECT"
    item.ModifiedAttributesSequence = Sequence([before])
    if nonconforming:
        item.add_new(0x04000551, "SQ", Sequence(nonconforming))
    known = ds[ORIGINAL_ATTRIBUTES].value if ORIGINAL_ATTRIBUTES in ds else None
    ds[ORIGINAL_ATTRIBUTES] = DataElement(ORIGINAL_ATTRIBUTES, "SQ", Sequence([*(known or []), item]))


__all__ = ["MODIFYING_SYSTEM", "ORIGINAL_ATTRIBUTES", "apply_repairs"]
