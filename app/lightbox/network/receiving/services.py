"""Which SOP classes are services rather than storage, known without a data dictionary: a worker must start at once."""

from __future__ import annotations

import re

VERIFICATION = "1.2.840.10008.1.1"

_SERVICE = re.compile(
    r"1\.2\.840\.10008\.(?:"
    r"(?:1|3\.1|4|10|5\.1\.4\.1\.2)\..*"  # verification, notifications, management, query and retrieve
    r"|5\.1\.1\.(?!(?:27|29|30)$).*"  # print, but for what printers store
    r"|5\.1\.4\.1\.1\.(?:200\.[456]|201\.[2-6])"  # protocol approval, inventory
    r"|5\.1\.4\.(?:20|38|39|43|44|45)\.[1-4](?<!(?:38|39|43|44|45)\.1)"  # queries for protocols, palettes, implants
    r"|5\.1\.4\.(?:31|32|33|37|41|42)(?:\..*)?"  # worklists, availability, relevant patient information, substances
    r"|5\.1\.4\.34\.(?:2|3|4|6|8|9)(?:\..*)?"  # machine verification, unified worklist
    r")"
).fullmatch

_UNWANTED = frozenset(
    {
        "1.2.840.10008.1.2.2",  # big endian
        "1.2.840.10008.1.2.1.99",  # deflated
        "1.2.840.10008.1.2.4.50",  # JPEG baseline
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.53",
        "1.2.840.10008.1.2.4.55",
        "1.2.840.10008.1.2.4.81",  # JPEG-LS near lossless
        "1.2.840.10008.1.2.4.91",  # JPEG 2000
        "1.2.840.10008.1.2.4.203",  # HTJ2K
        *(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109)),  # video
    }
)
NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Explicit and Implicit VR Little Endian: what messages other than objects are encoded in."""


def is_storage(sop_class_uid: str) -> bool:
    """Whether a SOP class is stored by C-STORE: every storage class, and what is private or unknown."""
    return bool(sop_class_uid) and _SERVICE(sop_class_uid) is None


def best_syntax(offered: tuple[str, ...]) -> str:
    """Choose the transfer syntax of an object that is to be stored; empty when none is offered.

    The sender's order counts, except that lossy, big-endian and deflated encodings come last: a sender must not be led
    to compress lossily, or to convert, what it could send as it is.
    """
    return next((uid for uid in offered if uid not in _UNWANTED), offered[0] if offered else "")
