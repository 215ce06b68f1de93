"""Reading of attributes that never raises: result objects come from many hands and break rules."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


def value(dataset: Dataset, tag: int) -> object | None:
    """Return the value of an element, or None when it is absent, empty or cannot be converted."""
    if tag not in dataset:
        return None
    try:
        found = dataset[tag].value
    except Exception:  # whatever a broken value makes the converter raise: the raw text is the best that is left
        return raw_text(dataset, tag) or None
    return None if found == "" else found


def raw_text(dataset: Dataset, tag: int) -> str:
    """Return the undecoded bytes of an element as text, for values that break their VR."""
    try:
        raw = getattr(dataset.get_item(tag), "value", None)
    except Exception:  # an element that cannot even be fetched has no text
        return ""
    if isinstance(raw, bytes):
        return raw.decode("latin-1", errors="replace").strip(" \0")
    return "" if raw is None else str(raw)


def text(dataset: Dataset, tag: int) -> str:
    """Return a value as text (several values joined by a backslash), or an empty string."""
    found = value(dataset, tag)
    if found is None:
        return ""
    if isinstance(found, MultiValue | list | tuple):
        return "\\".join(str(part) for part in found).strip()
    return str(found).strip(" \0")


def numbers(dataset: Dataset, tag: int) -> tuple[float, ...]:
    """Return a numeric value as floats; values that are no numbers are left out."""
    found = value(dataset, tag)
    if found is None:
        return ()
    if isinstance(found, str):
        parts: Sequence[object] = found.split("\\")
    elif isinstance(found, MultiValue | list | tuple):
        parts = list(found)
    else:
        parts = [found]
    result = []
    for part in parts:
        try:
            result.append(float(part))  # pyright: ignore[reportArgumentType]
        except (TypeError, ValueError):
            continue
    return tuple(result)


def integers(dataset: Dataset, tag: int) -> tuple[int, ...]:
    """Return a numeric value as integers."""
    return tuple(int(number) for number in numbers(dataset, tag))


def integer(dataset: Dataset, tag: int, default: int = 0) -> int:
    """Return the first integer of a value, or `default`."""
    found = integers(dataset, tag)
    return found[0] if found else default


def items(dataset: Dataset, tag: int) -> list[Dataset]:
    """Return the items of a sequence; an absent, empty or unreadable sequence has none."""
    if tag not in dataset:
        return []
    try:
        found = dataset[tag].value
    except Exception:  # a sequence whose bytes cannot be parsed: callers report what they miss
        return []
    if found is None or isinstance(found, str | bytes):
        return []
    try:
        return [item for item in found if isinstance(item, Dataset)]
    except TypeError:
        return []


def item(dataset: Dataset, tag: int) -> Dataset | None:
    """Return the first item of a sequence, or None."""
    found = items(dataset, tag)
    return found[0] if found else None
