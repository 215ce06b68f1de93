"""Follows the send queue for the screen, and gives it work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from lightbox.core.jobs import Job, JobRunner
from lightbox.dicom import imports
from lightbox.network.sending.states import OPEN_STATES, JobRecord, ObjectRecord, SendProgress, State
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.sending.object_table import MOST_ROWS
from lightbox.ui.transfers.step_reports import StepReports
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.library.quality.sending import Doubt
    from lightbox.network.sending.queue import SendQueue

_GATHER_MS = 200
_LOOK_MS = 3000
"""Other processes (the command line) use the same queue: look now and then."""
_NEEDS_A_LOOK = (State.FAILED, State.WAITING, State.SENDING, State.QUEUED)


class SendCenter(QObject):
    """The jobs of the queue as the screen shows them; everything that touches the queue runs in jobs."""

    changed = Signal()
    objects_ready = Signal(int, object)
    failed = Signal(str)
    queued = Signal(int, str)
    """Number of objects that were queued, and the name of the archive."""
    doubtful = Signal(str, list, object)
    """Name of the archive, what is wrong with the objects, and what sends them all the same."""

    def __init__(self, workstation: Workstation, bridge: Bridge) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._runner = JobRunner(workers=2, name="sending", prepare=imports.ready)
        self._followed: SendQueue | None = None
        self._reading = self._again = False
        self.jobs: list[JobRecord] = []
        self.titles: dict[int, str] = {}
        self.counts: dict[str, int] = {}
        self.progress: dict[str, SendProgress] = {}
        self.reports = StepReports(workstation, bridge, self._runner)
        self._gather = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._gather.timeout.connect(self.refresh)
        self._look = QTimer(self, interval=_LOOK_MS)
        self._look.timeout.connect(self.refresh)

    def start(self) -> None:
        """Open the queue behind the screen, go on with what an earlier session left, and follow it."""
        self._run(lambda queue: queue.start(), lambda _nothing: self.refresh())
        self._look.start()
        self.reports.start()

    def close(self) -> None:
        """Stop following; the workstation stops the queue itself."""
        self._look.stop()
        self.reports.close()
        self._gather.stop()
        self._runner.close()

    @property
    def unconfirmed(self) -> int:
        """Objects that are sent and not known to be kept."""
        return self.counts.get("unconfirmed", 0)

    @property
    def waiting(self) -> int:
        """Objects still to be sent."""
        return sum(self.counts.get(state.value, 0) for state in OPEN_STATES)

    def send_studies(self, peer_name: str, study_uids: Sequence[str]) -> None:
        """Queue studies of the library for an archive; what has grave faults is shown first."""

        def listed() -> list[str | Path]:
            library = self._workstation.library
            return [
                item.sop_instance_uid
                for study in study_uids
                for series in library.series_of(study)
                for item in library.instances_of(series.series_instance_uid)
            ]

        self._send(peer_name, listed)

    def send_files(self, peer_name: str, paths: Sequence[Path]) -> None:
        """Queue files and folders for an archive; what has grave faults is shown first."""

        def listed() -> list[str | Path]:
            found: list[str | Path] = []
            for path in paths:
                found += sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
            return found

        self._send(peer_name, listed)

    def _send(self, peer_name: str, listed: Callable[[], list[str | Path]]) -> None:
        def work(queue: SendQueue) -> tuple[list[str | Path], list[Doubt]]:
            from lightbox.library.quality.sending import doubts

            items = listed()
            found = doubts(items, lambda: self._workstation.library)
            if not found:
                queue.enqueue(peer_name, items)
            return items, found

        def done(result: tuple[list[str | Path], list[Doubt]]) -> None:
            items, found = result
            if found:
                self.doubtful.emit(peer_name, found, lambda: self.send_anyway(peer_name, items))
            else:
                self._queued(len(items), peer_name)

        self._run(work, done)

    def send_anyway(self, peer_name: str, items: Sequence[str | Path]) -> None:
        """Queue objects although the archive may refuse some of them."""
        self._run(lambda queue: queue.enqueue(peer_name, items), lambda _job: self._queued(len(items), peer_name))

    def retry(self, job: int) -> None:
        """Try again now."""
        self._run(lambda queue: queue.retry(job), lambda _number: self.refresh())

    def retry_all(self) -> None:
        """Try again now whatever waits or failed."""
        self._run(lambda queue: queue.retry(), lambda _number: self.refresh())

    def pause(self, job: int, paused: bool) -> None:
        """Pause a job, or go on with it."""
        self._run(
            lambda queue: queue.pause(job=job) if paused else queue.resume(job=job), lambda _nothing: self.refresh()
        )

    def cancel(self, job: int) -> None:
        """Send no more of a job."""
        self._run(lambda queue: queue.cancel(job), lambda _number: self.refresh())

    def forget_finished(self) -> None:
        """Take what is confirmed, or was cancelled, off the list."""

        def work(queue: SendQueue) -> None:
            for job in queue.jobs():
                if job.state in ("confirmed", "sent", "cancelled"):
                    queue.remove(job.id)

        self._run(work, lambda _nothing: self.refresh())

    def read_objects(self, job: int) -> None:
        """Read the objects of a job, what needs a look first, and tell `objects_ready`."""

        def work(queue: SendQueue) -> list[ObjectRecord]:
            found = list(queue.objects(job, _NEEDS_A_LOOK, limit=MOST_ROWS))
            found.sort(key=lambda item: _NEEDS_A_LOOK.index(item.state))
            if len(found) < MOST_ROWS:
                rest = (State.SENT, State.CONFIRMED, State.CANCELLED)
                found += list(queue.objects(job, rest, limit=MOST_ROWS - len(found)))
            return found

        self._run(work, lambda objects: self.objects_ready.emit(job, objects))

    def refresh(self) -> None:
        """Read the state of the queue."""
        if self._reading:
            self._again = True
            return
        self._reading = True

        def work(queue: SendQueue) -> tuple[list[JobRecord], dict[str, int], dict[int, str]]:
            jobs = sorted(queue.jobs(), key=lambda job: -job.id)
            missing = [job for job in jobs if job.id not in self.titles]
            return jobs, queue.counts(), {job.id: self._title(queue, job) for job in missing}

        def show(found: tuple[list[JobRecord], dict[str, int], dict[int, str]]) -> None:
            self._reading = False
            self.jobs, self.counts, titles = found
            self.titles |= titles
            self.changed.emit()
            if self._again:
                self._again = False
                self._gather.start()

        def failed() -> None:
            self._reading = False

        self._run(work, show, failed)

    def _title(self, queue: SendQueue, job: JobRecord) -> str:
        """Return what a job holds, for the screen only: names of patients are never kept in the queue."""
        from lightbox.ui.titles import title_of

        studies = list(dict.fromkeys(item.study_instance_uid for item in queue.objects(job.id, limit=MOST_ROWS)))
        records = [self._workstation.library.study(uid) for uid in studies[:1] if uid]
        if records and records[0] is not None:
            more = len(studies) - 1
            return title_of(records[0]) + (f" and {words.plural(more, 'more study', 'more studies')}" if more else "")
        return words.plural(job.total, "image")

    def _queued(self, number: int, peer_name: str) -> None:
        self.queued.emit(number, peer_name)
        self.refresh()

    def _run(
        self,
        work: Callable[[SendQueue], Any],
        done: Callable[[Any], object],
        failed: Callable[[], object] | None = None,
    ) -> None:
        def inner(job: Job[Any]) -> Any:
            queue = self._workstation.send_queue
            self._follow(queue)
            return work(queue)

        def wrong(error: Exception) -> None:
            if failed is not None:
                failed()
            self.failed.emit(words.error(error))

        def finish(found: Any) -> None:
            done(found)

        self._bridge.run(self._runner, "send queue", inner, finish, wrong)

    def _follow(self, queue: SendQueue) -> None:
        if queue is not self._followed:
            self._followed = queue
            queue.changed.connect(self._bridge.slot(lambda *_: self._gather.start()))
            queue.progress.connect(self._bridge.slot(self._on_progress))

    def _on_progress(self, progress: SendProgress) -> None:
        self.progress[progress.peer] = progress
        self._gather.start()
