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

CERTIFICATE_REQUEST = 13
"""Handshake message by which a server asks for a client certificate (RFC 8446 4.3.2, RFC 5246 7.4.4)."""

_HANDSHAKE = 22
_CERTIFICATE = 11
"""Handshake message with the certificates of the sender (RFC 8446 4.4.2, RFC 5246 7.4.2)."""

_SERVER_HELLO = 2
_WANTED = (_SERVER_HELLO, _CERTIFICATE, CERTIFICATE_REQUEST)
_OLD_VERSIONS = {b"\x03\0": "SSLv3", b"\x03\x01": "TLSv1", b"\x03\x02": "TLSv1.1"}
"""Version field of a Server Hello; newer ones do not tell there (RFC 8446 4.1.3)."""

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
    messages: dict[int, bytes] = {}
    watched = watch(context, messages)
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
    version, suite, der = "", "", b""
    if not reason:
        cipher = session.cipher()
        version, suite = session.version() or "", cipher[0] if cipher else ""
        der = session.getpeercert(binary_form=True) or b""
    asked = CERTIFICATE_REQUEST in messages if watched and reply else None
    # A server that then insists on a certificate of ours has shown its own, and its version, before
    der = der or _first_certificate(messages.get(_CERTIFICATE, b""))
    version = version or _OLD_VERSIONS.get(messages.get(_SERVER_HELLO, b"")[4:6], "")
    return Inspection(version, suite, der, asked, reply, reason)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Old versions and suites, too: to be able to name them
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:!aNULL:!eNULL@SECLEVEL=0")
    return context


def watch(context: ssl.SSLContext, messages: dict[int, bytes]) -> bool:
    """Keep what the server sends in a handshake: its hello, certificate and request for ours, by message type.

    Only for looking closely: a context that is watched slows its connections down. Returns False where this version of
    Python does not let us see messages.
    """

    def message(_: object, direction: str, _version: object, content: int, kind: int, data: bytes) -> None:
        if direction == "read" and content == _HANDSHAKE and kind in _WANTED:
            messages[int(kind)] = bytes(data)

    if not hasattr(context, "_msg_callback"):
        return False
    context._msg_callback = message  # type: ignore[attr-defined]  # no public way exists
    return True


def _first_certificate(message: bytes) -> bytes:
    # Header of 4 bytes; in TLS 1.3 a context of one length byte (0 from servers); a list of 3-byte lengths and contents
    for begin in (4, 5):
        total = int.from_bytes(message[begin : begin + 3], "big")
        size = int.from_bytes(message[begin + 3 : begin + 6], "big")
        if 0 < size < total and begin + 3 + total == len(message):
            return message[begin + 6 : begin + 6 + size]
    return b""
