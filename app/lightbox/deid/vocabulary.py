"""Words that radiology uses: they may stay in a description."""

from __future__ import annotations

from functools import cache

from lightbox.core import resources


@cache
def words() -> frozenset[str]:
    """Return the words in lower case (resources/deid/vocabulary.txt and vocabulary-extra.txt)."""
    found: set[str] = set()
    for name in ("deid/vocabulary.txt", "deid/vocabulary-extra.txt"):
        for line in resources.read_text(name).splitlines():
            if not line.startswith("#"):
                found.update(line.lower().split())
    return frozenset(found)


def known(word: str) -> bool:
    """Whether `word` (letters only, any case) is in the vocabulary."""
    return word.lower() in words()
