"""Make the index again from what is stored: the objects, the quarantine, the linked files."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from lightbox.core import clock
from lightbox.core.errors import LightboxError
from lightbox.core.jobs import PROGRESS_INTERVAL_S, CancelToken, Progress
from lightbox.library import validate
from lightbox.library.header import Header
from lightbox.library.header_scan import Descriptor
from lightbox.library.index import Index
from lightbox.library.index_write import IndexWriter, Place
from lightbox.library.ingest import examine
from lightbox.library.links import LinkJournal
from lightbox.library.old_rows import header_of_linked, old_links
from lightbox.library.records import ImportReport, Refusal
from lightbox.library.recover import examine_stored, list_quarantined
from lightbox.library.store import Link, ObjectStore, Shelf

_WRITE_EVERY = 2_000


@dataclass(slots=True)
class _Memory:
    """What the objects themselves do not tell, from the index that is replaced."""

    studies: dict[str, tuple[str, str]] = field(default_factory=dict)
    thumbnails: list[tuple[str, bytes]] = field(default_factory=list)
    links: dict[str, tuple[Link, str]] = field(default_factory=dict)
    linked_headers: dict[str, Header] = field(default_factory=dict)


def rebuild(
    index: Index,
    store: ObjectStore,
    journal: LinkJournal,
    progress: Callable[[Progress], None] | None = None,
    cancel: CancelToken | None = None,
) -> ImportReport:
    """Replace the contents of the index in one transaction; readers see the old one until it commits.

    When and from where studies came, thumbnails and the list of refused files are carried over. Objects that cannot be
    read any more stay in the store and are reported; linked files that are away now keep their old rows.

    Raises
    ------
    Cancelled
        The index stays as it was.
    """
    report = ImportReport()
    teller = _Teller(progress, cancel or CancelToken())
    with index.transaction() as connection:
        memory = _remember(connection, journal)
        keys = sorted(store.keys(), key=store.stored_at)
        quarantined = list(store.keys(Shelf.QUARANTINE))
        teller.total = len(keys) + len(memory.links) + len(quarantined)
        for table in ("study_text", "study_modality", "study_other_patient", "thumbnail", "instance", "series"):
            connection.execute(f"DELETE FROM {table}")
        for table in ("study", "patient"):
            connection.execute(f"DELETE FROM {table}")
        items = chain(_objects(store, keys, report), _links(memory, report))
        second = _write(connection, teller.count(items), memory, report)
        _restore(connection, memory)
        for key in second:
            store.set_aside(key)
        report.quarantined = len(second)
        _quarantine(connection, store, teller.count([*quarantined, *second]))
    teller.finish()
    return report


_Item = tuple[Header, Place, str]


def _objects(store: ObjectStore, keys: Iterable[str], report: ImportReport) -> Iterator[_Item | None]:
    for key in keys:
        size = 0
        try:
            header, problem, size = examine_stored(store, key)
        except (OSError, LightboxError) as error:
            header, problem = None, (validate.UNREADABLE, str(error))
        if header is None:
            code, reason = problem or (validate.UNSUPPORTED, "a DICOMDIR is not an object of its own")
            report.refused.append(Refusal(f"object {key[:12]}", reason, code))
            yield None
        else:
            yield header, Place(size, key, bytes.fromhex(key)), ""


def _links(memory: _Memory, report: ImportReport) -> Iterator[_Item | None]:
    for link, source in memory.links.values():
        header = memory.linked_headers.get(link.path)
        problem = None
        try:
            descriptor = os.open(link.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            try:
                state = os.fstat(descriptor)
                fresh, problem = examine(Descriptor(descriptor, state.st_size))
            finally:
                os.close(descriptor)
            if fresh is not None:
                header, link = fresh, Link(link.path, state.st_size, state.st_mtime_ns)
        except OSError as error:
            problem = (validate.UNREADABLE, f"the linked file cannot be opened: {error.strerror}")
        if header is None:
            code, reason = problem or (validate.UNREADABLE, "the linked file is no DICOM object any more")
            report.refused.append(Refusal(link.path, reason, code))
            yield None
        else:
            yield header, Place(link.size, None, None, link.path, link.mtime_ns), source


def _write(
    connection: sqlite3.Connection, items: Iterable[_Item | None], memory: _Memory, report: ImportReport
) -> list[str]:
    """Write the rows; return the keys of stored objects whose SOP Instance UID is already taken by an earlier one."""
    seen: set[str] = set()
    second: list[str] = []
    writer = IndexWriter(connection, clock.stamp())
    waiting = 0
    for item in items:
        if item is None:
            continue
        header, place, source = item
        uid = header.code("SOPInstanceUID")
        if uid in seen:
            # Stored twice (a process died between two steps), or linked and stored: the first one counts.
            if place.object_key is not None:
                second.append(place.object_key)
            else:
                report.duplicates += 1
            continue
        seen.add(uid)
        writer.add(header, place, source or memory.studies.get(header.code("StudyInstanceUID"), ("rebuilt",))[0])
        report.added += 1
        waiting += 1
        if waiting >= _WRITE_EVERY:
            writer.finish()
            report.study_uids |= writer.study_uids
            writer, waiting = IndexWriter(connection, clock.stamp()), 0
    writer.finish()
    report.study_uids |= writer.study_uids
    return second


def _remember(connection: sqlite3.Connection, journal: LinkJournal) -> _Memory:
    memory = _Memory()
    for uid, source, added_at in connection.execute("SELECT study_instance_uid, source, added_at FROM study"):
        memory.studies[uid] = (source, added_at)
    memory.thumbnails = connection.execute(
        "SELECT series_instance_uid, png FROM thumbnail JOIN series ON series.id = thumbnail.series"
    ).fetchall()
    if not memory.studies:  # the index was lost
        memory.links = {link.path: (link, source) for link, source in journal.read()}
    for row in old_links(connection):
        path = row["linked_path"]
        memory.links[path] = (Link(path, row["size"], row["linked_mtime_ns"]), row["source"])
        memory.linked_headers[path] = header_of_linked(row)
    return memory


def _restore(connection: sqlite3.Connection, memory: _Memory) -> None:
    connection.executemany(
        "UPDATE study SET added_at = ? WHERE study_instance_uid = ?",
        [(added_at, uid) for uid, (_, added_at) in memory.studies.items()],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO thumbnail (series, png) SELECT id, ? FROM series WHERE series_instance_uid = ?",
        [(png, uid) for uid, png in memory.thumbnails],
    )


def _quarantine(connection: sqlite3.Connection, store: ObjectStore, keys: Iterable[str]) -> None:
    """Keep the entries whose objects are there, and list objects that no entry tells of."""
    there = set(keys)
    for entry, key in connection.execute(
        "SELECT id, object_key FROM quarantine WHERE object_key IS NOT NULL"
    ).fetchall():
        if key not in there:
            connection.execute("DELETE FROM quarantine WHERE id = ?", (entry,))
        there.discard(key)
    for key in sorted(there):
        list_quarantined(connection, store, key)


class _Teller:
    """Progress at most ten times a second, and cancellation."""

    def __init__(self, listener: Callable[[Progress], None] | None, cancel: CancelToken) -> None:
        self.total = 0
        self._listener = listener
        self._cancel = cancel
        self._done = 0
        self._started = time.monotonic()
        self._told = 0.0

    def count(self, items: Iterable[object]) -> Iterator:  # type: ignore[type-arg]
        """Pass items on, counting."""
        for item in items:
            self._cancel.raise_if_cancelled()
            self._done += 1
            moment = time.monotonic()
            if self._listener is not None and moment - self._told >= PROGRESS_INTERVAL_S:
                self._told = moment
                self._listener(Progress(self._done, self.total, "objects", "", moment - self._started))
            yield item

    def finish(self) -> None:
        """Tell the end."""
        if self._listener is not None:
            self._listener(Progress(self._done, self._done, "objects", "", time.monotonic() - self._started))
