"""The tables of the DICOM conformance statement (PS3.2), made from what the code proposes and accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.uid import UID

from lightbox.network import contexts, find, get, implementation, move, query_keys
from lightbox.network.identity import LocalIdentity
from lightbox.network.worklist import ian, mpps, mwl


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(list(headings))]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def services() -> str:
    """SOP classes of the services, and our role in each."""
    rows = [
        ("Verification", "1.2.840.10008.1.1", "yes", "yes"),
        *((UID(uid).name, uid, "yes", "demonstration archive") for uid in find.MODELS.values()),
        (UID(get.MODEL).name, get.MODEL, "yes", "demonstration archive"),
        (UID(move.MODEL).name, move.MODEL, "yes", "demonstration archive"),
        (UID(mwl.MODEL).name, mwl.MODEL, "yes", "no"),
        (UID(mpps.SOP_CLASS).name, mpps.SOP_CLASS, "yes", "no"),
        (UID(ian.SOP_CLASS).name, ian.SOP_CLASS, "yes", "yes"),
        ("All storage SOP classes, see below", "", "yes", "yes"),
    ]
    return _table(("SOP class", "UID", "SCU", "SCP"), rows)


def implementation_items() -> str:
    """How we identify ourselves, and the limits of associations."""
    default = LocalIdentity()
    rows = [
        ("Implementation Class UID", implementation.CLASS_UID),
        ("Implementation Version Name", "LIGHTBOX_ and the version"),
        ("Application Context Name", "1.2.840.10008.3.1.1.1"),
        ("AE title (default)", default.ae_title),
        ("TCP port (default)", str(default.port)),
        ("Maximum PDU size offered", f"{default.maximum_pdu} bytes"),
        ("Time-out of TCP connection, association, DIMSE message", _timeouts(default)),
        ("Asynchronous operations", "not supported"),
        ("Security profiles", "BCP 195 RFC 8996, 9325 TLS (PS3.15 B.12); limits of B.13 as a setting"),
    ]
    return _table(("Item", "Value"), rows)


def _timeouts(identity: LocalIdentity) -> str:
    numbers = (identity.connect_timeout, identity.association_timeout, identity.dimse_timeout)
    return ", ".join(f"{number:g} s" for number in numbers)


def storage_classes() -> str:
    """Storage SOP classes of the data dictionary; private and unknown ones are accepted as well."""
    return _table(("SOP class", "UID"), ((UID(uid).name, uid) for uid in contexts.ALL_CLASSES))


def transfer_syntaxes() -> str:
    """Transfer syntaxes that C-GET proposes for storage; the storage SCP accepts any."""
    videos = contexts.ALL_SYNTAXES
    pictures, documents = contexts.IMAGE_SYNTAXES, contexts.DOCUMENT_SYNTAXES
    rows = [
        (UID(uid).name, uid, "yes" if uid in documents else "", "yes" if uid in pictures else "video classes")
        for uid in videos
        if uid in pictures or any(uid in contexts.syntaxes_for(c) for c in contexts.VIDEO_CLASSES)
    ]
    return _table(("Transfer syntax", "UID", "documents", "images"), rows)


def return_keys() -> str:
    """Keys that our C-FIND asks for at each level by default."""
    rows = []
    for level, words in query_keys.RETURN_KEYS.items():
        for word in words:
            tag = tag_for_keyword(word) or 0
            unique = " (unique)" if word == query_keys.UNIQUE_KEY[level] else ""
            number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
            rows.append((level, f"{dictionary_description(tag)}{unique}", number, dictionary_VR(tag)))
    return _table(("Level", "Attribute", "Tag", "VR"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "services": services,
    "implementation": implementation_items,
    "storage-classes": storage_classes,
    "transfer-syntaxes": transfer_syntaxes,
    "return-keys": return_keys,
}


def fill(document: str) -> str:
    """Return `document` with every table between ``<!-- table: NAME -->`` and ``<!-- end -->`` made anew."""
    for name, make in TABLES.items():
        opening = f"<!-- table: {name} -->"
        before, found, rest = document.partition(opening)
        if not found:
            continue
        _, _, after = rest.partition("<!-- end -->")
        document = f"{before}{opening}\n{make()}\n<!-- end -->{after}"
    return document
