"""Text values and Specific Character Set (0008,0005), PS3.5 6.1."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

SPECIFIC_CHARACTER_SET = 0x00080005
CHARSET_VRS = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
SEARCHED_VRS = CHARSET_VRS | {"AE", "CS", "UR"}
"""VRs whose values can hold words."""
SINGLE_VALUED = frozenset(("LT", "ST", "UR", "UT"))
_DELIMITERS = {"PN": frozenset(b"\r\n\t\f\\^=")}
_TEXT_DELIMITERS = frozenset(b"\r\n\t\f\\")


@lru_cache(maxsize=64)
def encodings(value: bytes) -> tuple[str, ...]:
    """Return the Python encodings that a value of Specific Character Set names; unknown terms count as the default."""
    from pydicom.charset import convert_encodings

    terms = [_term(term) for term in value.decode("ascii", "replace").split("\\")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(convert_encodings(terms))
        except LookupError:
            return ("iso8859",)


def _term(text: str) -> str:
    """Return a defined term as the standard writes it: underscores and spaces are often confused."""
    plain = text.strip(" \0").upper().replace("-", "_").replace("ISO2022", "ISO 2022").replace("ISO_2022", "ISO 2022")
    return plain.replace("2022_IR", "2022 IR").replace("ISO IR", "ISO_IR")


DEFAULT = encodings(b"")


def decode(value: bytes | memoryview, vr: str, codecs: Sequence[str] = DEFAULT) -> str:
    """Return a text value without trailing padding; bytes that do not decode become U+FFFD."""
    data = bytes(value)
    if data.isascii() and b"\x1b" not in data:
        return data.decode("ascii").rstrip(" \0")
    if vr not in CHARSET_VRS:
        return data.decode("iso8859-1").rstrip(" \0")
    from pydicom.charset import decode_bytes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_bytes(data, list(codecs), set(_DELIMITERS.get(vr, _TEXT_DELIMITERS))).rstrip(" \0")


def encode(text: str, vr: str, codecs: Sequence[str] = DEFAULT) -> bytes:
    """Return text as a value of even length; characters that the character sets lack are left out."""
    if text.isascii():
        data = text.encode("ascii")
    elif vr not in CHARSET_VRS:
        data = text.encode("ascii", "ignore")
    else:
        from pydicom.charset import encode_string

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                data = encode_string(text, list(codecs))
        except (UnicodeError, UserWarning):
            data = text.encode("ascii", "ignore")
    return data + (b" " if vr != "UI" else b"\0") * (len(data) % 2)
