"""From "the peer answered success" to "confirmed": comparison, storage commitment, or a query that reads back."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.network import words
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.sending import commitment, reports, retry, transactions, work
from lightbox.network.sending.checks import Checker, Impossible
from lightbox.network.sending.database import Database
from lightbox.network.sending.retry import Verdict
from lightbox.network.sending.sources import Sources
from lightbox.network.sending.states import Confirm, ObjectRecord, QueueSettings, State
from lightbox.network.sending.transactions import Ruling
from lightbox.network.wire.client import associated

if TYPE_CHECKING:
    from lightbox.network.wire.association import Association

logger = logging.getLogger(__name__)

_CHECKS = 6
"""So often it is asked for an object that the peer does not list (yet) before it is sent again."""
OTHER_CONTENT = "the archive kept other content under this SOP Instance UID"


class Confirmer:
    """Confirms what was sent to one peer; used on one thread."""

    def __init__(
        self,
        database: Database,
        peer: Peer,
        identity: LocalIdentity,
        sources: Sources,
        settings: QueueSettings,
        checker: Checker,
        *,
        began: float,
    ) -> None:
        self._database = database
        self._peer = peer
        self._identity = identity
        self._sources = sources
        self._settings = settings
        self._checker = checker
        self._began = began
        self._no_commitment = "" if peer.commitment != "never" else "switched off for this peer"

    def run(self, *, least: int = 1) -> bool:
        """Work on what is to be confirmed, if there are at least `least` objects; return whether there was anything.

        Raises
        ------
        LightboxError
            The peer cannot be reached.
        """
        for transaction_uid in transactions.expired(self._database, time.time(), self._peer.name):
            self._expired(transaction_uid)
        again = transactions.lost_before(self._settings, self._began, time.time())
        for transaction_uid in transactions.overdue(self._database, again, self._peer.name):
            transactions.ask_again(self._database, transaction_uid)
        chunk = self._settings.commitment_chunk
        found = work.to_confirm(self._database, self._peer.name, chunk, time.time(), self._settings.maximum_delay_s)
        if len(found) < least:
            return False
        checks = {record.id: count for record, _, count, _ in found}
        records = [record for record, _, _, _ in found]
        compared = [record for record, wanted, _, _ in found if wanted]
        if compared:
            passed = self._compare(compared, checks)
            records = [record for record in records if record not in compared or record.id in passed]
        if records and not (self._no_commitment and self._peer.commitment == "auto"):
            records = self._commit(records, checks)
        if records:
            self._read_back(records, checks)
        return True

    # Comparison

    def _compare(self, records: Sequence[ObjectRecord], checks: dict[int, int]) -> set[int]:
        """Read objects back and compare; return those that are the same."""
        from lightbox.network.sending.compare import compare

        passed: set[int] = set()
        left = list(records)
        try:
            for record, copy in self._checker.fetch(records):
                left.remove(record)
                if copy is None:
                    self._missing(record, checks[record.id])
                    continue
                try:
                    found = compare(lambda record=record: self._sources.open(record), copy.opened)
                except LightboxError as error:
                    self._rule(record, State.SENT, f"it cannot be compared: {error.why}", Confirm.IMPOSSIBLE)
                    continue
                finally:
                    copy.abort()
                announced = "elements were changed" in record.reason
                if found.same or (found.only_coerced and announced):
                    note = f"the archive changed {found.text()}" if found.differing else ""
                    self._rule(record, State.SENT, note, Confirm.WANTED, compared=True)
                    passed.add(record.id)
                elif found.unknown and not found.differing:
                    reason = f"its pixels cannot be compared: {found.unknown}"
                    self._rule(record, State.SENT, reason, Confirm.IMPOSSIBLE)
                else:
                    reason = f"{OTHER_CONTENT}: {found.text()} differs"
                    self._rule(record, State.FAILED, reason, Confirm.NONE)
        except Impossible as error:
            for record in left:
                if record.existed is not False:
                    had = "had" if record.existed else "may have had"
                    reason = f"the archive {had} an object of this UID before, and it cannot be compared: {error.why}"
                    self._rule(record, State.SENT, reason, Confirm.IMPOSSIBLE)
                else:  # only a sample was wanted
                    self._rule(record, State.SENT, "", Confirm.WANTED, compared=True)
                    passed.add(record.id)
        except LightboxError as error:
            self._later(left, checks, error)
        return passed

    # Storage commitment

    def _commit(self, records: list[ObjectRecord], checks: dict[int, int]) -> list[ObjectRecord]:
        """Ask for storage commitment; return the objects for which that is not possible."""
        always = self._peer.commitment == "always"
        if not self._no_commitment:
            try:
                with associated(self._peer, self._identity, commitment.proposals()) as association:
                    self._no_commitment = self._ask(association, records, checks)
            except AssociationError as error:
                if error.code == "association.no-context":
                    self._no_commitment = "it does not offer storage commitment"
                elif retry.of_error(error) is Verdict.PERMANENT:
                    self._no_commitment = error.why or error.what
                else:
                    self._later(self._still_wanted(records), checks, error)
                    return []
        if not self._no_commitment:
            return []
        if always:
            for record in records:
                self._rule(record, State.SENT, f"not confirmed: {self._no_commitment}", Confirm.IMPOSSIBLE)
            return []
        return records

    def _ask(self, association: Association, records: list[ObjectRecord], checks: dict[int, int]) -> str:
        """Make one request and wait a moment for its report; return why the peer does not do it, or nothing."""
        from pydicom.uid import generate_uid

        transaction_uid = str(generate_uid(prefix=None))
        timeout = self._settings.commitment_timeout_s
        transactions.open_transaction(
            self._database, transaction_uid, self._peer.name, [record.id for record in records], timeout
        )
        try:
            answer = commitment.request(association, transaction_uid, records)
        except AssociationError:
            # Whether the request arrived is not known; the transaction stays, so that its report would count
            transactions.ask_again(self._database, transaction_uid)
            raise
        if words.is_failure(answer.status):
            transactions.close_transaction(self._database, transaction_uid, again=True)
            verdict = retry.of_status(answer.status)
            if verdict is Verdict.TRANSIENT:
                reason = words.status_words(answer.status, answer.comment)
                self._later(records, checks, LightboxError("The commitment was not taken", why=reason))
                return ""
            return f"it refused the commitment ({words.status_words(answer.status, answer.comment)})"
        self._await_report(association)
        return ""

    def _await_report(self, association: Association) -> None:
        """Take a report that comes at once on the same association; it may as well come later, on another."""
        deadline = time.monotonic() + self._settings.commitment_wait_s
        try:
            while (left := deadline - time.monotonic()) > 0:
                asked = association.next_request(left)
                if asked is None:
                    return
                if asked.sop_class_uid == commitment.SOP_CLASS and asked.field == 0x0100:
                    event = asked.command.get("EventTypeID")
                    report = commitment.read_report(asked.dataset(), int(event) if event else None)
                    if event:
                        association.respond(asked, 0x0000, EventTypeID=int(event))
                    else:
                        association.respond(asked, 0x0000)
                    reports.apply(self._database, report, self._settings)
                    return
                association.respond(asked, 0x0211)
        except AssociationError as error:
            logger.info("the association ended while a commitment report was awaited: %s", error.code)

    def _expired(self, transaction_uid: str) -> None:
        """Give up waiting for a report; read back instead, where that is allowed."""
        records = transactions.objects_of(self._database, transaction_uid) or []
        waiting = [record for record in records if record.state is State.SENT and record.confirm is Confirm.ASKED]
        hours = self._settings.commitment_timeout_s / 3600
        if self._peer.commitment == "always":
            reason = f"the archive did not report on the storage commitment within {hours:g} hours"
            transactions.rule(
                self._database, [Ruling(item.id, State.SENT, reason, Confirm.IMPOSSIBLE) for item in waiting]
            )
        else:
            self._read_back(waiting, dict.fromkeys((item.id for item in waiting), 0))
        transactions.close_transaction(self._database, transaction_uid)

    def _still_wanted(self, records: Sequence[ObjectRecord]) -> list[ObjectRecord]:
        found = transactions.wanted(self._database, [record.id for record in records])
        return [record for record in records if record.id in found]

    # Reading back

    def _read_back(self, records: Sequence[ObjectRecord], checks: dict[int, int]) -> None:
        try:
            held = self._checker.held(records, thorough=True)
        except Impossible as error:
            reason = f"not confirmed: {error.why}" + (f"; {self._no_commitment}" if self._no_commitment else "")
            rulings = [Ruling(record.id, State.SENT, reason, Confirm.IMPOSSIBLE) for record in records]
            transactions.rule(self._database, rulings)
            return
        except LightboxError as error:
            self._later(records, checks, error)
            return
        found = [record for record in records if record.sop_instance_uid in held]
        transactions.rule(self._database, [Ruling(record.id, State.CONFIRMED, record.reason) for record in found])
        for record in records:
            if record.sop_instance_uid not in held:
                if not record.study_instance_uid or not record.series_instance_uid:
                    reason = "it has no Study or Series Instance UID: the archive cannot be asked for it"
                    self._rule(record, State.SENT, reason, Confirm.IMPOSSIBLE)
                else:
                    self._missing(record, checks[record.id])

    def _missing(self, record: ObjectRecord, checks: int) -> None:
        """Settle an object that the peer took and does not list: it may be slow to index, or have dropped it."""
        if checks + 1 < _CHECKS:
            moment = time.time() + retry.delay(checks + 1, self._settings)
            reason = "the archive does not list it yet"
            transactions.rule(self._database, [Ruling(record.id, State.SENT, reason, Confirm.WANTED, moment)])
            return
        reason = "the archive answered success but does not list it"
        reports.send_again(self._database, [record], reason, self._settings)

    def _later(self, records: Sequence[ObjectRecord], checks: dict[int, int], error: LightboxError) -> None:
        """Note that the peer could not be asked now; one that cannot be reached at all is the worker's business."""
        step = getattr(error, "step", "operation")
        if step != "operation":
            raise error
        rulings = []
        for record in records:
            count = checks.get(record.id, 0) + 1
            if count >= self._settings.tries:
                reason = f"not confirmed: {error.why or error.what} ({count} attempts)"
                rulings.append(Ruling(record.id, State.SENT, reason, Confirm.IMPOSSIBLE))
                continue
            moment = time.time() + retry.delay(count, self._settings)
            reason = f"to be confirmed: {error.why or error.what}"
            rulings.append(Ruling(record.id, State.SENT, reason, Confirm.WANTED, moment))
        transactions.rule(self._database, rulings)

    def _rule(
        self, record: ObjectRecord, state: State, reason: str, confirm: Confirm, *, compared: bool = False
    ) -> None:
        ruling = Ruling(record.id, state, reason, confirm, compared=compared)
        transactions.rule(self._database, [ruling])
