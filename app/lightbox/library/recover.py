"""Finish what a process left behind when it died: committed spool files, and batches that were half moved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from lightbox.core import clock
from lightbox.library.header_scan import Descriptor
from lightbox.library.index import Index
from lightbox.library.index_write import IndexWriter, Place
from lightbox.library.ingest import Candidate, Ingest, Refused, candidate_of_ready, examine
from lightbox.library.records import ImportReport, InstancesAdded
from lightbox.library.spool import ReadyFile, read_batch
from lightbox.library.store import ObjectStore

logger = logging.getLogger(__name__)
_BATCH = 500


def ingest_ready(
    ingest: Ingest,
    files: Sequence[ReadyFile],
    report: ImportReport,
    added: Callable[[InstancesAdded], None] | None = None,
) -> None:
    """Ingest committed spool files in batches; those that cannot be indexed go to quarantine."""
    for start in range(0, len(files), _BATCH):
        candidates: list[Candidate] = []
        refused: list[Refused] = []
        for file in files[start : start + _BATCH]:
            origin = f"received from {file.source}" if file.source else "received"
            item = candidate_of_ready(file.path, file.source, origin)
            if isinstance(item, Candidate):
                candidates.append(item)
            else:
                refused.append(item)
        event = ingest.batch(candidates, refused, report)
        if event is not None and added is not None:
            added(event)


def finish_batches(index: Index, store: ObjectStore, notes: Sequence[Path], report: ImportReport) -> None:
    """Index the objects that had reached the store when their process died before it could commit."""
    keys = [key for note in notes for key in read_batch(note)]
    with index.transaction() as connection:
        writer = IndexWriter(connection, clock.stamp())
        seen: set[str] = set()
        for key in keys:
            if not store.has(key):
                continue
            if connection.execute("SELECT 1 FROM instance WHERE object_key = ?", (key,)).fetchone():
                continue
            with store.open(key) as file:
                size = file.seek(0, 2)
                header, _ = examine(Descriptor(file.fileno(), size))
            uid = header.code("SOPInstanceUID") if header is not None else ""
            taken = connection.execute("SELECT 1 FROM instance WHERE sop_instance_uid = ?", (uid,)).fetchone()
            if header is None or taken or uid in seen:
                continue
            seen.add(uid)
            writer.add(header, Place(size, key, bytes.fromhex(key)), "recovered")
            report.added += 1
        writer.finish()
    for note in notes:
        note.unlink(missing_ok=True)
