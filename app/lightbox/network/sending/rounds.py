"""One round of sending: a few hundred objects over the associations of a peer, each on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import BinaryIO, Protocol

from lightbox.core.errors import LightboxError
from lightbox.network import even, words
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.sending import faults, offer, retry
from lightbox.network.sending.retry import Verdict
from lightbox.network.sending.sources import CHANGED, Sources
from lightbox.network.sending.states import Confirm, ObjectRecord, QueueSettings, State
from lightbox.network.sending.work import Outcome
from lightbox.network.stored import Description, describe
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import open_association
from lightbox.network.wire.transport import Throttle

logger = logging.getLogger(__name__)

_LOST_IN_A_ROW = 3
"""So many associations in a row may end without an answer before the peer counts as down."""
NOT_ACCEPTED = "the peer does not accept this kind of object, neither in this encoding nor uncompressed"


class Sending(Protocol):
    """A round, whatever it sends by."""

    answered: int
    """Objects to which the peer gave any answer."""
    failure: Exception | None
    """Why the peer could not be had, or was lost again and again."""

    def start(self) -> None:
        """Start."""
        ...

    def join(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end; return whether it ended."""
        ...

    def stop(self, *, abort: bool = False) -> None:
        """Begin no further object; `abort` breaks off those on their way, too."""
        ...

    def skip(self, ids: set[int]) -> None:
        """Leave out objects that were cancelled or paused meanwhile."""
        ...

    def rest(self) -> list[ObjectRecord]:
        """Return what was not tried."""
        ...

    def waiting_ids(self) -> list[int]:
        """Return the numbers of the objects whose turn has not come."""
        ...


