"""Storage commitments that were asked for, and what their reports say of the objects (PS3.4 Annex J)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lightbox.network.sending.database import Database
from lightbox.network.sending.jobs import record
from lightbox.network.sending.states import Confirm, ObjectRecord, QueueSettings, State


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is decided of an object that had been sent.

    ``state`` SENT with ``confirm`` WANTED is looked at again at ``retry_at``; QUEUED is sent once more.
    """

    id: int
    state: State
    reason: str = ""
    confirm: Confirm = Confirm.NONE
    retry_at: float = 0.0
    checked: bool = True
    resent: bool = False
    compared: bool = False


def rule(database: Database, rulings: Sequence[Ruling]) -> None:
    """Write decisions down in one transaction; what was confirmed, sent again or cancelled meanwhile stays as it is."""
    with database.transaction() as writer:
        for ruling in rulings:
            writer.execute(
                "UPDATE object SET state = ?, reason = ?, confirm = ?, retry_at = ?, checks = checks + ?,"
                " resends = resends + ?, compare = CASE WHEN ? THEN 0 ELSE compare END, updated_at = ?"
                " WHERE id = ? AND state = 'sent'",
                (
                    ruling.state.value,
                    ruling.reason,
                    ruling.confirm.value,
                    ruling.retry_at,
                    ruling.checked,
                    ruling.resent,
                    ruling.compared,
                    time.time(),
                    ruling.id,
                ),
            )


def open_transaction(
    database: Database, transaction_uid: str, peer: str, objects: Iterable[int], timeout_s: float
) -> None:
    """Note a request before it is made, so that its report is understood whenever and wherever it arrives."""
    now = time.time()
    with database.transaction() as writer:
        writer.execute("INSERT INTO commitment VALUES (?,?,?,?)", (transaction_uid, peer, now, now + timeout_s))
        for number in objects:
            writer.execute("INSERT INTO committed_object VALUES (?,?)", (transaction_uid, number))
            writer.execute("UPDATE object SET confirm = 'asked' WHERE id = ? AND state = 'sent'", (number,))


def close_transaction(database: Database, transaction_uid: str, *, again: bool = False) -> None:
    """Forget a transaction; `again` puts those of its objects that are still awaited back to be confirmed."""
    with database.transaction() as writer:
        if again:
            writer.execute(
                "UPDATE object SET confirm = 'wanted', retry_at = 0 WHERE state = 'sent' AND confirm = 'asked'"
                " AND id IN (SELECT object FROM committed_object WHERE transaction_uid = ?)",
                (transaction_uid,),
            )
        writer.execute("DELETE FROM commitment WHERE transaction_uid = ?", (transaction_uid,))


def objects_of(database: Database, transaction_uid: str) -> list[ObjectRecord] | None:
    """Return the objects of a transaction, or None when it is not known (any more)."""
    connection = database.connection()
    known = connection.execute("SELECT 1 FROM commitment WHERE transaction_uid = ?", (transaction_uid,)).fetchone()
    if known is None:
        return None
    rows = connection.execute(
        "SELECT object.* FROM committed_object JOIN object ON object.id = committed_object.object"
        " WHERE transaction_uid = ? ORDER BY object.id",
        (transaction_uid,),
    )
    return [record(row) for row in rows]


def overdue(database: Database, asked_before: float, peer: str) -> list[str]:
    """Return the transactions of `peer` that were asked for before a moment and not asked for again since."""
    rows = database.connection().execute(
        "SELECT transaction_uid FROM commitment WHERE peer = ? AND asked_at <= ? AND asked_at < deadline",
        (peer, asked_before),
    )
    return [row[0] for row in rows]


def lost_before(settings: QueueSettings, began: float, now: float) -> float:
    """Return the moment before which requests without a report are made again.

    A report that came between the end of the last program and the beginning of this one (`began`) found nobody at our
    port, and few archives send it twice; requests of the last seconds may have been made by a program that still runs.
    """
    return max(now - settings.commitment_again_s, min(began, now - settings.commitment_lost_s))


def expired(database: Database, now: float, peer: str) -> list[str]:
    """Return the transactions of `peer` whose report did not come in time."""
    rows = database.connection().execute(
        "SELECT transaction_uid FROM commitment WHERE peer = ? AND deadline <= ?", (peer, now)
    )
    return [row[0] for row in rows]


def ask_again(database: Database, transaction_uid: str) -> None:
    """Put the objects of a transaction back to be confirmed without forgetting it: its report may still come."""
    with database.transaction() as writer:
        writer.execute("UPDATE commitment SET asked_at = deadline WHERE transaction_uid = ?", (transaction_uid,))
        writer.execute(
            "UPDATE object SET confirm = 'wanted' WHERE state = 'sent' AND confirm = 'asked'"
            " AND id IN (SELECT object FROM committed_object WHERE transaction_uid = ?)",
            (transaction_uid,),
        )


def wanted(database: Database, ids: Sequence[int]) -> set[int]:
    """Return those of the objects that are still to be confirmed."""
    marks = ",".join("?" * len(ids))
    rows = database.connection().execute(
        f"SELECT id FROM object WHERE id IN ({marks}) AND state = 'sent' AND confirm = 'wanted'", tuple(ids)
    )
    return {row[0] for row in rows}


def checks(database: Database, ids: Sequence[int]) -> dict[int, int]:
    """Return how often confirmation of objects was tried."""
    marks = ",".join("?" * len(ids))
    rows = database.connection().execute(f"SELECT id, checks FROM object WHERE id IN ({marks})", tuple(ids))
    return {row[0]: row[1] for row in rows}


def resends(database: Database, ids: Sequence[int]) -> dict[int, int]:
    """Return how often objects were sent again because the peer did not have them."""
    marks = ",".join("?" * len(ids))
    rows = database.connection().execute(f"SELECT id, resends FROM object WHERE id IN ({marks})", tuple(ids))
    return {row[0]: row[1] for row in rows}


def known(database: Database) -> bool:
    """Whether any report is awaited."""
    return database.connection().execute("SELECT 1 FROM commitment LIMIT 1").fetchone() is not None
