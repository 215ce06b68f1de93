"""Notes: requests other than storage that others send to our port, kept until the service they are meant for took them.

A storage commitment report or an availability notification may arrive when the service that waits for it does not run.
So the receiver writes each to a file of its own, durable before it is answered; the service removes it when it is done.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import uuid
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightbox.core import clock
from lightbox.core.errors import LightboxError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

logger = logging.getLogger(__name__)

STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model (PS3.4 Annex J): the archive reports to us by N-EVENT-REPORT."""
INSTANCE_AVAILABILITY = "1.2.840.10008.5.1.4.33"
"""Instance Availability Notification (PS3.4 Annex R): the archive tells by N-CREATE what can be fetched."""
CLASSES = (STORAGE_COMMITMENT, INSTANCE_AVAILABILITY)
"""SOP classes whose requests are kept as notes."""

N_EVENT_REPORT = 0x0100
N_CREATE = 0x0140

MAXIMUM_BYTES = 16 * 1024 * 1024
"""Largest data set of a note; a commitment report of 10,000 objects takes about 2 MB."""
MAXIMUM_WAITING = 10_000
MAXIMUM_TOTAL_BYTES = 256 * 1024 * 1024
"""When so many notes wait, or as many bytes of them lie on the disk, further ones are answered as out of resources."""

_FOLDER = ("network", "inbox")
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Note:
    """One request that waits for its service.

    Parameters
    ----------
    id : str
        Name of the note; sorts by arrival.
    field : int
        DIMSE command field of the request (PS3.7 E.1): `N_EVENT_REPORT` or `N_CREATE`.
    sop_class_uid, sop_instance_uid : str
        Affected SOP class and instance.
    event_type_id, action_type_id : int or None
        As in the command; the event type of a commitment report is 1 (all committed) or 2 (failures exist).
    calling_ae, called_ae, address : str
        Who sent it, to whom, and from which IP address.
    received_at : str
        UTC, ISO 8601.
    transfer_syntax_uid : str
        Encoding of ``data``.
    data : bytes
        The encoded data set; empty when the request had none.
    """

    id: str
    field: int
    sop_class_uid: str
    sop_instance_uid: str
    event_type_id: int | None
    action_type_id: int | None
    calling_ae: str
    called_ae: str
    address: str
    received_at: str
    transfer_syntax_uid: str
    data: bytes = b""

    def dataset(self) -> Dataset:
        """Decode ``data``.

        Raises
        ------
        LightboxError
            It is not a data set in the transfer syntax that was negotiated.
        """
        from lightbox.network.wire.datasets import decode

        return decode(self.data, self.transfer_syntax_uid)

    def to_json(self) -> str:
        """Return the note as one line of JSON."""
        values = asdict(self)
        values["data"] = base64.b64encode(self.data).decode("ascii")
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Note:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            It is something else.
        """
        values: dict[str, Any] = json.loads(text)
        known = {field.name for field in fields(cls)}
        try:
            values["data"] = base64.b64decode(values.get("data", ""), validate=True)
            return cls(**{key: value for key, value in values.items() if key in known})
        except TypeError as error:
            raise ValueError("not a note") from error


class Inbox:
    """The notes of one data folder. Several processes may use it at the same time.

    Parameters
    ----------
    home : Path
        The data folder.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home.joinpath(*_FOLDER)

    def keep(
        self,
        field: int,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: bytes,
        *,
        transfer_syntax_uid: str,
        calling_ae: str,
        called_ae: str,
        address: str,
        event_type_id: int | None = None,
        action_type_id: int | None = None,
    ) -> Note:
        """Write a note; when this returns it survives a power cut.

        Raises
        ------
        OSError
            The disk is full or gone.
        LightboxError
            Too many notes wait, or this one is too large.
        """
        if len(data) > MAXIMUM_BYTES:
            raise LightboxError("A request is too large to be kept", why=f"it has {len(data)} bytes")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        waiting, size = self._amount()
        if waiting >= MAXIMUM_WAITING or size + len(data) > MAXIMUM_TOTAL_BYTES:
            raise LightboxError(
                "Too many requests wait to be handled",
                why=f"{waiting} with {size} bytes lie in the inbox",
                todo="Start the workstation, so that it takes them",
            )
        moment = clock.now()
        note = Note(
            f"{moment:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}",
            field,
            sop_class_uid,
            sop_instance_uid,
            event_type_id,
            action_type_id,
            calling_ae,
            called_ae,
            address,
            moment.isoformat(),
            transfer_syntax_uid,
            data,
        )
        self._write(note)
        return note

    def _amount(self) -> tuple[int, int]:
        """Return how many notes wait, and their bytes."""
        with os.scandir(self._folder) as entries:
            sizes = [_size(entry) for entry in entries if entry.name.endswith(_SUFFIX)]
        return len(sizes), sum(sizes)

    def _write(self, note: Note) -> None:
        path = self._path(note)
        temporary = path.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(note.to_json().encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(self._folder)

    def waiting(self, *sop_class_uids: str) -> list[Note]:
        """Return the notes that wait (of these SOP classes, if any are named), oldest first."""
        found: list[Note] = []
        if not self._folder.is_dir():
            return found
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                note = Note.from_json(path.read_bytes())
            except FileNotFoundError:  # another process was done with it
                continue
            except ValueError:
                logger.warning("a kept request cannot be read and is set aside")
                path.replace(path.with_suffix(".unreadable"))
                continue
            if not sop_class_uids or note.sop_class_uid in sop_class_uids:
                found.append(note)
        return found

    def done(self, note: Note) -> None:
        """Remove a note that was dealt with; harmless when it is gone."""
        self._path(note).unlink(missing_ok=True)

    def _path(self, note: Note) -> Path:
        return self._folder / f"{note.id}{_SUFFIX}"


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:  # another process was done with it
        return 0


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
