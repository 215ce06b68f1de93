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

    # The timer asks in its time; here the turns of all generations come one after the other.
    timer = collector.findChild(QTimer)
    assert isinstance(timer, QTimer) and timer.isActive()
    kept: list[list[int]] = []
    for _ in range(200):
        kept.extend([] for _ in range(1000))
        collector.collect()
    assert gone == ["MainThread"]
    assert collector.parent() is parent
