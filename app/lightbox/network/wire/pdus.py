"""Protocol data units of the DICOM upper layer (PS3.8 9.3): encoding, and lenient decoding that checks every length."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
HEADER = struct.Struct(">BxI")
"""Type and length of every PDU."""
PDV = struct.Struct(">IBB")
"""Length, presentation context ID and message control header of a presentation data value (PS3.8 9.3.5.1, E.2)."""
ITEM = struct.Struct(">BxH")

_RELEASE = struct.Struct(">BxI4x")
_FIXED = struct.Struct(">H2x16s16s32x")


class ProtocolError(Exception):
    """The peer sent what PS3.8 or PS3.7 do not allow; `reason` is that of A-ABORT (PS3.8 9.3.8)."""

    def __init__(self, text: str, reason: int = 6) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Who the user is (PS3.7 D.3.3.7); `kind`: 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JWT."""

    kind: int
    primary: bytes
    secondary: bytes = b""
    answer_wanted: bool = False


@dataclass(slots=True)
class UserInformation:
    """User information items (PS3.7 D.3.3, PS3.8 Annex D)."""

    maximum_length: int = 0
    implementation_class_uid: str = ""
    implementation_version: str = ""
    operations: tuple[int, int] | None = None
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    """SOP class -> (SCU, SCP) role of the requestor."""
    extended: dict[str, bytes] = field(default_factory=dict)
    """SOP class -> its extended negotiation."""
    common_extended: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """SOP class -> (service class, related general SOP classes)."""
    identity: UserIdentity | None = None
    identity_answer: bytes | None = None


@dataclass(slots=True)
class Context:
    """A presentation context item; `result` only counts in A-ASSOCIATE-AC."""

    id: int
    abstract_syntax: str = ""
    transfer_syntaxes: tuple[str, ...] = ()
    result: int = 0


@dataclass(slots=True)
class Associate:
    """A-ASSOCIATE-RQ or A-ASSOCIATE-AC."""

    called_ae: str
    calling_ae: str
    contexts: list[Context]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    version: int = 1


def _title(text: str) -> bytes:
    return text.encode("utf-8")[:16].ljust(16)


def _text(raw: bytes | memoryview) -> str:
    data = bytes(raw)
    try:
        return data.decode("utf-8").strip(" \x00")
    except UnicodeDecodeError:
        return data.decode("latin-1").strip(" \x00")


def _item(kind: int, body: bytes) -> bytes:
    return ITEM.pack(kind, len(body)) + body


def _counted(body: bytes) -> bytes:
    return struct.pack(">H", len(body)) + body


def _user_items(user: UserInformation) -> bytes:
    items = [_item(0x51, struct.pack(">I", user.maximum_length))]
    items.append(_item(0x52, user.implementation_class_uid.encode("ascii")))
    if user.operations is not None:
        items.append(_item(0x53, struct.pack(">HH", *user.operations)))
    for uid, (scu, scp) in user.roles.items():
        items.append(_item(0x54, _counted(uid.encode("ascii", "replace")) + bytes((scu, scp))))
    if user.implementation_version:
        items.append(_item(0x55, user.implementation_version.encode("ascii", "replace")[:16]))
    for uid, info in user.extended.items():
        items.append(_item(0x56, _counted(uid.encode("ascii", "replace")) + info))
    for uid, (service, related) in user.common_extended.items():
        uids = b"".join(_counted(other.encode("ascii", "replace")) for other in related)
        body = _counted(uid.encode("ascii", "replace")) + _counted(service.encode("ascii")) + _counted(uids)
        items.append(_item(0x57, body))
    if user.identity is not None:
        who = user.identity
        head = bytes((who.kind, who.answer_wanted))
        items.append(_item(0x58, head + _counted(who.primary) + _counted(who.secondary)))
    if user.identity_answer is not None:
        items.append(_item(0x59, _counted(user.identity_answer)))
    return b"".join(items)


def encode_associate(kind: int, pdu: Associate) -> bytes:
    """Return an A-ASSOCIATE-RQ or A-ASSOCIATE-AC PDU (PS3.8 9.3.2, 9.3.3)."""
    parts = [_item(0x10, pdu.application_context.encode("ascii", "replace"))]
    for context in pdu.contexts:
        syntaxes = b"".join(_item(0x40, uid.encode("ascii", "replace")) for uid in context.transfer_syntaxes)
        if kind == ASSOCIATE_RQ:
            abstract = _item(0x30, context.abstract_syntax.encode("ascii", "replace"))
            parts.append(_item(0x20, bytes((context.id, 0, 0, 0)) + abstract + syntaxes))
        else:
            parts.append(_item(0x21, bytes((context.id, 0, context.result, 0)) + syntaxes))
    parts.append(_item(0x50, _user_items(pdu.user)))
    body = _FIXED.pack(pdu.version, _title(pdu.called_ae), _title(pdu.calling_ae)) + b"".join(parts)
    return HEADER.pack(kind, len(body)) + body


