"""The rows that ingest reads and writes, and what goes into them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.library.index_write import Place
from lightbox.library.records import Refusal
from lightbox.library.store import Link

if TYPE_CHECKING:
    from lightbox.library.header import Header

_LOOKUP = 500


@dataclass(slots=True)
class Candidate:
    """A validated object on its way in: a file in the spool (``path``, ``sha256``) or a link to a file elsewhere."""

    origin: str
    source: str
    header: Header
    size: int
    path: Path | None = None
    sha256: bytes | None = None
    link: Link | None = None
    durable: bool = False


@dataclass(slots=True)
class Refused:
    """Something that may not be indexed. ``path`` is set when its bytes were acknowledged and must be kept."""

    origin: str
    source: str
    code: str
    reason: str
    path: Path | None = None
    sha256: bytes | None = None
    size: int = 0


@dataclass(slots=True)
class Known:
    """What the index holds under a SOP Instance UID."""

    sha256: bytes | None
    link: Link | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An object that is kept but not indexed, and why."""

    sop_instance_uid: str
    origin: str
    source: str
    code: str
    reason: str
    size: int
    object_key: str | None
    link: Link | None


def place_of(candidate: Candidate) -> Place:
    """Return where the bytes of a candidate are once it is in."""
    if candidate.link is not None:
        return Place(candidate.size, None, None, candidate.link.path, candidate.link.mtime_ns)
    digest = candidate.sha256
    return Place(candidate.size, digest.hex() if digest else None, digest)


def keep_copy(connection: sqlite3.Connection, candidate: Candidate) -> None:
    """Let an instance that was linked, or whose stored object was lost, own the copy that came in."""
    place = place_of(candidate)
    connection.execute(
        "UPDATE instance SET object_key = ?, sha256 = ?, linked_path = NULL, linked_mtime_ns = NULL"
        " WHERE sop_instance_uid = ?",
        (place.object_key, place.sha256, candidate.header.code("SOPInstanceUID")),
    )


def known_instances(connection: sqlite3.Connection, uids: Sequence[str]) -> dict[str, Known]:
    """Return what the index holds under these SOP Instance UIDs."""
    known: dict[str, Known] = {}
    for start in range(0, len(uids), _LOOKUP):
        part = uids[start : start + _LOOKUP]
        marks = ",".join("?" * len(part))
        for uid, digest, path, size, mtime in connection.execute(
            "SELECT sop_instance_uid, sha256, linked_path, size, linked_mtime_ns FROM instance"
            f" WHERE sop_instance_uid IN ({marks})",
            part,
        ):
            known[uid] = Known(digest, Link(path, size, mtime) if path is not None else None)
    return known


def is_quarantined(connection: sqlite3.Connection, candidate: Candidate) -> bool:
    """Whether the same bytes (of a link: the same file in the same state) are in quarantine already."""
    if candidate.link is not None:
        row = connection.execute(
            "SELECT 1 FROM quarantine WHERE linked_path = ? AND linked_mtime_ns = ?",
            (candidate.link.path, candidate.link.mtime_ns),
        ).fetchone()
    else:
        key = candidate.sha256.hex() if candidate.sha256 else ""
        row = connection.execute("SELECT 1 FROM quarantine WHERE object_key = ?", (key,)).fetchone()
    return row is not None


def write_quarantine(connection: sqlite3.Connection, entries: Sequence[Quarantined], moment: str) -> None:
    """List objects of the quarantine."""
    connection.executemany(
        "INSERT OR REPLACE INTO quarantine (sop_instance_uid, object_key, linked_path, linked_mtime_ns, size, origin,"
        " source, code, reason, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                entry.sop_instance_uid,
                entry.object_key,
                entry.link.path if entry.link else None,
                entry.link.mtime_ns if entry.link else None,
                entry.size,
                entry.origin,
                entry.source,
                entry.code,
                entry.reason,
                moment,
            )
            for entry in entries
        ],
    )


def write_refusals(connection: sqlite3.Connection, refusals: Sequence[Refusal], moment: str) -> None:
    """Remember refused files; the last word on a path counts."""
    connection.executemany(
        "INSERT INTO refusal (path, code, reason, refused_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (path) DO UPDATE SET code = excluded.code, reason = excluded.reason,"
        " refused_at = excluded.refused_at",
        [(item.path, item.code, item.reason, moment) for item in refusals],
    )
