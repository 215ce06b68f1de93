"""The character set of an object: whether it can express a value, and turning the whole object into UTF-8."""

from __future__ import annotations

import warnings
from typing import Any

from pydicom import charset, config
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

UTF8 = "ISO_IR 192"
_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_CHARSET_TAG = 0x00080005


def names_of(dataset: Dataset) -> list[str]:
    """Return the values of Specific Character Set; empty when it is absent."""
    element = dataset.get_item(_CHARSET_TAG)
    if element is None or not element.value:
        return []
    value = element.value
    if isinstance(value, bytes):
        return [part.strip() for part in value.decode("ascii", "ignore").strip(" \x00").split("\\")]
    return [str(part).strip() for part in ([value] if isinstance(value, str) else list(value))]


def can_express(names: list[str], text: str) -> bool:
    """Whether every letter of `text` exists in the character sets `names`."""
    if text.isascii():
        return True
    if not any(names):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encodings = charset.convert_encodings(names)
            groups = text.split("=")
            return all(
                charset.decode_bytes(charset.encode_string(group, encodings), encodings, {0x5C, 0x5E, 0x3D}) == group
                for group in groups
            )
    except (UnicodeError, LookupError, ValueError):
        return False


def vr_of(element: RawDataElement | DataElement) -> str:
    """Return the value representation, by the dictionary where the encoding does not tell."""
    if element.VR:
        return str(element.VR)
    tag = BaseTag(element.tag)
    return str(dictionary_VR(tag)) if dictionary_has_tag(tag) else "UN"


def to_utf8(dataset: Dataset, inherited: list[str] | None = None) -> int:
    """Convert all text of `dataset`, items of sequences included, and say so in Specific Character Set.

    Text that is not in the character set it claims is read as UTF-8 or else Latin-1. Items of Original Attributes
    Sequence keep their own character set, which then is written into them.

    Returns
    -------
    int
        How many values were not in the character set that they claim.
    """
    names = names_of(dataset) or inherited or [""]
    encodings = _python(names)
    faults = 0
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        if element is None or int(tag) == _CHARSET_TAG:
            continue
        vr = vr_of(element)
        if vr == "SQ":
            faults += _items(dataset, tag, names)
        elif vr in _TEXT and isinstance(element, RawDataElement) and element.value and not element.value.isascii():
            converted, wrong = _decoded(dataset, element, vr, encodings)
            dataset[tag] = converted
            faults += wrong
        elif vr in _TEXT and isinstance(element, RawDataElement) and element.value and b"\x1b" in element.value:
            dataset[tag], _ = _decoded(dataset, element, vr, encodings)
    if inherited is None or _CHARSET_TAG in dataset:
        dataset.SpecificCharacterSet = UTF8
    return faults


def _items(dataset: Dataset, tag: Any, names: list[str]) -> int:
    value = dataset[tag].value
    if not isinstance(value, Sequence):
        return 0
    faults = 0
    for item in value:
        if int(tag) == 0x04000561:
            for previous in item.get("ModifiedAttributesSequence") or []:
                if not names_of(previous) and any(names):
                    previous.SpecificCharacterSet = names
            continue
        faults += to_utf8(item, names)
    return faults


def _python(names: list[str]) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(charset.convert_encodings(names))
    except LookupError:
        return ["iso8859"]


def _decoded(dataset: Dataset, raw: RawDataElement, vr: str, encodings: list[str]) -> tuple[DataElement, int]:
    """Return the element as text, and 1 when it was not in its character set."""
    value = raw.value
    assert isinstance(value, bytes)
    element = _strictly(dataset, raw._replace(VR=vr), encodings)
    if element is not None:
        return element, 0
    plain = value.rstrip(b"\x00 ")
    try:
        text = plain.decode("utf-8")
    except UnicodeDecodeError:
        text = plain.decode("latin-1")
    many: Any = text.split("\\") if "\\" in text and vr not in ("LT", "ST", "UT") else text
    return DataElement(raw.tag, vr, many, validation_mode=config.IGNORE), 1


def _strictly(dataset: Dataset, raw: RawDataElement, encodings: list[str]) -> DataElement | None:
    """Return the element decoded by `encodings`, or None where its bytes are not in them."""
    if encodings in (["iso8859"], ["ascii"]):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            element = convert_raw_data_element(raw, encoding=encodings, ds=dataset)
            return None if "�" in str(element.value) else element
        except (UnicodeError, LookupError, ValueError):
            return None
