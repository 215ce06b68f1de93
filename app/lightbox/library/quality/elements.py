"""Raw access to the elements of a data set: bytes as they are in the file, without pydicom's conversions.

The gate looks at bytes, because a conversion hides the faults it looks for (padding, character set, malformed
numbers) and costs most of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.valuerep import PersonName

BINARY = frozenset({"OB", "OW", "OD", "OF", "OL", "OV", "UN", "AT", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Value representations whose characters depend on Specific Character Set (PS3.5 6.1.2.3)."""


class Element(NamedTuple):
    """One element: tag, value representation, encoded value (None: a sequence, or a value that pydicom decoded).

    ``text`` holds a decoded value where there are no bytes any more.
    """

    tag: int
    vr: str
    raw: bytes | None
    text: str | None
    length: int = 0
    """Length in the file; 0 for what pydicom decoded, and for undefined length."""


@lru_cache(maxsize=8192)
def vr_of(tag: int) -> str:
    """Return the VR of the dictionary, "" for an unknown tag; of several the first."""
    if tag & 0x10000:
        return ""
    if tag & 0xFFFF == 0:
        return "UL"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


@lru_cache(maxsize=8192)
def place(tag: int) -> str:
    """Return "(0010,0010) PatientName"."""
    keyword = keyword_for_tag(tag)
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})" + (f" {keyword}" if keyword else "")


def element(ds: Dataset, tag: int) -> Element | None:
    """Return an element without converting it, or None when it is absent."""
    found = ds._dict.get(tag)  # type: ignore[call-overload]
    return None if found is None else _element(tag, found)


def elements(ds: Dataset) -> Iterator[Element]:
    """Iterate over the elements of one level in order of their tags."""
    for tag in sorted(ds._dict):
        yield _element(int(tag), ds._dict[tag])


def has_value(ds: Dataset, tag: int) -> bool:
    """Whether an element is there with at least one character that is no padding, or one item."""
    found = ds._dict.get(tag)  # type: ignore[call-overload]
    if found is None:
        return False
    value = found.value
    if value is None:
        return False
    if isinstance(value, bytes):
        vr = found.VR or vr_of(tag)
        return bool(value) if vr in BINARY or vr == "SQ" or " or " in vr else bool(value.strip(b"\0 "))
    if isinstance(value, str | PersonName):
        return bool(str(value).strip("\0 "))
    try:
        return len(value) > 0
    except TypeError:
        return True


def items(ds: Dataset, tag: int) -> list[Dataset]:
    """Return the items of a sequence; empty when it is absent, empty or no sequence.

    Raises
    ------
    DamagedSequence
        Its bytes cannot be parsed.
    """
    found = ds._dict.get(tag)  # type: ignore[call-overload]
    if found is None:
        return []
    if isinstance(found, RawDataElement):
        if not found.value or (found.VR or vr_of(tag)) not in ("SQ", "UN"):
            return []
        try:
            value = ds[tag].value
        except Exception as error:
            # pydicom raises many kinds of error for damaged bytes
            raise DamagedSequence(type(error).__name__) from error
    else:
        value = found.value
    return list(value) if isinstance(value, Sequence) else []


class DamagedSequence(Exception):
    """The bytes of a sequence cannot be parsed."""


def text(ds: Dataset, tag: int) -> str:
    """Return a value of the default repertoire as text without padding; "" when absent. For codes, UIDs, numbers."""
    found = element(ds, tag)
    if found is None:
        return ""
    if found.raw is not None:
        return found.raw.decode("latin-1").strip("\0 ")
    return (found.text or "").strip("\0 ")


def values(ds: Dataset, tag: int) -> list[str]:
    """Return the values of a code, UID or number string."""
    whole = text(ds, tag)
    return [value.strip("\0 ") for value in whole.split("\\")] if whole else []


def unsigned(ds: Dataset, tag: int) -> int | None:
    """Return the first value of a US or UL element, None when absent or malformed."""
    found = ds._dict.get(tag)  # type: ignore[call-overload]
    if found is None:
        return None
    value = found.value
    if isinstance(found, RawDataElement):
        if not isinstance(value, bytes) or len(value) not in (2, 4):
            return None
        return int.from_bytes(value, "little" if found.is_little_endian else "big")
    try:
        return int(value[0] if isinstance(value, list | tuple) else value)  # type: ignore[arg-type]
    except (TypeError, ValueError, IndexError):
        return None


def integer(ds: Dataset, tag: int) -> int | None:
    """Return the first value of an IS element."""
    try:
        return int(values(ds, tag)[0])
    except (IndexError, ValueError):
        return None


def _element(tag: int, found: Any) -> Element:
    vr = found.VR or vr_of(tag)
    value = found.value
    if isinstance(found, RawDataElement):
        length = 0 if found.length == 0xFFFFFFFF else found.length
        return Element(tag, vr, value if isinstance(value, bytes) else b"" if value is None else None, None, length)
    if vr == "SQ" or isinstance(value, Sequence):
        return Element(tag, "SQ", None, None)
    if isinstance(value, PersonName):
        original = value.original_string
        if isinstance(original, bytes) and original:
            return Element(tag, vr, original, None)
        return Element(tag, vr, None, str(value))
    if isinstance(value, bytes):
        return Element(tag, vr, value, None)
    if value is None:
        return Element(tag, vr, b"", None)
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return Element(tag, vr, None, "\\".join(_plain(part) for part in value))
    return Element(tag, vr, None, _plain(value))


def _plain(value: Any) -> str:
    original = getattr(value, "original_string", None)
    return original if isinstance(original, str) else str(value)
