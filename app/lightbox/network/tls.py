"""TLS for DICOM (PS3.15 B.12 and B.13): contexts, handshakes as client and as server, and what was negotiated.

The floor is TLS 1.2, 1.3 is preferred, and there is never a fall-back to plaintext. Failures carry the words of
`tls_words`.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
from dataclasses import asdict, dataclass
from typing import Any

from lightbox.network import tls_server_words, tls_words
from lightbox.network.certificates import Certificate, CertificateError
from lightbox.network.errors import AssociationError
from lightbox.network.identity import CERTIFICATE_WARNING_DAYS, TlsSettings
from lightbox.network.peers import Peer
from lightbox.network.tls_contexts import SUITES, client_context, server_context

__all__ = [
    "SUITES",
    "TlsFacts",
    "accept",
    "check_pin",
    "client_context",
    "connect",
    "facts",
    "facts_of",
    "hang_up",
    "late_failure",
    "server_context",
    "server_name",
]

_HANDSHAKE_RECORD = 0x16
_LINGER_S = 0.5


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a TLS connection negotiated, and who is at its other end.

    Parameters
    ----------
    version, suite : str
        For example ``"TLSv1.3"`` and ``"TLS_AES_256_GCM_SHA384"``.
    subject, issuer, not_after, fingerprint : str
        Of the certificate of the other side; empty where it showed none. ``not_after`` is a date (ISO 8601),
        ``fingerprint`` the SHA-256 in hexadecimal.
    days_left : int, optional
        Whole days until that certificate ends; None without a certificate.
    client_certificate_asked : bool, optional
        Whether the server asked for a certificate; None where that is not known.
    """

    version: str = ""
    suite: str = ""
    subject: str = ""
    issuer: str = ""
    not_after: str = ""
    days_left: int | None = None
    fingerprint: str = ""
    client_certificate_asked: bool | None = None

    @property
    def ends_soon(self) -> bool:
        """Whether the certificate of the other side ends within `CERTIFICATE_WARNING_DAYS` days."""
        return self.days_left is not None and self.days_left < CERTIFICATE_WARNING_DAYS

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def connect(
    sock: socket.socket, peer: Peer, settings: TlsSettings | None = None, *, context: ssl.SSLContext | None = None
) -> ssl.SSLSocket:
    """Make `sock`, connected to `peer`, a TLS connection: handshake, host name, pinned certificate.

    Parameters
    ----------
    sock : socket.socket
        Connected; its time-out limits the whole handshake. It is closed when the handshake fails.
    peer : Peer
        Whom we called.
    settings : TlsSettings, optional
        Default: those of the peer.
    context : ssl.SSLContext, optional
        Made of `settings`; default: the one that all connections share.

    Raises
    ------
    AssociationError
        Step ``"TLS"``, with words that name the setting to change.
    """
    settings = settings or peer.tls or TlsSettings()
    try:
        context = context or client_context(settings)
        target = sock.getpeername()[:2]
    except BaseException:
        sock.close()
        raise
    timeout = sock.gettimeout()
    wrapped = context.wrap_socket(sock, server_hostname=server_name(peer.host), do_handshake_on_connect=False)
    try:
        wrapped.do_handshake()
        check_pin(wrapped, peer, settings)
    except OSError as error:
        wrapped.close()
        raise tls_words.client_failure(error, peer, settings, target, timeout) from error
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def server_name(host: str) -> str:
    """Return the name or address that the certificate of a server must carry."""
    return host.strip().strip("[]").rstrip(".")


def check_pin(connection: ssl.SSLSocket, peer: Peer, settings: TlsSettings) -> None:
    """Compare the certificate of the other side with the pinned one, if any."""
    wanted = settings.pin_sha256.replace(":", "").strip().lower()
    if not wanted:
        return
    found = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
    if found != wanted:
        raise tls_words.wrong_pin(peer, wanted, found)


def accept(sock: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Make a connection that came to our TLS port a TLS connection. Runs on the connection's own thread.

    Parameters
    ----------
    sock : socket.socket
        As accepted; its time-out limits the wait for the first byte and then the whole handshake. It is closed when
        the handshake fails.
    context : ssl.SSLContext
        Of `server_context`.

    Raises
    ------
    AssociationError
        Step ``"TLS"``; code ``"tls.plaintext"`` when the other side does not speak TLS at all, ``"tls.closed"`` when it
        went away without a word, else the reason.
    """
    caller = _caller(sock)
    try:
        # A plaintext A-ASSOCIATE-RQ begins with 01H, TLS with 16H; OpenSSL would call both a wrong version
        first = sock.recv(8, socket.MSG_PEEK)
    except OSError as error:
        sock.close()
        raise tls_server_words.server_failure(error, caller) from error
    if not first or first[0] != _HANDSHAKE_RECORD:
        hang_up(sock)
        raise tls_server_words.not_tls(first, caller)
    wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    try:
        wrapped.do_handshake()
    except OSError as error:
        hang_up(wrapped)
        raise tls_server_words.server_failure(error, caller) from error
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def _caller(sock: socket.socket) -> str:
    try:
        return str(sock.getpeername()[0])
    except OSError:
        return "unknown address"


def hang_up(sock: socket.socket) -> None:
    """Close a connection so that the other side still reads what was sent to it, for example an alert."""
    # Below TLS: an SSLSocket would try to decrypt what is thrown away here
    with contextlib.suppress(OSError), socket.socket(fileno=sock.detach()) as plain:
        plain.shutdown(socket.SHUT_WR)
        plain.settimeout(_LINGER_S)
        for _ in range(16):
            if not plain.recv(65536):
                break


def facts(connection: ssl.SSLSocket | ssl.SSLObject, *, asked: bool | None = None) -> TlsFacts:
    """Return what a connection negotiated; `asked`: whether the server asked for a client certificate."""
    cipher = connection.cipher()
    der = connection.getpeercert(binary_form=True)
    return facts_of(connection.version() or "", cipher[0] if cipher else "", der, asked=asked)


def facts_of(version: str, suite: str, der: bytes | None, *, asked: bool | None = None) -> TlsFacts:
    """Return `TlsFacts` of their parts; `der` is the certificate of the other side."""
    if not der:
        return TlsFacts(version, suite, client_certificate_asked=asked)
    try:
        certificate = Certificate.of_der(der)
    except CertificateError:  # trusted, but of a form that is not understood here: its fingerprint is still known
        return TlsFacts(version, suite, fingerprint=hashlib.sha256(der).hexdigest(), client_certificate_asked=asked)
    return TlsFacts(
        version,
        suite,
        certificate.subject,
        certificate.issuer,
        certificate.not_after_date,
        certificate.days_left,
        certificate.fingerprint,
        asked,
    )


def late_failure(error: OSError | None, peer: Peer, settings: TlsSettings | None = None) -> AssociationError | None:
    """Return the words for what ended a TLS connection before the peer's first byte, or None when TLS is not to blame.

    With TLS 1.3 a server judges our certificate only after our side has finished the handshake: its refusal arrives
    with the first read.

    Parameters
    ----------
    error : OSError or None
        What reading or writing raised; None when the peer closed the connection.
    peer : Peer
        Whom we called.
    settings : TlsSettings, optional
        Default: those of the peer.
    """
    return tls_words.late_failure(error, peer, settings or peer.tls or TlsSettings())
