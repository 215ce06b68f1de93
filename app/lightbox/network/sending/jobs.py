"""Jobs of the send queue: added, listed, paused, cancelled, tried again. All of it is SQL on `database.Database`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from sqlite3 import Connection, Row

from lightbox.core.errors import NotFoundError, UsageError
from lightbox.network.sending.database import Database
from lightbox.network.sending.states import OPEN_STATES, Confirm, JobRecord, ObjectRecord, State

_EVERY_PEER = ""
_OPEN = "('queued', 'sending', 'waiting')"
_BATCH = 500


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to add to a job: of the library (``path`` empty) or a file.

    With a ``reason`` it cannot be sent at all: it is listed as failed.
    """

    sop_instance_uid: str
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    path: str = ""
    size: int = 0
    reason: str = ""


def add(
    database: Database,
    peer: str,
    objects: Iterable[NewObject],
    *,
    priority: int,
    confirm: bool,
    same: Callable[[NewObject, NewObject], bool] = lambda first, second: True,
) -> int:
    """Add a job with all its objects, or nothing, and return its number. `objects` is never held as a whole.

    The objects are collected in a temporary table first, so that reading files does not lock out the workers. An object
    that comes twice is sent once; of two that are not the `same` under one SOP Instance UID, the second has failed.
    """
    connection = database.connection()
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS incoming (number INTEGER PRIMARY KEY, uid, class, syntax, study, series, path,"
        " size, reason)"
    )
    connection.execute("DELETE FROM incoming")
    source = iter(objects)
    while batch := list(islice(source, _BATCH)):
        connection.executemany(
            "INSERT INTO incoming (uid, class, syntax, study, series, path, size, reason) VALUES (?,?,?,?,?,?,?,?)",
            [
                (
                    item.sop_instance_uid,
                    item.sop_class_uid,
                    item.transfer_syntax_uid,
                    item.study_instance_uid,
                    item.series_instance_uid,
                    item.path,
                    item.size,
                    item.reason,
                )
                for item in batch
            ],
        )
    _part(connection, same)
    now = time.time()
    with database.transaction() as writer:
        writer.execute("INSERT OR IGNORE INTO peer (name) VALUES (?)", (peer,))
        job = writer.execute(
            "INSERT INTO job (peer, priority, confirm, created_at) VALUES (?,?,?,?)", (peer, priority, confirm, now)
        ).lastrowid
        assert job is not None
        writer.execute(
            "INSERT INTO object (job, sop_instance_uid, sop_class_uid, transfer_syntax_uid, study_instance_uid,"
            " series_instance_uid, path, size, reason, state, updated_at)"
            " SELECT ?, uid, class, syntax, study, series, path, size, reason,"
            " CASE reason WHEN '' THEN 'queued' ELSE 'failed' END, ? FROM incoming"
            " WHERE reason <> '' OR number IN (SELECT min(number) FROM incoming WHERE reason = '' GROUP BY uid)"
            " ORDER BY number",
            (job, now),
        )
    connection.execute("DELETE FROM incoming")
    return job


def _part(connection: Connection, same: Callable[[NewObject, NewObject], bool]) -> None:
    """Find objects of one SOP Instance UID that differ: only the first of them can be at the peer."""
    rows = connection.execute(
        "SELECT other.number, other.uid, other.path, first.path FROM incoming AS other JOIN (SELECT uid, min(number) AS"
        " number FROM incoming WHERE reason = '' GROUP BY uid HAVING count(*) > 1) AS twice ON twice.uid = other.uid"
        " JOIN incoming AS first ON first.number = twice.number"
        " WHERE other.number > first.number AND other.reason = '' AND other.path <> first.path"
    ).fetchall()
    for number, uid, path, first in rows:
        if not same(NewObject(uid, path=first), NewObject(uid, path=path)):
            connection.execute(
                "UPDATE incoming SET reason = ? WHERE number = ?",
                ("another object of this job has the same SOP Instance UID and other content", number),
            )