def encode_reject(result: int, source: int, reason: int) -> bytes:
    """Return an A-ASSOCIATE-RJ PDU (PS3.8 9.3.4)."""
    return HEADER.pack(ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))


def encode_release(kind: int) -> bytes:
    """Return an A-RELEASE-RQ or A-RELEASE-RP PDU."""
    return _RELEASE.pack(kind, 4)


def encode_abort(source: int = 0, reason: int = 0) -> bytes:
    """Return an A-ABORT PDU; `source` 0 is the service user, 2 the service provider (PS3.8 9.3.8)."""
    return HEADER.pack(ABORT, 4) + bytes((0, 0, source, reason))


def _items(body: memoryview) -> list[tuple[int, memoryview]]:
    found: list[tuple[int, memoryview]] = []
    position, end = 0, len(body)
    while position + 4 <= end:
        kind, length = ITEM.unpack_from(body, position)
        position += 4
        if position + length > end:
            raise ProtocolError(f"item 0x{kind:02X} is longer than its PDU")
        found.append((kind, body[position : position + length]))
        position += length
    return found


def _uid_then_rest(body: memoryview) -> tuple[str, memoryview]:
    if len(body) < 2:
        raise ProtocolError("an item ends before its UID")
    length = int.from_bytes(body[:2], "big")
    if 2 + length > len(body):
        raise ProtocolError("a UID is longer than its item")
    return _text(body[2 : 2 + length]), body[2 + length :]


def _context(kind: int, body: memoryview) -> Context:
    if len(body) < 4:
        raise ProtocolError("a presentation context item is too short")
    context = Context(body[0], result=body[2] if kind == 0x21 else 0)
    syntaxes = []
    for sub_kind, value in _items(body[4:]) if len(body) > 4 else []:
        if sub_kind == 0x30:
            context.abstract_syntax = _text(value)
        elif sub_kind == 0x40 and _text(value):
            syntaxes.append(_text(value))
    context.transfer_syntaxes = tuple(dict.fromkeys(syntaxes))
    return context


def _user_information(body: memoryview) -> UserInformation:
    user = UserInformation()
    for kind, value in _items(body):
        if kind == 0x51 and len(value) >= 4:
            user.maximum_length = int.from_bytes(value[:4], "big")
        elif kind == 0x52:
            user.implementation_class_uid = _text(value)
        elif kind == 0x53 and len(value) >= 4:
            user.operations = (int.from_bytes(value[:2], "big"), int.from_bytes(value[2:4], "big"))
        elif kind == 0x54:
            uid, rest = _uid_then_rest(value)
            if len(rest) >= 2:
                user.roles[uid] = (bool(rest[0]), bool(rest[1]))
        elif kind == 0x55:
            user.implementation_version = _text(value)
        elif kind == 0x56:
            uid, rest = _uid_then_rest(value)
            user.extended[uid] = bytes(rest)
        elif kind == 0x57:
            uid, rest = _uid_then_rest(value)
            service, rest = _uid_then_rest(rest)
            related = []
            rest = rest[2:]
            while len(rest) >= 2:
                other, rest = _uid_then_rest(rest)
                related.append(other)
            user.common_extended[uid] = (service, tuple(related))
        elif kind == 0x58 and len(value) >= 4:
            primary_length = int.from_bytes(value[2:4], "big")
            secondary = value[4 + primary_length :]
            user.identity = UserIdentity(
                value[0], bytes(value[4 : 4 + primary_length]), bytes(secondary[2:]), bool(value[1])
            )
        elif kind == 0x59:
            user.identity_answer = bytes(value[2:])
    return user


def decode_associate(body: memoryview) -> Associate:
    """Return the A-ASSOCIATE-RQ or -AC whose bytes after the PDU header are `body`; unknown items are skipped.

    Raises
    ------
    ProtocolError
        Lengths do not fit.
    """
    if len(body) < _FIXED.size:
        raise ProtocolError("the association PDU is too short")
    version, called, calling = _FIXED.unpack_from(body)
    pdu = Associate(_text(called), _text(calling), [], UserInformation(), "", version)
    for kind, value in _items(body[_FIXED.size :]):
        if kind == 0x10:
            pdu.application_context = _text(value)
        elif kind in (0x20, 0x21):
            pdu.contexts.append(_context(kind, value))
        elif kind == 0x50:
            pdu.user = _user_information(value)
    return pdu
