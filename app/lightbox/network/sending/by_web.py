"""Sending and checking by DICOMweb: STOW-RS, QIDO-RS and WADO-RS (PS3.18 clause 10)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.secrets import Secrets
from lightbox.network.sending import faults, retry, rounds
from lightbox.network.sending.readback import Copy
from lightbox.network.sending.retry import Verdict
from lightbox.network.sending.sources import Sources
from lightbox.network.sending.states import ObjectRecord, QueueSettings, State
from lightbox.network.sending.work import Outcome
from lightbox.network.stored import StoredObject
from lightbox.network.web import qido, stow, wado
from lightbox.network.web.service import WebService
from lightbox.network.web.stow_answer import StoreResult
from lightbox.network.wire.transport import Throttle

logger = logging.getLogger(__name__)


class WebRound:
    """Sends objects by STOW-RS; used as `rounds.Round` is."""

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
        home: Path,
    ) -> None:
        self._peer = peer
        self._identity = identity
        self._home = home
        self._records = {record.id: record for record in records}
        self._started: set[int] = set()
        self._sources = sources
        self._settings = settings
        self._throttle = throttle
        self._confirmed = confirmed
        self._post = post
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._token = CancelToken()
        self._skipped: set[int] = set()
        self._thread: threading.Thread | None = None
        self.answered = 0
        self.failure: Exception | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="send-web", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end; return whether it ended."""
        assert self._thread is not None
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self, *, abort: bool = False) -> None:
        """Begin no further object; `abort` breaks off the transfer."""
        self._stopped.set()
        if abort:
            self._token.cancel()

    def skip(self, ids: set[int]) -> None:
        """Leave out objects that were cancelled or paused meanwhile."""
        with self._lock:
            self._skipped |= ids

    def rest(self) -> list[ObjectRecord]:
        """Return what was not answered for."""
        with self._lock:
            return list(self._records.values())

    def waiting_ids(self) -> list[int]:
        """Return the numbers of the objects whose turn has not come."""
        with self._lock:
            return [number for number in self._records if number not in self._started and number not in self._skipped]

    def _next(self) -> Iterator[tuple[ObjectRecord, StoredObject]]:
        for record in list(self._records.values()):
            with self._lock:
                if self._stopped.is_set() or record.id in self._skipped:
                    continue
                self._started.add(record.id)
            yield record, StoredObject(record.sop_instance_uid, partial(self._sources.open, record))

    def _run(self) -> None:
        from lightbox.dicom import imports

        imports.ready()
        by_uid: dict[str, ObjectRecord] = {}

        def objects() -> Iterator[StoredObject]:
            for record, stored in self._next():
                by_uid[record.sop_instance_uid] = record
                yield stored

        try:
            with service_of(self._peer, self._identity, self._home) as service:
                throttle = self._throttle.take if self._throttle.bytes_per_second else None
                for result in stow.store(service, objects(), throttle=throttle, cancel=self._token):
                    record = by_uid.get(result.sop_instance_uid)
                    if record is not None and not self._settle(record, result):
                        return
        except Cancelled:
            return
        except (LightboxError, OSError) as error:
            self.failure = error
        except Exception as error:
            logger.error("a sending thread ended: %s", faults.place(error))
            self.failure = error

    def _settle(self, record: ObjectRecord, result: StoreResult) -> bool:
        """Post what became of an object; False: the service is not there at all, nothing was tried."""
        if result.error is not None and result.error.transient and not result.error.status and not self.answered:
            self.failure = result.error
            return False
        with self._lock:
            self._records.pop(record.id, None)
        self.answered += 1
        if result.stored:
            outcome = rounds.accepted(
                record,
                result.reason,
                record.transfer_syntax_uid,
                self._settings,
                duplicate=False,
                wanted=self._confirmed(record.job),
            )
        elif result.status == retry.DUPLICATE_SOP_INSTANCE:
            wanted = self._confirmed(record.job)
            outcome = rounds.accepted(record, result.reason, "", self._settings, duplicate=True, wanted=wanted)
        elif result.transient or (result.error is None and _may_pass(result)):
            outcome = rounds.later(record, result.reason, self._settings)
            if result.retry_after:
                moment = time.time() + min(result.retry_after, self._settings.maximum_delay_s)
                outcome = Outcome(outcome.id, outcome.state, outcome.reason, retry_at=max(moment, outcome.retry_at))
        else:
            outcome = Outcome(record.id, State.FAILED, result.reason)
        self._post(record, outcome)
        return True


def _may_pass(result: StoreResult) -> bool:
    if result.status:
        return retry.of_status(result.status) is Verdict.TRANSIENT
    return retry.of_http(result.http_status) is Verdict.TRANSIENT


def service_of(peer: Peer, identity: LocalIdentity, home: Path) -> WebService:
    """Return the DICOMweb service of a peer, with the password that the data folder keeps for it."""
    return WebService(peer, identity, secrets=Secrets(home))


def held(peer: Peer, identity: LocalIdentity, home: Path, records: Sequence[ObjectRecord]) -> set[str]:
    """Return the SOP Instance UIDs of `records` that the service lists (QIDO-RS)."""
    found: set[str] = set()

    def series(record: ObjectRecord) -> tuple[str, str]:
        return record.study_instance_uid, record.series_instance_uid

    with service_of(peer, identity, home) as service:
        finder = qido.WebFinder(service)
        for (study_uid, series_uid), group in groupby(sorted(records, key=series), key=series):
            wanted = {record.sop_instance_uid for record in group}
            keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": ""}
            if len(wanted) == 1:
                keys["SOPInstanceUID"] = next(iter(wanted))
            found |= wanted & {row.get("SOPInstanceUID", "") for row in finder.find("image", keys)}
    return found


def fetch(
    peer: Peer, identity: LocalIdentity, home: Path, records: Sequence[ObjectRecord]
) -> Iterator[tuple[ObjectRecord, Copy | None]]:
    """Fetch objects back one by one (WADO-RS); None for one that the service does not have."""
    from lightbox.network.web.errors import WebError

    with service_of(peer, identity, home) as service:
        for record in records:
            copy: Copy | None = None
            try:
                uids = (record.study_instance_uid, record.series_instance_uid, record.sop_instance_uid)
                for part in wado.objects(service, *uids):
                    copy = Copy(record.sop_instance_uid)
                    for piece in part.pieces:
                        copy.write(piece)
                    break  # one object was asked for: what else comes is not read
            except WebError as error:
                if error.status != 404:
                    raise
            yield record, copy
