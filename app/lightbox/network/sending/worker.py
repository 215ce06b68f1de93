"""The worker of one peer: rounds of sending, then confirming, as long as there is something to do."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lightbox.core.errors import LightboxError, NotFoundError
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, own_identity
from lightbox.network.sending import faults, lease, offer, retry, rounds, work
from lightbox.network.sending.checks import Checker, Impossible
from lightbox.network.sending.confirm import Confirmer
from lightbox.network.sending.database import Database
from lightbox.network.sending.retry import Circuit, Verdict
from lightbox.network.sending.sources import Sources
from lightbox.network.sending.states import ObjectRecord, QueueSettings, SendProgress, State
from lightbox.network.sending.work import Outcome
from lightbox.network.wire.transport import Throttle

logger = logging.getLogger(__name__)

ROUND = 512
"""Objects of a round: enough that opening associations costs nothing, few enough to stay in memory."""
_FLUSH_S = 0.25
_STOP_S = 5.0
_RATE_WINDOW_S = 5.0


class PeerWorker:
    """Works on the queue of one peer while it holds the lease of the peer.

    Parameters
    ----------
    find_peer : callable
        Returns the peer with its present settings; raises `NotFoundError` when it was removed.
    began : float
        When this process began to work the queue; reports on earlier requests may have been lost.
    told : callable
        Called when something changed in the queue.
    progress : callable
        Gets `SendProgress`.
    """

    def __init__(
        self,
        name: str,
        home: Path,
        database: Database,
        sources: Sources,
        settings: QueueSettings,
        *,
        find_peer: Callable[[str], Peer],
        identity: Callable[[], LocalIdentity],
        began: float,
        told: Callable[[], object],
        progress: Callable[[SendProgress], object],
    ) -> None:
        self.name = name
        self._home = home
        self._database = database
        self._sources = sources
        self._settings = settings
        self._find_peer = find_peer
        self._identity = identity
        self._began = began
        self._told = told
        self._progress = progress
        self._stopped = threading.Event()
        self._aborted = False
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._bytes: deque[tuple[float, int]] = deque()
        self._sent_bytes = 0
        self._throttle = Throttle(0)
        self._checker: Checker | None = None
        self._confirms: set[int] = set()
        self._jobs: set[int] = set()
        self._refused: list[ObjectRecord] = []
        self.thread = threading.Thread(target=self._run, name="send-queue", daemon=True)

    def stop(self) -> None:
        """End soon: what is on its way to the peer may be finished, for a moment."""
        self._stopped.set()

    def _run(self) -> None:
        from lightbox.dicom import imports

        imports.ready()
        lock = lease.of(self._home, self.name)
        if not lock.acquire():
            return  # another process sends to this peer
        try:
            if work.recover(self._database, self.name):
                self._told()
            while not self._stopped.is_set() and self._once():
                pass
        except Exception as error:
            logger.error("the worker of a peer ended: %s", faults.place(error))
        finally:
            lock.release()

    def _once(self) -> bool:
        """Do what is due; return False when there is nothing more to do for now."""
        circuit = work.circuit(self._database, self.name)
        if circuit.blocks(time.time(), self._settings):
            return False
        try:
            peer = self._find_peer(self.name)
        except NotFoundError as error:
            work.fail_all(self._database, self.name, error.what)
            work.give_up_confirming(self._database, self.name, error.what)
            self._told()
            return False
        identity = own_identity(peer, self._identity())
        if self._throttle.bytes_per_second != peer.bandwidth_limit:
            self._throttle = Throttle(peer.bandwidth_limit)
        if self._checker is None or self._checker.peer != peer or self._checker.identity != identity:
            self._checker = Checker(peer, identity, self._home)
        try:
            sent = self._send(peer, identity, circuit)
            if self._stopped.is_set():
                return False
            more = self._due() and not work.has_sent_job(self._database, self.name)
            confirmed = self._confirm(peer, identity, least=self._settings.commitment_chunk if more else 1)
        except LightboxError as error:
            self._down(circuit, error)
            return False
        return sent or confirmed

    def _due(self) -> bool:
        now = time.time()
        moment = work.next_moment(self._database, self.name, now, self._settings.maximum_delay_s, sending=True)
        return moment is not None and moment <= now

    def _confirm(self, peer: Peer, identity: LocalIdentity, *, least: int) -> bool:
        assert self._checker is not None
        confirmer = Confirmer(
            self._database, peer, identity, self._sources, self._settings, self._checker, began=self._began
        )
        done = confirmer.run(least=least)
        if done:
            self._told()
        return done

    # Sending

    def _send(self, peer: Peer, identity: LocalIdentity, circuit: Circuit) -> bool:
        """Send one claim of objects; return whether there was anything to send."""
        longest = self._settings.maximum_delay_s
        records = work.claim(self._database, self.name, ROUND, time.time(), longest)
        if not records:
            return False
        self._told()
        self._confirms = work.confirms_wanted(self._database)
        self._jobs |= {record.job for record in records}
        records = self._look_for_existing(records)
        priority = work.priority_of(self._database, records[0].job)
        by_web = peer.web is not None and peer.web.store
        groups = [records] if by_web else offer.batches(records)
        while groups:
            group = groups.pop(0)
            sender = self._round(peer, identity, group, by_web=by_web)
            alive = self._follow(sender, priority)
            if _refused_all(sender):
                self._refuse(sender, peer, by_web)
                continue
            self._release(sender)
            if not alive or sender.failure is not None:
                self._release_records([record for later in groups for record in later])
                return self._judge(circuit, sender)
            self._judge(circuit, sender)
        if self._refused and not by_web:  # refused by C-STORE: some archives take more by STOW-RS
            refused, self._refused = self._refused, []
            sender = self._round(peer, identity, refused, by_web=True)
            self._follow(sender, priority)
            self._release(sender)
        return True

    def _refuse(self, sender: rounds.Sending, peer: Peer, by_web: bool) -> None:
        """Settle a group of which the peer accepts no kind of object at all."""
        post = self._post(peer, by_web)
        for record in sender.rest():
            post(record, Outcome(record.id, State.FAILED, rounds.NOT_ACCEPTED))
        self._flush()

    def _round(
        self, peer: Peer, identity: LocalIdentity, records: list[ObjectRecord], *, by_web: bool
    ) -> rounds.Sending:
        options = {"confirmed": self._confirms.__contains__, "post": self._post(peer, by_web)}
        if by_web:
            from lightbox.network.sending.by_web import WebRound

            return WebRound(
                peer, identity, records, self._sources, self._settings, self._throttle, home=self._home, **options
            )
        return rounds.Round(peer, identity, records, self._sources, self._settings, self._throttle, **options)

    def _look_for_existing(self, records: list[ObjectRecord]) -> list[ObjectRecord]:
        """Note which objects the peer holds already, before the first attempt: their copies are compared afterwards."""
        unknown = [record for record in records if record.existed is None and not record.attempts]
        if not unknown:
            return records
        held = self._held(unknown)
        if held is None:
            return records
        if isinstance(held, LightboxError):  # it may hold any of them: what it keeps in the end tells
            logger.info("it could not be asked what the peer holds: %s", type(held).__name__)
            work.want_comparison(self._database, [record.id for record in unknown])
            return [replace(record, compare=record.compare or record in unknown) for record in records]
        known = {record.id: record.sop_instance_uid in held for record in unknown}
        work.note_existing(self._database, known.items())
        return [
            replace(record, existed=known[record.id], compare=False) if record.id in known else record
            for record in records
        ]

    def _held(self, records: list[ObjectRecord]) -> set[str] | LightboxError | None:
        """Return the UIDs that the peer holds, None when it cannot be asked at all, or why it cannot be asked now."""
        assert self._checker is not None
        failure = None
        for _ in range(2):  # some abort when a query comes: whether it is that, the second time tells
            try:
                return self._checker.held(records, thorough=False)
            except Impossible:
                return None
            except LightboxError as error:
                failure = error
        return failure

    def _post(self, peer: Peer, by_web: bool) -> Callable[[ObjectRecord, Outcome], None]:
        def post(record: ObjectRecord, outcome: Outcome) -> None:
            with self._lock:
                if outcome.reason == rounds.NOT_ACCEPTED and peer.web is not None and not by_web:
                    self._refused.append(record)
                    return
                self._outcomes.append(outcome)
                if outcome.state is State.SENT:
                    self._sent_bytes += record.size
                    self._bytes.append((time.monotonic(), record.size))

        return post

    def _follow(self, sender: rounds.Sending, priority: int) -> bool:
        """Wait for the end of a round, writing outcomes down a few times a second; return False when it was stopped."""
        sender.start()
        ended, stopping = False, 0.0
        while not ended:
            ended = sender.join(_FLUSH_S)
            self._flush()
            if ended or stopping:
                if stopping and not ended and time.monotonic() > stopping:
                    sender.stop(abort=True)
                continue
            sender.skip(work.stopped_objects(self._database, sender.waiting_ids()))
            if self._stopped.is_set():
                stopping = time.monotonic() + _STOP_S
                sender.stop()
            elif work.interrupted(self._database, self.name, priority):
                stopping = time.monotonic() + self._identity().dimse_timeout
                sender.stop()
        return not stopping

    def _flush(self) -> None:
        with self._lock:
            outcomes, self._outcomes = self._outcomes, []
        if outcomes:
            work.settle(self._database, outcomes)
            self._told()
            self._progress(self._state())

    def _state(self) -> SendProgress:
        now = time.monotonic()
        with self._lock:
            while self._bytes and self._bytes[0][0] < now - _RATE_WINDOW_S:
                self._bytes.popleft()
            amount = sum(size for _, size in self._bytes)
            span = now - self._bytes[0][0] if self._bytes else 0.0
        rate = amount / span if span > 0 else 0.0
        done, total, bytes_done, bytes_total = work.amounts(self._database, sorted(self._jobs))
        remaining = (bytes_total - bytes_done) / rate if rate > 0 else None
        return SendProgress(self.name, done, total, bytes_done, bytes_total, rate, remaining)

    def _release(self, sender: rounds.Sending) -> None:
        self._release_records(sender.rest())

    def _release_records(self, records: list[ObjectRecord]) -> None:
        if records:
            work.release(self._database, [record.id for record in records])
            self._told()

    def _judge(self, circuit: Circuit, sender: rounds.Sending) -> bool:
        """Note whether the peer is there; return whether to go on at once."""
        if sender.failure is None or sender.answered:
            if circuit.failures:
                circuit.succeed()
                work.save_circuit(self._database, self.name, circuit)
            return True
        return self._down(circuit, sender.failure)

    def _down(self, circuit: Circuit, error: Exception) -> bool:
        reason = error.sentence() if isinstance(error, LightboxError) else type(error).__name__
        code = error.code if isinstance(error, AssociationError) else type(error).__name__
        if isinstance(error, LightboxError) and retry.of_error(error) is Verdict.PERMANENT:
            logger.warning("a peer refused what was to be sent: %s", code)
            work.fail_all(self._database, self.name, reason)
            work.give_up_confirming(self._database, self.name, f"not confirmed: {reason}")
        else:
            logger.info("a peer cannot be reached: %s", code)
            circuit.fail(time.time(), reason, self._settings)
            work.save_circuit(self._database, self.name, circuit)
        self._told()
        return False


def _refused_all(sender: rounds.Sending) -> bool:
    failure = sender.failure
    return isinstance(failure, AssociationError) and failure.code == "association.no-context" and not sender.answered
