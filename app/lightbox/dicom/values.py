"""Tolerant access to attribute values: what real files hold is often empty, doubled or not a number."""

from __future__ import annotations

import math
from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


_MANY = (list, tuple, MutableSequence)
"""What pydicom gives for several values, and for the items of a sequence, without importing pydicom."""


def raw(ds: Dataset, keyword: str) -> Any:
    """Return the value of an attribute, or None when it is absent, empty or cannot be converted."""
    try:
        value = ds.get(keyword)
    except Exception:  # pydicom raises many kinds of error for bytes that are not a value of the VR
        return None
    if value is None or (hasattr(value, "__len__") and len(value) == 0):
        return None
    return value


def text(ds: Dataset, keyword: str, default: str = "") -> str:
    """Return the first value as stripped text."""
    value = raw(ds, keyword)
    if isinstance(value, _MANY):
        value = value[0]
    return default if value is None else str(value).strip(" \x00")


def texts(ds: Dataset, keyword: str) -> list[str]:
    """Return all values as stripped text; an empty list when the attribute is absent or empty."""
    value = raw(ds, keyword)
    if value is None:
        return []
    values = value if isinstance(value, _MANY) else [value]
    return [str(item).strip(" \x00") for item in values]


def numbers(ds: Dataset, keyword: str) -> list[float]:
    """Return all values as finite floats; an empty list when any of them is not a finite number."""
    value = raw(ds, keyword)
    if value is None or isinstance(value, bytes):
        return []
    values = value if isinstance(value, _MANY) else [value]
    found: list[float] = []
    for item in values:
        try:
            number = float(item)
        except (TypeError, ValueError):
            return []
        if not math.isfinite(number):
            return []
        found.append(number)
    return found


def number(ds: Dataset, keyword: str) -> float | None:
    """Return the first value as a finite float, or None."""
    found = numbers(ds, keyword)
    return found[0] if found else None


def table_data(ds: Dataset, keyword: str) -> Any:
    """Return the data of a look-up table: numbers, or bytes in little endian whatever the file's byte order.

    pydicom leaves OW values as they are in the file.
    """
    value = raw(ds, keyword)
    if isinstance(value, bytes) and ds.original_encoding[1] is False:
        words = value[: len(value) // 2 * 2]
        swapped = bytearray(words)
        swapped[0::2], swapped[1::2] = words[1::2], words[0::2]
        return bytes(swapped)
    return value


def integer(ds: Dataset, keyword: str, default: int = 0) -> int:
    """Return the first value as an integer, or `default` when it is absent or not a number."""
    found = number(ds, keyword)
    return default if found is None else int(found)


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; an empty list when it is absent, empty or not a sequence."""
    value = raw(ds, keyword)
    return list(value) if isinstance(value, _MANY) and all(hasattr(item, "group_dataset") for item in value) else []


def first_item(ds: Dataset, keyword: str) -> Dataset | None:
    """Return the first item of a sequence, or None."""
    found = items(ds, keyword)
    return found[0] if found else None