def listed(database: Database, *, peer: str = "", job: int | None = None) -> list[JobRecord]:
    """Return jobs by number."""
    connection = database.connection()
    where, values = ("WHERE id = ?", [job]) if job is not None else ("WHERE peer = ?", [peer]) if peer else ("", [])
    rows = connection.execute(f"SELECT * FROM job {where} ORDER BY id", values).fetchall()
    peers = {row["name"]: row for row in connection.execute("SELECT * FROM peer")}
    stopped = bool(peers[_EVERY_PEER]["paused"])
    return [_job(connection, row, peers.get(row["peer"]), stopped) for row in rows]


def get(database: Database, job: int) -> JobRecord:
    """Return one job.

    Raises
    ------
    NotFoundError
        There is no such job.
    """
    found = listed(database, job=job)
    if not found:
        raise NotFoundError("There is no such job in the send queue", where=str(job), todo="`queue list` shows them")
    return found[0]


def _job(connection: Connection, row: Row, peer: Row | None, stopped: bool) -> JobRecord:
    counts: dict[str, int] = {}
    awaiting = impossible = 0
    for state, confirm, number in connection.execute(
        "SELECT state, confirm, number FROM tally WHERE job = ? AND number > 0", (row["id"],)
    ):
        counts[state] = counts.get(state, 0) + number
        if state == State.SENT:
            awaiting += number if confirm in (Confirm.WANTED, Confirm.ASKED) else 0
            impossible += number if confirm == Confirm.IMPOSSIBLE else 0
    reason, retry_at = "", 0.0
    paused = bool(row["paused"]) or stopped or bool(peer is not None and peer["paused"])
    if paused:
        reason = "paused"
    elif peer is not None and peer["reason"]:
        reason, retry_at = peer["reason"], peer["retry_at"]
    return JobRecord(
        id=row["id"],
        peer=row["peer"],
        priority=row["priority"],
        commit=bool(row["confirm"]),
        paused=paused,
        created_at=row["created_at"],
        total=row["total"],
        total_bytes=row["total_bytes"],
        sent_bytes=row["sent_bytes"],
        counts=counts,
        unconfirmed=awaiting + impossible,
        awaiting=awaiting,
        reason=reason,
        retry_at=retry_at,
    )


def objects_of(
    database: Database, job: int, *, states: Iterable[State] = (), after: int = 0, limit: int | None = None
) -> Iterator[ObjectRecord]:
    """Iterate over the objects of a job in the order of the queue, a page at a time."""
    wanted = [state.value for state in states]
    condition = f" AND state IN ({','.join('?' * len(wanted))})" if wanted else ""
    left = limit if limit is not None else -1
    while left != 0:
        size = _BATCH if left < 0 else min(left, _BATCH)
        rows = (
            database.connection()
            .execute(f"SELECT * FROM object WHERE job = ? AND id > ?{condition} ORDER BY id LIMIT ?",
                     (job, after, *wanted, size))
            .fetchall()
        )  # fmt: skip
        for row in rows:
            yield record(row)
        if len(rows) < size:
            return
        after = rows[-1]["id"]
        left -= len(rows) if left > 0 else 0


def record(row: Row) -> ObjectRecord:
    """Return a row of the table as a record."""
    return ObjectRecord(
        id=row["id"],
        job=row["job"],
        sop_instance_uid=row["sop_instance_uid"],
        state=State(row["state"]),
        reason=row["reason"],
        confirm=Confirm(row["confirm"]),
        attempts=row["attempts"],
        retry_at=row["retry_at"],
        size=row["size"],
        sop_class_uid=row["sop_class_uid"],
        transfer_syntax_uid=row["transfer_syntax_uid"],
        sent_syntax_uid=row["sent_syntax_uid"],
        study_instance_uid=row["study_instance_uid"],
        series_instance_uid=row["series_instance_uid"],
        path=row["path"],
        existed=None if row["existed"] is None else bool(row["existed"]),
        compare=bool(row["compare"]),
    )


