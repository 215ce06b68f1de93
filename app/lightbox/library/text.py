"""Folding and matching of text typed by people."""

from __future__ import annotations

import re
import unicodedata

_DASHED_DATE = re.compile(r"^(\d{4})[-./](\d{2})[-./](\d{2})$")


def fold(text: str) -> str:
    """Return `text` without case and accents, for sorting and comparing (``Müller^Ä`` -> ``muller^a``)."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def full_text_query(text: str) -> str:
    """Return an FTS5 expression that matches every word of `text` as a prefix; empty when there is no word.

    Nothing typed by a person is ever taken as an operator: each word becomes a quoted string.
    """
    words: list[str] = []
    for raw in text.replace("\0", " ").split():
        date = _DASHED_DATE.match(raw)
        word = "".join(date.groups()) if date else raw
        word = word.replace("*", " ").replace("?", " ").strip()
        if any(char.isalnum() for char in word):
            words.append('"' + word.replace('"', " ") + '"*')
    return " ".join(words)


def like_pattern(text: str) -> str:
    r"""Return a LIKE pattern (escape character ``\``) for DICOM wildcards ``*`` and ``?`` (PS3.4 C.2.2.2.4)."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    return escaped.replace("*", "%").replace("?", "_")
