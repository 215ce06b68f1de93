"""DIMSE command sets (PS3.7 Annex E): built, encoded and leniently decoded; requests and responses."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from dataclasses import field as make
from typing import TYPE_CHECKING, Any

from lightbox.network.wire import datasets
from lightbox.network.wire.contexts import Accepted

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030
N_EVENT_REPORT, N_GET, N_SET, N_ACTION, N_CREATE, N_DELETE = 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150
C_CANCEL = 0x0FFF
RESPONSE = 0x8000
"""Set in the command field of every response."""

NO_DATA_SET = 0x0101
LOW, MEDIUM, HIGH = 0x0002, 0x0000, 0x0001
PENDING = (0xFF00, 0xFF01)
NO_STATUS = 0x0110
"""Stands for the status of a response that has none: a processing failure, never a success."""

NAMES = {
    C_STORE: "C-STORE",
    C_GET: "C-GET",
    C_FIND: "C-FIND",
    C_MOVE: "C-MOVE",
    C_ECHO: "C-ECHO",
    N_EVENT_REPORT: "N-EVENT-REPORT",
    N_GET: "N-GET",
    N_SET: "N-SET",
    N_ACTION: "N-ACTION",
    N_CREATE: "N-CREATE",
    N_DELETE: "N-DELETE",
    C_CANCEL: "C-CANCEL",
}

_ELEMENTS: dict[str, tuple[int, str]] = {
    "AffectedSOPClassUID": (0x0002, "UI"),
    "RequestedSOPClassUID": (0x0003, "UI"),
    "CommandField": (0x0100, "US"),
    "MessageID": (0x0110, "US"),
    "MessageIDBeingRespondedTo": (0x0120, "US"),
    "MoveDestination": (0x0600, "AE"),
    "Priority": (0x0700, "US"),
    "CommandDataSetType": (0x0800, "US"),
    "Status": (0x0900, "US"),
    "OffendingElement": (0x0901, "AT"),
    "ErrorComment": (0x0902, "LO"),
    "ErrorID": (0x0903, "US"),
    "AffectedSOPInstanceUID": (0x1000, "UI"),
    "RequestedSOPInstanceUID": (0x1001, "UI"),
    "EventTypeID": (0x1002, "US"),
    "AttributeIdentifierList": (0x1005, "AT"),
    "ActionTypeID": (0x1008, "US"),
    "NumberOfRemainingSuboperations": (0x1020, "US"),
    "NumberOfCompletedSuboperations": (0x1021, "US"),
    "NumberOfFailedSuboperations": (0x1022, "US"),
    "NumberOfWarningSuboperations": (0x1023, "US"),
    "MoveOriginatorApplicationEntityTitle": (0x1030, "AE"),
    "MoveOriginatorMessageID": (0x1031, "US"),
}
_KEYWORDS = {number: (word, vr) for word, (number, vr) in _ELEMENTS.items()}
_HEAD = struct.Struct("<HHI")
_US = struct.Struct("<HHIH")
_GROUP_LENGTH = struct.Struct("<HHII")

Value = int | str | list[Any]


@dataclass(slots=True)
class Command:
    """A command set to send: its command field and its attributes by DICOM keyword.

    Message ID and Command Data Set Type are set by the association that sends it.
    """

    field: int
    attributes: dict[str, Value] = make(default_factory=dict)

    @property
    def name(self) -> str:
        """How people call it, for example ``"C-FIND"``."""
        return NAMES.get(self.field & 0x7FFF, f"command 0x{self.field:04X}")


def c_echo() -> Command:
    """Return a C-ECHO request."""
    return Command(C_ECHO, {"AffectedSOPClassUID": "1.2.840.10008.1.1"})


def c_store(
    sop_class_uid: str,
    sop_instance_uid: str,
    *,
    priority: int = MEDIUM,
    originator: tuple[str, int] | None = None,
) -> Command:
    """Return a C-STORE request; `originator` is AE title and message ID of the C-MOVE it belongs to."""
    attributes: dict[str, Value] = {
        "AffectedSOPClassUID": sop_class_uid,
        "AffectedSOPInstanceUID": sop_instance_uid,
        "Priority": priority,
    }
    if originator is not None:
        attributes["MoveOriginatorApplicationEntityTitle"], attributes["MoveOriginatorMessageID"] = originator
    return Command(C_STORE, attributes)


def c_find(sop_class_uid: str, *, priority: int = MEDIUM) -> Command:
    """Return a C-FIND request."""
    return Command(C_FIND, {"AffectedSOPClassUID": sop_class_uid, "Priority": priority})


def c_get(sop_class_uid: str, *, priority: int = MEDIUM) -> Command:
    """Return a C-GET request."""
    return Command(C_GET, {"AffectedSOPClassUID": sop_class_uid, "Priority": priority})


def c_move(sop_class_uid: str, destination: str, *, priority: int = MEDIUM) -> Command:
    """Return a C-MOVE request; `destination` is an AE title."""
    return Command(C_MOVE, {"AffectedSOPClassUID": sop_class_uid, "Priority": priority, "MoveDestination": destination})


def c_cancel(message_id: int) -> Command:
    """Return a C-CANCEL request for the operation of `message_id`."""
    return Command(C_CANCEL, {"MessageIDBeingRespondedTo": message_id})


def n_action(sop_class_uid: str, sop_instance_uid: str, action_type: int) -> Command:
    """Return an N-ACTION request."""
    attributes: dict[str, Value] = {
        "RequestedSOPClassUID": sop_class_uid,
        "RequestedSOPInstanceUID": sop_instance_uid,
        "ActionTypeID": action_type,
    }
    return Command(N_ACTION, attributes)


def n_event_report(sop_class_uid: str, sop_instance_uid: str, event_type: int) -> Command:
    """Return an N-EVENT-REPORT request."""
    attributes: dict[str, Value] = {
        "AffectedSOPClassUID": sop_class_uid,
        "AffectedSOPInstanceUID": sop_instance_uid,
        "EventTypeID": event_type,
    }
    return Command(N_EVENT_REPORT, attributes)


def n_create(sop_class_uid: str, sop_instance_uid: str = "") -> Command:
    """Return an N-CREATE request; without instance UID the performer chooses one."""
    attributes: dict[str, Value] = {"AffectedSOPClassUID": sop_class_uid}
    if sop_instance_uid:
        attributes["AffectedSOPInstanceUID"] = sop_instance_uid
    return Command(N_CREATE, attributes)


def _requested(command: int, sop_class_uid: str, sop_instance_uid: str) -> Command:
    return Command(command, {"RequestedSOPClassUID": sop_class_uid, "RequestedSOPInstanceUID": sop_instance_uid})


def n_set(sop_class_uid: str, sop_instance_uid: str) -> Command:
    """Return an N-SET request."""
    return _requested(N_SET, sop_class_uid, sop_instance_uid)


def n_get(sop_class_uid: str, sop_instance_uid: str, tags: list[int] | None = None) -> Command:
    """Return an N-GET request for the attributes `tags`, all when empty."""
    command = _requested(N_GET, sop_class_uid, sop_instance_uid)
    if tags:
        command.attributes["AttributeIdentifierList"] = list(tags)
    return command


def n_delete(sop_class_uid: str, sop_instance_uid: str) -> Command:
    """Return an N-DELETE request."""
    return _requested(N_DELETE, sop_class_uid, sop_instance_uid)


def _value(vr: str, value: Value) -> bytes:
    if vr == "AT":
        tags = value if isinstance(value, list) else [value]
        return b"".join(struct.pack("<HH", int(tag) >> 16, int(tag) & 0xFFFF) for tag in tags)
    text = str(value).encode("utf-8" if vr != "UI" else "ascii", "replace")
    return text + (b"\x00" if vr == "UI" else b" ") if len(text) % 2 else text


def encode(command_field: int, attributes: dict[str, Value], has_data: bool) -> bytes:
    """Return a command set: Implicit VR Little Endian, in order of tags (PS3.7 6.3.1)."""
    everything = {
        **attributes,
        "CommandField": command_field,
        "CommandDataSetType": 0x0001 if has_data else NO_DATA_SET,
    }
    parts: list[bytes] = []
    for number, vr, value in sorted((*_ELEMENTS[word], value) for word, value in everything.items()):
        if vr == "US":
            parts.append(_US.pack(0, number, 2, int(value)))  # pyright: ignore[reportArgumentType]
        else:
            raw = _value(vr, value)
            parts.append(_HEAD.pack(0, number, len(raw)) + raw)
    body = b"".join(parts)
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def decode(data: bytes | bytearray) -> dict[str, Any]:
    """Return the attributes of a command set by DICOM keyword; what is unknown, or cut off, is left out."""
    found: dict[str, Any] = {}
    position, end = 0, len(data)
    while position + 8 <= end:
        group, number, length = _HEAD.unpack_from(data, position)
        position += 8
        known = _KEYWORDS.get(number) if group == 0 else None
        if known is not None and position + length <= end:
            word, vr = known
            if vr == "US":
                if length >= 2:
                    found[word] = data[position] | data[position + 1] << 8
                elif length == 1:
                    found[word] = data[position]
            elif vr == "AT":
                pairs = struct.iter_unpack("<HH", data[position : position + length // 4 * 4])
                found[word] = [high << 16 | low for high, low in pairs]
            else:
                found[word] = _text(data[position : position + length])
        position += length
    return found


def _text(raw: bytes | bytearray) -> str:
    raw = bytes(raw).strip(b"\x00 ")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@dataclass(slots=True)
class Message:
    """A message that arrived: the command set and, unless it streamed into a receiver, the data set."""

    context: Accepted
    command: dict[str, Any]
    data: bytes | None = None

    @property
    def field(self) -> int:
        """The command field."""
        return int(self.command.get("CommandField", 0))

    @property
    def name(self) -> str:
        """How people call it, for example ``"C-FIND"``."""
        return NAMES.get(self.field & 0x7FFF, f"command 0x{self.field:04X}")

    def dataset(self) -> Dataset:
        """Return the data set, its values not converted yet (empty when there is none).

        Raises
        ------
        LightboxError
            It cannot be read.
        """
        return datasets.decode(self.data or b"", self.context.transfer_syntax)


class Response(Message):
    """A response."""

    __slots__ = ()

    @property
    def status(self) -> int:
        """Its status; a response without one counts as a processing failure."""
        return int(self.command.get("Status", NO_STATUS))

    @property
    def comment(self) -> str:
        """The peer's own words."""
        return str(self.command.get("ErrorComment", ""))

    @property
    def is_pending(self) -> bool:
        """Whether more responses follow."""
        return self.status in PENDING


class Request(Message):
    """A request that a peer made of us."""

    __slots__ = ("status",)

    status: int
    """For a C-STORE whose object streamed into a receiver: what the receiver made of it."""

    @property
    def message_id(self) -> int:
        """Its Message ID."""
        return int(self.command.get("MessageID", 0))

    @property
    def sop_class_uid(self) -> str:
        """Affected or Requested SOP Class UID."""
        return str(self.command.get("AffectedSOPClassUID") or self.command.get("RequestedSOPClassUID") or "")

    @property
    def sop_instance_uid(self) -> str:
        """Affected or Requested SOP Instance UID."""
        return str(self.command.get("AffectedSOPInstanceUID") or self.command.get("RequestedSOPInstanceUID") or "")
