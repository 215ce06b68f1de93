"""The send queue: what the screen and the command line use. Durable, worked by exactly one process a peer at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from lightbox.core.jobs import CancelToken
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import PeerBook
from lightbox.network.sending import faults, jobs, transactions, work
from lightbox.network.sending.database import Database
from lightbox.network.sending.sources import Sources
from lightbox.network.sending.states import JobRecord, ObjectRecord, Priority, QueueSettings, State

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.network.sending.worker import PeerWorker

logger = logging.getLogger(__name__)

_POLL_S = 0.5
_LOOK_S = 0.05
_STOP_S = 15.0
_PRUNE_S = 3600.0


class SendQueue:
    """Objects to be sent, in ``network/queue.sqlite`` of a data folder. Any method from any thread.

    Several processes may use the same queue: whichever has called `start` works it, and for each peer only one does;
    when that one ends, however it ends, another goes on.

    Parameters
    ----------
    home : Path
        The data folder.
    library : Library or callable
        Where objects named by UID are, or what returns it when the first one is needed.
    peers : PeerBook
        Peers are looked up by name for every round, so that changed settings hold at once.
    identity : LocalIdentity or callable
        Who we are.
    settings : QueueSettings, optional
        Retries and confirmation.
    """

    changed = Signal()
    """Emitted (on a worker thread, a few times a second at most) when jobs or objects changed, by whichever process."""
    progress = Signal(object)
    """Emitted with a `SendProgress` while objects are sent."""

    def __init__(
        self,
        home: Path,
        library: Library | Callable[[], Library],
        peers: PeerBook,
        identity: LocalIdentity | Callable[[], LocalIdentity],
        settings: QueueSettings | None = None,
    ) -> None:
        self._home = home
        self._peers = peers
        self._identity: Callable[[], LocalIdentity] = identity if callable(identity) else lambda: identity
        self.settings = settings or QueueSettings()
        self._sources = Sources(library if callable(library) else lambda: library)
        self._database = Database(home / "network" / "queue.sqlite")
        self._workers: dict[str, PeerWorker] = {}
        self._thread: threading.Thread | None = None
        self._began = 0.0
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._lock = threading.Lock()

    # Jobs

    def enqueue(
        self, peer: str, items: Iterable[str | Path], priority: int = Priority.NORMAL, commit: bool = True
    ) -> int:
        """Queue objects for a peer; when this returns they survive a loss of power.

        Parameters
        ----------
        peer : str
            Name of the peer.
        items : iterable of str or Path
            SOP Instance UIDs of the library, or files.
        priority : int
            Lower numbers go first.
        commit : bool
            Whether the peer must confirm each object: by storage commitment, or where it has none by a query.

        Returns
        -------
        int
            The number of the job.

        Raises
        ------
        NotFoundError
            There is no such peer.
        """
        name = self._peers.get(peer).name
        described = self._sources.describe(items)
        job = jobs.add(self._database, name, described, priority=priority, confirm=commit, same=self._sources.same)
        self._tell()
        return job

    def jobs(self, peer: str = "") -> list[JobRecord]:
        """Return all jobs (of a peer), oldest first."""
        return jobs.listed(self._database, peer=peer)

    def job(self, number: int) -> JobRecord:
        """Return one job; raises `NotFoundError`."""
        return jobs.get(self._database, number)

    def objects(
        self, job: int, states: Iterable[State] = (), *, after: int = 0, limit: int | None = None
    ) -> Iterator[ObjectRecord]:
        """Iterate over the objects of a job (in some states), page by page; `after` is the last ``id`` seen."""
        return jobs.objects_of(self._database, job, states=states, after=after, limit=limit)

    def counts(self) -> dict[str, int]:
        """Return the number of objects by state, and ``"unconfirmed"``."""
        return jobs.counts(self._database)

    def paused(self, peer: str = "") -> bool:
        """Whether the whole queue (or a peer) is paused."""
        return work.is_paused(self._database, peer)

    def pause(self, job: int | None = None, *, peer: str = "") -> None:
        """Pause a job, a peer, or without either the whole queue."""
        jobs.set_paused(self._database, True, job=job, peer=peer)
        self._tell()

    def resume(self, job: int | None = None, *, peer: str = "") -> None:
        """Go on with what `pause` stopped."""
        jobs.set_paused(self._database, False, job=job, peer=peer)
        self._tell()

    def cancel(self, job: int) -> int:
        """Cancel what was not sent yet; return how many objects that were."""
        number = jobs.cancel(self._database, job)
        self._tell()
        return number

    def retry(self, job: int | None = None, *, peer: str = "") -> int:
        """Try again now: what waits, failed, was cancelled or could not be confirmed. Returns how many objects."""
        number = jobs.retry(self._database, job, peer=peer)
        self._tell()
        return number

    def remove(self, job: int) -> None:
        """Take a job that is finished off the list."""
        jobs.remove(self._database, job)
        self._tell()

    def _tell(self) -> None:
        self._wake.set()
        self.changed.emit()

    # Working

    @property
    def running(self) -> bool:
        """Whether this process works the queue."""
        return self._thread is not None

    def start(self) -> None:
        """Begin to work the queue in the background; does nothing when it runs already."""
        with self._lock:
            if self._thread is None:
                self._stopped.clear()
                self._began = self._began or time.time()
                self._thread = threading.Thread(target=self._dispatch, name="send-dispatch", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop working; what was not sent stays queued. Objects on their way are given a few seconds."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopped.set()
        self._wake.set()
        thread.join(_STOP_S)
        workers = list(self._workers.values())
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.thread.join(_STOP_S)
        self._workers.clear()

    def close(self) -> None:
        """Stop, and close the database."""
        self.stop()
        self._database.close()

    def wait(
        self,
        numbers: Iterable[int],
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
        listener: Callable[[list[JobRecord]], object] | None = None,
    ) -> bool:
        """Wait until jobs are finished (by this process or another); return whether they are.

        `listener` gets the jobs twice a second.
        """
        wanted = list(numbers)
        deadline = None if timeout is None else time.monotonic() + timeout
        told = 0.0
        while True:
            found = [self.job(number) for number in wanted]
            over = all(job.finished for job in found)
            if listener is not None and (over or time.monotonic() - told >= _POLL_S):
                told = time.monotonic()
                listener(found)
            if over:
                return True
            if cancel is not None:
                cancel.raise_if_cancelled()
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_S)

    def _dispatch(self) -> None:
        from lightbox.dicom import imports

        imports.ready()
        seen, pruned = self._database.version(), 0.0
        while not self._stopped.is_set():
            try:
                if transactions.known(self._database):
                    self._take_reports()
                self._start_workers()
                version = self._database.version()
                if version != seen:
                    seen = version
                    self.changed.emit()
                if time.monotonic() - pruned > _PRUNE_S:
                    pruned = time.monotonic()
                    jobs.prune(self._database, time.time() - self.settings.keep_finished_s)
            except Exception as error:
                logger.error("the send queue had a failure of its own: %s", faults.place(error))
            self._wake.wait(_POLL_S)
            self._wake.clear()

    def _take_reports(self) -> None:
        from lightbox.network.sending import reports

        if reports.take_notes(self._database, self._home, self.settings):
            self.changed.emit()

    def _start_workers(self) -> None:
        now = time.time()
        self._workers = {name: worker for name, worker in self._workers.items() if worker.thread.is_alive()}
        for name in work.peers_with_work(self._database):
            if name in self._workers or self._stopped.is_set():
                continue
            if work.circuit(self._database, name).blocks(now, self.settings):
                continue
            moment = work.next_moment(self._database, name, now, self.settings.maximum_delay_s)
            due = (moment is not None and moment <= now) or work.left_behind(self._database, name)
            due = due or bool(transactions.expired(self._database, now, name))
            lost_before = transactions.lost_before(self.settings, self._began, now)
            if due or transactions.overdue(self._database, lost_before, name):
                self._workers[name] = self._worker(name)
                self._workers[name].thread.start()

    def _worker(self, name: str) -> PeerWorker:
        from lightbox.network.sending.worker import PeerWorker

        return PeerWorker(
            name,
            self._home,
            self._database,
            self._sources,
            self.settings,
            find_peer=self._peers.get,
            identity=self._identity,
            began=self._began,
            told=self.changed.emit,
            progress=self.progress.emit,
        )
