"""Objects of the screen are destroyed on the thread of the screen only."""

from __future__ import annotations

import gc
import threading
from typing import Any

from PySide6.QtCore import QObject, QTimer


class Ring(QObject):
    """An object that only the collector of garbage can free, with a timer that runs."""

    def __init__(self, gone: list[str]) -> None:
        super().__init__()
        self.me = self
        self.timer = QTimer(self, interval=1)
        self.timer.start()
        self.destroyed.connect(lambda: gone.append(threading.current_thread().name))


def test_workers_collect_nothing_while_the_collector_lives(qapp: Any, qtbot: Any) -> None:
    from lightbox.ui.garbage import Collector

    gone: list[str] = []
    parent = QObject()
    collector = Collector(parent)
    Ring(gone)
    busy = threading.Thread(target=lambda: [[[]] for _ in range(200_000)], name="worker")
    busy.start()
    busy.join()
    assert gone == []
    assert not gc.isenabled()

    def freed() -> bool:
        [[] for _ in range(1000)]  # as a program that works: what survived once waits for its generation's turn
        return gone == ["MainThread"]

    qtbot.waitUntil(freed, timeout=60_000)
    assert collector.parent() is parent
