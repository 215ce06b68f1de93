"""From worker threads to the screen: queued calls on the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from lightbox.core.jobs import Job, JobRunner, JobState, Priority

T = TypeVar("T")


class Bridge(QObject):
    """Runs callables on the thread this object was made on (the GUI thread), in the order they were posted.

    A psygnal signal is brought to the screen with ``signal.connect(bridge.slot(handler))``. Nothing runs after `close`.
    """

    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = False
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _run(self, call: Callable[[], object]) -> None:
        if not self._closed:
            call()

    def post(self, call: Callable[[], object]) -> None:
        """Run `call` on the GUI thread as soon as it is idle. Safe from any thread."""
        if self._closed:
            return
        try:
            self._posted.emit(call)
        except RuntimeError:  # the window, and with it the Qt half of this object, is gone: nobody is left to tell
            self._closed = True

    def slot(self, handler: Callable[..., None]) -> Callable[..., None]:
        """Return a callable for any thread that posts a call of `handler` with its arguments."""

        def deliver(*arguments: Any) -> None:
            self.post(lambda: handler(*arguments))

        return deliver

    def close(self) -> None:
        """Drop what was posted and what will be."""
        self._closed = True

    def run(
        self,
        runner: JobRunner,
        title: str,
        work: Callable[[Job[T]], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
        progress: Callable[[Job[T]], None] | None = None,
        priority: Priority = Priority.INTERACTION,
    ) -> Job[T]:
        """Do `work` on `runner`; call `done` with its result, or `failed` with its error, on the GUI thread.

        `title` is written to the log when the job fails: it never holds a patient's name or identifier. After `close`
        nothing is begun; the job that is returned is cancelled.
        """
        if self._closed:  # the window is closing: a timer or a late answer asks for more
            never: Job[T] = Job(title, work, priority)
            never.cancel()
            return never
        told = False

        def finish(job: Job[T]) -> None:
            nonlocal told  # only ever touched on the GUI thread
            if told:
                return
            told = True
            if job.state is JobState.DONE:
                done(job.result)  # type: ignore[arg-type]
            elif failed is not None and job.error is not None:
                failed(job.error)

        def wrapped(job: Job[T]) -> T:
            if progress is not None:
                show = progress
                job.changed.connect(lambda: None if job.finished else self.post(lambda: show(job)))
            return work(job)

        def changed() -> None:
            if job.finished:
                self.post(lambda: finish(job))

        job = runner.submit(title, wrapped, priority)
        job.changed.connect(changed)
        changed()  # it may have ended before the line above
        return job


def on_gui_thread(widget: QObject) -> bool:
    """Whether the caller runs on the thread of `widget`."""
    return QThread.currentThread() == widget.thread()
