"""What went wrong with TLS, in words that name the setting to change; as client and as server."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from lightbox.network.certificates import Certificate, CertificateError
from lightbox.network.errors import AssociationError
from lightbox.network.identity import TlsSettings
from lightbox.network.peers import Peer
from lightbox.network.tls_inspection import Inspection, inspect

STEP = "TLS"
_INSPECTION_TIMEOUT_S = 3.0
ASSOCIATION_RQ, _ASSOCIATION_AC, _ASSOCIATION_RJ, _ABORT = 0x01, 0x02, 0x03, 0x07

# X.509 verification results (OpenSSL's x509_vfy.h)
NOT_YET_VALID, EXPIRED, _REVOKED, PURPOSE = 9, 10, 23, 26
_WRONG_HOST = (62, 64)
_WEAK = (66, 67, 68)

# Alerts about the certificate of the side that receives them (RFC 8446 6.2), in OpenSSL's words
ABOUT_OUR_CERTIFICATE = {
    "TLSV1_ALERT_UNKNOWN_CA": "The authority that issued it is not trusted there",
    "SSLV3_ALERT_BAD_CERTIFICATE": "It is called bad there",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "Its kind is not supported there",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "It was revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "It has expired, or is not valid yet",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "It is not accepted there, without a reason",
    "TLSV1_ALERT_ACCESS_DENIED": "It is valid, but not allowed in",
    "TLSV1_ALERT_DECRYPT_ERROR": "Its signature could not be checked",
}
DEMANDED = ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_NO_CERTIFICATE")
OLD = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "VERSION_TOO_LOW")
NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG", "BAD_RECORD_TYPE")
NO_SUITE = ("NO_SHARED_CIPHER", "NO_CIPHERS_AVAILABLE", "WRONG_CIPHER_RETURNED", "UNKNOWN_CIPHER_RETURNED")
_WEAK_KEY = ("DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "BAD_ECPOINT")


def client_failure(
    error: OSError, peer: Peer, settings: TlsSettings, target: tuple[Any, ...], timeout: float | None = None
) -> AssociationError:
    """Return the words for a handshake with `peer` that failed.

    One more connection, on which nothing but a handshake is sent, tells what OpenSSL does not: the issuer of a
    certificate that is not trusted, the names in it, the version of an old peer, or that the peer speaks no TLS.

    Parameters
    ----------
    error : OSError
        What the handshake raised.
    peer, settings : Peer, TlsSettings
        Whom we called, and how.
    target : tuple
        The address and port that was called.
    timeout : float, optional
        Seconds that this look may wait.
    """
    limit = min(timeout or _INSPECTION_TIMEOUT_S, _INSPECTION_TIMEOUT_S)
    seen: list[Inspection] = []

    def look() -> Inspection:
        if not seen:
            seen.append(inspect(target, peer.host.strip("[]"), limit))
        return seen[0]

    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, peer, settings, look().certificate)
    reason = getattr(error, "reason", "") or ""
    if reason in DEMANDED:
        return certificate_demanded(peer, settings)
    if reason in ABOUT_OUR_CERTIFICATE and settings.certificate_file:
        return our_certificate_refused(peer, settings, reason)
    if reason in OLD:
        return _too_old(peer, settings, look())
    if reason in NOT_TLS:
        return _answer_without_tls(peer, look().reply)
    if reason in _WEAK_KEY:
        return _error(
            "The certificate or key exchange of {ae} is too weak",
            peer,
            f"OpenSSL: {reason}",
            "Ask its administrator for a certificate with at least RSA 2048 or EC 256 and SHA-256",
            "tls.weak",
        )
    return _unclear(error, reason, peer, settings, look)


def _unclear(
    error: OSError, reason: str, peer: Peer, settings: TlsSettings, look: Callable[[], Inspection]
) -> AssociationError:
    seen = look()
    if seen.reply and not seen.speaks_tls:
        return _answer_without_tls(peer, seen.reply)
    if seen.client_certificate_asked and not settings.certificate_file:
        return certificate_demanded(peer, settings)
    if seen.version and seen.version not in ("TLSv1.2", "TLSv1.3"):
        return _too_old(peer, settings, seen)
    if reason == "SSLV3_ALERT_HANDSHAKE_FAILURE" or reason in NO_SUITE:
        if seen.client_certificate_asked:
            return our_certificate_refused(peer, settings, reason)
        return _error(
            "{ae} and this workstation have no TLS cipher suite in common",
            peer,
            f"It would use {seen.suite}" if seen.suite else "",
            "Ask its administrator for the suites of the BCP 195 profile (ECDHE with AES-GCM)",
            "tls.no-common-suite",
        )
    if isinstance(error, TimeoutError):
        return _error(
            "{target} does not answer the TLS handshake",
            peer,
            "It accepted the connection but sent nothing; a service without TLS may wait like this",
            "Check that the port is the TLS port of the peer (often 2762)",
            "tls.timeout",
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return _error(
            "{target} closed the connection during the TLS handshake",
            peer,
            "It may expect plaintext on this port, or not accept this version or certificate",
            "Check that the port is the TLS port of the peer (often 2762), and look into its log",
            "tls.closed",
        )
    return _error(
        "TLS with {target} could not be set up", peer, f"OpenSSL: {reason or error}", "Look into its log", "tls.failed"
    )


def _untrusted(
    error: ssl.SSLCertVerificationError, peer: Peer, settings: TlsSettings, certificate: Certificate | None
) -> AssociationError:
    code = error.verify_code
    issuer = f"issuer: {certificate.issuer}" if certificate else "issuer unknown"
    if code == EXPIRED:
        end = (
            f"It ended on {certificate.not_after_date}"
            if certificate and certificate.days_left < 0
            else error.verify_message
        )
        return _error(
            "The certificate of {ae} has expired",
            peer,
            f"{end} ({issuer})",
            "Its administrator must renew it; check also the clock of this computer",
            "tls.expired",
        )
    if code == NOT_YET_VALID:
        begin = f"It begins on {certificate.not_before.date().isoformat()}" if certificate else error.verify_message
        return _error(
            "The certificate of {ae} is not valid yet",
            peer,
            f"{begin} ({issuer})",
            "Check the clock of this computer and of the peer",
            "tls.not-yet-valid",
        )
    if code in _WRONG_HOST:
        names = ", ".join(certificate.names) if certificate and certificate.names else "no host at all"
        return _error(
            "The certificate of {ae} is not issued for {host}",
            peer,
            f"It names {names}",
            "Enter the host by a name in the certificate, have it issued anew, or switch the host name check of this "
            "peer off (--no-host-check)",
            "tls.host-name",
        )
    if code == _REVOKED:
        return _error(
            "The certificate of {ae} was revoked", peer, issuer, "Its administrator must renew it", "tls.revoked"
        )
    if code in _WEAK:
        return _error(
            "The certificate of {ae} is too weak",
            peer,
            f"{error.verify_message} ({issuer})",
            "Ask its administrator for one with at least RSA 2048 or EC 256 and SHA-256",
            "tls.weak",
        )
    if code == PURPOSE:
        return _error(
            "The certificate of {ae} is not meant for a server",
            peer,
            f"Its extended key usage lacks server authentication ({issuer})",
            "Ask its administrator for a certificate with server and client authentication",
            "tls.purpose",
        )
    kind = "It is self-signed" if certificate and certificate.self_signed else error.verify_message.capitalize()
    trusted = f"the file {settings.ca_file}" if settings.ca_file else "the authorities of this system"
    return _error(
        "The certificate of {ae} is not from a trusted authority",
        peer,
        f"{kind}; {issuer}; trusted are {trusted}",
        "Ask its administrator for the certificate of the authority and give it with --ca",
        "tls.untrusted",
    )


def _too_old(peer: Peer, settings: TlsSettings, seen: Inspection) -> AssociationError:
    offered = seen.version.replace("TLSv", "TLS ")
    if offered in ("TLS 1", "TLS 1.0", "TLS 1.1", "SSLv3"):
        offered = "TLS 1.0" if offered == "TLS 1" else offered
        what, why = f"{{ae}} offers only {offered}", "TLS below 1.2 is not safe and is never spoken"
        todo = "Ask its administrator to switch TLS 1.2 or 1.3 on"
    elif offered:
        what, why = f"{{ae}} offers only {offered}", f"At least TLS {settings.minimum_version} is asked of this peer"
        todo = "Ask its administrator to switch TLS 1.3 on, or allow TLS 1.2 for this peer (--tls-min 1.2)"
    else:
        what, why = (
            "{ae} offers no TLS version that is spoken here",
            f"At least TLS {settings.minimum_version} is needed",
        )
        todo = "Ask its administrator to switch TLS 1.2 or 1.3 on"
    return _error(what, peer, why, todo, "tls.old-version")


def _answer_without_tls(peer: Peer, reply: bytes) -> AssociationError:
    if reply.startswith(b"HTTP/"):
        return _error(
            "{target} is a web service without TLS",
            peer,
            "It answered with HTTP",
            "Enter the DICOM port of the peer; a DICOMweb address is given with --dicomweb",
            "tls.http",
        )
    dicom = bool(reply) and reply[0] in (_ASSOCIATION_AC, _ASSOCIATION_RJ, _ABORT)
    return _error(
        "{target} does not speak TLS",
        peer,
        "It answered with a plaintext DICOM message" if dicom else "Its answer is not TLS",
        "Enter the TLS port of the peer (often 2762), or switch TLS off for it and state why",
        "tls.plaintext",
    )


def certificate_demanded(peer: Peer, settings: TlsSettings) -> AssociationError:
    """Return the error for a peer that wants a client certificate and got none, or none that it takes."""
    if settings.certificate_file:
        return our_certificate_refused(peer, settings, "")
    return _error(
        "{ae} demands a client certificate",
        peer,
        "None is set for this peer",
        "Give our certificate and its key: --cert FILE --key FILE",
        "tls.client-certificate-demanded",
    )


def our_certificate_refused(peer: Peer, settings: TlsSettings, reason: str) -> AssociationError:
    """Return the error for a peer that does not accept our certificate."""
    why = ABOUT_OUR_CERTIFICATE.get(reason, "It asked for one, and closed the connection without a reason")
    try:
        mine = Certificate.of_pem(settings.certificate_file)
    except CertificateError:
        about = ""
    else:
        about = f" ({mine.subject}, issuer: {mine.issuer}, ends {mine.not_after_date})"
    return _error(
        "{ae} does not accept our certificate",
        peer,
        f"{why}{about}",
        "Have the peer trust the authority that issued it, or give one that the peer trusts: --cert FILE --key FILE",
        "tls.our-certificate-refused",
    )


def wrong_pin(peer: Peer, wanted: str, found: str) -> AssociationError:
    """Return the error for a certificate that is not the pinned one."""
    return _error(
        "{ae} shows another certificate than the pinned one",
        peer,
        f"Its SHA-256 is {found}, pinned is {wanted}",
        "Ask its administrator whether it was renewed, compare the fingerprint, then pin the new one (--pin)",
        "tls.pin",
    )


def late_failure(error: OSError | None, peer: Peer, settings: TlsSettings) -> AssociationError | None:
    """Return the words for what the peer made of our handshake, when it tells with its first bytes; else None."""
    if isinstance(error, TimeoutError):
        return None
    reason = getattr(error, "reason", "") or ""
    if reason in DEMANDED:
        return certificate_demanded(peer, settings)
    if reason in ABOUT_OUR_CERTIFICATE:
        return (
            our_certificate_refused(peer, settings, reason)
            if settings.certificate_file
            else certificate_demanded(peer, settings)
        )
    if error is None or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        # It may have said why, but what it said is lost when it closes in a hurry
        seen = inspect((peer.host.strip("[]"), peer.port), peer.host.strip("[]"), _INSPECTION_TIMEOUT_S)
        if seen.client_certificate_asked:
            return certificate_demanded(peer, settings)
        return _error(
            "{target} closed the connection right after the TLS handshake",
            peer,
            "It is not a certificate of ours that it wants",
            "Check that the port is the DICOM port of the peer, and look into its log",
            "tls.closed-after-handshake",
        )
    if isinstance(error, ssl.SSLError):
        return _error("TLS with {target} broke", peer, f"OpenSSL: {reason or error}", "Try again", "tls.failed")
    return None


def _error(what: str, peer: Peer, why: str, todo: str, code: str) -> AssociationError:
    words = {"ae": peer.ae_title, "host": peer.host, "target": f"{peer.host}:{peer.port}"}
    return AssociationError(what.format_map(words), where=peer.name, why=why, todo=todo, step=STEP, code=code)
