"""Background jobs: work off the calling thread, with progress, cancellation and priorities.

Progress reaches listeners at most ten times a second. Signals are emitted on worker threads; a user interface brings
them to its own thread (queued connection).
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Generic, TypeVar

from psygnal import Signal

from lightbox.core.errors import Cancelled

logger = logging.getLogger(__name__)
T = TypeVar("T")

PROGRESS_INTERVAL_S = 0.1


class Priority(IntEnum):
    """Order in which waiting jobs start: lower numbers first."""

    INTERACTION = 0
    THUMBNAIL = 10
    PREFETCH = 20
    COMPUTE = 30


class JobState(Enum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CancelToken:
    """Shared by the one who may cancel and the worker, who calls `raise_if_cancelled` between steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the worker to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` once `cancel` was called."""
        if self._event.is_set():
            raise Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `total` is 0 while unknown. `message` never holds a patient's name or identifier."""

    done: int = 0
    total: int = 0
    unit: str = ""
    message: str = ""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Units per second since the start, 0 when unknown."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds to the end, or None."""
        return (self.total - self.done) / self.rate if self.total and self.rate > 0 else None


class Job(Generic[T]):
    """One piece of background work; see `JobRunner.submit`."""

    changed = Signal()
    """Emitted (on the worker thread) when the state or, at most 10 times a second, the progress changed."""

    def __init__(self, title: str, work: Callable[[Job[T]], T], priority: Priority = Priority.COMPUTE) -> None:
        self.title = title
        self.priority = priority
        self.token = CancelToken()
        self.state = JobState.QUEUED
        self.progress = Progress()
        self.result: T | None = None
        self.error: Exception | None = None
        self._work = work
        self._finished = threading.Event()
        self._started_at = 0.0
        self._last_emit = 0.0

    def cancel(self) -> None:
        """Ask the job to stop; a queued job never starts."""
        self.token.cancel()

    def report(self, done: int, total: int = 0, *, unit: str = "", message: str = "") -> None:
        """Record progress from inside the work; raises `Cancelled` when the job was cancelled."""
        self.token.raise_if_cancelled()
        moment = time.monotonic()
        self.progress = Progress(done, total, unit, message, moment - self._started_at)
        if moment - self._last_emit >= PROGRESS_INTERVAL_S or (total and done >= total):
            self._last_emit = moment
            self.changed.emit()

    def wait(self, timeout: float | None = None) -> T:
        """Block until the job ended; return its result or raise its error.

        Raises
        ------
        TimeoutError
            The job did not end within `timeout` seconds.
        """
        if not self._finished.wait(timeout):
            raise TimeoutError(self.title)
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]

    @property
    def finished(self) -> bool:
        """Whether the job ended in any way."""
        return self._finished.is_set()

    def run(self) -> None:
        """Do the work on the calling thread (called by `JobRunner`)."""
        self._started_at = time.monotonic()
        try:
            self.token.raise_if_cancelled()
            self.state = JobState.RUNNING
            self.changed.emit()
            self.result = self._work(self)
            self.state = JobState.DONE
        except Cancelled as error:
            self.error = error
            self.state = JobState.CANCELLED
        except Exception as error:
            self.error = error
            self.state = JobState.FAILED
            logger.warning("job failed: %s: %s", self.title, type(error).__name__)
        finally:
            self._finished.set()
            self.changed.emit()


class JobRunner:
    """A few worker threads that take jobs in order of priority, first come first served within one priority.

    Parameters
    ----------
    workers : int
        Number of threads.
    name : str
        Prefix of the thread names.
    prepare : callable, optional
        Called by each thread before its first job.
    """

    submitted = Signal(object)
    """Emitted with every `Job` that was submitted."""

    def __init__(self, workers: int = 4, name: str = "jobs", prepare: Callable[[], None] | None = None) -> None:
        self._prepare = prepare
        self._queue: queue.PriorityQueue[tuple[int, int, Job[Any] | None]] = queue.PriorityQueue()
        self._counter = itertools.count()
        self._active: set[Job[Any]] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._loop, name=f"{name}-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, title: str, work: Callable[[Job[T]], T], priority: Priority = Priority.COMPUTE) -> Job[T]:
        """Queue `work` and return its job. `work` gets the job, to report progress and to notice cancellation."""
        if self._closed:
            raise RuntimeError("the job runner is closed")
        job: Job[T] = Job(title, work, priority)
        with self._lock:
            self._active.add(job)
        self._queue.put((int(priority), next(self._counter), job))
        self.submitted.emit(job)
        return job

    def _loop(self) -> None:
        prepared = self._prepare is None
        while True:
            _, _, job = self._queue.get()
            if job is None:
                return
            if not prepared and self._prepare is not None:
                self._prepare()
                prepared = True
            job.run()
            with self._lock:
                self._active.discard(job)

    def close(self, timeout: float = 5.0) -> None:
        """Cancel what waits and runs, and stop the threads."""
        self._closed = True
        with self._lock:
            for job in self._active:
                job.cancel()
        for _ in self._threads:
            self._queue.put((1_000_000, next(self._counter), None))
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
