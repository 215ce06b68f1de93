"""A look at what listens on a port by a TLS handshake that trusts everybody: only for words and for the doctor.

Nothing but the handshake is ever sent on such a connection.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from lightbox.network.certificates import Certificate, CertificateError

_CERTIFICATE_REQUEST = 13
"""Handshake message by which a server asks for a client certificate (RFC 8446 4.3.2, RFC 5246 7.4.4)."""

_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen.

    Parameters
    ----------
    version, suite : str
        As negotiated; the version may be one that Lightbox does not use (``"TLSv1.1"``). Empty without a handshake.
    der : bytes
        The certificate that the server showed; not verified.
    client_certificate_asked : bool, optional
        Whether the server asked for a client certificate; None when that could not be seen.
    reply : bytes
        The first bytes of the answer (at most 16).
    reason : str
        OpenSSL's word for what ended the handshake; empty when it succeeded.
    """

    version: str = ""
    suite: str = ""
    der: bytes = b""
    client_certificate_asked: bool | None = None
    reply: bytes = b""
    reason: str = ""

    @property
    def speaks_tls(self) -> bool:
        """Whether the answer was TLS: a handshake or an alert record."""
        return is_tls(self.reply)

    @property
    def certificate(self) -> Certificate | None:
        """The certificate of the server, when it can be read."""
        if not self.der:
            return None
        try:
            return Certificate.of_der(self.der)
        except CertificateError:
            return None


def is_tls(data: bytes) -> bool:
    """Whether `data` begins a TLS record: an alert or a handshake message, of any version."""
    return len(data) >= 2 and data[0] in (0x15, 0x16) and data[1] == 0x03


def inspect(target: tuple[Any, ...], server_name: str, timeout: float) -> Inspection:
    """Connect to `target`, try a handshake, say what was seen, and go. Never raises for what the network does.

    Parameters
    ----------
    target : tuple
        Address and port.
    server_name : str
        Sent as server name (SNI) unless it is an address.
    timeout : float
        Seconds to wait for each answer.
    """
    context = _context()
    requests: list[int] = []
    seen = _watch(context, requests)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=server_name or None)
    reply, reason = b"", ""
    try:
        with contextlib.closing(socket.create_connection(target[:2], timeout)) as sock:
            for _ in range(_ROUNDS):
                try:
                    session.do_handshake()
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    data = sock.recv(65536)
                    if not data:
                        reason = "closed"
                        break
                    reply = reply or data[:16]
                    incoming.write(data)
                else:
                    break
    except TimeoutError:
        reason = "timeout"
    except ssl.SSLError as error:
        reason = error.reason or "failed"
    except OSError as error:
        reason = type(error).__name__
    asked = bool(requests) if seen and reply else None
    cipher = session.cipher()
    version = session.version() or ""
    der = session.getpeercert(binary_form=True) if cipher else None
    return Inspection(version if cipher else "", cipher[0] if cipher else "", der or b"", asked, reply, reason)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Old versions and suites, too: to be able to name them
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:!aNULL:!eNULL@SECLEVEL=0")
    return context


def _watch(context: ssl.SSLContext, requests: list[int]) -> bool:
    """Note each request for a client certificate, where this version of Python lets us see the messages."""

    def message(
        _connection: object, direction: str, _version: object, _content: object, kind: object, _data: bytes
    ) -> None:
        if direction == "read" and kind == _CERTIFICATE_REQUEST:
            requests.append(1)

    if not hasattr(context, "_msg_callback"):
        return False
    context._msg_callback = message  # type: ignore[attr-defined]  # no public way exists
    return True
