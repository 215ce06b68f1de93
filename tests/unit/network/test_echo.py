from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from lightbox.network import words
from lightbox.network.archive import Archive
from lightbox.network.echo import echo
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer

ECHO = "1.2.840.10008.1.1"


@pytest.fixture
def raw_server() -> Iterator[Callable[..., int]]:
    """A TCP server that sends `reply` to each connection and closes it (or says nothing when it is None)."""
    sockets: list[socket.socket] = []

    def start(reply: bytes | None) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def serve() -> None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            sockets.append(connection)
            if reply is not None:
                connection.recv(65536)
                connection.sendall(reply)
                with contextlib.suppress(OSError):  # the other side was faster
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for sock in sockets:
        sock.close()


def test_every_step_is_told(archive: Archive, identity: LocalIdentity) -> None:
    result = echo(archive.peer(), identity)
    assert result.ok
    assert [(step.name, step.ok) for step in result.steps] == [
        ("name resolution", True),
        ("TCP connection", True),
        ("association", True),
        ("echo", True),
    ]
    assert all(step.milliseconds >= 0 and step.text for step in result.steps)
    assert result.implementation.startswith("LIGHTBOX")
    assert result.as_dict()["ok"] is True
    assert "answers" in result.summary()


def failure(peer: Peer, identity: LocalIdentity) -> tuple[str, str]:
    result = echo(peer, identity)
    assert not result.ok
    assert not result.steps[-1].ok
    assert result.why
    assert result.todo
    return result.code, f"{result.why} {result.todo}"


def test_unknown_host(identity: LocalIdentity) -> None:
    code, text = failure(Peer("x", "X", "no-such-host.invalid", 104, plaintext_reason="test"), identity)
    assert code == "dns.unknown"
    assert "no-such-host.invalid" in text


def test_nothing_listens(identity: LocalIdentity) -> None:
    code, text = failure(Peer("x", "X", "127.0.0.1", identity.port), identity)
    assert code == "tcp.refused"
    assert f"127.0.0.1:{identity.port}" in text


def test_silent_service(identity: LocalIdentity, raw_server: Callable[..., int]) -> None:
    impatient = LocalIdentity("LIGHTBOX", 0, "127.0.0.1", association_timeout=0.5)
    code, _ = failure(Peer("x", "X", "127.0.0.1", raw_server(None)), impatient)
    assert code == "association.timeout"


@pytest.mark.parametrize(
    ("reply", "code", "word"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "association.http", "HTTP"),
        (b"", "association.aborted", "DICOM"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "association.needs-tls", "TLS"),
        (b"220 mail.example.org ESMTP\r\n", "association.not-dicom", "DICOM"),
    ],
)
def test_other_service(
    identity: LocalIdentity, raw_server: Callable[..., int], reply: bytes, code: str, word: str
) -> None:
    found, text = failure(Peer("x", "X", "127.0.0.1", raw_server(reply)), identity)
    assert found == code
    assert word in text


def test_unknown_calling_title(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    code, text = failure(scp([ECHO], [], require_calling_aet=["SOMEONE"]), identity)
    assert code == "association.rejected"
    assert "LIGHTBOX" in text


def test_unknown_called_title(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    peer = scp([ECHO], [], require_called_aet=True)
    code, text = failure(Peer("x", "odd", peer.host, peer.port), identity)
    assert code == "association.rejected"
    assert "called AE title odd" in text


def test_service_not_offered(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    code, text = failure(scp(["1.2.840.10008.5.1.4.31"], []), identity)
    assert code == "association.no-context"
    assert "Verification" in text


def test_a_busy_peer_is_worth_another_try(identity: LocalIdentity) -> None:
    error = words.rejected(Peer("x", "X", "h", 1), identity, 2, 3, 2)
    assert error.code == "association.busy"
    assert "later" in error.todo


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0xA700, "disk full"),
        (0xA7FE, "disk full"),
        (0xA900, "does not match its SOP class"),
        (0xA9AB, "does not match its SOP class"),
        (0xC000, "could not understand the object"),
        (0xC211, "could not understand the object"),
        (0xA777, "requires an identifier that the object lacks"),
        (0x0111, "has this object already"),
    ],
)
def test_statuses_of_storing_have_words_and_the_comment(status: int, expected: str) -> None:
    text = words.status_words(status, " Patient ID is missing ", storing=True)
    assert expected in text
    assert text.endswith(f"(status 0x{status:04X}): Patient ID is missing")


def test_statuses_have_words() -> None:
    assert "0xA801" in words.status_words(0xA801)
    assert "does not know us" in words.status_words(0xA801)
    assert words.status_words(0xC123, "no such thing").endswith(": no such thing")
    assert words.status_words(None) == "no response"
    assert "0x0199" in words.status_words(0x0199)
    assert words.is_failure(0xA700)
    assert not any(words.is_failure(status) for status in (0x0000, 0xB007, 0xFF00, 0xFE00))
