"""The intake: what the workers committed is brought into the library, one transaction a batch, by one thread."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.library.records import ImportReport, InstancesAdded
    from lightbox.library.recover import Arrived
    from lightbox.library.spool_file import ReadyFile

logger = logging.getLogger(__name__)

GATHER_S = 0.1
"""How long objects are gathered before a batch, so that they share a transaction."""
LARGEST_BATCH = 256
TELL_S = 0.2
"""How often others are told, while objects keep coming."""
_PATIENCE_S = (0.5, 1.0, 2.0, 5.0)
"""Pauses after batches that failed, for example because the disk is full."""
_NICENESS = 10
_SWEEP_S = 15.0
"""How often the spools of processes that died are looked for."""


class Intake:
    """Brings committed objects into the library.

    Parameters
    ----------
    library : Library
        Where to.
    tell : callable
        Gets the reports of one or more batches and what they added, on the thread of the intake.
    failed : callable
        Gets the error when a batch could not be brought in; it is tried again.
    """

    def __init__(
        self,
        library: Library,
        tell: Callable[[list[ImportReport], list[InstancesAdded]], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._library = library
        self._tell = tell
        self._failed = failed
        self._pending: deque[ReadyFile] = deque()
        self._read: list[Arrived] = []
        self._change = threading.Condition()
        self._closing = False
        self._sweep = True
        self._flushes: list[Callable[[], None]] = []
        self._reports: list[ImportReport] = []
        self._added: list[InstancesAdded] = []
        self._told_at = 0.0
        library.instances_added.connect(self._added.append)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, file: ReadyFile) -> None:
        """Take over a committed file."""
        with self._change:
            self._pending.append(file)
            self._change.notify()

    def sweep(self) -> None:
        """Look for what a process left that died."""
        with self._change:
            self._sweep = True
            self._change.notify()

    def flush(self, then: Callable[[], None]) -> None:
        """Call `then`, on the thread of the intake, once everything that was added before is in (or failed)."""
        with self._change:
            self._flushes.append(then)
            self._change.notify()

    def close(self) -> None:
        """Bring in what is left and end."""
        with self._change:
            self._closing = True
            self._sweep = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # where threads have a priority of their own: senders wait for workers, not for us
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        failures = 0
        swept_at = time.monotonic()
        while True:
            if self._is_idle():
                self._report_now()
            with self._change:
                if self._is_idle():
                    self._change.wait(_SWEEP_S)
                hurry = self._closing or bool(self._flushes)
                sweep = self._sweep or time.monotonic() - swept_at > _SWEEP_S
            self._read_pending(0.0 if hurry else GATHER_S)
            try:
                self._bring_in(sweep)
                failures = 0
                if sweep:
                    swept_at = time.monotonic()
            except Exception as error:
                logger.warning("received objects could not be brought in yet: %s", type(error).__name__)
                self._failed(error)
                failures += 1
            if self._ended(failures):
                return
            if failures:
                with self._change:
                    self._change.wait(_PATIENCE_S[min(failures, len(_PATIENCE_S)) - 1])

    def _is_idle(self) -> bool:
        return not (self._pending or self._read or self._closing or self._sweep or self._flushes)

    def _bring_in(self, sweep: bool) -> None:
        if sweep:
            with self._change:
                self._sweep = False
            try:
                self._note(self._library.recover())
            except BaseException:
                self._sweep = True
                raise
        items = self._read
        if not items:
            return
        try:
            self._note(self._library.ingest_files(items))
        except (LightboxError, OSError):
            raise
        except Exception as error:
            self._one_by_one(items, error)
        self._read = []

    def _read_pending(self, gather: float) -> None:
        """Hash and scan what has arrived, and what arrives in the next `gather` seconds."""
        deadline = time.monotonic() + gather
        while len(self._read) < LARGEST_BATCH:
            with self._change:
                if not self._pending:
                    left = deadline - time.monotonic()
                    if left <= 0 or self._closing or self._flushes:
                        return
                    self._change.wait(left)
                    continue
                file = self._pending.popleft()
            try:
                item = self._library.read_file(file)
            except (OSError, LightboxError) as error:
                logger.error("a received object stays in the spool: %s", type(error).__name__)
                self._failed(error)
                continue
            if item is not None:
                self._read.append(item)

    def _one_by_one(self, items: list[Arrived], error: Exception) -> None:
        """Bring in what can be brought in after a fault of ours; the rest stays in the spool, where it is safe."""
        logger.error("a batch of received objects failed: %s", type(error).__name__)
        for item in items:
            try:
                self._note(self._library.ingest_files([item]))
            except (LightboxError, OSError):
                raise
            except Exception as fault:
                logger.error("a received object stays in the spool: %s", type(fault).__name__)
                self._failed(fault)

    def _note(self, report: ImportReport) -> None:
        if report.added or report.duplicates or report.quarantined or report.refused:
            self._reports.append(report)
        if time.monotonic() - self._told_at >= TELL_S:
            self._report_now()

    def _report_now(self) -> None:
        self._told_at = time.monotonic()
        if self._reports or self._added:
            reports, self._reports = self._reports, []
            added = list(self._added)
            del self._added[: len(added)]
            self._tell(reports, added)

    def _ended(self, failures: int) -> bool:
        """Answer flushes and tell whether all is done."""
        with self._change:
            if (self._pending or self._read) and not failures:
                return False
            flushes, self._flushes = self._flushes, []
            over = self._closing and (failures > 1 or not (self._pending or self._read or self._sweep))
        if flushes or over:
            self._report_now()
        for then in flushes:
            then()
        return over
