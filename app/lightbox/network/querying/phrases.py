"""A question in everyday words: "all chest X-rays of patient 12345, past 6 months"."""

from __future__ import annotations

import re

from lightbox.core.errors import UsageError
from lightbox.network.querying import regions, relative
from lightbox.network.querying.saved import SavedQuery

_MODALITIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"x[\s-]?rays?|radiographs?|plain films?", ("CR", "DX")),
    (r"mammograms?|mammograph(?:y|ies)", ("MG",)),
    (r"ultrasounds?|sonograph(?:y|ies)|us", ("US",)),
    (r"pet[\s/-]?cts?", ("PT", "CT")),
    (r"pets?", ("PT",)),
    (r"mris?|mrs?", ("MR",)),
    (r"cts?|cat scans?", ("CT",)),
    (r"fluoroscop(?:y|ies)|rf", ("RF",)),
    (r"angiograms?|xa", ("XA",)),
    (r"nuclear medicine|nm|scintigraph(?:y|ies)", ("NM",)),
    (r"structured reports?|reports?|sr", ("SR",)),
)
_DATES = re.compile(
    r"\b(?:(?:in|within|of|from|for|over|during)\s+)?(?:the\s+)?"
    r"(today|yesterday|(?:last|past|previous)\s+(?:\w+\s+)?(?:day|week|month|year)s?|this\s+(?:week|month|year)"
    r"|since\s+\S+)"
)
_ACCESSION = re.compile(r"\baccession(?:\s+number)?\s+(\S+)")
_PATIENT_ID = re.compile(r"\b(?:(?:of|for|from)\s+)?(?:the\s+)?patient(?:\s+id)?\s+(\S*\d\S*)")
_NAME = re.compile(r"\b(?:of|for)\s+(?:patient\s+)?(?:the\s+)?((?:(?!\bof\b|\bfor\b)[^\d])+?)\s*$")
_FILLING = frozenset({"all", "any", "the", "of", "for", "in", "and", "a", "every", "studies", "study", "exams", "exam"})


def parse(name: str, phrase: str) -> SavedQuery:
    """Return the query that `phrase` describes, under `name`.

    Understood are a time span, kinds of examination, a body region, "patient" with an ID, "of" with a name, and
    "accession" with a number. Words that are not understood are an error, never left out.

    Raises
    ------
    UsageError
        Words are left over, or nothing was understood.
    """
    rest = " ".join(phrase.replace(",", " ").replace(";", " ").split())
    values: dict[str, object] = {}
    rest, found = _take(_DATES, rest)
    if found:
        values["dates"] = found
    rest, found = _take(_ACCESSION, rest)
    if found:
        values["accession_number"] = found
    rest, found = _take(_PATIENT_ID, rest)
    if found:
        values["patient_id"] = found
    modalities: list[str] = []
    for pattern, codes in _MODALITIES:
        rest, found = _take(re.compile(rf"\b({pattern})\b"), rest)
        if found:
            modalities += [code for code in codes if code not in modalities]
    if modalities:
        values["modalities"] = tuple(modalities)
    without, found = _take(_NAME, rest)
    if found and not _is_region(found) and not set(found.casefold().split()) <= _FILLING:
        rest = without
        values["patient_name"] = _pn(found)
    words = [word for word in rest.split() if word.casefold() not in _FILLING]
    if words:
        values["region"] = _region(words)
    if not values:
        raise UsageError("The phrase asks for nothing", where=phrase, todo=f"Name a time span: {relative.EXAMPLES}")
    return SavedQuery(name, **values)  # type: ignore[arg-type]


def _take(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    """Return `text` without what `pattern` matches, and the first group of the match in its original case."""
    found = pattern.search(text.casefold()) if len(text.casefold()) == len(text) else pattern.search(text)
    if not found:
        return text, ""
    start, end = found.span(1)
    return f"{text[: found.start()]} {text[found.end() :]}".strip(), text[start:end]


def _region(words: list[str]) -> str:
    """Return the region that `words` name; every one of them must have to do with it."""
    text = " ".join(words)
    strange = words
    if _is_region(text):
        region = regions.named(text)
        strange = [
            word
            for position, word in enumerate(words)
            if region not in regions.of((word,), (word,))
            and region in regions.of((), (" ".join(words[:position] + words[position + 1 :]),))
        ]
        if not strange:
            return region
    raise UsageError(
        "These words are not understood",
        where=" ".join(strange),
        todo='Write for example "all chest X-rays of patient 12345, past 6 months", or use the options',
    )


def _is_region(text: str) -> bool:
    try:
        return bool(regions.named(text))
    except UsageError:
        return False


def _pn(name: str) -> str:
    """Return a name as people write it in the form of DICOM: "Jane Doe" and "Doe, Jane" are DOE^Jane."""
    parts = name.split()
    return f"{parts[-1]}^{' '.join(parts[:-1])}" if len(parts) > 1 else parts[0]
