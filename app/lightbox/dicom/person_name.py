"""Person names (VR PN, PS3.5 clause 6.2.1): component groups and how people read them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NameParts:
    """The five components of one component group."""

    family: str = ""
    given: str = ""
    middle: str = ""
    prefix: str = ""
    suffix: str = ""

    def text(self) -> str:
        """Return "Family, Prefix Given Middle, Suffix" without what is empty."""
        called = " ".join(part for part in (self.prefix, self.given, self.middle) if part)
        return ", ".join(part for part in (self.family, called, self.suffix) if part)


def groups(text: str) -> tuple[NameParts, NameParts, NameParts]:
    """Return the alphabetic, ideographic and phonetic component groups of a PN value; missing ones are empty."""
    found = [_parts(group) for group in str(text).split("=")[:3]]
    found += [NameParts()] * (3 - len(found))
    return found[0], found[1], found[2]


def display(text: str) -> str:
    """Return a PN value as people read it: "Doe, Jane Q., MD", with an ideographic form in brackets behind it.

    A name that has only an ideographic or phonetic form is shown in that form. Several names are joined by "; ".
    """
    return "; ".join(shown for shown in (_display_one(name) for name in str(text).split("\\")) if shown)


def _display_one(text: str) -> str:
    alphabetic, ideographic, phonetic = (group.text() for group in groups(text))
    first = alphabetic or ideographic or phonetic
    return f"{first} ({ideographic})" if ideographic and ideographic != first else first


def _parts(group: str) -> NameParts:
    parts = [part.strip(" \x00") for part in group.split("^")]
    parts += [""] * (5 - len(parts))
    family, given, middle, prefix, *rest = parts
    return NameParts(family, given, middle, prefix, " ".join(part for part in rest if part))
