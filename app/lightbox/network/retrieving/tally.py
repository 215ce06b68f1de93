"""What a retrieve expects, what came, and what is known about the rest. Every method may be called from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from lightbox.core.errors import Cancelled, NotFoundError
from lightbox.core.jobs import PROGRESS_INTERVAL_S, CancelToken, Progress
from lightbox.network.announce import Announced
from lightbox.network.operation import Outcome, Target
from lightbox.network.reports import RetrieveReport, SeriesReport

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.network.receive import Received

UIDS_IN_REQUEST = 50
"""SOP Instance UIDs in one request at image level."""

NOT_SENT = "the archive did not send it"


class Tally:
    """The count of one retrieve.

    Parameters
    ----------
    library : Library
        Where the objects go.
    study_uid : str
        Study Instance UID.
    announced : Announced
        What the archive says it holds.
    already_here : collection of str
        SOP Instance UIDs of it that the library holds and that are not asked for.
    progress, series_progress : callable, optional
        Called with a `Progress` and a `SeriesReport`, at most ten times a second.
    cancel : CancelToken
        Cancelled when a listener raises `Cancelled`.
    """

    def __init__(
        self,
        library: Library,
        study_uid: str,
        announced: Announced,
        already_here: Collection[str],
        progress: Callable[[Progress], object] | None,
        series_progress: Callable[[SeriesReport], object] | None,
        cancel: CancelToken,
    ) -> None:
        self.study_uid = study_uid
        self.announced = announced
        self.already_here = frozenset(already_here)
        self.notes = list(announced.notes)
        self._library = library
        self._progress = progress
        self._series_progress = series_progress
        self._cancel = cancel
        self._lock = threading.RLock()
        self._begun = time.monotonic()
        self._last_told = 0.0
        self._got: set[str] = set()
        self._unlisted: set[str] = set()
        """What came although the archive did not list it."""
        self._told: dict[str, int] = {}
        """How many objects the archive set out to send, by series ("" for the study)."""
        self._reasons: dict[str, str] = {}
        self._general_reason = ""
        self._series_of: dict[str, str] = {}
        self.relist()
        self._series = {uid: SeriesReport(uid, entry.modality, entry.number) for uid, entry in announced.series.items()}
        for uid in self.already_here:
            self._series[self._series_of[uid]].received += 1

    def relist(self) -> None:
        """Take over which instances are announced."""
        with self._lock:
            for entry in self.announced.series.values():
                self._series_of.update(dict.fromkeys(entry.instances, entry.series_uid))

    def belongs(self, sop_uid: str, series_uid: str) -> None:
        """Note that an object comes in answer to a request for a series whose instances were not listed."""
        entry = self.announced.series.get(series_uid)
        if sop_uid and entry is not None and not entry.instances:
            with self._lock:
                self._series_of.setdefault(sop_uid, series_uid)

    def short(self) -> list[str]:
        """Return the series whose instances were not listed and of which fewer came than there are."""
        with self._lock:
            came: dict[str, int] = {}
            for uid in self._got:
                series_uid = self._series_of.get(uid, "")
                came[series_uid] = came.get(series_uid, 0) + 1
            entries = self.announced.series
            return [uid for uid in self.announced.put_off() if came.get(uid, 0) < (entries[uid].count or 0)]

    @property
    def count(self) -> int:
        """How many objects came in this retrieve."""
        with self._lock:
            return len(self._got)

    @property
    def expects(self) -> bool:
        """Whether the archive listed all objects."""
        return bool(self._series_of) and not self.announced.put_off()

    def has(self, sop_uid: str) -> bool:
        """Whether an object came, or was here."""
        with self._lock:
            return sop_uid in self._got or sop_uid in self.already_here

    def lacking(self, sop_uids: Collection[str]) -> list[str]:
        """Return those that are neither here nor came."""
        with self._lock:
            return [uid for uid in sop_uids if uid not in self._got and uid not in self.already_here]

    def instances(self, series_uid: str = "") -> list[str]:
        """Return the SOP Instance UIDs that the archive listed for a series, or for all."""
        if series_uid:
            entry = self.announced.series.get(series_uid)
            return list(entry.instances) if entry is not None else []
        return list(self._series_of)

    def missing(self) -> dict[str, list[str]]:
        """Return what was listed and is lacking, by series."""
        result: dict[str, list[str]] = {}
        for uid in self.lacking(self._series_of):
            result.setdefault(self._series_of[uid], []).append(uid)
        return result

    def series_of(self, sop_uid: str) -> str:
        """Return the series in which an object was listed, "" when it was not."""
        return self._series_of.get(sop_uid, "")

    def outstanding(self, target: Target) -> list[Target]:
        """Return what is left of `target`: all of it while nothing came, then only the instances that are lacking."""
        expected = list(target.sop_uids) or self.instances(target.series_uid)
        lacking = self.lacking(expected)
        if len(lacking) == len(expected):
            return [target]
        return by_instance(target.study_uid, target.series_uid, lacking)

    def received(self, event: Received) -> None:
        """Count an object that came; connected to the signal of a receiver."""
        uid = event.sop_instance_uid
        with self._lock:
            if self._series_of and uid not in self._series_of and not self.announced.put_off():
                self._unlisted.add(uid)
            if uid in self._got or uid in self._unlisted:
                return
            self._got.add(uid)
            entry = self._series.get(self._series_of.get(uid, ""))
            if entry is not None and uid not in self.already_here:
                entry.received += 1
            self._tell(entry)

    def _tell(self, entry: SeriesReport | None) -> None:
        moment = time.monotonic()
        total = self._total()
        done = len(self._got | self.already_here)
        if moment - self._last_told < PROGRESS_INTERVAL_S and done < total:
            return
        self._last_told = moment
        try:
            if self._progress is not None:
                self._progress(Progress(done, total, "images", "", moment - self._begun))
            if self._series_progress is not None and entry is not None:
                self._series_progress(entry)
        except Cancelled:
            self._cancel.cancel()

    def _total(self) -> int:
        return sum(entry.announced or 0 for entry in self._series.values())

    def ended(self, target: Target, outcome: Outcome) -> None:
        """Note how a C-GET or C-MOVE of `target` ended."""
        with self._lock:
            if not target.sop_uids:
                self._told[target.series_uid] = max(outcome.announced, self._told.get(target.series_uid, 0))
            if not outcome.reason:
                return
            self._general_reason = self._general_reason or outcome.reason
            for uid in outcome.failed_uids:
                self._reasons[uid] = outcome.reason
        for uid in self.lacking(target.sop_uids or self.instances(target.series_uid)):
            self._reasons.setdefault(uid, outcome.reason)

    def failed(self, target: Target, reason: str) -> None:
        """Note why what is lacking of `target` did not come."""
        with self._lock:
            for uid in self.lacking(target.sop_uids or self.instances(target.series_uid)):
                self._reasons[uid] = reason

    def seen_in_library(self) -> int:
        """Count what another process put into the library, and return how many objects are here in all."""
        for uid in self.lacking(self._series_of):
            if self._in_library(uid):
                with self._lock:
                    self._got.add(uid)
        with self._lock:
            return len(self._got | self.already_here)

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

    def report(self, method: str, rejected: dict[str, str], refused: str) -> RetrieveReport:
        """Compare what came with what was announced.

        Parameters
        ----------
        method : str
            The method that worked.
        rejected : dict
            Reasons of objects that could not be stored here, by SOP Instance UID.
        refused : str
            Why the library refused what it was given last, "" when it did not.
        """
        failed: list[tuple[str, str]] = []
        came = {uid for uid in self._got if self._in_library(uid)}
        present = came | self.already_here
        unlisted = self._unlisted_by_series()
        for uid in sorted(self._got - came):
            failed.append((uid, f"received, but {refused or 'the library did not take it'}"))
        for uids in self.missing().values():
            failed += [(uid, rejected.get(uid) or self._reasons.get(uid) or NOT_SENT) for uid in uids]
        for uid, entry in self._series.items():  # the list of an archive may be cut short, or missing
            entry.announced = max(entry.announced or 0, self._told.get(uid, 0)) or entry.announced
        announced = self._total() if self._series else max(sum(self._told.values()), len(self._got))
        received = len(present) + sum(map(len, unlisted.values()))
        # Of some only the number is known: say how many are missing
        lost = announced - received - len(failed)
        failed += [("", self._general_reason or NOT_SENT)] * max(0, lost)
        for uid, entry in self._series.items():
            entry.received = sum(self._series_of.get(sop) == uid for sop in present) + len(unlisted.get(uid, ()))
        return RetrieveReport(
            self.study_uid,
            announced=announced,
            received=received,
            already_here=len(self.already_here - came),
            failed=failed,
            series=list(self._series.values()),
            method=method,
            notes=self.notes,
        )


def by_instance(study_uid: str, series_uid: str, sop_uids: list[str]) -> list[Target]:
    """Return targets at image level, not too many UIDs in each."""
    return [
        Target(study_uid, series_uid, tuple(sop_uids[start : start + UIDS_IN_REQUEST]))
        for start in range(0, len(sop_uids), UIDS_IN_REQUEST)
    ]
