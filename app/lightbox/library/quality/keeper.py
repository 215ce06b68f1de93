"""Runs the gate over the objects of the library that it has not seen yet, and keeps what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import PROGRESS_INTERVAL_S, CancelToken, Progress
from lightbox.library.quality import shelf
from lightbox.library.quality.codes import CODES, GATE
from lightbox.library.quality.cohort import check_cohort
from lightbox.library.quality.elements import place
from lightbox.library.quality.facts import ObjectFacts
from lightbox.library.quality.gate import Checked, examine
from lightbox.library.quality.model import QualityIssue

if TYPE_CHECKING:
    import sqlite3

    from lightbox.library.index import Index

_BATCH = 200
_RELATED = 500
_STUDIES = 50
_SOP_INSTANCE = 0x00080018


def check_pending(
    index: Index,
    open_object: Callable[[str], BinaryIO],
    progress: Callable[[Progress], None] | None = None,
    cancel: CancelToken | None = None,
) -> int:
    """Look at every object that this version of the gate has not seen; return how many there were.

    Work is committed in batches, so that a run that is ended at any moment goes on where it was.

    Raises
    ------
    Cancelled
        What was looked at so far is kept.
    """
    token = cancel or CancelToken()
    total, done, told, started = shelf.count_pending(index.connection(), GATE), 0, 0.0, time.monotonic()
    studies: set[int] = set()
    try:
        while rows := shelf.pending(index.connection(), GATE, _BATCH):
            found: list[tuple[int, str, int, Checked]] = []
            for instance, uid, series, _ in rows:
                token.raise_if_cancelled()
                found.append((instance, uid, series, _look(open_object, uid)))
                done += 1
                if progress is not None and time.monotonic() - told >= PROGRESS_INTERVAL_S:
                    told = time.monotonic()
                    progress(Progress(done, max(total, done), "objects", "", told - started))
            with index.transaction() as connection:
                writer = shelf.IssueWriter(connection)
                for instance, uid, series, checked in found:
                    if connection.execute("SELECT 1 FROM instance WHERE id = ?", (instance,)).fetchone() is None:
                        continue  # removed meanwhile
                    writer.replace(instance, checked.issues, GATE)
                    if checked.facts is not None:
                        shelf.add_facts(connection, series, checked.facts.shared(), uid)
            studies |= {study for _, _, _, study in rows}
    finally:
        _check_studies(index, studies)
    if progress is not None:
        progress(Progress(done, done, "objects", "", time.monotonic() - started))
    return done


def _look(open_object: Callable[[str], BinaryIO], uid: str) -> Checked:
    try:
        with open_object(uid) as file:
            return examine(file)
    except (LightboxError, OSError) as error:
        why = error.why if isinstance(error, LightboxError) else error.strerror or type(error).__name__
        issue = QualityIssue(
            "file.unavailable",
            CODES["file.unavailable"].severity,
            "file",
            why or "it cannot be opened",
            "a readable object",
            "Bring the linked file back, or import it again",
        )
        return Checked([issue])


def _check_studies(index: Index, studies: set[int]) -> None:
    """Compare the objects of studies with each other and with studies that may be of the same patient."""
    everything = set(studies)
    for study in studies:
        everything |= set(shelf.related_studies(index.connection(), study, _RELATED))
    found: list[tuple[int, list[QualityIssue]]] = []
    for study in sorted(everything):
        # Comparing takes its time: others may write meanwhile.
        found.append((study, _compare(index.connection(), study)))
        if len(found) == _STUDIES:
            _write_studies(index, found)
            found = []
    _write_studies(index, found)
    if everything:
        with index.transaction() as connection:
            shelf.IssueWriter(connection).tidy()


def _compare(connection: sqlite3.Connection, study: int) -> list[QualityIssue]:
    others = shelf.related_studies(connection, study, _RELATED)
    known = [facts for other in others for facts in _facts(connection, other)]
    issues = check_cohort(_facts(connection, study), known=known)
    return issues + [_conflict(uid, number) for uid, number in shelf.conflicts_of(connection, study)]


def _write_studies(index: Index, found: list[tuple[int, list[QualityIssue]]]) -> None:
    if not found:
        return
    with index.transaction() as connection:
        writer = shelf.IssueWriter(connection)
        for study, issues in found:
            if connection.execute("SELECT 1 FROM study WHERE id = ?", (study,)).fetchone() is not None:
                writer.replace_study(study, issues)


def _facts(connection: sqlite3.Connection, study: int) -> list[ObjectFacts]:
    return [ObjectFacts.of_shared(facts, uid) for facts, uid in shelf.facts_of_study(connection, study)]


def _conflict(uid: str, number: int) -> QualityIssue:
    return QualityIssue(
        "uid.duplicate",
        CODES["uid.duplicate"].severity,
        place(_SOP_INSTANCE),
        f"{number} other object{'s' if number > 1 else ''} with this UID in quarantine",
        "one SOP Instance UID for one object",
        "Compare them, keep the true one; the other needs a UID of its own",
        None,
        uid,
    )
