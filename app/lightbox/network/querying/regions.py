"""Which part of the body a study shows, from Body Part Examined and from what people write as description."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from lightbox.core import resources
from lightbox.core.errors import UsageError
from lightbox.network.querying.rows import fold

_TABLE = "regions/body_regions.json"


@dataclass(frozen=True, slots=True)
class Region:
    """One row of the table: `codes` are terms of Body Part Examined, `words` occur in descriptions."""

    name: str
    title: str
    codes: frozenset[str]
    words: tuple[tuple[str, ...], ...]
    near: frozenset[str]


@cache
def table() -> dict[str, Region]:
    """Return all regions by name."""
    entries = json.loads(resources.read_text(_TABLE))["regions"]
    return {
        name: Region(
            name,
            entry["title"],
            frozenset(entry["codes"]),
            tuple(tuple(fold(word).split()) for word in entry["words"]),
            frozenset(entry["near"]),
        )
        for name, entry in entries.items()
    }


def named(text: str) -> str:
    """Return the region a person means by `text` ("chest", "CHEST", "thorax", "lung").

    Raises
    ------
    UsageError
        No region or more than one is meant.
    """
    wanted = fold(text).strip()
    if wanted in table():
        return wanted
    found = of([text], [text])
    if len(found) == 1:
        return next(iter(found))
    raise UsageError("There is no such body region", where=text, todo=f"Use one of: {', '.join(table())}")


def of(body_parts: Iterable[str], descriptions: Iterable[str]) -> frozenset[str]:
    """Return the regions that are shown, empty when it cannot be told.

    Body Part Examined counts first; the descriptions where it says nothing that is known.

    Parameters
    ----------
    body_parts : iterable of str
        Values of Body Part Examined.
    descriptions : iterable of str
        Study, series, procedure and protocol descriptions.
    """
    codes = {"".join(letter for letter in part.upper() if letter.isalnum()) for part in body_parts}
    found = {region.name for region in table().values() if region.codes & codes}
    if found:
        return frozenset(found)
    for description in descriptions:
        found |= _in_words(description)
    return frozenset(found)


def relation(one: frozenset[str], other: frozenset[str]) -> int:
    """Return how close two sets of regions are: 0 the same, 1 near or within the whole body, 2 not known, 3 apart."""
    if not one or not other:
        return 2
    if one & other:
        return 0
    regions = table()
    close = any(regions[left].near & other for left in one) or any(regions[right].near & one for right in other)
    return 1 if close else 3


@cache
def _in_words(description: str) -> frozenset[str]:
    cleaned = "".join(letter if letter.isalnum() else " " for letter in fold(description))
    words = cleaned.split()
    return frozenset(region.name for region in table().values() if any(_occurs(w, words) for w in region.words))


def _occurs(wanted: tuple[str, ...], words: list[str]) -> bool:
    size = len(wanted)
    return any(
        all(_same(pattern, word) for pattern, word in zip(wanted, words[start : start + size], strict=True))
        for start in range(len(words) - size + 1)
    )


def _same(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern
