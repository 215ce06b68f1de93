"""Bring candidates into the library: classify, move into the store, index; one transaction a batch.

Order of a batch: begin (the only writer), classify, index, note the keys, make the bytes durable, move them into the
store, commit, remove the note. A process that dies on the way leaves either spool files, which nobody was told about or
which are still committed in the spool, or a note that names objects in the store; `recover` finishes what it left.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core import clock
from lightbox.core.errors import LightboxError
from lightbox.library import validate
from lightbox.library.header_scan import Descriptor, NotDicom, scan
from lightbox.library.index_write import IndexWriter, remove_instance
from lightbox.library.ingest_rows import (
    Candidate,
    Known,
    Quarantined,
    Refused,
    is_quarantined,
    keep_copy,
    known_instances,
    place_of,
    write_quarantine,
    write_refusals,
)
from lightbox.library.records import ImportReport, InstancesAdded, Refusal
from lightbox.library.store import Link, ObjectStore, Shelf

if TYPE_CHECKING:
    from lightbox.library.header import Header
    from lightbox.library.header_scan import ByteSource
    from lightbox.library.index import Index
    from lightbox.library.links import LinkJournal
    from lightbox.library.spool import ReadyFile, Spool

_CHUNK = 1 << 20


class Ingest:
    """Ingest for one library.

    Parameters
    ----------
    index, store, spool
        The parts of the library.
    journal : LinkJournal
        Where links are noted.
    """

    def __init__(self, index: Index, store: ObjectStore, spool: Spool, journal: LinkJournal) -> None:
        self._journal = journal
        self._index = index
        self._store = store
        self._spool = spool

    def batch(
        self, candidates: Sequence[Candidate], refused: Sequence[Refused], report: ImportReport
    ) -> InstancesAdded | None:
        """Bring one batch in; complete `report`; return what was added, or None.

        Raises
        ------
        LightboxError
            The disk is full or the index could not be written; nothing of the batch was taken.
        """
        if not candidates and not refused:
            return None
        outcome = _Outcome()
        note: Path | None = None
        try:
            with self._index.transaction() as connection:
                writer = IndexWriter(connection, clock.stamp())
                self._classify(connection, candidates, outcome)
                self._classify_refused(connection, refused, outcome)
                for uid in outcome.replaced:
                    remove_instance(connection, uid)
                for candidate in outcome.copies:
                    keep_copy(connection, candidate)
                for candidate in outcome.new:
                    writer.add(candidate.header, place_of(candidate), candidate.source)
                writer.finish()
                write_quarantine(connection, outcome.quarantine, writer.moment)
                write_refusals(connection, outcome.listed, writer.moment)
                # Nothing moves before the index has taken all of it: whatever goes wrong until here changes nothing
                moves = outcome.moves
                if moves:
                    note = self._spool.write_batch([key for _, key, _ in moves])
                    unsynced = [path for path, _, _ in moves if path not in outcome.durable]
                    self._store.publish(moves, unsynced=[*unsynced, note], folders=[note.parent])
                self._journal.append((item.link, item.source) for item in outcome.new if item.link is not None)
        except (OSError, sqlite3.Error) as error:
            if note is not None:
                self._spool.unfinished.append(note)
            raise LightboxError(
                "The library could not be written",
                why=str(getattr(error, "strerror", "") or error),
                todo="Free some space on the disk of the data folder",
            ) from error
        if note is not None:
            note.unlink(missing_ok=True)
        for path in outcome.leftovers:
            path.unlink(missing_ok=True)
        report.added += len(outcome.new)
        report.duplicates += outcome.duplicates
        report.quarantined += sum(1 for entry in outcome.quarantine if entry.code == validate.CONFLICT)
        report.refused.extend(outcome.listed)
        report.study_uids |= writer.study_uids
        if not outcome.new:
            return None
        return InstancesAdded(frozenset(writer.study_uids), frozenset(writer.series_uids), len(outcome.new))

    def _classify(self, connection: sqlite3.Connection, candidates: Sequence[Candidate], outcome: _Outcome) -> None:
        known = known_instances(connection, [candidate.header.code("SOPInstanceUID") for candidate in candidates])
        for candidate in candidates:
            if candidate.durable and candidate.path is not None:
                outcome.durable.add(candidate.path)
            uid = candidate.header.code("SOPInstanceUID")
            there = known.get(uid)
            if there is None:
                known[uid] = Known(candidate.sha256, candidate.link)
                outcome.take(candidate)
            elif self._same(candidate, there):
                outcome.duplicates += 1
                if candidate.path is not None and candidate.sha256 is not None and self._has_no_copy(there):
                    outcome.copies.append(candidate)
                    outcome.moves.append((candidate.path, candidate.sha256.hex(), Shelf.OBJECTS))
                else:
                    outcome.drop(candidate.path)
            elif there.link is not None and self._hash_link(there.link) is None:
                # The linked file is gone or was changed: what is imported now takes its place.
                known[uid] = Known(candidate.sha256, candidate.link)
                outcome.replaced.append(uid)
                outcome.take(candidate)
            elif is_quarantined(connection, candidate) or not outcome.fresh(candidate):
                outcome.duplicates += 1
                outcome.drop(candidate.path)
            else:
                reason = (
                    "another object with the same SOP Instance UID and other contents is already in the library; "
                    "this one is kept in quarantine"
                )
                outcome.listed.append(Refusal(candidate.origin, reason, validate.CONFLICT))
                outcome.quarantine.append(
                    Quarantined(
                        uid,
                        candidate.origin,
                        candidate.source,
                        validate.CONFLICT,
                        reason,
                        candidate.size,
                        candidate.sha256.hex() if candidate.sha256 else None,
                        candidate.link,
                    )
                )
                if candidate.path is not None and candidate.sha256 is not None:
                    outcome.moves.append((candidate.path, candidate.sha256.hex(), Shelf.QUARANTINE))

    def _classify_refused(self, connection: sqlite3.Connection, refused: Sequence[Refused], outcome: _Outcome) -> None:
        for item in refused:
            outcome.listed.append(Refusal(item.origin, item.reason, item.code))
            if item.path is None or item.sha256 is None:
                continue
            # Acknowledged bytes are never thrown away, even when they cannot be indexed.
            outcome.durable.add(item.path)
            key = item.sha256.hex()
            row = connection.execute("SELECT 1 FROM quarantine WHERE object_key = ?", (key,)).fetchone()
            if row is not None or any(entry.object_key == key for entry in outcome.quarantine):
                outcome.drop(item.path)
                continue
            outcome.moves.append((item.path, key, Shelf.QUARANTINE))
            outcome.quarantine.append(
                Quarantined("", item.origin, item.source, item.code, item.reason, item.size, key, None)
            )

    def _same(self, candidate: Candidate, there: Known) -> bool:
        """Whether a candidate has the bytes of the object in the library; linked files are read only here."""
        if candidate.link is not None and there.link is not None and candidate.link == there.link:
            return True
        mine = candidate.sha256 if candidate.link is None else _hash_file(Path(candidate.link.path))
        theirs = there.sha256 if there.link is None else self._hash_link(there.link)
        return mine is not None and mine == theirs

    def _has_no_copy(self, there: Known) -> bool:
        return there.sha256 is None or not self._store.has(there.sha256.hex())

    def _hash_link(self, link: Link) -> bytes | None:
        try:
            self._store.open_linked(link).close()
        except LightboxError:
            return None
        return _hash_file(Path(link.path))


class _Outcome:
    """What is to be done with the candidates of one batch."""

    def __init__(self) -> None:
        self.new: list[Candidate] = []
        self.copies: list[Candidate] = []
        self.replaced: list[str] = []
        self.moves: list[tuple[Path, str, Shelf]] = []
        self.quarantine: list[Quarantined] = []
        self.listed: list[Refusal] = []
        self.leftovers: list[Path] = []
        self.durable: set[Path] = set()
        self.duplicates = 0

    def take(self, candidate: Candidate) -> None:
        """Add a candidate to the library."""
        self.new.append(candidate)
        if candidate.path is not None and candidate.sha256 is not None:
            self.moves.append((candidate.path, candidate.sha256.hex(), Shelf.OBJECTS))

    def drop(self, path: Path | None) -> None:
        """Remove a spool file once the batch is committed."""
        if path is not None:
            self.leftovers.append(path)

    def fresh(self, candidate: Candidate) -> bool:
        """Whether the batch does not yet hold the same bytes in quarantine."""
        key = candidate.sha256.hex() if candidate.sha256 else None
        return not any(entry.object_key == key and entry.link == candidate.link for entry in self.quarantine)


def examine(source: ByteSource) -> tuple[Header | None, tuple[str, str] | None]:
    """Scan and validate: (header, None) when good, (None, (code, reason)) when not, (None, None) for a DICOMDIR."""
    try:
        result = scan(source)
    except NotDicom as error:
        return None, (validate.NOT_DICOM, str(error))
    if validate.is_directory(result):
        return None, None
    problem = validate.refusal(result)
    return (None, problem) if problem else (result.header, None)


def candidate_of_ready(file: ReadyFile, origin: str, *, verify: bool = False) -> Candidate | Refused:
    """Read a committed spool file: hash it, scan it, validate it.

    Raises
    ------
    FileNotFoundError
        The file is gone.
    """
    path, source = file.path, file.source
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        size = os.fstat(descriptor).st_size
        if verify and not file.intact():
            reason = "the power failed while it was written; its sender was not told that it arrived"
            return Refused(origin, source, validate.TRUNCATED, reason, path, _hash(descriptor), size)
        # Taken while the bytes came, where the writer was asked to
        digest = file.sha256 if file.sha256 is not None and size == file.size else _hash(descriptor)
        try:
            header, problem = examine(Descriptor(descriptor, size))
        except Exception as error:  # it was acknowledged: whatever a stranger sent is kept, and stops nothing else
            header, problem = None, (validate.UNREADABLE, f"it cannot be read ({type(error).__name__})")
    finally:
        os.close(descriptor)
    if header is None:
        code, reason = problem or (validate.UNSUPPORTED, "a DICOMDIR is not an object of its own")
        return Refused(origin, source, code, reason, path, digest, size)
    return Candidate(origin, source, header, size, path, digest, durable=file.synchronised and not verify)


def _hash(descriptor: int) -> bytes:
    digest = hashlib.sha256()
    while block := os.read(descriptor, _CHUNK):
        digest.update(block)
    return digest.digest()


def _hash_file(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
