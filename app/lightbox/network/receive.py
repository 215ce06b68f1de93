"""Objects that arrive from the network: straight into the library's spool, durable before they are acknowledged.

Nothing is decoded on the way. Storage SCP and C-GET share this: both hand each object to a `Receiver`.
"""

from __future__ import annotations

import errno
import logging
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal, SignalInstance

from lightbox.core.errors import LightboxError
from lightbox.network import implementation

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.library.records import ImportReport, Refusal
    from lightbox.library.spool import SpoolFile

logger = logging.getLogger(__name__)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000
INGEST_PAUSE_S = 0.25
"""How long the ingest waits for more objects, so that they share a transaction."""


@dataclass(frozen=True, slots=True)
class Received:
    """Event: an object was received, is durable and will be acknowledged."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    source: str


def file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> bytes:
    """Return preamble, prefix and file meta information of a received object (PS3.10 7.1)."""

    def element(number: int, vr: bytes, value: bytes) -> bytes:
        if len(value) % 2:
            value += b" " if vr in (b"SH", b"AE") else b"\x00"
        if vr == b"OB":
            return struct.pack("<HH2s2xI", 0x0002, number, vr, len(value)) + value
        return struct.pack("<HH2sH", 0x0002, number, vr, len(value)) + value

    body = (
        element(0x0001, b"OB", b"\x00\x01")
        + element(0x0002, b"UI", sop_class_uid.encode("ascii", "replace"))
        + element(0x0003, b"UI", sop_instance_uid.encode("ascii", "replace"))
        + element(0x0010, b"UI", transfer_syntax_uid.encode("ascii"))
        + element(0x0012, b"UI", implementation.CLASS_UID.encode("ascii"))
        + element(0x0013, b"SH", implementation.VERSION_NAME.encode("ascii"))
    )
    if source:
        body += element(0x0016, b"AE", source.encode("ascii", "replace")[:16])
    return b"\x00" * 128 + b"DICM" + element(0x0000, b"UL", struct.pack("<I", len(body))) + body


class IncomingObject:
    """One object on its way in. Errors of the disk are kept until `Receiver.finish` turns them into a status."""

    def __init__(self, event: Received, start: Callable[[], SpoolFile]) -> None:
        self.event = event
        self.failure: Exception | None = None
        self._file: SpoolFile | None = None
        self._attempt(lambda: self._start(start))

    def _start(self, start: Callable[[], SpoolFile]) -> None:
        self._file = start()
        event = self.event
        self._file.write(
            file_meta(event.sop_class_uid, event.sop_instance_uid, event.transfer_syntax_uid, event.source)
        )

    def _attempt(self, action: Callable[[], object]) -> None:
        if self.failure is None:
            try:
                action()
            except (OSError, LightboxError) as error:
                self.failure = error
                self.abort()

    def write(self, chunk: bytes | memoryview) -> None:
        """Append encoded bytes."""
        file = self._file
        if file is not None:
            self._attempt(lambda: file.write(chunk))

    def commit(self) -> None:
        """Make the object durable, or record why not."""
        file = self._file
        if file is not None:
            self._attempt(file.commit)

    def abort(self) -> None:
        """Throw the bytes away."""
        if self._file is not None:
            try:
                self._file.abort()
            except OSError as error:
                logger.warning("an unfinished object could not be removed: %s", type(error).__name__)
            self._file = None


class Receiver:
    """Takes objects into the spool of a library and has them ingested in batches in the background.

    Parameters
    ----------
    library : Library
        Where the objects go.
    """

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
        self.uids: set[str] = set()
        """SOP Instance UIDs that were acknowledged."""
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
            return OUT_OF_RESOURCES if full else CANNOT_UNDERSTAND
        with self._lock:
            self.uids.add(incoming.event.sop_instance_uid)
            self.rejected.pop(incoming.event.sop_instance_uid, None)
        self._wake()
        _tell(self.received, incoming.event)
        return SUCCESS

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
            self._closing.wait(INGEST_PAUSE_S)
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


def is_out_of_space(error: BaseException) -> bool:
    """Whether `error`, or what caused it, means that the disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        cause = cause.__cause__
    return False
