"""Imports numpy and pydicom once, before several threads want parts of them.

Two threads that import different parts of a package with circular imports at the same moment get half a module from
Python (its import locks give way rather than dead-lock), and the half stays for the life of the process. So every
thread that works on DICOM objects first asks here.
"""

from __future__ import annotations

import threading

_lock = threading.Lock()
_ready = False


def ready() -> None:
    """Return when numpy and pydicom are imported whole (about 0.2 s the first time, nothing later)."""
    global _ready
    if _ready:
        return
    with _lock:
        import numpy.typing  # noqa: F401
        import pydicom.dataset  # noqa: F401

        import lightbox.dicom.reading  # noqa: F401

        _ready = True
