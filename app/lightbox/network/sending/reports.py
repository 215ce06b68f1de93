"""What a storage commitment report means for the objects of its transaction, whenever and wherever it arrived."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from lightbox.core.errors import LightboxError
from lightbox.network.sending import commitment, retry, transactions
from lightbox.network.sending.commitment import Report
from lightbox.network.sending.database import Database
from lightbox.network.sending.states import Confirm, ObjectRecord, QueueSettings, State
from lightbox.network.sending.transactions import Ruling

logger = logging.getLogger(__name__)

RESENDS = 2
"""So often an object is sent again because the peer does not have it after all."""
_AGAIN = frozenset({commitment.PROCESSING_FAILURE, commitment.RESOURCES, commitment.DUPLICATE_TRANSACTION})
"""Failures after which the commitment is asked for once more."""
_REQUESTS = 4
NOT_NAMED = "the archive reported on the storage commitment without naming this object"


def take_notes(database: Database, home: Path, settings: QueueSettings) -> int:
    """Apply the reports that the receiver kept; return how many there were.

    Reports of transactions that nobody knows (any more) are dropped.
    """
    from lightbox.network.receiving.notes import STORAGE_COMMITMENT, Inbox

    inbox = Inbox(home)
    taken = 0
    for note in inbox.waiting(STORAGE_COMMITMENT):
        try:
            report = commitment.read_report(note.dataset(), note.event_type_id)
        except LightboxError as error:
            logger.warning("a commitment report cannot be read: %s", error.what)
        else:
            if apply(database, report, settings):
                taken += 1
            else:
                logger.info("a commitment report of an unknown transaction was dropped")
        inbox.done(note)
    return taken


def apply(database: Database, report: Report, settings: QueueSettings) -> bool:
    """Settle the objects of a transaction; return False when the transaction is not known."""
    records = transactions.objects_of(database, report.transaction_uid)
    if records is None:
        return False
    rulings: list[Ruling] = []
    missing: list[ObjectRecord] = []
    asked = transactions.checks(database, [record.id for record in records])
    for record in records:
        uid = record.sop_instance_uid
        if report.everything or uid in report.committed:
            rulings.append(Ruling(record.id, State.CONFIRMED))
        elif uid in report.failed:
            reason = report.failed[uid]
            text = commitment.failure_words(reason)
            if reason == commitment.NO_SUCH_INSTANCE:
                missing.append(record)
            elif reason in _AGAIN and asked.get(record.id, 0) + 1 < _REQUESTS:
                moment = time.time() + retry.delay(asked.get(record.id, 0) + 1, settings)
                rulings.append(Ruling(record.id, State.SENT, text, Confirm.WANTED, moment))
            else:
                rulings.append(Ruling(record.id, State.FAILED, text))
        elif asked.get(record.id, 0) + 1 < _REQUESTS:
            moment = time.time() + retry.delay(asked.get(record.id, 0) + 1, settings)
            rulings.append(Ruling(record.id, State.SENT, NOT_NAMED, Confirm.WANTED, moment))
        else:
            rulings.append(Ruling(record.id, State.SENT, f"not confirmed: {NOT_NAMED}", Confirm.IMPOSSIBLE))
    transactions.rule(database, rulings)
    if missing:
        send_again(database, missing, commitment.failure_words(commitment.NO_SUCH_INSTANCE), settings)
    transactions.close_transaction(database, report.transaction_uid)
    return True


def send_again(database: Database, records: Sequence[ObjectRecord], reason: str, settings: QueueSettings) -> None:
    """Queue objects once more that the peer took and does not have; after `RESENDS` times they have failed."""
    done = transactions.resends(database, [record.id for record in records])
    now = time.time()
    rulings = []
    for record in records:
        count = done.get(record.id, 0)
        if count >= RESENDS:
            rulings.append(Ruling(record.id, State.FAILED, f"{reason} (sent {count + 1} times)"))
        else:
            moment = now + retry.delay(count + 1, settings)
            rulings.append(Ruling(record.id, State.WAITING, reason, retry_at=moment, resent=True))
    transactions.rule(database, rulings)
