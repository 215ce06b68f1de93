"""Clean Descriptors (PS3.15 E.3.5): descriptions keep the words of radiology and lose everything else."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lightbox.deid import dates, vocabulary
from lightbox.deid.lexicon import Lexicon

_MONTHS = "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:(?:19|20)\d\d|\d\d)"
_PATTERNS = re.compile(
    "|".join(
        (
            r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",  # e-mail
            r"(?:https?|ftp)://\S+|\bwww\.\S+",
            rf"(?<![\d.]){_DAY}([./-]){_DAY}\1{_YEAR}(?!\d|\.\d)",  # 12.03.2019, 3/12/19
            rf"(?<![\d.])(?:19|20)\d\d([./-]){_MONTH}\2{_DAY}(?!\d|\.\d)",  # 2019-03-12
            r"(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",  # 20190312
            rf"(?<!\d)\d{{1,2}}[\s.-]*(?:{_MONTHS})[a-zä]*[\s.,-]*\d{{2,4}}(?!\d)",  # 12 March 2019
            rf"\b(?:{_MONTHS})[a-zä]*[\s.]*\d{{1,2}}(?:st|nd|rd|th)?[\s,]+\d{{4}}(?!\d)",  # March 12, 2019
            r"(?<!\d)(?:\+\d|\(?0)\d[\d\s()/-]{5,}\d",  # phone numbers
            r"(?<!\d)\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}(?!\d)",
            r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)",  # social security
            r"(?<!\d)\d{1,2}:\d{2}(?::\d{2})?\s*(?:am|pm|uhr|h)?\b",  # clock
        )
    )
)
_TITLED = re.compile(
    r"(?:\b(?:[Dd]r|DR|[Pp]rof|PROF|Mrs?|Ms|Miss|MRS|MISS|Herrn?|Frau|Mme|Sra?|Señora?|[Nn]ame|NAME)\b[.:]*\s+)"
    r"((?:[A-ZÄÖÜ]\.\s*)*[A-ZÄÖÜ][\w'’\-]*(?:[\s,]+[A-ZÄÖÜ][\w'’\-]+)?)"
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+(?![^\W_])|[^\W_]+(?:['’][^\W\d_]+)?|[^\w]|_")
_RUN = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"[A-ZÄÖÜ]?[a-zäöüß]+|[A-ZÄÖÜ]+(?![a-zäöüß])")
_GAPS = re.compile(r"[ \t]{2,}")
_LONE_PUNCTUATION = re.compile(r"(?:^|(?<=\s))[^\w\s]+(?=\s|$)", re.MULTILINE)
_SENTENCE_ENDS = frozenset(".!?:;\n\r")
CUT = "\x00"
PROSE_WORDS = 4


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
    words = [i for i, token in enumerate(tokens) if token == CUT or token[0].isalnum()]
    lower_case = sum(tokens[i].islower() for i in words)
    prose = len(words) >= PROSE_WORDS and 2 * lower_case > len(words)
    kept = {i for i in words if tokens[i] != CUT and _useful(tokens[i], opens=_opens(tokens, i))}
    for n, i in enumerate(words):  # a name that is also a word of radiology goes where it looks like a name
        if i in kept and tokens[i].lower() in lexicon.weak:
            neighbours = [words[m] for m in (n - 1, n + 1) if 0 <= m < len(words)]
            suspicious = any(j not in kept or tokens[j].lower() in lexicon.weak for j in neighbours)
            if suspicious or (prose and tokens[i].istitle() and not _opens(tokens, i)):
                kept.discard(i)
    removed += sum(1 for i in words if i not in kept and tokens[i] != CUT)
    if not removed:
        return Cleaned(text, 0)
    dropped = set(words) - kept
    out = "".join(" " if i in dropped else token for i, token in enumerate(tokens))
    out = _LONE_PUNCTUATION.sub(" ", _GAPS.sub(" ", out))
    return Cleaned(_GAPS.sub(" ", out).strip(" -_,;:/.|+&^\r\n\t"), removed)


def _opens(tokens: list[str], index: int) -> bool:
    """Whether a word begins a sentence."""
    for token in reversed(tokens[:index]):
        if not token.isspace() or token in _SENTENCE_ENDS:
            return token in _SENTENCE_ENDS or token in '-*•("'
    return True


def cut_identifiers(text: str, lexicon: Lexicon) -> str:
    """Return text with identifiers of the patient and everything shaped like one replaced by NUL characters."""
    lower = _lower(text)
    spans = [found.span() for found in lexicon.pattern.finditer(lower)]
    spans += [found.span() for found in _PATTERNS.finditer(lower)]
    spans += [(start, end) for start, end, days in dates.days_in(text) if days & lexicon.dates]
    spans += [found.span(1) for found in _TITLED.finditer(text) if not _known_phrase(found[1])]
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


def _known_phrase(text: str) -> bool:
    """Whether all words are of radiology (``MR Brain``: no title, no name)."""
    return all(vocabulary.known(word) for word in re.findall(r"[^\W\d_]+", text))


def _useful(token: str, *, opens: bool) -> bool:
    """Whether a word or number may stay; `opens` says that it begins a sentence."""
    if vocabulary.known(token):
        return True
    if vocabulary.common(token):
        return opens or not token.istitle()
    runs = _RUN.findall(token)
    if not runs:
        return False
    if token.isdigit():
        return len(token) <= 4 and not _year(token)
    if all(run.isdigit() for run in runs):  # decimals and versions
        return len(runs) <= 4 and len(runs[0]) <= 4 and all(len(run) <= 6 for run in runs[1:])
    if len(runs) == 1:
        return (len(token) == 1 and token.isascii()) or _compound(token)
    return all(
        len(run) <= 4 and not _year(run)
        if run.isdigit()
        else (len(run) <= 3 and run.isascii()) or vocabulary.known(run) or _compound(run)
        for run in runs
    )


def _year(digits: str) -> bool:
    return len(digits) == 4 and "1900" <= digits <= "2035"


def _compound(token: str) -> bool:
    """Whether a word is made of two or more words of radiology (``HeadNeck``, ``sagknee``)."""
    parts = _HUMP.findall(token)
    if len(parts) > 1 and "".join(parts) == token and all(vocabulary.known(part) for part in parts):
        return True
    lower = token.lower()
    return any(vocabulary.known(lower[:cut]) and vocabulary.known(lower[cut:]) for cut in range(3, len(lower) - 2))
