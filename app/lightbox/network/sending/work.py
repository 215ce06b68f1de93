"""What workers do to objects of the queue: claim them, and write down what became of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lightbox.network.sending.database import Database
from lightbox.network.sending.jobs import record
from lightbox.network.sending.retry import Circuit
from lightbox.network.sending.states import Confirm, ObjectRecord, State

_STOPPED = "EXISTS (SELECT 1 FROM peer WHERE paused = 1 AND name IN ('', job.peer))"
_DUE = (
    "EXISTS (SELECT 1 FROM object WHERE object.job = job.id AND (state = 'queued'"
    " OR (state = 'waiting' AND (retry_at <= :now OR retry_at > :far))))"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an object that was tried.

    Attributes
    ----------
    burned : bool
        Whether it counts as an attempt.
    compare : bool
        Whether the copy of the peer must be read back before it counts as confirmed.
    """

    id: int
    state: State
    reason: str = ""
    confirm: Confirm = Confirm.NONE
    retry_at: float = 0.0
    burned: bool = True
    sent_syntax_uid: str = ""
    compare: bool = False


def _far(now: float, longest_delay: float) -> float:
    """Return the moment beyond which no retry can be: one that is was noted before the clock was set back."""
    return now + longest_delay * 1.01 + 1.0


def claim(database: Database, peer: str, limit: int, now: float, longest_delay: float) -> list[ObjectRecord]:
    """Take up to `limit` objects that are due for `peer`, of one priority only, and mark them as being sent.

    The caller holds the lock of the peer (see `lease`), so nobody else claims for it.
    """
    far = _far(now, longest_delay)
    with database.transaction() as writer:
        first = writer.execute(
            f"SELECT priority FROM job WHERE peer = :peer AND paused = 0 AND NOT {_STOPPED} AND {_DUE}"
            " ORDER BY priority, id LIMIT 1",
            {"peer": peer, "now": now, "far": far},
        ).fetchone()
        if first is None:
            return []
        found: list[ObjectRecord] = []
        jobs = writer.execute(
            f"SELECT id FROM job WHERE peer = :peer AND paused = 0 AND priority = :priority AND {_DUE} ORDER BY id",
            {"peer": peer, "now": now, "far": far, "priority": first["priority"]},
        ).fetchall()
        for (job,) in jobs:
            for condition, values in (
                ("state = 'queued'", ()),
                ("state = 'waiting' AND (retry_at <= ? OR retry_at > ?)", (now, far)),
            ):
                if len(found) < limit:
                    rows = writer.execute(
                        f"SELECT * FROM object WHERE job = ? AND {condition} ORDER BY id LIMIT ?",
                        (job, *values, limit - len(found)),
                    ).fetchall()
                    found += [record(row) for row in rows]
        writer.executemany("UPDATE object SET state = 'sending' WHERE id = ?", [(item.id,) for item in found])
        return found


def release(database: Database, ids: Iterable[int], *, reason: str = "") -> None:
    """Put objects that were claimed and not tried back into the queue."""
    with database.transaction() as writer:
        writer.executemany(
            "UPDATE object SET state = 'queued', reason = ? WHERE id = ? AND state = 'sending'",
            [(reason, number) for number in ids],
        )


def recover(database: Database, peer: str) -> int:
    """Put back what a process that ended meanwhile had claimed; the caller holds the lock of the peer."""
    with database.transaction() as writer:
        return writer.execute(
            "UPDATE object SET state = 'queued' WHERE state = 'sending' AND job IN (SELECT id FROM job WHERE peer = ?)",
            (peer,),
        ).rowcount


def settle(database: Database, outcomes: Sequence[Outcome]) -> None:
    """Write down what became of objects, in one transaction.

    That the peer took an object is written whatever a person did meanwhile; anything else only while it is still being
    sent (it may have been cancelled).
    """
    now = time.time()
    with database.transaction() as writer:
        for outcome in outcomes:
            accepted = outcome.state in (State.SENT, State.CONFIRMED)
            writer.execute(
                "UPDATE object SET state = ?, reason = ?, confirm = ?, retry_at = ?, attempts = attempts + ?,"
                " sent_syntax_uid = CASE ? WHEN '' THEN sent_syntax_uid ELSE ? END, compare = compare OR ?,"
                " updated_at = ? WHERE id = ?" + ("" if accepted else " AND state = 'sending'"),
                (
                    outcome.state.value,
                    outcome.reason,
                    outcome.confirm.value,
                    outcome.retry_at,
                    outcome.burned,
                    outcome.sent_syntax_uid,
                    outcome.sent_syntax_uid,
                    outcome.compare,
                    now,
                    outcome.id,
                ),
            )


