"""From the settings to a TLS connection: what has to hold before a DICOM message is sent."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

from lightbox.network import tls, words
from lightbox.network.certificates import Certificate, CertificateError
from lightbox.network.diagnosis.steps import FAILED, OK, SKIPPED, WARNING
from lightbox.network.errors import AssociationError
from lightbox.network.identity import CERTIFICATE_WARNING_DAYS, LocalIdentity, TlsSettings
from lightbox.network.peers import Peer, check_plaintext, is_loopback
from lightbox.network.tls_contexts import watched_client_context
from lightbox.network.tls_inspection import CERTIFICATE_REQUEST, Inspection, inspect
from lightbox.network.wire.client import connect, resolve

Found = tuple[str, str, str, str, str, dict[str, Any]]
"""State, text, why, todo, code and detail of a step."""

WAITED = "waited"
"""Key of the detail of a step for seconds in which nothing was due; they do not count."""

_INSPECTION_S = 3.0
_REFUSAL_S = 0.3


def ok(text: str, **detail: Any) -> Found:
    """Return a step that went well."""
    return OK, text, "", "", "", detail


def skipped(text: str, why: str = "", todo: str = "") -> Found:
    """Return a step that was left out."""
    return SKIPPED, text, why, todo, "", {}


def warning(text: str, why: str, todo: str, code: str, **detail: Any) -> Found:
    """Return a step that works but needs attention."""
    return WARNING, text, why, todo, code, detail


def failed(error: AssociationError, **detail: Any) -> Found:
    """Return a step that failed, in the words of `error`."""
    return FAILED, error.what, error.why, error.todo, error.code, detail


def settings(peer: Peer) -> Found:
    """Examine what we have entered for the peer: security, and the files of TLS."""
    check_plaintext(peer)
    if peer.tls is None:
        text = "Without TLS" + ("" if is_loopback(peer.host) else f", because: {peer.plaintext_reason}")
        return ok(text, tls=False)
    tls.client_context(peer.tls)
    text = f"TLS {peer.tls.minimum_version} or newer"
    if readable_by_others(peer.tls.key_file):
        return warning(
            "Our private key can be read by others on this computer",
            peer.tls.key_file,
            "Make the file readable for its owner only (chmod 600)",
            "tls.key-readable",
        )
    if not peer.tls.certificate_file:
        return ok(f"{text}, without a certificate of ours", tls=True)
    return own_certificate(peer.tls) or ok(f"{text}, with our certificate", tls=True)


def readable_by_others(key_file: str) -> bool:
    """Whether others on this computer may read our private key (only told where the system has such modes)."""
    if not key_file or os.name != "posix":
        return False
    try:
        return bool(Path(key_file).stat().st_mode & 0o044)
    except OSError:
        return False


def own_certificate(used: TlsSettings) -> Found | None:
    """Return a finding about our own certificate when it ends soon."""
    try:
        mine = Certificate.of_pem(used.certificate_file)
    except CertificateError:
        return None  # OpenSSL took it: it is only of a form that is not understood here
    detail = {"own_certificate_end": mine.not_after_date, "own_certificate_days_left": mine.days_left}
    todo = f"Request a new one from {mine.issuer}"
    if mine.days_left < 0:
        text = f"Our certificate ({mine.subject}) ended on {mine.not_after_date}"
        return warning(text, "Peers that ask for it will refuse us", todo, "tls.own-expired", **detail)
    if mine.days_left < CERTIFICATE_WARNING_DAYS:
        text = f"Our certificate ({mine.subject}) ends in {mine.days_left} days"
        return warning(text, f"It ends on {mine.not_after_date}", todo, "tls.own-ends-soon", **detail)
    return None


def name(peer: Peer) -> tuple[Found, list[tuple[Any, ...]]]:
    """Resolve the host name; returns the addresses, too."""
    addresses = resolve(peer)
    shown = list(dict.fromkeys(str(entry[4][0]) for entry in addresses))
    text = f"{peer.host} is known" if shown == [peer.host] else f"{peer.host} is {', '.join(shown)}"
    return ok(text, addresses=shown), addresses


def tcp(peer: Peer, identity: LocalIdentity, addresses: list[tuple[Any, ...]]) -> tuple[Found, socket.socket]:
    """Connect; returns the connection, too."""
    sock = connect(peer, addresses, identity.connect_timeout)
    return ok(f"{peer.host}:{peer.port} accepts connections", address=str(sock.getpeername()[0])), sock


def encrypt(peer: Peer, sock: socket.socket) -> Found:
    """Speak TLS, verified as for every association, and look at what the peer asks of us."""
    assert peer.tls is not None
    messages: dict[int, bytes] = {}
    context, watched = watched_client_context(peer.tls, messages)
    with contextlib.closing(tls.connect(sock, peer, context=context)) as secured:
        asked = CERTIFICATE_REQUEST in messages if watched else None
        found = tls.facts(secured, asked=asked)
        waited = _wait_for_refusal(peer, secured) if asked and found.version == "TLSv1.3" else 0.0
    values = {**found.as_dict(), WAITED: waited}
    wants = "; it asks for our certificate" if asked else ""
    version = found.version.replace("TLSv", "TLS ")
    text = (
        f"{version}, {found.suite}; certificate of {found.subject} from {found.issuer}, until {found.not_after}{wants}"
    )
    if found.ends_soon:
        return warning(
            text,
            f"The certificate of {peer.ae_title} ends in {found.days_left} days",
            "Remind its administrator to renew it",
            "tls.ends-soon",
            **values,
        )
    return ok(text, **values)


def _wait_for_refusal(peer: Peer, secured: ssl.SSLSocket) -> float:
    """Raise when the peer does not take our certificate, or our having none: with TLS 1.3 it says so a moment later.

    Returns the seconds for which it said nothing.
    """
    failure: OSError | None = None
    begun = time.perf_counter()
    secured.settimeout(_REFUSAL_S)
    try:
        if secured.recv(1):
            return 0.0
    except TimeoutError:
        return time.perf_counter() - begun
    except OSError as error:
        failure = error
    refused = tls.late_failure(failure, peer)
    if refused is not None:
        raise refused
    return 0.0


def requires_tls(peer: Peer, error: AssociationError) -> AssociationError:
    """Return a better error where a plaintext request was broken off because the peer wants TLS.

    TLS is tried once, and only to find that out: plaintext is never tried where TLS is set.
    """
    if peer.tls is not None or error.code not in ("association.aborted", "association.needs-tls"):
        return error
    seen: Inspection = inspect((peer.host.strip("[]"), peer.port), tls.server_name(peer.host), _INSPECTION_S)
    if not seen.speaks_tls:
        return error
    return words.needs_tls(peer, seen.version, seen.certificate.issuer if seen.certificate else "")
