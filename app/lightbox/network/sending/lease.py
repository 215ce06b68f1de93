"""One worker a peer, over all processes: a lock on a file that the system takes back when its process ends."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lightbox.core.file_lock import FileLock


def of(home: Path, peer: str) -> FileLock:
    """Return the lock of whoever sends to `peer`; it is not taken yet."""
    folder = home / "network" / "locks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = hashlib.sha256(peer.casefold().encode("utf-8")).hexdigest()[:20]
    return FileLock(folder / f"send-{name}.lock")
