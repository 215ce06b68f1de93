"""One object on its way in: file meta information, bytes, commit; the same for every process that receives."""

from __future__ import annotations

import errno
import logging
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.network import implementation
from lightbox.network.receiving.received import Received

if TYPE_CHECKING:
    from lightbox.library.spool_file import ReadyFile, SpoolFile

logger = logging.getLogger(__name__)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000


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
        + element(0x0010, b"UI", transfer_syntax_uid.encode("ascii", "replace"))
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
        self.ready: ReadyFile | None = None
        """Where the object lies once it is durable."""
        self._file: SpoolFile | None = None
        try:
            self._start(start)
        except (OSError, LightboxError) as error:
            self._failed(error)

    def _start(self, start: Callable[[], SpoolFile]) -> None:
        self._file = start()
        event = self.event
        self._file.write(
            file_meta(event.sop_class_uid, event.sop_instance_uid, event.transfer_syntax_uid, event.source)
        )

    def _failed(self, error: Exception) -> None:
        self.failure = error
        self.abort()

    def write(self, chunk: bytes | memoryview) -> None:
        """Append encoded bytes."""
        if self._file is not None and self.failure is None:
            try:
                self._file.write(chunk)
            except (OSError, LightboxError) as error:
                self._failed(error)

    def commit(self) -> None:
        """Make the object durable, or record why not."""
        if self._file is not None and self.failure is None:
            try:
                self.ready = self._file.commit()
            except (OSError, LightboxError) as error:
                self._failed(error)

    def abort(self) -> None:
        """Throw the bytes away."""
        if self._file is not None:
            try:
                self._file.abort()
            except OSError as error:
                logger.warning("an unfinished object could not be removed: %s", type(error).__name__)
            self._file = None

    def status(self) -> int:
        """Return the status for the C-STORE response (PS3.4 B.2.3), after `commit`."""
        if self.failure is None:
            return SUCCESS
        return OUT_OF_RESOURCES if is_out_of_space(self.failure) else CANNOT_UNDERSTAND


def is_out_of_space(error: BaseException) -> bool:
    """Whether `error`, or what caused it, means that the disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        cause = cause.__cause__
    return False
