"""What went wrong with TLS on our own port, in words for our log and our screen; nothing of them is sent."""

from __future__ import annotations

import ssl

from lightbox.network.errors import AssociationError
from lightbox.network.tls_words import (
    ABOUT_OUR_CERTIFICATE,
    ASSOCIATION_RQ,
    DEMANDED,
    EXPIRED,
    NO_SUITE,
    NOT_TLS,
    NOT_YET_VALID,
    OLD,
    PURPOSE,
    STEP,
)


def not_tls(first: bytes, caller: str) -> AssociationError:
    """Return the error for a caller on our TLS port whose first bytes are not TLS."""
    if not first:
        return _refused("The caller closed the connection without a word", caller, "", "", "tls.closed")
    if first[0] == ASSOCIATION_RQ and first[1:2] == b"\0":
        why = "It sent a plaintext DICOM association request"
    elif first.startswith((b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI")):
        why = "It sent an HTTP request"
    else:
        why = "Its first bytes are not TLS"
    return _refused(
        "Plaintext on our TLS port was refused", caller, why, "Set the caller to use TLS on this port", "tls.plaintext"
    )


def server_failure(error: OSError, caller: str) -> AssociationError:
    """Return the words for a handshake on our TLS port that failed."""
    reason = getattr(error, "reason", "") or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _client_untrusted(error, caller)
    table = {
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": (
            "The caller has no client certificate",
            "Give it one of an authority we trust, or make it optional (identity --client-certificate optional)",
            "tls.no-client-certificate",
        ),
        **dict.fromkeys(
            OLD,
            ("The caller offers only TLS below our minimum", "Switch TLS 1.2 or 1.3 on there", "tls.old-version"),
        ),
        **dict.fromkeys(
            NO_SUITE,
            (
                "The caller and we have no TLS cipher suite in common",
                "Switch the suites of the BCP 195 profile on there (ECDHE with AES-GCM)",
                "tls.no-common-suite",
            ),
        ),
        **dict.fromkeys(
            NOT_TLS,
            ("Plaintext on our TLS port was refused", "Set the caller to use TLS on this port", "tls.plaintext"),
        ),
    }
    if reason in table:
        what, todo, code = table[reason]
        return _refused(what, caller, "", todo, code)
    if reason in ABOUT_OUR_CERTIFICATE or reason in DEMANDED:
        return _refused(
            "The caller does not accept our certificate",
            caller,
            ABOUT_OUR_CERTIFICATE.get(reason, ""),
            "Have the caller trust the authority that issued our certificate, and call us by a name in it",
            "tls.our-certificate-refused",
        )
    if isinstance(error, TimeoutError):
        return _refused("The caller did not finish the TLS handshake in time", caller, "", "", "tls.timeout")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return _refused(
            "The caller broke off the TLS handshake",
            caller,
            "It may not trust our certificate",
            "Have the caller trust the authority that issued our certificate, and call us by a name in it",
            "tls.closed",
        )
    return _refused("The TLS handshake failed", caller, f"OpenSSL: {reason or type(error).__name__}", "", "tls.failed")


def _client_untrusted(error: ssl.SSLCertVerificationError, caller: str) -> AssociationError:
    if error.verify_code == EXPIRED:
        return _refused("The client certificate has expired", caller, "", "Renew it at the caller", "tls.expired")
    if error.verify_code == NOT_YET_VALID:
        return _refused(
            "The client certificate is not valid yet",
            caller,
            "",
            "Check the clocks of both computers",
            "tls.not-yet-valid",
        )
    if error.verify_code == PURPOSE:
        return _refused(
            "The client certificate is not meant for a client",
            caller,
            "Its extended key usage lacks client authentication",
            "Issue one with server and client authentication",
            "tls.purpose",
        )
    return _refused(
        "The client certificate is not from a trusted authority",
        caller,
        error.verify_message.capitalize(),
        "Add the authority to the trusted ones (identity --tls-ca FILE), or give the caller another certificate",
        "tls.untrusted",
    )


def _refused(what: str, caller: str, why: str, todo: str, code: str) -> AssociationError:
    return AssociationError(what, where=caller, why=why, todo=todo, step=STEP, code=code)