def note_existing(database: Database, known: Iterable[tuple[int, bool]]) -> None:
    """Note (object, whether the peer holds its UID already); the first answer stays: later ones see our own copy."""
    with database.transaction() as writer:
        writer.executemany(
            "UPDATE object SET existed = ?, compare = 0 WHERE id = ? AND existed IS NULL",
            [(held, number) for number, held in known],
        )


def want_comparison(database: Database, ids: Iterable[int]) -> None:
    """Have the copies of objects compared of which it is not known whether the peer held them before."""
    with database.transaction() as writer:
        writer.executemany("UPDATE object SET compare = 1 WHERE id = ?", [(number,) for number in ids])


def fail_all(database: Database, peer: str, reason: str) -> int:
    """Fail everything that is still to be sent to `peer`: it refused for a reason that time does not heal."""
    with database.transaction() as writer:
        return writer.execute(
            "UPDATE object SET state = 'failed', reason = ?, updated_at = ? WHERE state IN ('queued', 'sending',"
            " 'waiting') AND job IN (SELECT id FROM job WHERE peer = ?)",
            (reason, time.time(), peer),
        ).rowcount


def confirms_wanted(database: Database) -> set[int]:
    """Return the jobs whose objects are to be confirmed."""
    return {row[0] for row in database.connection().execute("SELECT id FROM job WHERE confirm = 1")}


def to_confirm(
    database: Database, peer: str, limit: int, now: float, longest_delay: float
) -> list[tuple[ObjectRecord, bool, int, int]]:
    """Return sent objects that are to be confirmed: (record, whether to compare, checks so far, resends so far)."""
    rows = database.connection().execute(
        f"SELECT object.* FROM job JOIN object ON object.job = job.id WHERE job.peer = ? AND job.paused = 0"
        f" AND NOT {_STOPPED} AND state = 'sent' AND object.confirm = 'wanted'"
        f" AND (retry_at <= ? OR retry_at > ?) ORDER BY job.priority, object.id LIMIT ?",
        (peer, now, _far(now, longest_delay), limit),
    )
    return [(record(row), bool(row["compare"]), row["checks"], row["resends"]) for row in rows]


def has_sent_job(database: Database, peer: str) -> bool:
    """Whether there is a job for `peer` of which everything was sent, and something is to be confirmed."""
    row = (
        database.connection()
        .execute(
            "SELECT 1 FROM job JOIN tally ON tally.job = job.id WHERE job.peer = ? AND tally.confirm = 'wanted'"
            " AND number > 0 AND NOT EXISTS (SELECT 1 FROM tally AS rest WHERE rest.job = job.id AND rest.number > 0"
            " AND rest.state IN ('queued', 'sending', 'waiting')) LIMIT 1",
            (peer,),
        )
        .fetchone()
    )
    return row is not None


def peers_with_work(database: Database) -> set[str]:
    """Return the names of peers for which something is to be sent or confirmed."""
    rows = database.connection().execute(
        f"SELECT DISTINCT job.peer FROM job JOIN tally ON tally.job = job.id WHERE job.paused = 0 AND NOT {_STOPPED}"
        " AND number > 0 AND (state IN ('queued', 'sending', 'waiting') OR tally.confirm IN ('wanted', 'asked'))"
    )
    return {row[0] for row in rows}


def give_up_confirming(database: Database, peer: str, reason: str) -> None:
    """Note that what was sent to `peer` cannot be confirmed any more."""
    with database.transaction() as writer:
        writer.execute(
            "UPDATE object SET confirm = 'impossible', reason = ? WHERE state = 'sent' AND confirm IN ('wanted',"
            " 'asked') AND job IN (SELECT id FROM job WHERE peer = ?)",
            (reason, peer),
        )


def amounts(database: Database, numbers: Sequence[int]) -> tuple[int, int, int, int]:
    """Return objects done and in all, and bytes done and in all, of jobs."""
    marks = ",".join("?" * len(numbers))
    row = database.connection().execute(
        "SELECT sum((SELECT sum(number) FROM tally WHERE tally.job = job.id AND state NOT IN ('queued', 'sending',"
        f" 'waiting'))), sum(total), sum(sent_bytes), sum(total_bytes) FROM job WHERE id IN ({marks})",
        tuple(numbers),
    )
    done, total, sent, size = row.fetchone()
    return int(done or 0), int(total or 0), int(sent or 0), int(size or 0)


