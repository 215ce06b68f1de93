"""SOP classes and transfer syntaxes as people, vendors and DCMTK write them (PS3.6 Annex A), and what they mean."""

from __future__ import annotations

import difflib
import re
from functools import cache
from typing import NamedTuple

from pydicom._uid_dict import UID_dictionary

from lightbox.core.errors import UsageError
from lightbox.network.preflight import names_in_use

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"


class Syntax(NamedTuple):
    """A transfer syntax: its UID, a short name, and its family (one of `FAMILIES`)."""

    uid: str
    short: str
    family: str


_JPEG = "1.2.840.10008.1.2.4."
SYNTAXES: tuple[Syntax, ...] = (
    Syntax(EXPLICIT_LE, "Explicit LE", "uncompressed"),
    Syntax(IMPLICIT_LE, "Implicit LE", "uncompressed"),
    Syntax(DEFLATED_LE, "Deflated", "uncompressed"),
    Syntax(EXPLICIT_BE, "Big Endian", "uncompressed"),
    Syntax(_JPEG + "90", "J2K lossless", "lossless"),
    Syntax(_JPEG + "70", "JPEG lossless SV1", "lossless"),
    Syntax(_JPEG + "57", "JPEG lossless P14", "lossless"),
    Syntax(_JPEG + "80", "JPEG-LS lossless", "lossless"),
    Syntax("1.2.840.10008.1.2.5", "RLE", "lossless"),
    Syntax(_JPEG + "201", "HTJ2K lossless", "lossless"),
    Syntax(_JPEG + "202", "HTJ2K RPCL lossless", "lossless"),
    Syntax(_JPEG + "50", "JPEG baseline", "lossy"),
    Syntax(_JPEG + "51", "JPEG extended", "lossy"),
    Syntax(_JPEG + "91", "J2K", "lossy"),
    Syntax(_JPEG + "81", "JPEG-LS near-lossless", "lossy"),
    Syntax(_JPEG + "203", "HTJ2K", "lossy"),
    Syntax(_JPEG + "100", "MPEG2 ML", "video"),
    Syntax(_JPEG + "101", "MPEG2 HL", "video"),
    Syntax(_JPEG + "102", "H.264 4.1", "video"),
    Syntax(_JPEG + "103", "H.264 4.1 BD", "video"),
    Syntax(_JPEG + "104", "H.264 4.2 2D", "video"),
    Syntax(_JPEG + "105", "H.264 4.2 3D", "video"),
    Syntax(_JPEG + "106", "H.264 stereo", "video"),
    Syntax(_JPEG + "107", "HEVC 5.1", "video"),
    Syntax(_JPEG + "108", "HEVC 10 5.1", "video"),
)
"""The transfer syntaxes that are probed with ``--all``, in the order in which a matrix shows them."""

_RARE = (
    Syntax(_JPEG + "53", "JPEG spectral 6+8", "lossy"),
    Syntax(_JPEG + "55", "JPEG progressive", "lossy"),
    Syntax("1.2.840.10008.1.2.8.1", "Deflated frames", "lossless"),
    Syntax("1.2.840.10008.1.2.1.98", "Encapsulated", "lossless"),
    Syntax("1.2.840.113619.5.2", "GE big endian", "uncompressed"),
    Syntax(_JPEG + "110", "JPEG XL lossless", "lossless"),
    Syntax(_JPEG + "111", "JPEG XL from JPEG", "lossy"),
    Syntax(_JPEG + "112", "JPEG XL", "lossy"),
)
_BY_UID = {syntax.uid: syntax for syntax in (*SYNTAXES, *_RARE)}
_NEWER = {
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
    _JPEG + "110": "JPEG XL Lossless",
    _JPEG + "111": "JPEG XL JPEG Recompression",
    _JPEG + "112": "JPEG XL",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
}
"""Names that the dictionary in use may lack."""
FAMILIES = ("uncompressed", "lossless", "lossy", "video")
_OTHER_LOSSLESS = frozenset({_JPEG + "58", _JPEG + "65", _JPEG + "66", _JPEG + "92"})

VERIFICATION = "1.2.840.10008.1.1"

_TREES = {"Transfer Syntax": "1.2.840.10008.1.2.", "SOP Class": "1.2.840.10008.5."}
_UID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")


def lossless(uid: str) -> bool:
    """Whether a transfer syntax holds pixels without loss by definition (unknown ones: no)."""
    known = _BY_UID.get(uid)
    return uid in _OTHER_LOSSLESS if known is None else known.family in ("uncompressed", "lossless")