def counts(database: Database) -> dict[str, int]:
    """Return the number of objects of all jobs by state, and ``"unconfirmed"``: sent, confirmation outstanding."""
    rows = database.connection().execute("SELECT state, confirm, sum(number) FROM tally GROUP BY state, confirm")
    result = {state.value: 0 for state in State} | {"unconfirmed": 0}
    for state, confirm, number in rows:
        result[state] += number
        if state == State.SENT and confirm != Confirm.NONE:
            result["unconfirmed"] += number
    return result


def set_paused(database: Database, paused: bool, *, job: int | None = None, peer: str = _EVERY_PEER) -> None:
    """Pause or resume one job, one peer, or (neither given) the whole queue."""
    if job is not None:
        get(database, job)
    with database.transaction() as writer:
        if job is not None:
            writer.execute("UPDATE job SET paused = ? WHERE id = ?", (paused, job))
        else:
            writer.execute("INSERT OR IGNORE INTO peer (name) VALUES (?)", (peer,))
            writer.execute("UPDATE peer SET paused = ? WHERE name = ?", (paused, peer))


def cancel(database: Database, job: int) -> int:
    """Cancel what was not sent yet; return how many objects that were. What was sent stays sent."""
    get(database, job)
    with database.transaction() as writer:
        return writer.execute(
            f"UPDATE object SET state = 'cancelled', reason = 'cancelled', retry_at = 0, updated_at = ?"
            f" WHERE job = ? AND state IN {_OPEN}",
            (time.time(), job),
        ).rowcount


def retry(database: Database, job: int | None = None, *, peer: str = "", failed: bool = True) -> int:
    """Try again now what waits, what failed or was cancelled, and what could not be confirmed.

    Returns
    -------
    int
        How many objects are queued, or to be confirmed, again.
    """
    if job is not None:
        get(database, job)
    where, values = ("job = ?", [job]) if job is not None else ("1", [])
    if peer:
        where, values = f"{where} AND job IN (SELECT id FROM job WHERE peer = ?)", [*values, peer]
    states = "('waiting', 'failed', 'cancelled')" if failed else "('waiting')"
    with database.transaction() as writer:
        changed = writer.execute(
            f"UPDATE object SET state = 'queued', confirm = '', reason = '', attempts = 0, checks = 0, resends = 0,"
            f" retry_at = 0, existed = NULL WHERE {where} AND state IN {states}"
            " AND sop_class_uid <> ''",
            values,
        ).rowcount
        changed += writer.execute(
            f"UPDATE object SET confirm = 'wanted', checks = 0, retry_at = 0, reason = ''"
            f" WHERE {where} AND state = 'sent' AND confirm IN ('impossible', 'wanted', 'asked')",
            values,
        ).rowcount
        named = "SELECT peer FROM job" + (" WHERE id = ?" if job is not None else "")
        condition, names = ("name = ?", [peer]) if peer else (f"name IN ({named})", [job] if job is not None else [])
        writer.execute(f"UPDATE peer SET failures = 0, retry_at = 0, reason = '' WHERE {condition}", names)
    return changed


def remove(database: Database, job: int) -> None:
    """Forget a finished job.

    Raises
    ------
    UsageError
        Something of it is still to be sent or confirmed.
    """
    if not get(database, job).finished:
        raise UsageError("This job is not finished", where=str(job), todo="Cancel it first")
    with database.transaction() as writer:
        writer.execute("DELETE FROM job WHERE id = ?", (job,))


def prune(database: Database, older_than: float) -> int:
    """Forget jobs that ended before `older_than` (seconds since the epoch)."""
    gone = [entry.id for entry in listed(database) if entry.finished and not entry.count(*OPEN_STATES)]
    removed = 0
    for number in gone:
        with database.transaction() as writer:
            (last,) = writer.execute("SELECT max(updated_at) FROM object WHERE job = ?", (number,)).fetchone()
            if (last or 0.0) < older_than:
                removed += writer.execute(
                    "DELETE FROM job WHERE id = ? AND created_at < ?", (number, older_than)
                ).rowcount
    return removed