def next_moment(
    database: Database, peer: str, now: float, longest_delay: float, *, sending: bool = False
) -> float | None:
    """Return when the next object of `peer` is due (0: now), or None when nothing is planned.

    With `sending` only what is to be sent counts, not what is to be confirmed.
    """
    connection = database.connection()
    queued = connection.execute(
        f"SELECT 1 FROM job JOIN tally ON tally.job = job.id WHERE job.peer = ? AND job.paused = 0 AND NOT {_STOPPED}"
        " AND state = 'queued' AND number > 0 LIMIT 1",
        (peer,),
    ).fetchone()
    if queued is not None:
        return 0.0
    which = "state = 'waiting'" if sending else "(state = 'waiting' OR (state = 'sent' AND object.confirm = 'wanted'))"
    (moment,) = connection.execute(
        f"SELECT min(CASE WHEN retry_at > ? THEN 0 ELSE retry_at END) FROM job JOIN object ON object.job = job.id"
        f" WHERE job.peer = ? AND job.paused = 0 AND NOT {_STOPPED} AND {which}",
        (_far(now, longest_delay), peer),
    ).fetchone()
    return None if moment is None else float(moment)


def left_behind(database: Database, peer: str) -> bool:
    """Whether objects of `peer` are marked as being sent: by a worker, or by a process that ended meanwhile."""
    row = (
        database.connection()
        .execute(
            "SELECT 1 FROM job JOIN tally ON tally.job = job.id WHERE job.peer = ? AND state = 'sending' AND number > 0"
            " LIMIT 1",
            (peer,),
        )
        .fetchone()
    )
    return row is not None


def is_paused(database: Database, peer: str) -> bool:
    """Whether a peer, or with an empty name the whole queue, is paused."""
    row = database.connection().execute("SELECT paused FROM peer WHERE name = ?", (peer,)).fetchone()
    return bool(row is not None and row[0])


def interrupted(database: Database, peer: str, priority: int) -> bool:
    """Whether a round of `priority` has to end early: paused, or something more urgent came."""
    row = (
        database.connection()
        .execute(
            "SELECT EXISTS (SELECT 1 FROM job WHERE peer = :peer AND priority < :priority AND paused = 0 AND EXISTS"
            " (SELECT 1 FROM tally WHERE tally.job = job.id AND state = 'queued' AND number > 0))"
            " OR EXISTS (SELECT 1 FROM peer WHERE paused = 1 AND name IN ('', :peer))",
            {"peer": peer, "priority": priority},
        )
        .fetchone()
    )
    return bool(row[0])


def stopped_objects(database: Database, ids: Sequence[int]) -> set[int]:
    """Return those of the claimed objects that were cancelled, or whose job was paused, since they were claimed."""
    if not ids:
        return set()
    rows = database.connection().execute(
        "SELECT object.id FROM object JOIN job ON job.id = object.job WHERE object.id BETWEEN ? AND ?"
        " AND (object.state = 'cancelled' OR (object.state = 'sending' AND job.paused = 1))",
        (min(ids), max(ids)),
    )
    return {row[0] for row in rows} & set(ids)


def priority_of(database: Database, job: int) -> int:
    """Return the priority of a job."""
    row = database.connection().execute("SELECT priority FROM job WHERE id = ?", (job,)).fetchone()
    return int(row[0]) if row is not None else 0


def circuit(database: Database, peer: str) -> Circuit:
    """Return whether `peer` was reachable lately."""
    row = database.connection().execute("SELECT * FROM peer WHERE name = ?", (peer,)).fetchone()
    return Circuit() if row is None else Circuit(row["failures"], row["retry_at"], row["reason"])


def save_circuit(database: Database, peer: str, state: Circuit) -> None:
    """Keep it, for people and for other processes."""
    with database.transaction() as writer:
        writer.execute("INSERT OR IGNORE INTO peer (name) VALUES (?)", (peer,))
        writer.execute(
            "UPDATE peer SET failures = ?, retry_at = ?, reason = ? WHERE name = ?",
            (state.failures, state.retry_at, state.reason, peer),
        )
