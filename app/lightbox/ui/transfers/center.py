"""Starts transfers and keeps the list of them; the status line and the Transfers place show it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import Job, JobRunner, Progress
from lightbox.dicom import imports
from lightbox.library.records import ImportReport, StudyRecord
from lightbox.network.peers import Peer
from lightbox.network.retrieving import journal
from lightbox.network.retrieving.journal import Entry
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.titles import title_of
from lightbox.ui.transfers.transfer import Failure, Kind, State, Transfer
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.querying.prefetch import Fetched
    from lightbox.network.receiving.running import AnyReceiver
    from lightbox.network.reports import RetrieveReport, SeriesReport
    from lightbox.network.worklist.entries import WorklistEntry

MOST_KEPT = 200
MOST_FAILURES_SHOWN = 1000
_RECEIVE_QUIET_MS = 4000


class TransferCenter(QObject):
    """All transfers of this session, newest first."""

    added = Signal(object)
    changed = Signal(object)
    ended = Signal(object)

    def __init__(self, workstation: Workstation, bridge: Bridge) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._runner = JobRunner(workers=3, name="transfers", prepare=imports.ready)
        self.transfers: list[Transfer] = []
        self._looked_for_priors: set[str] = set()
        self._receiving: Transfer | None = None
        self._receive_started = 0.0
        self._quiet = QTimer(self, singleShot=True, interval=_RECEIVE_QUIET_MS)
        self._quiet.timeout.connect(self._reception_over)

    def close(self) -> None:
        """Cancel what runs and wait for it to stop."""
        self._runner.close()

    def running(self) -> list[Transfer]:
        """Return what goes on now, the one that began first in front."""
        return [transfer for transfer in reversed(self.transfers) if transfer.running]

    def cancel(self, transfer: Transfer) -> None:
        """Ask a transfer to stop; what came stays."""
        if transfer.job is not None:
            transfer.job.cancel()
            transfer.message = "stopping"
            self.changed.emit(transfer)

    def clear_ended(self) -> None:
        """Forget what has ended."""
        self.transfers = [item for item in self.transfers if item.running or item.state is State.INTERRUPTED]
        self.changed.emit(None)

    def _begin(self, transfer: Transfer) -> Transfer:
        self.transfers.insert(0, transfer)
        del self.transfers[MOST_KEPT:]
        self.added.emit(transfer)
        return transfer

    def _follow(self, transfer: Transfer) -> Callable[[Progress], None]:
        """Return a listener for any thread that brings progress to the screen."""

        def show(progress: Progress) -> None:
            if transfer.running:
                transfer.done, transfer.total = progress.done, progress.total
                transfer.unit = progress.unit or transfer.unit
                transfer.seconds = progress.seconds or time.monotonic() - transfer.started
                self.changed.emit(transfer)

        return self._bridge.slot(show)

    def _end(self, transfer: Transfer, state: State, message: str = "") -> None:
        transfer.state, transfer.message = state, message
        transfer.seconds = transfer.seconds or time.monotonic() - transfer.started
        self.changed.emit(transfer)
        self.ended.emit(transfer)

    def _failed(self, transfer: Transfer) -> Callable[[Exception], None]:
        def show(error: Exception) -> None:
            if isinstance(error, Cancelled):
                self._end(transfer, State.CANCELLED, "Stopped by you; what had come is kept")
            else:
                self._end(transfer, State.FAILED, words.error(error))

        return show

    # --- retrieve

    def retrieve(
        self, peer: Peer, study_uid: str, title: str, expected: int = 0, *, unfinished: Entry | None = None
    ) -> Transfer:
        """Retrieve a study; a retrieve of the same study that runs already is returned instead.

        With `unfinished`, go on with a retrieve of an earlier session; it leaves the journal when this one ends, unless
        for a reason that passes.
        """
        for known in self.transfers:
            if known.running and known.kind is Kind.RETRIEVE and known.study_uid == study_uid:
                return known
        transfer = Transfer(Kind.RETRIEVE, title, peer.name, study_uid, total=max(0, expected), unfinished=unfinished)
        self._begin(transfer)
        workstation = self._workstation
        follow = self._follow(transfer)

        def part(report: SeriesReport) -> None:
            transfer.parts[report.series_instance_uid] = (
                report.modality or "Series",
                report.received,
                report.announced or 0,
            )

        listen = self._bridge.slot(part)

        def work(job: Job[RetrieveReport]) -> RetrieveReport:
            from lightbox.network.retrieve import retrieve
            from lightbox.network.retrieving import order

            try:
                report = retrieve(
                    peer,
                    workstation.identity,
                    workstation.library,
                    study_uid,
                    unfinished.series_uids if unfinished is not None else (),
                    method=unfinished.method if unfinished is not None else "auto",
                    progress=follow,
                    series_progress=listen,
                    cancel=job.token,
                    settings=workstation.settings,
                )
            except LightboxError as error:
                if unfinished is not None and order.is_lasting(error):
                    journal.drop(workstation.home, unfinished)
                raise
            if unfinished is not None:
                journal.drop(workstation.home, unfinished)
            return report

        def done(report: RetrieveReport) -> None:
            transfer.done, transfer.total, transfer.seconds = report.received, report.announced, report.seconds
            transfer.failures = [Failure(uid or "an image", reason) for uid, reason in report.failed]
            transfer.partner = f"{peer.name} · {report.method}" if report.method else peer.name
            notes = ". ".join(report.notes)
            if report.complete:
                self._end(transfer, State.DONE, notes)
            else:
                self._end(transfer, State.PARTIAL if report.received else State.FAILED, notes or report.summary())

        transfer.job = self._bridge.run(self._runner, "retrieve a study", work, done, self._failed(transfer))
        return transfer

    # --- retrieves of an earlier session

    def find_unfinished(self, found: Callable[[int], object]) -> None:
        """List what a session that died was retrieving; `found` gets the number when there are any."""
        workstation = self._workstation

        def work(job: Job[list[tuple[Entry, StudyRecord | None]]]) -> list[tuple[Entry, StudyRecord | None]]:
            return [
                (entry, workstation.library.study(entry.study_uid)) for entry in journal.unfinished(workstation.home)
            ]

        def done(entries: list[tuple[Entry, StudyRecord | None]]) -> None:
            for entry, record in entries:
                here = record.number_of_instances if record is not None else 0
                title = title_of(record) if record is not None else "a study"
                transfer = Transfer(Kind.RETRIEVE, title, entry.peer, entry.study_uid, here, unfinished=entry)
                transfer.state = State.INTERRUPTED
                begun = f" It was begun {words.stamp(entry.begun)}." if entry.begun else ""
                kept = " What has come is in the library." if here else ""
                transfer.message = f"Lightbox ended before it was complete.{begun}{kept}"
                self._begin(transfer)
            if entries:
                found(len(entries))

        self._bridge.run(self._runner, "unfinished retrieves", work, done)

    def go_on(self, transfer: Transfer, peer: Peer) -> Transfer:
        """Retrieve what is missing of a retrieve that was interrupted."""
        self._take_off(transfer)
        return self.retrieve(peer, transfer.study_uid, transfer.title, unfinished=transfer.unfinished)

    def forget(self, transfer: Transfer) -> None:
        """Take a retrieve that was interrupted off the list and out of the journal."""
        entry, home = transfer.unfinished, self._workstation.home
        self._take_off(transfer)
        if entry is not None:
            self._bridge.run(
                self._runner, "forget a retrieve", lambda job: journal.drop(home, entry), lambda _there: None
            )

    def _take_off(self, transfer: Transfer) -> None:
        self.transfers = [item for item in self.transfers if item is not transfer]
        self.changed.emit(None)

    # --- priors

    def prefetch_priors(self, study: StudyRecord) -> None:
        """Fetch the relevant priors of a study behind the screen; they are listed once there is something to fetch.

        Nothing is asked twice in a session, unless it failed.
        """
        self._prefetch(study.study_instance_uid, title_of(study), study.study_instance_uid)

    def prefetch_priors_of_entry(self, entry: WorklistEntry) -> None:
        """Fetch the relevant priors of what a worklist announces, so that they are here before the images are."""
        if entry.patient_id:
            title = f"{words.name(entry.patient_name)} {entry.requested_procedure_description}".strip()
            key = "|".join((entry.patient_id, entry.issuer_of_patient_id, entry.accession_number))
            self._prefetch(key, title, entry)

    def _prefetch(self, uid: str, title: str, of: str | WorklistEntry) -> None:
        if uid in self._looked_for_priors:
            return
        self._looked_for_priors.add(uid)
        shown: list[Transfer] = []
        before = [0, 0]

        def begin(number: int) -> None:
            transfer = Transfer(Kind.PRIORS, title, "archives", uid)
            transfer.message = words.plural(number, "earlier study", "earlier studies")
            transfer.job = made
            shown.append(self._begin(transfer))

        def step(progress: Progress) -> None:
            if not shown:
                return
            if progress.done < before[1]:  # the next study
                before[0] += before[1]
            before[1] = progress.done
            transfer = shown[0]
            if transfer.running:
                transfer.done = before[0] + progress.done
                transfer.seconds = time.monotonic() - transfer.started
                self.changed.emit(transfer)

        made = self._workstation.prefetch_priors(
            of, wanted=self._bridge.slot(lambda priors: begin(len(priors))), progress=self._bridge.slot(step)
        )
        if made is None:
            self._looked_for_priors.discard(uid)
            return
        job = made

        def ended() -> None:
            if not job.finished or (shown and not shown[0].running):
                return
            if job.error is not None:
                self._looked_for_priors.discard(uid)
                if shown:
                    self._failed(shown[0])(job.error)
            elif shown:
                self._priors_came(shown[0], job.result or [])

        job.changed.connect(self._bridge.slot(ended))
        self._bridge.post(ended)

    def _priors_came(self, transfer: Transfer, fetched: Sequence[Fetched]) -> None:
        tried = [item for item in fetched if item.outcome != "already here"]
        short = [item for item in tried if item.outcome != "fetched"]
        transfer.done = sum(item.received for item in tried)
        transfer.failures = [
            Failure(f"earlier study {number}", f"{item.peer}: {item.words}" if item.peer else item.words)
            for number, item in enumerate(tried, start=1)
            if item in short
        ]
        whole = len(tried) - len(short)
        message = f"{words.plural(whole, 'earlier study', 'earlier studies')} fetched"
        state = State.DONE if not short else State.PARTIAL if whole or transfer.done else State.FAILED
        if short:
            self._looked_for_priors.discard(transfer.study_uid)
        self._end(transfer, state, message)

    # --- import

    def import_paths(self, paths: Sequence[Path], *, link: bool = False) -> Transfer:
        """Import files and folders; the work is done by a process of its own, so that the screen stays smooth."""
        title = paths[0].name if len(paths) == 1 else words.plural(len(paths), "item")
        transfer = self._begin(Transfer(Kind.IMPORT, title or str(paths[0]), "files", unit="files"))
        workstation = self._workstation
        follow = self._follow(transfer)

        def work(job: Job[ImportReport]) -> ImportReport:
            from lightbox.library.import_process import run_import

            return run_import(
                workstation.home,
                paths,
                link=link,
                progress=follow,
                cancel=job.token,
                added=workstation.library.instances_added.emit,
            )

        def done(report: ImportReport) -> None:
            transfer.done = transfer.total = report.added + report.duplicates + len(report.refused)
            transfer.failures = [Failure(item.path, item.reason) for item in report.refused[:MOST_FAILURES_SHOWN]]
            pieces = [
                f"{words.count(report.added)} added" if report.added else "",
                f"{words.count(report.duplicates)} already here" if report.duplicates else "",
                f"{words.count(report.quarantined)} in quarantine" if report.quarantined else "",
            ]
            message = " · ".join(piece for piece in pieces if piece)
            if not report.added and not report.duplicates:
                message = "No DICOM objects were found there" if not report.refused else "Nothing could be imported"
            state = State.DONE if not report.refused else State.PARTIAL
            if report.refused and not report.added and not report.duplicates:
                state = State.FAILED
            self._end(transfer, state, message)

        transfer.job = self._bridge.run(self._runner, "import", work, done, self._failed(transfer))
        return transfer

    # --- receive

    def follow_receiver(self, receiver: AnyReceiver) -> None:
        """List what the storage SCP receives; objects that come in close succession are one transfer."""
        receiver.received.connect(self._bridge.slot(self._object_received))

    def _object_received(self, *_what: object) -> None:
        transfer = self._receiving
        if any(other.running and other.kind in (Kind.RETRIEVE, Kind.PRIORS) for other in self.transfers):
            return  # a C-MOVE brings its objects here too; its own retrieve counts them
        if transfer is None:
            transfer = self._receiving = self._begin(Transfer(Kind.RECEIVE, "images sent to us", "network"))
            self._receive_started = time.monotonic()
        transfer.done += 1
        transfer.seconds = time.monotonic() - self._receive_started
        self._quiet.start()
        if transfer.done < 10 or transfer.done % 10 == 0:
            self.changed.emit(transfer)

    def _reception_over(self) -> None:
        transfer, self._receiving = self._receiving, None
        if transfer is not None:
            self._end(transfer, State.DONE)
