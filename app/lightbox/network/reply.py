"""Reading one C-FIND reply: tolerant of values that break the standard, which real archives send."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import MutableSequence
from io import BytesIO

from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.values import convert_PN, convert_text

import lightbox.dicom.reading  # noqa: F401  (sets that pydicom takes any value and prints none)

_TEXT_WITH_CHARSET = frozenset({"LO", "LT", "SH", "ST", "UC", "UT", "PN"})
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_OPAQUE = frozenset({"SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_NOT_FOR_ROWS = frozenset({"SpecificCharacterSet", "QueryRetrieveLevel"})


_SPELLINGS = {"UTF8": "ISO_IR 192", "LATIN1": "ISO_IR 100", "ISO88591": "ISO_IR 100", "GB2312": "GB18030"}
_CHARSET = re.compile(r"ISO[ _-]?(IR|2022[ _-]?IR)[ _-]?(\d+)", re.IGNORECASE)


def row(identifier: Dataset, outer: Dataset | None = None) -> dict[str, str]:
    """Return a reply as text by DICOM keyword: numbers too; several values joined by a backslash.

    Values are decoded by the reply's own Specific Character Set (PS3.3 C.12.1.1.2), an item of a sequence by that of
    the data set `outer` around it when it has none. Where it is absent or wrong, UTF-8 and then Latin-1 are tried, so
    that no byte is lost. Sequences are left out.
    """
    encodings = _encodings(identifier)
    if encodings is None and outer is not None:
        encodings = _encodings(outer)
    result: dict[str, str] = {}
    for tag in sorted(identifier.keys()):
        raw = identifier.get_item(tag)
        if raw is None:
            continue
        word = keyword_for_tag(tag)
        if not word or word in _NOT_FOR_ROWS:
            continue
        vr = str(raw.VR) if raw.VR else dictionary_VR(tag)
        value = raw.value
        if vr in _OPAQUE:
            continue
        if isinstance(value, bytes):
            result[word] = _decode(value, vr, encodings)
        elif value is None:
            result[word] = ""
        else:
            result[word] = "\\".join(str(part) for part in _many(value))
    return result


def text(identifier: Dataset, keyword: str) -> str:
    """Return one attribute as `row` does, without converting anything in `identifier`; "" when it is absent."""
    element = identifier.get_item(keyword)
    if element is None or element.value is None:
        return ""
    if isinstance(element.value, bytes):
        vr = str(element.VR) if element.VR else dictionary_VR(element.tag)
        return _decode(element.value, vr, _encodings(identifier))
    return "\\".join(str(part) for part in _many(element.value))


def items(identifier: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none when it is absent, empty, damaged or no sequence."""
    try:
        value = identifier.get(keyword)
    except Exception:  # pydicom raises many kinds of error for bytes that are not a sequence
        return []
    if not isinstance(value, MutableSequence):
        return []
    return [item for item in value if isinstance(item, Dataset) and len(item)]


def _encodings(identifier: Dataset) -> list[str] | None:
    element = identifier.get_item("SpecificCharacterSet")
    if element is None or not element.value:
        return None
    value = element.value
    names = value.decode("ascii", "ignore").split("\\") if isinstance(value, bytes) else [str(v) for v in _many(value)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(convert_encodings([_usual(name) for name in names]))
    except LookupError:
        return None


def _usual(name: str) -> str:
    """Return a character set's name as the standard spells it: archives send "ISO IR 100", "UTF-8", "iso-ir-192"."""
    stripped = name.strip(" \x00")
    found = _CHARSET.fullmatch(stripped)
    if found:
        return f"ISO{' 2022' if '2022' in found[1] else '_'}{' ' if '2022' in found[1] else ''}IR {found[2]}"
    return _SPELLINGS.get("".join(letter for letter in stripped.upper() if letter.isalnum()), stripped)


def _many(value: object) -> list[object]:
    return list(value) if isinstance(value, MutableSequence | tuple) else [value]


def _decode(value: bytes, vr: str, encodings: list[str] | None) -> str:
    if vr in _NUMBERS:
        code = _NUMBERS[vr]
        size = struct.calcsize(code)
        count = len(value) // size
        return "\\".join(
            f"{number:g}" if code in "fd" else str(number)
            for number in struct.unpack(f"<{count}{code}", value[: count * size])
        )
    if vr == "AT":
        pairs = struct.iter_unpack("<HH", value[: len(value) // 4 * 4])
        return "\\".join(f"{group:04X}{element:04X}" for group, element in pairs)
    if (vr in _TEXT_WITH_CHARSET and not value.isascii()) or b"\x1b" in value:
        return _text(value, vr, encodings)
    parts = value.rstrip(b"\x00 ").decode("latin-1" if encodings is None else "ascii", "replace").split("\\")
    return "\\".join(part.strip() if vr not in ("LT", "ST", "UT") else part.rstrip() for part in parts)


def _text(value: bytes, vr: str, encodings: list[str] | None) -> str:
    trimmed = value.rstrip(b"\x00 ")
    # A name in Latin-1 is practically never valid UTF-8, but UTF-8 that is declared as Latin-1 is common
    if encodings is None or encodings in (["iso8859"], ["ascii"], ["latin_1"]):
        for codec in ("utf-8", "latin-1"):
            try:
                return trimmed.decode(codec)
            except UnicodeDecodeError:
                continue
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = convert_PN(trimmed, encodings) if vr == "PN" else convert_text(trimmed, encodings, vr)
            return "\\".join(str(part) for part in _many(found))
    except (UnicodeError, LookupError, ValueError):
        return trimmed.decode("latin-1")


def decode_identifier(data: BytesIO, *, implicit_vr: bool) -> Dataset:
    """Return the reply without converting any value yet."""
    from pydicom.filereader import read_dataset

    data.seek(0)
    return read_dataset(data, implicit_vr, True)
