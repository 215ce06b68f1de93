"""Who takes objects that arrive by C-STORE: they stream in while they come, never decoded, never whole in memory."""

from __future__ import annotations

from typing import Any, Protocol


class Incoming(Protocol):
    """An object on its way in; see `lightbox.network.receive`."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the encoded data set; `chunk` is only valid during the call."""
        ...

    def abort(self) -> None:
        """Forget it."""
        ...


class Receives(Protocol):
    """Who takes objects that arrive; see `lightbox.network.receive.Receiver`."""

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Incoming:
        """Begin an object; `source` is the AE title of the sender."""
        ...

    def finish(self, incoming: Any) -> int:
        """Make it durable and return the DIMSE status to answer."""
        ...
