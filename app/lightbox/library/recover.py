"""Finish what a process left behind when it died: committed spool files, and batches that were half moved."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core import clock
from lightbox.core.errors import LightboxError
from lightbox.library import validate
from lightbox.library.header_scan import FileSource
from lightbox.library.index import Index
from lightbox.library.index_write import IndexWriter, Place
from lightbox.library.ingest import Candidate, Ingest, Refused, candidate_of_ready, examine
from lightbox.library.records import ImportReport, InstancesAdded
from lightbox.library.spool import ReadyFile, read_batch
from lightbox.library.store import ObjectStore, Shelf

if TYPE_CHECKING:
    from lightbox.library.header import Header

logger = logging.getLogger(__name__)

_BATCH = 500
RECOVERED = "recovered"


Arrived = Candidate | Refused
"""A committed spool file after it was read; see `read_ready`."""


def read_ready(file: ReadyFile, *, verify: bool = False) -> Arrived | None:
    """Read a committed spool file: hash, scan, validate; None when it is gone: another process ingested it."""
    origin = f"received from {file.source}" if file.source else "received"
    try:
        return candidate_of_ready(file, origin, verify=verify)
    except FileNotFoundError:
        return None


def ingest_ready(
    ingest: Ingest,
    files: Sequence[ReadyFile | Arrived],
    report: ImportReport,
    added: Callable[[InstancesAdded], None] | None = None,
    *,
    verify: bool = False,
) -> None:
    """Ingest committed spool files in batches; those that cannot be indexed go to quarantine.

    Parameters
    ----------
    ingest, files, report
        Who ingests what, read already or not; `report` is completed.
    added : callable, optional
        Called after each batch.
    verify : bool
        Whether the files are from a process that ended, perhaps by a power cut, so that a name may promise more than
        there is. Files that are gone were ingested by another process.
    """
    for start in range(0, len(files), _BATCH):
        candidates: list[Candidate] = []
        refused: list[Refused] = []
        for file in files[start : start + _BATCH]:
            item = read_ready(file, verify=verify) if isinstance(file, ReadyFile) else file
            if item is None or item.path is None or not item.path.exists():
                continue
            if isinstance(item, Candidate):
                candidates.append(item)
            else:
                refused.append(item)
        for event in _batch(ingest, candidates, refused, report):
            if added is not None:
                added(event)


def _batch(
    ingest: Ingest, candidates: Sequence[Candidate], refused: Sequence[Refused], report: ImportReport
) -> Iterator[InstancesAdded]:
    """Ingest a batch; where the index cannot take it, one by one, so that only what it cannot take is set aside."""
    try:
        event = ingest.batch(candidates, refused, report)
    except LightboxError:
        raise
    except Exception as error:
        logger.error("the index could not take %d objects: %s", len(candidates), type(error).__name__)
        if len(candidates) > 1:
            for candidate in candidates:
                yield from _batch(ingest, [candidate], (), report)
            candidates = ()
        reason = f"the index cannot take it ({type(error).__name__})"
        refused = [*refused, *(_set_aside(candidate, reason) for candidate in candidates)]
        event = ingest.batch((), refused, report)
    if event is not None:
        yield event


def _set_aside(candidate: Candidate, reason: str) -> Refused:
    return Refused(
        candidate.origin,
        candidate.source,
        validate.UNREADABLE,
        reason,
        candidate.path,
        candidate.sha256,
        candidate.size,
    )


def finish_batches(index: Index, store: ObjectStore, notes: Sequence[Path], report: ImportReport) -> None:
    """Index the objects that had reached the store when their process died before it could commit."""
    if not notes:
        return
    keys = dict.fromkeys(key for note in notes for key in read_batch(note))
    with index.transaction() as connection:
        writer = IndexWriter(connection, clock.stamp())
        seen: set[str] = set()
        for key in keys:
            if store.has(key, Shelf.QUARANTINE):
                list_quarantined(connection, store, key)
            if not store.has(key) or _row(connection, "instance", "object_key", key):
                continue
            header, _, size = examine_stored(store, key)
            uid = header.code("SOPInstanceUID") if header is not None else ""
            if header is None or uid in seen or _row(connection, "instance", "sop_instance_uid", uid):
                store.set_aside(key)
                list_quarantined(connection, store, key)
                report.quarantined += 1
                continue
            seen.add(uid)
            writer.add(header, Place(size, key, bytes.fromhex(key)), RECOVERED)
            report.added += 1
        writer.finish()
    for note in notes:
        note.unlink(missing_ok=True)


def list_quarantined(connection: sqlite3.Connection, store: ObjectStore, key: str) -> None:
    """List an object of the quarantine shelf that no entry tells of."""
    if _row(connection, "quarantine", "object_key", key):
        return
    header, problem, size = examine_stored(store, key, Shelf.QUARANTINE)
    reason = "another object with the same SOP Instance UID and other contents is in the library"
    code, reason = problem or (validate.CONFLICT, reason)
    connection.execute(
        "INSERT INTO quarantine (sop_instance_uid, object_key, size, origin, source, code, reason, added_at)"
        " VALUES (?, ?, ?, 'quarantine', ?, ?, ?, ?)",
        (header.code("SOPInstanceUID") if header else "", key, size, RECOVERED, code, reason, clock.stamp()),
    )


def examine_stored(
    store: ObjectStore, key: str, shelf: Shelf = Shelf.OBJECTS
) -> tuple[Header | None, tuple[str, str] | None, int]:
    """Scan a stored object: as `examine`, with its size in bytes.

    Raises
    ------
    NotFoundError
        The store has no such object.
    """
    with store.open(key, shelf) as file:
        source = FileSource(file)
        return *examine(source), source.size


def _row(connection: sqlite3.Connection, table: str, column: str, value: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {table} WHERE {column} = ?", (value,)).fetchone() is not None