class Round:
    """Sends objects that need at most 128 presentation contexts.

    Parameters
    ----------
    records : sequence of ObjectRecord
        Claimed objects (see `offer.batches`).
    confirmed : callable
        Whether the objects of a job are to be confirmed.
    post : callable
        Takes each outcome, on the thread of the association.
    """

    def __init__(
        self,
        peer: Peer,
        identity: LocalIdentity,
        records: Sequence[ObjectRecord],
        sources: Sources,
        settings: QueueSettings,
        throttle: Throttle,
        *,
        confirmed: Callable[[int], bool],
        post: Callable[[ObjectRecord, Outcome], None],
    ) -> None:
        self._peer = peer
        self._identity = identity
        self._waiting = deque(records)
        self._proposals = offer.proposals((item.sop_class_uid, item.transfer_syntax_uid) for item in records)
        self._sources = sources
        self._settings = settings
        self._throttle = throttle
        self._confirmed = confirmed
        self._post = post
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._skipped: set[int] = set()
        self._left_out: list[ObjectRecord] = []
        self._open: set[Association] = set()
        self._threads: list[threading.Thread] = []
        self.answered = 0
        """Objects to which the peer gave any answer."""
        self.failure: Exception | None = None
        """Why an association could not be had, or was lost again and again."""

    def start(self) -> None:
        """Start the threads."""
        number = max(1, min(self._peer.associations, len(self._waiting)))
        self._threads = [
            threading.Thread(target=self._run, name=f"send-{index}", daemon=True) for index in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end; return whether all threads ended."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self, *, abort: bool = False) -> None:
        """Send no further object; `abort` breaks off those on their way, too."""
        self._stopped.set()
        if abort:
            with self._lock:
                associations = list(self._open)
            for association in associations:
                association.abort()

    def skip(self, ids: set[int]) -> None:
        """Leave out objects that were cancelled or paused meanwhile."""
        with self._lock:
            self._skipped |= ids

    def rest(self) -> list[ObjectRecord]:
        """Return what was not tried."""
        with self._lock:
            return [*self._left_out, *self._waiting]

    def waiting_ids(self) -> list[int]:
        """Return the numbers of the objects whose turn has not come."""
        with self._lock:
            return [record.id for record in self._waiting if record.id not in self._skipped]

    def _next(self) -> ObjectRecord | None:
        with self._lock:
            while self._waiting and not self._stopped.is_set():
                record = self._waiting.popleft()
                if record.id not in self._skipped:
                    return record
                self._left_out.append(record)
        return None

    def _give_back(self, record: ObjectRecord) -> None:
        with self._lock:
            self._waiting.appendleft(record)

    def _run(self) -> None:
        from lightbox.dicom import imports

        imports.ready()
        association: Association | None = None
        lost = 0
        try:
            while (record := self._next()) is not None:
                if association is None or not association.is_open:
                    try:
                        association = self._associate()
                    except (LightboxError, OSError) as error:
                        self._give_back(record)
                        self.failure = error
                        return
                outcome, failure = self._try(association, record)
                if failure is None:
                    lost = 0
                    with self._lock:
                        self.answered += 1
                else:
                    lost += 1
                self._post(record, outcome)
                if failure is not None and lost >= _LOST_IN_A_ROW:
                    self.failure = failure
                    return
        except Exception as error:  # a fault of ours must not leave objects behind as if they were being sent
            logger.error("a sending thread ended: %s", faults.place(error))
            self.failure = error
            self._stopped.set()
        finally:
            if association is not None:
                with self._lock:
                    self._open.discard(association)
                if association.is_open:
                    try:
                        association.release()
                    except AssociationError as error:
                        logger.info("an association could not be released: %s", error.code)

    def _associate(self) -> Association:
        association = open_association(self._peer, self._identity, self._proposals)
        with self._lock:
            self._open = {other for other in self._open if other.is_open} | {association}
        if self._stopped.is_set():
            association.abort()
        return association

    def _try(self, association: Association, record: ObjectRecord) -> tuple[Outcome, AssociationError | None]:
        """Send one object and return what became of it, with the error when the association was lost."""
        try:
            with self._sources.open(record) as file:
                description = describe(file)
                if description.sop_instance_uid.strip() != record.sop_instance_uid.strip():
                    return Outcome(record.id, State.FAILED, CHANGED), None
                way = offer.way(association, description.sop_class_uid, description.transfer_syntax_uid)
                if way is None:
                    return Outcome(record.id, State.FAILED, NOT_ACCEPTED), None
                if not way.convert and not (
                    description.transfer_syntax_uid in even.NATIVE and even.is_odd(file, description)
                ):
                    return self._send(association, record, description, way, even.data_set(file, description))
            with self._converted(record, description, way.context.transfer_syntax) as data:
                return self._send(association, record, description, way, data)
        except AssociationError as error:
            return self._lost(record, error), error
        except (OSError, LightboxError) as error:
            reason = (
                error.why or error.what if isinstance(error, LightboxError) else f"it cannot be read: {error.strerror}"
            )
            return Outcome(record.id, State.FAILED, reason), None
        except Exception as error:  # one object that we stumble over must not stop the others
            logger.error("an object could not be sent: %s", faults.place(error))
            return Outcome(record.id, State.FAILED, f"a fault of this program ({faults.place(error)})"), None

    def _converted(self, record: ObjectRecord, description: Description, target: str) -> BinaryIO:
        from lightbox.network.sending.transcode import transcode

        return transcode(
            lambda: self._sources.open(record), description.transfer_syntax_uid, description.offset, target
        )

    def _send(
        self, association: Association, record: ObjectRecord, description: Description, way: offer.Way, data: BinaryIO
    ) -> tuple[Outcome, AssociationError | None]:
        answer = association.store(
            way.context,
            description.sop_class_uid,
            description.sop_instance_uid,
            data,
            throttle=self._throttle if self._throttle.bytes_per_second else None,
        )
        return self.judge(record, answer.status, answer.comment, way.context.transfer_syntax), None

    def judge(self, record: ObjectRecord, status: int, comment: str, syntax: str) -> Outcome:
        """Return what the status of a C-STORE response means for an object."""
        verdict = retry.of_status(status)
        reason = "" if verdict is Verdict.ACCEPTED else words.status_words(status, comment, storing=True)
        if verdict is Verdict.TRANSIENT:
            return self._later(record, reason)
        if verdict is Verdict.PERMANENT:
            return Outcome(record.id, State.FAILED, reason)
        duplicate, wanted = verdict is Verdict.DUPLICATE, self._confirmed(record.job)
        return accepted(record, reason, syntax, self._settings, duplicate=duplicate, wanted=wanted)

    def _lost(self, record: ObjectRecord, error: AssociationError) -> Outcome:
        if self._stopped.is_set():  # we broke it off ourselves
            return Outcome(record.id, State.QUEUED, burned=False)
        return self._later(record, error.why or error.what)

    def _later(self, record: ObjectRecord, reason: str) -> Outcome:
        return later(record, reason, self._settings)


def accepted(
    record: ObjectRecord, reason: str, syntax: str, settings: QueueSettings, *, duplicate: bool, wanted: bool
) -> Outcome:
    """Return the outcome of an object that the peer took, and whether its copy is to be compared."""
    compare = duplicate or bool(record.existed) or record.compare or settings.compare == "all"
    compare = compare or (settings.compare == "sample" and record.id % settings.sample_every == 0)
    confirm = Confirm.WANTED if wanted or compare else Confirm.NONE
    return Outcome(record.id, State.SENT, reason, confirm, sent_syntax_uid=syntax, compare=compare)


def later(record: ObjectRecord, reason: str, settings: QueueSettings) -> Outcome:
    """Return the outcome of a transient failure: tried again, unless it was tried often enough."""
    tries = record.attempts + 1
    if tries >= settings.tries:
        return Outcome(record.id, State.FAILED, f"{reason} ({tries} attempts)")
    return Outcome(record.id, State.WAITING, reason, retry_at=time.time() + retry.delay(tries, settings))
