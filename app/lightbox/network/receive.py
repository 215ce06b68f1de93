"""Objects that arrive from the network: straight into the library's spool, durable before they are acknowledged.

Nothing is decoded on the way. Storage SCP and C-GET share this: both hand each object to a `Receiver`.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal, SignalInstance

from lightbox.core.errors import LightboxError
from lightbox.network.receiving.incoming import IncomingObject, file_meta, is_out_of_space
from lightbox.network.receiving.received import Received

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.library.records import ImportReport, Refusal

__all__ = ["Received", "Receiver", "file_meta"]

logger = logging.getLogger(__name__)

INGEST_PAUSE_S = 0.25
"""How long the ingest waits for more objects, so that they share a transaction."""


class Receiver:
    """Takes objects into the spool of a library and has them ingested in batches in the background.

    Parameters
    ----------
    library : Library
        Where the objects go.
    """

    pause_s = INGEST_PAUSE_S

    received = Signal(Received)
    """Emitted on a network thread after an object became durable, before it is acknowledged."""

    ingested = Signal(object)
    """Emitted on the ingest thread with the `ImportReport` of each batch."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._pending = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._ingesting = threading.Lock()
        self.rejected: dict[str, str] = {}
        """Reasons by SOP Instance UID of objects that we could not store."""
        self.refused: list[Refusal] = []
        self.last_error: Exception | None = None

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> IncomingObject:
        """Begin an object; `source` is the AE title of the sender."""
        event = Received(sop_instance_uid, sop_class_uid, transfer_syntax_uid, source)
        return IncomingObject(event, lambda: self._library.spool().writer(source))

    def finish(self, incoming: IncomingObject) -> int:
        """Make the object durable and return the status for the C-STORE response (PS3.4 B.2.3)."""
        incoming.commit()
        if incoming.failure is not None:
            logger.warning("a received object was not stored: %s", type(incoming.failure).__name__)
            full = is_out_of_space(incoming.failure)
            with self._lock:
                self.rejected[incoming.event.sop_instance_uid] = (
                    "the disk of this computer is full" if full else "it could not be stored on this computer"
                )
            return incoming.status()
        with self._lock:
            self.rejected.pop(incoming.event.sop_instance_uid, None)
        self._wake()
        _tell(self.received, incoming.event)
        return incoming.status()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closing.is_set()

    def flush(self) -> None:
        """Ingest on the calling thread everything that was acknowledged."""
        self._ingest()

    def close(self) -> None:
        """Ingest what is left and stop the background thread."""
        self._closing.set()
        self._pending.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._ingest()

    def _wake(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._loop, name="spool-ingest", daemon=True)
                self._thread.start()
        self._pending.set()

    def _loop(self) -> None:
        while not self._closing.is_set():
            self._pending.wait()
            self._closing.wait(self.pause_s)
            self._pending.clear()
            self._ingest()

    def _ingest(self) -> None:
        with self._ingesting:
            try:
                report: ImportReport = self._library.ingest_spool()
            except (OSError, LightboxError) as error:
                # The objects stay in the spool: the next batch, or the next start, takes them
                self.last_error = error
                logger.warning("received objects could not be ingested yet: %s", type(error).__name__)
                return
        self.last_error = None
        if report.added or report.duplicates or report.quarantined or report.refused:
            with self._lock:
                self.refused.extend(report.refused)
            _tell(self.ingested, report)


def _tell(signal: SignalInstance, event: object) -> None:
    """Emit; a listener that fails must not turn an object that is safe into a failure for the sender."""
    try:
        signal.emit(event)
    except EmitLoopError as error:
        logger.warning("a listener failed: %s", type(error.__cause__ or error).__name__)
