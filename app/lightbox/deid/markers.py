"""What a de-identified object says about itself (PS3.15 E.1, PS3.3 C.7.1.1, C.12.1)."""

from __future__ import annotations

from lightbox.deid.charsets import encode
from lightbox.deid.dummies import code
from lightbox.deid.elements import Element
from lightbox.deid.profile import BASIC_CODE, CODES, Option, Profile
from lightbox.deid.table import Table

MARKER_TAGS = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280303))


def executed(profile: Profile, *, structured: bool) -> frozenset[Option]:
    """Return the options of `profile` that were carried out on an object.

    Parameters
    ----------
    structured : bool
        Whether the object has structured content; without any, cleaning it is not claimed.
    """
    return frozenset(o for o in profile.options if o is not Option.CLEAN_STRUCTURED_CONTENT or structured)


def elements(profile: Profile, options: frozenset[Option], table: Table) -> list[Element]:
    """Return Patient Identity Removed, the method as text and as codes, and what happened to dates."""
    dates = "MODIFIED" if Option.RETAIN_MODIFIED_DATES in options else "REMOVED"
    method = f"Lightbox {profile.name}\\PS3.15 E.1-1 {table.edition}"
    codes = [BASIC_CODE, *sorted(CODES[option] for option in options)]
    return [
        Element(0x00120062, "CS", encode("YES", "CS")),
        Element(0x00120063, "LO", encode(method, "LO")),
        Element(0x00120064, "SQ", b"", [code(value, "DCM", meaning) for value, meaning in codes]),
        Element(0x00280303, "CS", encode(dates, "CS")),
    ]
