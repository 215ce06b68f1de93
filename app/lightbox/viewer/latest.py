"""A thread that only ever does the newest request of each kind: what was asked before and not begun is forgotten."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

logger = logging.getLogger(__name__)

EXIT_SECONDS = 30.0

Work = Callable[[], Any]
Done = Callable[[Any, Exception | None], None]


class LatestWorker:
    """Runs work off the calling thread; of several requests for one slot only the last is done.

    Scrolling asks for more pictures than can be made; only the last one is worth making.

    Parameters
    ----------
    name : str
        Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._condition = threading.Condition()
        self._waiting: OrderedDict[Hashable, tuple[Work, Done]] = OrderedDict()
        self._closed = False
        self._last: Callable[[], None] | None = None
        self._busy = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def ask(self, slot: Hashable, work: Work, done: Done) -> None:
        """Have `work` done; `done(result, error)` is called on the worker's thread."""
        with self._condition:
            if self._closed:
                return
            self._waiting.pop(slot, None)
            self._waiting[slot] = (work, done)
            self._condition.notify()

    def forget(self, slot: Hashable) -> None:
        """Drop what waits in a slot."""
        with self._condition:
            self._waiting.pop(slot, None)

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                while not self._waiting and not self._closed:
                    self._condition.wait()
                if self._closed:
                    break
                _, (work, done) = self._waiting.popitem(last=False)
                self._busy = True
            result, failure = None, None
            try:
                result = work()
            except Exception as error:
                failure = error
                logger.warning("background work failed: %s", type(error).__name__)
            try:
                done(result, failure)
            except Exception:
                logger.exception("an answer could not be delivered")
        if self._last is not None:
            self._last()

    def wait_idle(self, timeout: float) -> bool:
        """Block until nothing waits or runs; False when `timeout` seconds passed before."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def close(self, timeout: float = 2.0, last: Callable[[], None] | None = None) -> None:
        """Forget what waits and stop the thread, for which at most `timeout` seconds are waited.

        Parameters
        ----------
        last : callable, optional
            Done by the thread before it ends, however long its present work takes: what belongs to the thread (a
            render window) must be given back there and nowhere else.
        """
        with self._condition:
            if not self._closed:
                self._last = last
            self._closed = True
            self._waiting.clear()
            self._condition.notify_all()
        self._thread.join(timeout)
        if self._thread.is_alive():
            # The interpreter must not be taken apart under a thread that is in the middle of native code.
            atexit.register(self._thread.join, EXIT_SECONDS)
