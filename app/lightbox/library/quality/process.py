"""Runs the gate over new objects in a process of its own, so that neither a screen nor a receiver is slowed down."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightbox.core import log
from lightbox.core.jobs import CancelToken
from lightbox.library.records import InstancesAdded

if TYPE_CHECKING:
    from lightbox.library.library import Library

logger = logging.getLogger(__name__)

_POLL_S = 0.2
_NICENESS = 15
QUIET_S = 3.0
"""The gate starts when nothing has arrived for this long."""


def check_in_process(home: Path, cancel: CancelToken | None = None) -> int:
    """Look at the objects that the gate has not seen, in a child process; return how many there were.

    Blocks the calling thread, not the interpreter. A cancelled run ends within a moment and goes on another time; so
    does one whose process died (-1).
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(str(home), theirs), name="lightbox-quality", daemon=True)
    process.start()
    theirs.close()
    try:
        while not ours.poll(_POLL_S):
            if not process.is_alive() and not ours.poll():
                return -1
            if cancel is not None and cancel.cancelled:
                process.terminate()
                return -1
        return int(ours.recv())
    except (EOFError, ConnectionError):
        return -1
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()


def _child(home: str, connection: Any) -> None:
    log.set_up()
    from lightbox.core.errors import LightboxError
    from lightbox.library.library import Library

    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    count = -1
    try:
        with Library.open(Path(home)) as library:
            count = library.check_quality()
    except LightboxError as error:
        logger.warning("the quality gate ended early: %s", type(error).__name__)
    connection.send(count)


class QualityWatch:
    """Runs the gate whenever objects came in and it has become quiet again.

    Parameters
    ----------
    library : Library
        Its `quality_changed` is emitted, on a thread of the watch, when the list changed.
    home : Path
        The data folder.
    """

    def __init__(self, library: Library, home: Path) -> None:
        self._library = library
        self._home = home
        self._wake = threading.Event()
        self._cancel = CancelToken()
        self._wake.set()  # what an earlier run left
        self._thread = threading.Thread(target=self._run, name="quality-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._library.instances_added.connect(self._noticed)
        self._thread.start()

    def close(self) -> None:
        """Stop; a run that is under way ends within a moment."""
        self._library.instances_added.disconnect(self._noticed, missing_ok=True)
        self._cancel.cancel()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(15)

    def _noticed(self, _event: InstancesAdded) -> None:
        self._wake.set()

    def _run(self) -> None:
        stopped = self._cancel
        while not stopped.cancelled:
            self._wake.wait()
            while self._wake.is_set() and not stopped.cancelled:
                self._wake.clear()
                self._wake.wait(QUIET_S)
            if stopped.cancelled or not self._library.quality_pending():
                continue
            if check_in_process(self._home, stopped) > 0:
                self._library.quality_changed.emit()
