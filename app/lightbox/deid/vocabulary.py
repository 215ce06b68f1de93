"""Words that may stay in a description: those of radiology, and common English ones that are no name."""

from __future__ import annotations

from functools import cache

from lightbox.core import resources


def _read(*names: str) -> frozenset[str]:
    found: set[str] = set()
    for name in names:
        for line in resources.read_text(f"deid/{name}").splitlines():
            if not line.startswith("#"):
                found.update(line.lower().split())
    return frozenset(found)


@cache
def radiology() -> frozenset[str]:
    """Return the words of DICOM's own terms and of protocols, sequences and reports, in lower case."""
    return _read("vocabulary.txt", "vocabulary-extra.txt")


@cache
def english() -> frozenset[str]:
    """Return common English words that are neither names nor in `radiology`, in lower case."""
    return _read("english.txt")


def known(word: str) -> bool:
    """Whether `word` (any case) is one of radiology."""
    return word.lower() in radiology()


def common(word: str) -> bool:
    """Whether `word` (any case) is a common English word outside radiology."""
    return word.lower() in english()