def family(uid: str) -> str:
    """Return the family of a transfer syntax, ``"other"`` when it is not in `SYNTAXES`."""
    known = _BY_UID.get(uid)
    return known.family if known is not None else "other"


def order(uid: str) -> int:
    """Return the place of a transfer syntax in a matrix: by family, the usual ones first."""
    known = [syntax.uid for syntax in (*SYNTAXES, *_RARE)]
    place = FAMILIES.index(family(uid)) if uid in _BY_UID else len(FAMILIES)
    return place * 1000 + (known.index(uid) if uid in _BY_UID else 0)


def short(uid: str) -> str:
    """Return a short name of a transfer syntax."""
    known = _BY_UID.get(uid)
    return known.short if known is not None else full(uid)


def full(uid: str) -> str:
    """Return the name of a UID in the dictionary, or the UID."""
    entry = UID_dictionary.get(uid)
    return entry[0] if entry is not None else _NEWER.get(uid, uid)


def class_name(uid: str) -> str:
    """Return the name of a SOP class without the words that every name has."""
    name = full(uid)
    if name != uid:
        return name.removesuffix(" SOP Class").removesuffix(" Storage")
    return f"SOP class {uid}" if uid.startswith("1.2.840.10008.") else f"private {uid}"


def syntax_uid(text: str) -> str:
    """Return the UID of a transfer syntax written as UID, name, keyword, DCMTK name or usual short form.

    Raises
    ------
    UsageError
        It is none that is known; the words name the nearest ones.
    """
    return _uid(text, "Transfer Syntax", "transfer syntax")


def sop_class_uid(text: str) -> str:
    """Return the UID of a SOP class written as UID (private ones too), name, keyword, DCMTK name or short form.

    Raises
    ------
    UsageError
        It is none that is known; the words name the nearest ones.
    """
    return _uid(text, "SOP Class", "SOP class")


def _uid(text: str, kind: str, words: str) -> str:
    cleaned = text.strip().strip("\"'").strip().strip("\x00")
    found = re.search(r"\b[0-2](?:\.\d+){4,}\b", cleaned)  # "CT Image Storage (1.2.840...)" and "=1.2.840..."
    candidate = found[0] if found else cleaned
    if _UID.fullmatch(candidate) and len(candidate) <= 64:
        entry = UID_dictionary.get(candidate)
        if entry is None or entry[1] == kind:
            return candidate
        raise UsageError(f"This is not a {words}", where=candidate, why=f"It is: {entry[0]}")
    exact = _keywords(kind).get(cleaned)  # "JPEGLossless" is a keyword, "JPEG Lossless" what people call another one
    if exact is not None:
        return exact
    names = _names(kind)
    key = fold(cleaned)
    if key in names:
        return names[key]
    near = difflib.get_close_matches(key, names, n=2, cutoff=0.75)
    hint = " or ".join(dict.fromkeys(full(names[name]) for name in near))
    todo = f"Did you mean {hint}?" if hint else "Write the UID, or the name or keyword of PS3.6 Annex A"
    raise UsageError(f"This {words} is not known", where=cleaned[:80], todo=todo)


def fold(text: str) -> str:
    """Return a name without what differs between the ways to write it."""
    key = re.sub(r"[^a-z0-9]", "", text.casefold().replace("gray", "grey"))
    key = key.removeprefix("retired").removesuffix("retired").removesuffix("sopclass")
    for verb in ("find", "move", "get"):  # DCMTK: FINDStudyRootQueryRetrieveInformationModel
        if key.startswith(verb):
            key = key[len(verb) :] + verb
    return key


@cache
def _keywords(kind: str) -> dict[str, str]:
    return {entry[4]: uid for uid, entry in UID_dictionary.items() if entry[1] == kind and entry[4]}


@cache
def _names(kind: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for uid, entry in UID_dictionary.items():
        if entry[1] == kind:
            for name in (entry[0], entry[4]):
                names.setdefault(fold(name), uid)
                if kind == "SOP Class":
                    names.setdefault(fold(name.removesuffix(" (Retired)").removesuffix("Storage")), uid)
    names.update((fold(name), uid) for uid, name in _NEWER.items() if uid.startswith(_TREES[kind]))
    names.update(
        (fold(name), uid)
        for name, uid in (names_in_use.SYNTAX_NAMES if kind == "Transfer Syntax" else names_in_use.CLASS_NAMES).items()
    )
    return names
