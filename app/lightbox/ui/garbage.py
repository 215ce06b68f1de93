"""Collects cyclic garbage on the thread of the screen only.

Python collects on whichever thread happens to allocate. When that is a worker, Qt objects of the screen would be
destroyed there: their timers go on in the screen's thread for objects that are gone, and the program ends with a
segmentation fault.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 400


class Collector(QObject):
    """Takes the collection over from the interpreter for as long as it lives.

    Parameters
    ----------
    parent : QObject
        Lives on the thread of the screen.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thresholds = gc.get_threshold()
        gc.disable()
        timer = QTimer(self, interval=INTERVAL_MS)
        timer.timeout.connect(self.collect)
        timer.start()

    def collect(self) -> None:
        """Collect the generations whose turn it is, as the interpreter would."""
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > self._thresholds[generation]:
                gc.collect(generation)
                return
