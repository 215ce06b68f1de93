"""The DICOM JSON model (PS3.18 Annex F), read tolerantly: what one row or value gets wrong costs only that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag

_OPAQUE = frozenset({"SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_NOT_FOR_ROWS = frozenset({"SpecificCharacterSet", "QueryRetrieveLevel", "RetrieveURL", "RetrieveURI"})
_PN_PARTS = ("Alphabetic", "Ideographic", "Phonetic")


class NotJsonError(ValueError):
    """The text is no JSON array or object at all."""


def rows(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the data sets of a JSON answer, and how many could not be read.

    A single object counts as an array of one. When the text as a whole is not valid JSON (cut off, or with one bad
    row), the rows that are valid are returned.

    Raises
    ------
    NotJsonError
        Nothing in it can be read.
    """
    text = _text(data)
    if not text.strip():
        return [], 0
    try:
        found = json.loads(text, strict=False)
    except RecursionError:
        raise NotJsonError("nested too deeply") from None
    except ValueError:
        good, bad = _salvage(text)
        if not good:
            raise NotJsonError("not JSON") from None
        return good, bad
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise NotJsonError("not a JSON array")
    good = [entry for entry in found if isinstance(entry, dict)]
    return good, len(found) - len(good)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _salvage(text: str) -> tuple[list[dict[str, Any]], int]:
    """Read the objects of an array one by one; after one that is broken, go on at the next that begins like a row."""
    decoder = json.JSONDecoder(strict=False)
    start = text.find("[")
    if start < 0 or text[:start].strip():
        return [], 1
    good: list[dict[str, Any]] = []
    bad = 0
    position = text.find("{", start)
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            bad += 1
            end = _next_row(text, position)
            if end < 0:
                break
        else:
            if isinstance(value, dict) and all(_keyword(key)[0] >= 0 for key in value):
                good.append(value)
        position = text.find("{", end)
    return good, bad


def _next_row(text: str, position: int) -> int:
    """Return where the row after a broken one begins, -1 when there is none.

    A row begins with a brace and a tag as its first key. So do items of sequences: what is taken for a row and is an
    item lacks the identifier of a row, for which rows are checked anyhow.
    """
    while True:
        brace = text.find("}", position)
        if brace < 0:
            return -1
        rest = text[brace + 1 : brace + 200].lstrip()
        if rest.startswith(","):
            after = rest[1:].lstrip()
            if after.startswith("{") and _begins_row(after[1:].lstrip()):
                return brace + 1
        position = brace + 1


def _begins_row(text: str) -> bool:
    key = text[1:9]
    return text[:1] == '"' and len(key) == 8 and all(c in "0123456789ABCDEFabcdef" for c in key)


def row(data_set: dict[str, Any]) -> dict[str, str]:
    """Return one data set as text by DICOM keyword, in the shape of the rows of `lightbox.network.find`.

    Numbers are text, several values are joined by a backslash, sequences and bulk data are left out.
    """
    result: dict[str, str] = {}
    for tag, word, element in _elements(data_set):
        if word in _NOT_FOR_ROWS:
            continue
        vr = str(element.get("vr") or dictionary_VR(tag))[:2]
        if vr in _OPAQUE:
            continue
        result[word] = "\\".join(_value(value, vr) for value in _values(element))
    return result


def text(data_set: dict[str, Any], keyword: str) -> str:
    """Return one attribute of a data set as text, "" when it is absent or empty."""
    return row({tag: value for tag, value in data_set.items() if _keyword(tag)[1] == keyword}).get(keyword, "")


def items(data_set: dict[str, Any], keyword: str) -> list[dict[str, Any]]:
    """Return the items of a sequence; empty when there is none."""
    for _, word, element in _elements(data_set):
        if word == keyword:
            return [value for value in _values(element) if isinstance(value, dict)]
    return []


def _elements(data_set: dict[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    for key, element in sorted(data_set.items()):
        tag, word = _keyword(key)
        if word:
            yield tag, word, element if isinstance(element, dict) else {"Value": element}


def _keyword(key: str) -> tuple[int, str]:
    """Return tag and keyword of a key, which by the standard is a tag in eight hexadecimal digits."""
    digits = key.replace(",", "")
    try:
        tag = int(digits, 16) if len(digits) == 8 else -1
    except ValueError:
        tag = -1
    return (tag, keyword_for_tag(tag)) if tag >= 0 else (tag, "")


def _values(element: dict[str, Any]) -> list[Any]:
    value = element.get("Value")
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _value(value: Any, vr: str) -> str:
    if value is None:
        return ""
    if vr == "PN" and isinstance(value, dict):
        groups = [str(value.get(part) or "") for part in _PN_PARTS]
        return "=".join(groups).rstrip("=")
    if isinstance(value, bool | dict | list):
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value).strip() if vr not in ("LT", "ST", "UT") else str(value).rstrip()
