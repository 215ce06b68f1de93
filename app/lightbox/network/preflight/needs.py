"""What we need of a peer: what the library holds, what Lightbox writes, which services are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lightbox.network.preflight import services, vocabulary
from lightbox.network.preflight.pairs import SCP, SCU, Pair

_STORAGE = "1.2.840.10008.5.1.4.1.1."
PRODUCED: dict[str, str] = {
    _STORAGE + "66.4": "segmentations",
    _STORAGE + "88.22": "Enhanced SR",
    _STORAGE + "88.34": "measurements and findings (Comprehensive 3D SR)",
    _STORAGE + "7": "secondary captures",
    _STORAGE + "88.59": "key images",
    _STORAGE + "11.1": "presentation states",
    _STORAGE + "104.1": "PDF reports",
}
"""SOP classes that Lightbox itself writes, with what they are."""

_BASIC_IMAGES = tuple(
    _STORAGE + number
    for number in ("2", "2.1", "4", "4.1", "1", "1.1", "1.2", "6.1", "3.1", "128", "20", "12.1", "12.2", "7")
)
_BASIC_DOCUMENTS = tuple(
    _STORAGE + number
    for number in ("66.4", "88.11", "88.22", "88.33", "88.34", "88.59", "88.67", "11.1", "104.1", "481.3")
)
_JPEG = "1.2.840.10008.1.2.4."
_BASIC_SYNTAXES = (
    vocabulary.IMPLICIT_LE,
    vocabulary.EXPLICIT_LE,
    _JPEG + "90",
    _JPEG + "70",
    _JPEG + "80",
    "1.2.840.10008.1.2.5",
    _JPEG + "50",
    _JPEG + "91",
)


@dataclass(frozen=True, slots=True)
class Needs:
    """What we need of a peer.

    Parameters
    ----------
    purposes : tuple of str
        What the peer is for (`services.PURPOSES`).
    reasons : mapping of Pair to str
        Each pair that is needed, and why, in words.
    counts : mapping of Pair to int
        How many instances of the library need a pair.
    """

    purposes: tuple[str, ...]
    reasons: Mapping[Pair, str] = field(default_factory=dict)
    counts: Mapping[Pair, int] = field(default_factory=dict)


def of(encodings: Iterable[tuple[str, str, int]], purposes: Iterable[str]) -> Needs:
    """Return what is needed, given what the library holds and what the peer is for.

    Parameters
    ----------
    encodings : iterable of (str, str, int)
        SOP Class UID, Transfer Syntax UID and number of instances, as `Library.encodings` gives them.
    purposes : iterable of str
        What the peer is for.

    Notes
    -----
    What Lightbox writes, and every service, is needed in Implicit VR Little Endian, which each Application Entity has
    to accept for what it accepts at all (PS3.5 10.1); other uncompressed encodings then serve as well. What the library
    holds is needed as it is held. What we would fetch is what the library holds: it came from such peers.
    """
    wanted = tuple(purposes)
    reasons: dict[Pair, str] = {}
    counts: dict[Pair, int] = {}

    def need(pair: Pair, reason: str, count: int = 0) -> None:
        reasons[pair] = f"{reasons[pair]}; {reason}" if pair in reasons else reason
        if count:
            counts[pair] = counts.get(pair, 0) + count

    held = [entry for entry in encodings if entry[0] and entry[1]]
    for purpose, role in (("store", SCP), ("retrieve", SCU)):
        if purpose not in wanted:
            continue
        for sop_class, syntax, count in held:
            need(Pair(sop_class, syntax, role), f"{count:,} in the library", count)
        for sop_class, words in PRODUCED.items():
            pair = Pair(sop_class, vocabulary.IMPLICIT_LE, role)
            need(pair, f"Lightbox writes {words}" if role == SCP else "written by Lightbox, fetched again")
    for service in services.SERVICES:
        if service.sop_class == services.VERIFICATION or (service.purpose and service.purpose in wanted):
            need(Pair(service.sop_class, vocabulary.IMPLICIT_LE), services.PURPOSES.get(service.purpose, "always"))
    return Needs(wanted, reasons, counts)


def alternatives(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the encodings that storage classes among `pairs` are probed in besides, to know what to convert to."""
    from lightbox.network.contexts import is_storage_class

    kinds = dict.fromkeys((pair.sop_class, pair.role) for pair in pairs if is_storage_class(pair.sop_class))
    return [Pair(sop_class, syntax, role) for sop_class, role in kinds for syntax in _BASIC_SYNTAXES]


def basic() -> list[Pair]:
    """Return the pairs that are probed beside the needed and declared ones: what any archive is asked about."""
    uncompressed = (vocabulary.IMPLICIT_LE, vocabulary.EXPLICIT_LE)
    pairs = [Pair(service.sop_class, syntax) for service in services.SERVICES for syntax in uncompressed]
    pairs += [Pair(sop_class, syntax) for sop_class in _BASIC_IMAGES for syntax in _BASIC_SYNTAXES]
    pairs += [Pair(sop_class, syntax) for sop_class in _BASIC_DOCUMENTS for syntax in uncompressed]
    return pairs


def everything() -> list[Pair]:
    """Return every storage class of the data dictionary in every usual transfer syntax, and the services."""
    from lightbox.network.contexts import ALL_CLASSES

    pairs = [Pair(sop_class, syntax.uid) for sop_class in ALL_CLASSES for syntax in vocabulary.SYNTAXES]
    return basic() + pairs
