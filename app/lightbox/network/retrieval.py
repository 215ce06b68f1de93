"""One retrieve at work: attempts, second attempts, and the comparison with what was announced."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lightbox.core.errors import Cancelled, LightboxError, NotFoundError
from lightbox.core.jobs import PROGRESS_INTERVAL_S, CancelToken, Progress
from lightbox.network import contexts, get, move, storage_scp
from lightbox.network.announce import Announced
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.operation import Outcome, Target
from lightbox.network.peers import Peer
from lightbox.network.receive import Received, Receiver
from lightbox.network.reports import RetrieveReport, SeriesReport
from lightbox.network.storage_scp import StorageScp

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.network.receiving.running import AnyReceiver

_RETRY_CHUNK = 50
_FOREIGN_INGEST_S = 10.0
_GENERAL = (0xA801, 0x0122, 0x0124, 0x0211)
"""Refusals that hold for every series alike: unknown destination, no such service, not allowed."""
_PERMANENT = ("dns.", "tcp.", "association.rejected", "association.timeout")


class Retrieval:
    """One retrieve from its first request to its report."""

    def __init__(
        self,
        peer: Peer,
        identity: LocalIdentity,
        library: Library,
        study_uid: str,
        series_uids: tuple[str, ...],
        announced: Announced,
        progress: Callable[[Progress], object] | None,
        series_progress: Callable[[SeriesReport], object] | None,
        cancel: CancelToken,
    ) -> None:
        self._peer = peer
        self._identity = identity
        self._library = library
        self._study_uid = study_uid
        self._series_uids = series_uids
        self._announced = announced
        self._progress = progress
        self._series_progress = series_progress
        self._cancel = cancel
        self._receiver = Receiver(library)
        self._receiver.received.connect(self._on_received)
        self._scp: AnyReceiver | None = None
        self._own_scp: StorageScp | None = None
        self._foreign_scp = False
        self._begun = time.monotonic()
        self._last_told = 0.0
        self._outcomes: list[Outcome] = []
        self._told: dict[str, int] = {}
        """How many objects the archive set out to send, by series ("" for the study)."""
        self._unlisted: set[str] = set()
        """What came although the archive did not list it."""
        self._reasons: dict[str, str] = {}
        self._notes = list(announced.notes)
        self._method = ""
        self._got: set[str] = set()
        self._series_of = {uid: entry.series_uid for entry in announced.series.values() for uid in entry.instances}
        self._series = {uid: SeriesReport(uid, entry.modality, entry.number) for uid, entry in announced.series.items()}

    def run(self, order: list[str]) -> None:
        """Retrieve by the first method of `order` that works, then ask once more for what is missing."""
        for position, method in enumerate(order):
            try:
                self._attempt(method, self._targets(), thorough=False)
            except (AssociationError, DimseError) as error:
                if isinstance(error, AssociationError) and error.code.startswith(_PERMANENT):
                    raise
                self._notes.append(f"{method.upper()}: {error.why or error.what}")
                if self._got:
                    self._method = self._method or method
                elif position == len(order) - 1:
                    raise
                continue
            self._method = self._method or method
            break
        self._retry(order)

    def _retry(self, order: list[str]) -> None:
        """Ask for what is missing by its UIDs: first by the method that worked, then by the other if it is allowed."""
        for method in sorted(order, key=lambda method: method != self._method):
            missing = self._missing()
            if not missing or self._cancel.cancelled:
                return
            targets = [
                part for series_uid, uids in missing.items() for part in _by_instance(self._study_uid, series_uid, uids)
            ]
            try:
                self._attempt(method, targets, thorough=True)
            except (AssociationError, DimseError) as error:
                self._notes.append(f"Second attempt by {method.upper()}: {error.why or error.what}")

    def _targets(self) -> list[Target]:
        wanted = list(self._announced.series) or list(self._series_uids)
        return [Target(self._study_uid, uid) for uid in wanted] or [Target(self._study_uid)]

    def _attempt(self, method: str, targets: list[Target], *, thorough: bool) -> None:
        self._cancel.raise_if_cancelled()
        if method == "c-get":
            refusal: AssociationError | None = None
            worked = False
            for batch, pairs in self._batches(targets, thorough):
                if not any(self._outstanding(target) for target in batch):
                    continue
                try:
                    with get.session(self._peer, self._identity, self._receiver, pairs) as session:
                        self._each(session.retrieve, batch)
                    worked = True
                except AssociationError as error:
                    if error.code != "get.no-role":  # none of these classes; others may be accepted
                        raise
                    refusal = error
            if refusal is not None and not worked:
                raise refusal
        else:
            self._listen()
            with move.session(self._peer, self._identity) as session:
                self._each(session.retrieve, targets)

    def _each(self, request: Callable[[Target, CancelToken], Outcome], targets: list[Target]) -> None:
        refusals: list[DimseError] = []
        for target in (part for whole in targets for part in self._outstanding(whole)):
            self._cancel.raise_if_cancelled()
            try:
                outcome = request(target, self._cancel)
            except DimseError as error:
                if error.status in _GENERAL:
                    raise
                refusals.append(error)
                outcome = Outcome(error.status)
            self._outcomes.append(outcome)
            if not target.sop_uids:
                self._told[target.series_uid] = max(outcome.announced, self._told.get(target.series_uid, 0))
            for uid in outcome.failed_uids:
                self._reasons[uid] = outcome.reason or "the archive could not send it"
            if outcome.reason:
                for uid in set(target.sop_uids or self._instances(target.series_uid)) - self._got:
                    self._reasons.setdefault(uid, outcome.reason)
        if refusals and not self._got:
            raise refusals[0]

    def _outstanding(self, target: Target) -> list[Target]:
        """Return what is left of `target`: all of it while nothing came, then only the instances that are missing."""
        expected = list(target.sop_uids) or self._instances(target.series_uid)
        missing = [uid for uid in expected if uid not in self._got]
        if len(missing) == len(expected):
            return [target]
        return _by_instance(target.study_uid, target.series_uid, missing)

    def _batches(self, targets: list[Target], thorough: bool) -> Iterator[tuple[list[Target], list[contexts.Pair]]]:
        """Group targets so that the contexts for each group fit into one association.

        A target that needs more contexts than fit comes several times, with other contexts.
        """
        group: list[Target] = []
        pairs: dict[contexts.Pair, None] = {}
        for target in targets:
            own = dict.fromkeys(self._announced.pairs(target.series_uid, thorough=thorough))
            if group and len(pairs | own) > get.ROOM:
                yield group, list(pairs)
                group, pairs = [], {}
            if len(own) <= get.ROOM:
                group.append(target)
                pairs |= own
                continue
            ordered = list(own)
            for start in range(0, len(ordered), get.ROOM):
                yield [target], ordered[start : start + get.ROOM]
        if group:
            yield group, list(pairs)

    def _listen(self) -> None:
        """Make sure our storage SCP runs: the one of this process, one of our own, or that of another process."""
        if self._scp is not None or self._foreign_scp:
            return
        running = storage_scp.running_on(self._identity.port)
        if running is not None and running.library is self._library:
            self._scp = running
            running.received.connect(self._on_received)
            return
        own = StorageScp(self._library, self._identity)
        try:
            own.start()
        except LightboxError as error:
            self._foreign_scp = True
            self._notes.append(f"{error.what}: the objects go to the program that listens there")
            return
        own.received.connect(self._on_received)
        self._scp = self._own_scp = own

    def finish(self) -> None:
        """Bring everything that came into the library and stop what was started."""
        if self._own_scp is not None:
            self._own_scp.stop()
        elif self._scp is not None:
            with contextlib.suppress(ValueError):
                self._scp.received.disconnect(self._on_received)
            self._scp.receiver.flush()
        self._receiver.close()
        if self._foreign_scp:
            self._await_foreign()

    def _await_foreign(self) -> None:
        """Wait until the process that received the objects has put them into the library we share."""
        deadline = time.monotonic() + _FOREIGN_INGEST_S
        while time.monotonic() < deadline and not self._cancel.cancelled:
            self._got |= {uid for uid in self._series_of if uid not in self._got and self._in_library(uid)}
            if len(self._got) >= len(self._series_of):
                return
            time.sleep(0.2)

    def _in_library(self, sop_uid: str) -> bool:
        try:
            return self._library.instance(sop_uid) is not None
        except NotFoundError:
            return False

    def _unlisted_by_series(self) -> dict[str, list[str]]:
        """Return what came unlisted and belongs to a series that was asked for (others may send to us meanwhile)."""
        found: dict[str, list[str]] = {}
        for uid in self._unlisted:
            record = self._library.instance(uid)
            if record is not None and record.series_instance_uid in self._series:
                found.setdefault(record.series_instance_uid, []).append(uid)
        return found

    def _instances(self, series_uid: str) -> list[str]:
        if series_uid:
            entry = self._announced.series.get(series_uid)
            return list(entry.instances) if entry is not None else []
        return list(self._series_of)

    def _missing(self) -> dict[str, list[str]]:
        result: dict[str, list[str]] = {}
        for uid, series_uid in self._series_of.items():
            if uid not in self._got:
                result.setdefault(series_uid, []).append(uid)
        return result

    def _on_received(self, event: Received) -> None:
        uid = event.sop_instance_uid
        if self._series_of and uid not in self._series_of:
            self._unlisted.add(uid)
        if uid in self._got or uid in self._unlisted:
            return
        self._got.add(uid)
        entry = self._series.get(self._series_of.get(uid, ""))
        if entry is not None:
            entry.received += 1
        self._tell(entry)

    def _tell(self, entry: SeriesReport | None) -> None:
        moment = time.monotonic()
        total = self._total()
        if moment - self._last_told < PROGRESS_INTERVAL_S and len(self._got) < total:
            return
        self._last_told = moment
        try:
            if self._progress is not None:
                seconds = moment - self._begun
                self._progress(Progress(len(self._got), total, "images", "", seconds))
            if self._series_progress is not None and entry is not None:
                self._series_progress(entry)
        except Cancelled:
            self._cancel.cancel()

    def _total(self) -> int:
        numbers = [entry.announced for entry in self._series.values()]
        return sum(number or 0 for number in numbers)

    def report(self) -> RetrieveReport:
        """Compare what came with what was announced."""
        rejected = dict(self._receiver.rejected)
        refused = list(self._receiver.refused)
        if self._scp is not None:
            rejected |= self._scp.receiver.rejected
            refused += self._scp.receiver.refused
        failed: list[tuple[str, str]] = []
        present = {uid for uid in self._got if self._in_library(uid)}
        unlisted = self._unlisted_by_series()
        for uid in self._got - present:
            reason = refused[-1].reason if refused else "the library did not take it"
            failed.append((uid, f"received, but {reason}"))
        for uids in self._missing().values():
            for uid in uids:
                failed.append((uid, rejected.get(uid) or self._reasons.get(uid) or "the archive did not send it"))
        for uid, entry in self._series.items():  # the list of an archive may be cut short, or missing
            entry.announced = max(entry.announced or 0, self._told.get(uid, 0)) or entry.announced
        announced = self._total() if self._series else max(sum(self._told.values()), len(self._got))
        received = len(present) + sum(map(len, unlisted.values()))
        # Of some only the number is known: say how many are missing
        lost = announced - received - len(failed)
        reason = next((o.reason for o in self._outcomes if o.reason), "the archive did not send it")
        failed += [("", reason)] * max(0, lost)
        for uid, entry in self._series.items():
            entry.received = sum(1 for sop in present if self._series_of.get(sop) == uid) + len(unlisted.get(uid, ()))
        return RetrieveReport(
            self._study_uid,
            announced=announced,
            received=received,
            failed=failed,
            series=list(self._series.values()),
            method=self._method,
            notes=self._notes,
        )


def _by_instance(study_uid: str, series_uid: str, sop_uids: list[str]) -> list[Target]:
    """Return targets at image level, not too many UIDs in each."""
    return [
        Target(study_uid, series_uid, tuple(sop_uids[start : start + _RETRY_CHUNK]))
        for start in range(0, len(sop_uids), _RETRY_CHUNK)
    ]
