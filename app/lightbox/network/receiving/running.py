"""Which receivers run in this process, so that a retrieve by C-MOVE finds the one that listens on our port."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightbox.network.receiving.process import ReceiverProcess
    from lightbox.network.storage_scp import StorageScp

    AnyReceiver = StorageScp | ReceiverProcess

_running: dict[int, AnyReceiver] = {}
_lock = threading.Lock()


def enter(port: int, receiver: AnyReceiver) -> None:
    """Note that `receiver` listens on `port`."""
    with _lock:
        _running[port] = receiver


def leave(port: int) -> None:
    """Note that nothing of ours listens there any more."""
    with _lock:
        _running.pop(port, None)


def on(port: int) -> AnyReceiver | None:
    """Return the receiver of this process that listens on `port`."""
    with _lock:
        return _running.get(port)
