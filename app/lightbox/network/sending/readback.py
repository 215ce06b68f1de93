"""Fetching one object back from a peer (C-GET at image level), to see what it really kept."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from lightbox.network import words
from lightbox.network.errors import DimseError
from lightbox.network.peers import Peer
from lightbox.network.sending.images import keys
from lightbox.network.sending.offer import TARGETS
from lightbox.network.sending.states import ObjectRecord
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.contexts import MAXIMUM_CONTEXTS, Proposal

GET = "1.2.840.10008.5.1.4.1.2.2.3"
"""Study Root Query/Retrieve Information Model - GET."""
_IN_MEMORY = 32 * 1024 * 1024


class Copy:
    """An object that a peer gave back, as a DICOM file in memory (large ones: in a temporary file)."""

    def __init__(self, sop_instance_uid: str, prefix: bytes = b"") -> None:
        self.sop_instance_uid = sop_instance_uid
        self.file = cast(BinaryIO, SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        self.file.write(prefix)

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        self.file.write(chunk)

    def abort(self) -> None:
        """Forget it."""
        self.file.close()

    def opened(self) -> BinaryIO:
        """Return it from its beginning; closing what is returned leaves the copy usable."""
        self.file.seek(0)
        return cast(BinaryIO, _Borrowed(self.file))


class _Borrowed:
    """A file that stays open when its user closes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Borrowed:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


class _Unwanted(Copy):
    """An object that was not asked for: its bytes go nowhere."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""


class Catcher:
    """Takes the objects of C-GET sub-operations: with `wanted`, no more than this one."""

    def __init__(self) -> None:
        self.wanted = ""
        self.copies: list[Copy] = []

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Copy:
        """Begin an object."""
        if self.wanted and (sop_instance_uid != self.wanted or self.copies):
            return _Unwanted(sop_instance_uid)
        return Copy(sop_instance_uid, _prefix(sop_class_uid, sop_instance_uid, transfer_syntax_uid))

    def finish(self, incoming: Any) -> int:
        """Keep it."""
        if isinstance(incoming, _Unwanted):
            incoming.abort()
        else:
            self.copies.append(incoming)
        return 0x0000


def proposals(records: Sequence[ObjectRecord]) -> list[Proposal]:
    """Return what to propose for fetching `records` (of as many kinds as fit into one association)."""
    pairs = {
        (record.sop_class_uid, syntax): None
        for record in records
        for syntax in (record.sent_syntax_uid or record.transfer_syntax_uid, record.transfer_syntax_uid, *TARGETS)
    }
    storage = [Proposal(sop_class, (syntax,), scp_role=True) for sop_class, syntax in pairs]
    return [Proposal(GET), *storage[: MAXIMUM_CONTEXTS - 1]]


def fetch(association: Association, catcher: Catcher, peer: Peer, record: ObjectRecord) -> Copy | None:
    """Fetch one object; None when the peer does not have it.

    Raises
    ------
    AssociationError, DimseError
        The peer could not be asked, or could not send it.
    """
    catcher.copies.clear()
    catcher.wanted = record.sop_instance_uid
    context = association.context(GET)
    assert context is not None
    identifier = keys("IMAGE", record.study_instance_uid, record.series_instance_uid, (record.sop_instance_uid,))
    status, comment = 0, ""
    for response in association.requests(context, commands.c_get(GET), identifier):
        status, comment = response.status, response.comment
    if catcher.copies:
        return catcher.copies[0]
    if words.is_failure(status):
        raise DimseError(
            f"{peer.ae_title} did not give the object back",
            where=peer.name,
            why=words.status_words(status, comment),
            status=status,
        )
    return None


def _prefix(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return preamble and File Meta Information (PS3.10 7.1)."""

    def element(number: int, uid: str) -> bytes:
        value = uid.encode("ascii", "replace")
        value += b"\x00" * (len(value) % 2)
        return struct.pack("<HH2sH", 2, number, b"UI", len(value)) + value

    meta = struct.pack("<HH2sHI2s", 2, 1, b"OB", 0, 2, b"\x00\x01")
    meta += element(0x0002, sop_class_uid) + element(0x0003, sop_instance_uid) + element(0x0010, transfer_syntax_uid)
    return b"\x00" * 128 + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta
