"""The forms in which words are searched: spellings, patterns over text, and bytes in all usual encodings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

ENCODINGS = (
    *("utf-8", "latin-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "cp1252", "shift_jis", "euc_jp"),
    *("iso2022_jp", "euc_kr", "gb18030", "big5", "utf-16-le", "utf-16-be"),
)
ESCAPES = re.compile(rb"\x1b[\x20-\x2f]+[\x30-\x7e]")
"""Escape sequences of ISO 2022, which may stand anywhere in a value."""
MIN_IN_BINARY = 5
MIN_ENCODED = 4


@dataclass(frozen=True, slots=True)
class Needles:
    """Words as they are searched in bytes.

    Attributes
    ----------
    ascii : tuple of str
        ASCII words long enough not to turn up by chance.
    encoded : frozenset of bytes
        The other words in all usual encodings and cases, escape sequences left out.
    byte_table : ndarray of bool, shape (256,)
        Bytes that occur in `ascii`, in either case.
    """

    ascii: tuple[str, ...]
    encoded: frozenset[bytes]
    byte_table: np.ndarray

    @classmethod
    def of(cls, words: Iterable[str]) -> Needles:
        """Return the needles for lower-case words."""
        plain = tuple(sorted(word for word in words if word.isascii() and len(word) >= MIN_IN_BINARY))
        table = np.zeros(256, bool)
        for word in plain:
            table[np.frombuffer((word + word.upper()).encode("ascii"), np.uint8)] = True
        return cls(plain, frozenset().union(*[encoded(word) for word in words if not word.isascii()]), table)


def encoded(word: str) -> set[bytes]:
    """Return a word in all encodings and cases, at least four bytes long."""
    out = set()
    for form in (word, word.upper(), word.title()):
        for encoding in ENCODINGS:
            try:
                code = ESCAPES.sub(b"", form.encode(encoding))
            except UnicodeError:
                continue
            if len(code) >= MIN_ENCODED:
                out.add(code)
    return out


def forms(word: str) -> set[str]:
    """Return the lower-case spellings of a word: as written, without accents, with German and Nordic digraphs."""
    lower = word.lower()
    digraphs = lower.translate(_DIGRAPHS)
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(letter))
    return {lower, unicodedata.normalize("NFC", lower), digraphs, fold(plain), lower.replace("ß", "ss")} - {""}


_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe"})
_FOLDS = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})


def fold(text: str) -> str:
    """Return lower-case text without the letters that NFKD does not take apart."""
    return text.translate(_FOLDS)


def latin(letter: str) -> bool:
    """Whether a character belongs to a script that writes words with spaces between (or is no letter)."""
    return not letter.isalpha() or ord(letter) < 0x0590


def compile_needles(needles: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern over lower-case text: whole words for scripts with spaces, anywhere for the others."""
    parts = []
    for needle in sorted(needles, key=lambda text: (-len(text), text)):
        body = r"[\s^_,.\-]*".join(re.escape(part) for part in needle.split()) if " " in needle else re.escape(needle)
        first, last = needle[0], needle[-1]
        before = _boundary(first, "<!")
        after = _boundary(last, "!")
        parts.append(f"{before}{body}{after}")
    return re.compile("|".join(parts) if parts else r"(?!)")


def _boundary(letter: str, kind: str) -> str:
    if letter.isdigit():
        return rf"(?{kind}\d)"
    if letter.isalpha() and latin(letter):
        return rf"(?{kind}[^\W\d_])"
    return ""
