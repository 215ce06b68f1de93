"""Replacing UIDs in a data set and in every item of its sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydicom import config
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.sequence import Sequence

from lightbox.network.worklist.charset_change import vr_of


def mapped(value: object, uids: Mapping[str, str]) -> str | list[str] | None:
    """Return a UI value with what is mapped replaced, or None when nothing is."""
    if isinstance(value, bytes):
        text = value.decode("ascii", "replace")
    else:
        many = value if isinstance(value, Iterable) and not isinstance(value, str) else [value or ""]
        text = "\\".join(str(part) for part in many)
    parts = [part.strip(" \x00") for part in text.split("\\")]
    if not any(part in uids for part in parts):
        return None
    new = [uids.get(part, part) for part in parts]
    return new if len(new) > 1 else new[0]


def may_hold(element: RawDataElement | DataElement, uids: Mapping[str, str]) -> bool:
    """Whether an element may hold one of the UIDs, told from its bytes without decoding it."""
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        return any(uid.encode("ascii", "replace") in element.value for uid in uids)
    return True


def holds(items: Sequence, uids: Mapping[str, str]) -> bool:
    """Whether any UID in a sequence, at any depth, is mapped."""
    for item in items or []:
        for tag in list(item.keys()):
            element = item.get_item(tag)
            vr = vr_of(element)
            if vr == "UI" and mapped(element.value, uids) is not None:
                return True
            if vr == "SQ" and holds(item[tag].value, uids):
                return True
    return False


def map_items(items: Sequence, uids: Mapping[str, str]) -> None:
    """Replace the mapped UIDs in all items, at any depth."""
    for item in items or []:
        for tag in list(item.keys()):
            element = item.get_item(tag)
            vr = vr_of(element)
            if vr == "UI":
                new = mapped(element.value, uids)
                if new is not None:
                    item[tag] = DataElement(tag, "UI", new, validation_mode=config.IGNORE)
            elif vr == "SQ":
                map_items(item[tag].value, uids)
