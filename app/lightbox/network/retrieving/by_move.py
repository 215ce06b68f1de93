"""Retrieving by C-MOVE to our storage SCP: one request at a time for each peer, and again when the peer is busy."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.network import move
from lightbox.network.errors import DimseError
from lightbox.network.operation import Outcome, Target
from lightbox.network.receiving import running
from lightbox.network.retrieving.by_get import GENERAL
from lightbox.network.retrieving.work import Work

if TYPE_CHECKING:
    from lightbox.network.storage_scp import StorageScp

PAUSES_S = (1.0, 4.0)
"""Before requests that the archive had no resources for are made again; each up to half as long again."""

FOREIGN_INGEST_S = 10.0

_CANNOT_SEND = 0xA702
"""Unable to perform sub-operations (PS3.4 C.4.2.1.5): in practice the archive could not reach us."""

_turns: dict[tuple[str, int, str], threading.Lock] = {}
_turns_lock = threading.Lock()


class Destination:
    """Our storage SCP during a retrieve: the one of this process, one of our own, or that of another process."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._running: running.AnyReceiver | None = None
        self._own: StorageScp | None = None
        self._foreign = False

    def listen(self) -> None:
        """Make sure that somebody listens on our port."""
        if self._running is not None or self._foreign:
            return
        work = self._work
        found = running.on(work.identity.port)
        if found is not None and (found.library is work.library or found.library is None):
            self._running = found
            found.received.connect(work.tally.received)
            return
        from lightbox.network.storage_scp import StorageScp

        own = StorageScp(work.library, work.identity)
        try:
            own.start()
        except LightboxError as error:
            self._foreign = True
            work.tally.notes.append(f"{error.what}: the objects go to the program that listens there")
            return
        own.received.connect(work.tally.received)
        self._running = self._own = own

    def settle(self) -> None:
        """Have what came counted and put into the library."""
        if self._foreign:
            self._await_foreign()
        elif self._running is not None:
            self._running.receiver.flush()

    def close(self) -> None:
        """Stop what was started, and let go of what ran before."""
        if self._own is not None:
            self._own.stop()
        elif self._running is not None:
            self._running.receiver.flush()
            with contextlib.suppress(ValueError):
                self._running.received.disconnect(self._work.tally.received)

    def _await_foreign(self) -> None:
        """Wait until the process that received the objects has put them into the library we share."""
        deadline = time.monotonic() + FOREIGN_INGEST_S
        expected = len(self._work.tally.instances())
        while time.monotonic() < deadline and not self._work.cancel.cancelled:
            if self._work.tally.seen_in_library() >= expected:
                return
            time.sleep(0.2)

    @property
    def rejected(self) -> dict[str, str]:
        """Reasons of objects that could not be stored, by SOP Instance UID."""
        return dict(self._running.receiver.rejected) if self._running is not None else {}

    @property
    def refused(self) -> str:
        """Why the library refused the last object that it refused."""
        found = self._running.receiver.refused if self._running is not None else []
        return found[-1].reason if found else ""


def attempt(work: Work, destination: Destination, targets: list[Target], *, patient: bool) -> None:
    """Have `targets` sent to us.

    Parameters
    ----------
    patient : bool
        Whether to ask again after a while when the archive says that it has no resources now (A7xx).

    Raises
    ------
    AssociationError, DimseError
        The peer cannot be reached, or refused everything.
    Cancelled
        The token was cancelled.
    """
    destination.listen()
    refusals: list[DimseError] = []
    pauses = list(PAUSES_S if patient else ())
    with _turn(work), move.session(work.peer, work.identity) as session:
        for target in targets:
            for part in work.tally.outstanding(target):
                work.cancel.raise_if_cancelled()
                try:
                    outcome = _request(work, destination, session, part, pauses)
                except DimseError as error:
                    if error.status in GENERAL:
                        raise
                    refusals.append(error)
                    outcome = Outcome(error.status)
                work.tally.ended(part, outcome)
                if outcome.status == _CANNOT_SEND:
                    _note(work, session.advice(outcome.status))
    destination.settle()
    if refusals and not work.tally.count:
        raise refusals[0]


def _note(work: Work, advice: str) -> None:
    """Tell advice once, however many series it is about."""
    if advice not in work.tally.notes:
        work.tally.notes.append(advice)


def _request(
    work: Work, destination: Destination, session: move.MoveSession, target: Target, pauses: list[float]
) -> Outcome:
    """Ask for one target; as long as there are `pauses` left, again when nothing came because of resources."""
    before = work.tally.count
    while True:
        refusal: DimseError | None = None
        outcome = Outcome()
        try:
            outcome = session.retrieve(target, work.cancel)
        except DimseError as error:
            refusal = error
        status = refusal.status if refusal is not None else outcome.status
        if pauses and status & 0xFF00 == 0xA700:
            destination.settle()
            if work.tally.count == before:
                _wait(pauses.pop(0) * random.uniform(1.0, 1.5), work.cancel)
                continue
        if refusal is not None:
            raise refusal
        return outcome


def _wait(seconds: float, cancel: CancelToken) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        cancel.raise_if_cancelled()
        time.sleep(min(left, 0.1))


@contextlib.contextmanager
def _turn(work: Work) -> Iterator[None]:
    """Wait for our turn: archives that send many studies at once run out of associations to us."""
    key = (work.peer.host, work.peer.port, work.peer.ae_title)
    with _turns_lock:
        lock = _turns.setdefault(key, threading.Lock())
    while not lock.acquire(timeout=0.2):
        work.cancel.raise_if_cancelled()
    try:
        yield
    finally:
        lock.release()
