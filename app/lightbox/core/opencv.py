"""OpenCV, imported on first use by one thread at a time.

While it is being imported OpenCV takes itself out of the table of modules and puts itself back, so that a second thread
that imports it at the same moment gets half a module. Everything in Lightbox asks here instead.
"""

from __future__ import annotations

import threading
from typing import Any

_lock = threading.Lock()
_module: Any = None


def cv2() -> Any:
    """Return the module ``cv2``, imported now if need be (about 0.1 s)."""
    global _module
    if _module is None:
        with _lock:
            if _module is None:
                import cv2 as imported

                _module = imported
    return _module


def loaded() -> Any:
    """Return the module ``cv2`` if it was imported already, else None."""
    return _module
