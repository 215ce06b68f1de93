"""Media types to ask for (PS3.18 8.7): each operation has alternatives, because servers disagree; what worked is kept.

Importing this module loads no network library.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightbox.core.settings import Settings

MEMORY = "network.web_accept"
"""Key of the settings: by peer and operation, the Accept header that worked."""

REFUSALS = frozenset({400, 406, 415, 500})
"""HTTP status codes after which another alternative is tried."""

_JSON = (
    "application/dicom+json, application/json;q=0.9",
    "application/dicom+json",
    "application/json",
    "*/*",
)

ALTERNATIVES: dict[str, tuple[str, ...]] = {
    "search": _JSON,
    "metadata": _JSON,
    # "*" asks for the objects as they are stored: without it servers decompress them (PS3.18 8.7.3.5.2)
    "objects": (
        'multipart/related; type="application/dicom"; transfer-syntax=*',
        "multipart/related; type=application/dicom; transfer-syntax=*",
        'multipart/related; type="application/dicom"',
        "application/dicom; transfer-syntax=*",
        "*/*",
    ),
    "frames": (
        'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        'multipart/related; type="application/octet-stream"',
        'multipart/related; type="image/jls", multipart/related; type="image/jp2", '
        'multipart/related; type="image/jpeg", multipart/related; type="image/dicom-rle"',
        "multipart/related",
        "*/*",
    ),
    "rendered": ("image/png", "image/jpeg", "*/*"),
    "store": ("application/dicom+json", "application/json", "application/dicom+xml", "*/*"),
}


class Memory:
    """What one peer answered to.

    Parameters
    ----------
    peer_name : str
        Our name for the peer.
    settings : Settings, optional
        Keeps what worked beyond this process.
    """

    def __init__(self, peer_name: str, settings: Settings | None = None) -> None:
        self._peer_name = peer_name
        self._settings = settings
        self._lock = threading.Lock()
        stored = settings.get(MEMORY, {}) if settings is not None else {}
        self._worked: dict[str, str] = dict(stored.get(peer_name, {}))

    def get(self, operation: str) -> str:
        """Return what is remembered under `operation`, "" when nothing is."""
        with self._lock:
            return self._worked.get(operation, "")

    def order(self, operation: str) -> tuple[str, ...]:
        """Return the alternatives of an operation, the one that worked last first."""
        alternatives = ALTERNATIVES[operation]
        known = self.get(operation)
        return (known, *(entry for entry in alternatives if entry != known)) if known in alternatives else alternatives

    def worked(self, operation: str, value: str) -> None:
        """Remember what worked."""
        with self._lock:
            if self._worked.get(operation) == value:
                return
            self._worked[operation] = value
            kept = dict(self._worked)
        if self._settings is not None:
            self._settings.set(MEMORY, {**self._settings.get(MEMORY, {}), self._peer_name: kept})
