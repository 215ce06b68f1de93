"""DICOM peers that say exactly the bytes they are told to: for what no proper implementation would send."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

from lightbox.network.peers import Peer

IMPLICIT = "1.2.840.10008.1.2"
ECHO = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
COMMAND, DATA, LAST = 1, 0, 2

RELEASE_RQ = b"\x05\x00\x00\x00\x00\x04" + bytes(4)
RELEASE_RP = b"\x06\x00\x00\x00\x00\x04" + bytes(4)
ABORT = b"\x07\x00\x00\x00\x00\x04" + bytes(4)


def pdu(kind: int, body: bytes, *, length: int | None = None) -> bytes:
    """Return a PDU, perhaps with a length that is not true."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def item(kind: int, body: bytes, *, length: int | None = None) -> bytes:
    """Return an item of an association PDU."""
    return struct.pack(">BxH", kind, len(body) if length is None else length) + body


def pdv(context_id: int, control: int, data: bytes, *, length: int | None = None) -> bytes:
    """Return a presentation data value."""
    return struct.pack(">IBB", len(data) + 2 if length is None else length, context_id, control) + data


def p_data(context_id: int, control: int, data: bytes) -> bytes:
    """Return a P-DATA PDU with one value."""
    return pdu(4, pdv(context_id, control, data))


def elements(*values: tuple[int, int | str | bytes]) -> bytes:
    """Return a command set without group length: (element number, value)."""
    result = b""
    for number, value in values:
        if isinstance(value, int):
            raw = struct.pack("<H", value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            raw += b"\x00" * (len(raw) % 2)
        result += struct.pack("<HHI", 0, number, len(raw)) + raw
    return result


def command(*values: tuple[int, int | str | bytes]) -> bytes:
    """Return a command set."""
    body = elements(*values)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def response(field: int, message_id: int, status: int, *, data: bool = False) -> bytes:
    """Return the command set of a response."""
    return command(
        (0x0002, ECHO), (0x0100, field), (0x0120, message_id), (0x0800, 1 if data else 0x0101), (0x0900, status)
    )


def message_id_of(command_set: bytes) -> int:
    """Return the Message ID of a command set."""
    position = command_set.index(b"\x00\x00\x10\x01\x02\x00\x00\x00")
    return int.from_bytes(command_set[position + 8 : position + 10], "little")


def _user(maximum: int, extra: bytes = b"") -> bytes:
    return item(0x50, item(0x51, struct.pack(">I", maximum)) + item(0x52, b"1.2.3") + extra)


def _fixed(called: str, calling: str) -> bytes:
    return struct.pack(">H2x16s16s32x", 1, called.encode().ljust(16), calling.encode().ljust(16))


def associate_rq(*contexts: tuple[int, str, str], called: str = "X", calling: str = "RAW", extra: bytes = b"") -> bytes:
    """Return an A-ASSOCIATE-RQ: (ID, abstract syntax, transfer syntax)."""
    body = _fixed(called, calling) + item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, abstract, transfer in contexts or ((1, ECHO, IMPLICIT),):
        names = item(0x30, abstract.encode()) + item(0x40, transfer.encode())
        body += item(0x20, bytes((number, 0, 0, 0)) + names)
    return pdu(1, body + _user(16384, extra))


def associate_ac(
    *contexts: tuple[int, int, str], maximum: int = 16384, extra: bytes = b"", items: bytes = b""
) -> bytes:
    """Return an A-ASSOCIATE-AC: (ID, result, transfer syntax)."""
    body = _fixed("X", "LIGHTBOX") + item(0x10, b"1.2.840.10008.3.1.1.1") + items
    for number, result, transfer in contexts or ((1, 0, IMPLICIT),):
        body += item(0x21, bytes((number, 0, result, 0)) + item(0x40, transfer.encode()))
    return pdu(2, body + _user(maximum, extra))


class Raw:
    """A socket that reads and writes PDUs."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(10)

    def send(self, *parts: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(b"".join(parts))

    def exactly(self, count: int) -> bytes:
        """Read so many bytes; fewer at the end of the connection."""
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                break
            data += more
        return data

    def pdu(self) -> tuple[int, bytes]:
        """Read a PDU: type and body; (0, b"") at the end of the connection."""
        try:
            head = self.exactly(6)
            if len(head) < 6:
                return 0, b""
            kind, length = struct.unpack(">BxI", head)
            return kind, self.exactly(length)
        except ConnectionError:
            return 0, b""

    def message(self) -> tuple[bytes, bytes]:
        """Read a message: command set and data set."""
        parts = {COMMAND: b"", DATA: b""}
        expected = None
        while True:
            kind, body = self.pdu()
            assert kind == 4, kind
            while body:
                length, _, control = struct.unpack(">IBB", body[:6])
                parts[control & 1] += body[6 : 4 + length]
                body = body[4 + length :]
                if control == COMMAND | LAST:
                    expected = b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01" not in parts[COMMAND]
                if control & LAST and (control & 1 == 0 or not expected):
                    return parts[COMMAND], parts[DATA]

    def close(self) -> None:
        """Close it."""
        self.sock.close()


@contextlib.contextmanager
def scp(script: Callable[[Raw], Any], *, connections: int = 1) -> Iterator[Peer]:
    """Run `script` on each connection; an exception in it fails the test."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    failures: list[BaseException] = []

    def serve() -> None:
        for _ in range(connections):
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            raw = Raw(sock)
            try:
                script(raw)
            except (ConnectionError, TimeoutError):
                pass  # the client left
            except BaseException as error:
                failures.append(error)
            finally:
                raw.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Peer("raw", "X", "127.0.0.1", int(listener.getsockname()[1]))
    finally:
        listener.close()
        thread.join(10)
        assert not failures, failures


def accepting(script: Callable[[Raw], Any], answer: bytes = b"") -> Callable[[Raw], None]:
    """Return a script that accepts the association first."""

    def run(raw: Raw) -> None:
        kind, _ = raw.pdu()
        assert kind == 1
        raw.send(answer or associate_ac())
        script(raw)

    return run


def connect(port: int) -> Raw:
    """Connect to a server."""
    return Raw(socket.create_connection(("127.0.0.1", port), timeout=10))
