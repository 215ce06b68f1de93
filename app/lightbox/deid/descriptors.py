"""Clean Descriptors (PS3.15 E.3.5): descriptions keep the words of radiology and lose everything else."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lightbox.deid import vocabulary
from lightbox.deid.lexicon import Lexicon

_MONTHS = "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_PATTERNS = re.compile(
    "|".join(
        (
            r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",  # e-mail
            r"(?:https?|ftp)://\S+|\bwww\.\S+",
            r"(?<!\d)\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?!\d)",  # dates with separators
            rf"(?<!\d)\d{{1,2}}[\s.-]*(?:{_MONTHS})[a-zä]*[\s.,-]*\d{{2,4}}",
            rf"\b(?:{_MONTHS})[a-zä]*[\s.]*\d{{1,2}}(?:st|nd|rd|th)?[\s,]+\d{{4}}",
            r"(?<!\d)(?:\+|\(?0)\d[\d\s()/.-]{6,}\d",  # phone numbers
            r"(?<!\d)\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}(?!\d)",
            r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)",  # social security
            r"(?<!\d)\d{1,2}:\d{2}(?::\d{2})?\s*(?:am|pm|uhr|h)?\b",  # clock
        )
    )
)
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?|[^\w]|_")
_RUN = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"[A-ZÄÖÜ]?[a-zäöüß]+|[A-ZÄÖÜ]+(?![a-zäöüß])")
_GAPS = re.compile(r"[\s]{2,}")
_LONE_PUNCTUATION = re.compile(r"(?:^|(?<=\s))[^\w\s]+(?=\s|$)")
CUT = "\x00"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Result of cleaning one text: what is left and how many words were taken out."""

    text: str
    removed: int


def find_patterns(text: str) -> list[tuple[int, int]]:
    """Return where text holds something shaped like an e-mail or web address, a date, a time or a phone number."""
    return [found.span() for found in _PATTERNS.finditer(_lower(text))]


def clean(text: str, lexicon: Lexicon) -> Cleaned:
    """Take everything out of a description that is not a word of radiology or a small number.

    Parameters
    ----------
    text : str
        One value.
    lexicon : Lexicon
        Identifiers of the patient.
    """
    marked = cut_identifiers(text, lexicon)
    removed = len(re.findall(CUT + "+", marked))
    tokens = _TOKEN.findall(marked.replace(CUT, f" {CUT} "))
    keep: list[str | None] = []
    for token in tokens:
        if token == CUT or (token[0].isalnum() and not _useful(token)):
            keep.append(None)
            removed += token != CUT
        else:
            keep.append(token)
    words = [i for i, token in enumerate(tokens) if token == CUT or token[0].isalnum()]
    for n, i in enumerate(words):  # a name that is also a common word goes when its neighbour is no common word
        if keep[i] is not None and tokens[i].lower() in lexicon.weak:
            neighbours = [words[m] for m in (n - 1, n + 1) if 0 <= m < len(words)]
            if any(keep[j] is None or tokens[j].lower() in lexicon.weak for j in neighbours):
                keep[i] = ""
                removed += 1
    if not removed:
        return Cleaned(text, 0)
    out = "".join(" " if token is None else token for token in keep)
    out = _LONE_PUNCTUATION.sub(" ", _GAPS.sub(" ", out))
    return Cleaned(_GAPS.sub(" ", out).strip(" -_,;:/.|+&"), removed)


def cut_identifiers(text: str, lexicon: Lexicon) -> str:
    """Return text with identifiers of the patient and everything shaped like one replaced by NUL characters."""
    lower = _lower(text)
    spans = [found.span() for found in lexicon.pattern.finditer(lower)]
    spans += [found.span() for found in _PATTERNS.finditer(lower)]
    for start, end in spans:
        text = text[:start] + CUT * (end - start) + text[end:]
    return text


def replace_identifiers(text: str, lexicon: Lexicon) -> str | None:
    """Return text without the patient's identifiers, everything else as it is; None when there are none."""
    lower = _lower(text)
    if lexicon.pattern.search(lower) is None:
        return None
    for start, end in reversed([found.span() for found in lexicon.pattern.finditer(lower)]):
        text = text[:start] + text[end:]
    return _GAPS.sub(" ", text).strip()


def _lower(text: str) -> str:
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _useful(token: str) -> bool:
    if vocabulary.known(token):
        return True
    runs = _RUN.findall(token)
    if not runs:
        return False
    if len(runs) == 1 and token.isdigit():
        return len(token) <= 3 or (len(token) == 4 and not "1900" <= token <= "2099")
    if len(runs) == 1:
        return (len(token) == 1 and token.isascii()) or _humps(token)
    return all(
        (len(run) <= 4 and not (len(run) == 4 and "1900" <= run <= "2099"))
        if run.isdigit()
        else (len(run) <= 3 and run.isascii()) or vocabulary.known(run) or _humps(run)
        for run in runs
    )


def _humps(token: str) -> bool:
    """Whether a word is made of known words written together with capitals (``HeadNeck``)."""
    parts = _HUMP.findall(token)
    return len(parts) > 1 and "".join(parts) == token and all(vocabulary.known(part) for part in parts)
