"""Contexts for TLS made of our settings and files (PS3.15 B.12 and B.13), and words for files that cannot be used."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

from lightbox.network.certificates import Certificate, CertificateError
from lightbox.network.errors import AssociationError
from lightbox.network.identity import TlsSettings
from lightbox.network.tls_inspection import watch

_BCP195 = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
"""What RFC 9325 4.2 recommends for TLS 1.2; DHE and CBC are advised against there."""

_BCP195_MODIFIED = (
    *_BCP195,
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-CCM",
    "ECDHE-ECDSA-AES128-CCM",
    "ECDHE-ECDSA-AES256-CCM8",
    "ECDHE-ECDSA-AES128-CCM8",
)
"""What PS3.15 B.13 allows for TLS 1.2, as far as OpenSSL has it (Camellia in GCM it has not)."""

SUITES = {"bcp195": _BCP195, "bcp195-modified": _BCP195_MODIFIED}
"""Suites of TLS 1.2 by profile, in OpenSSL's names. Those of TLS 1.3 are the same in both profiles."""

# At least 112 bits of security: RSA and DHE from 2048 bits, ECDHE from 224, no SHA-1 in signatures
_SECURITY_LEVEL = "@SECLEVEL=2"

_WEAK = ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "DH_KEY_TOO_SMALL")


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context for calling a peer; shared by all connections with the same settings and files.

    Raises
    ------
    AssociationError
        One of our files is missing, unreadable or does not fit (step ``"TLS"``, code ``"tls.settings"``).
    """
    return _context(settings, False, _stamps(settings))


def watched_client_context(settings: TlsSettings, messages: dict[int, bytes]) -> tuple[ssl.SSLContext, bool]:
    """Return a context of its own that keeps the messages of the server in `messages`, and whether it can."""
    context = _context.__wrapped__(settings, False, ())
    return context, watch(context, messages)


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context for our own TLS port.

    Raises
    ------
    AssociationError
        As `client_context`; also when there is no certificate of our own, or nobody whose certificates to trust.
    """
    if not settings.certificate_file:
        raise settings_error(
            "Our TLS port needs a certificate of its own",
            "",
            "",
            "Give a certificate and its private key: identity --tls-cert FILE --tls-key FILE",
        )
    if settings.client_certificate == "required" and not settings.ca_file:
        raise settings_error(
            "Our TLS port asks for client certificates but trusts nobody",
            "",
            "",
            "Give the authorities of the clients (identity --tls-ca FILE), or make the certificate optional",
        )
    return _context(settings, True, _stamps(settings))


def _stamps(settings: TlsSettings) -> tuple[int, ...]:
    # Files that were renewed make a new context
    stamps = []
    for name in (settings.ca_file, settings.certificate_file, settings.key_file):
        try:
            stamps.append(Path(name).stat().st_mtime_ns if name else 0)
        except OSError:
            stamps.append(-1)
    return tuple(stamps)


@functools.lru_cache(maxsize=64)
def _context(settings: TlsSettings, server: bool, _stamps: tuple[int, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if settings.minimum_version == "1.3" else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join((*SUITES[settings.profile], _SECURITY_LEVEL)))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # An authority of a site is often an intermediate one, or the device's own certificate: what is listed is trusted
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if server:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        if settings.client_certificate == "required":
            context.verify_mode = ssl.CERT_REQUIRED
        else:
            context.verify_mode = ssl.CERT_OPTIONAL if settings.ca_file else ssl.CERT_NONE
    else:
        context.check_hostname = settings.check_host
        context.verify_mode = ssl.CERT_REQUIRED
    _load_authorities(context, settings, server)
    _load_own(context, settings)
    return context


def _load_authorities(context: ssl.SSLContext, settings: TlsSettings, server: bool) -> None:
    if not settings.ca_file:
        if not server:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    _readable(settings.ca_file, "The file of trusted certificate authorities")
    try:
        context.load_verify_locations(cafile=settings.ca_file)
    except ssl.SSLError as error:
        raise settings_error(
            "The file of trusted certificate authorities holds none",
            settings.ca_file,
            "It is not PEM" if error.reason != "NO_CERTIFICATE_OR_CRL_FOUND" else "",
            "Export the certificates of the authorities in PEM format",
        ) from error


def _load_own(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if not settings.certificate_file:
        return
    _readable(settings.certificate_file, "Our certificate file")
    key_file = settings.key_file or settings.certificate_file
    _readable(key_file, "Our private key file")
    encrypted = False

    def password() -> str:  # only asked for when the key is encrypted; without it OpenSSL asks at the terminal
        nonlocal encrypted
        encrypted = True
        return ""

    try:
        context.load_cert_chain(settings.certificate_file, key_file, password)
    except (ssl.SSLError, ValueError) as error:
        raise _own_files(settings.certificate_file, key_file, error, encrypted=encrypted) from error


def _readable(name: str, what: str) -> None:
    try:
        with Path(name).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise settings_error(
            f"{what} cannot be read", name, error.strerror or "", "Correct the path or the permissions of the file"
        ) from error


def settings_error(what: str, where: str, why: str, todo: str) -> AssociationError:
    """Return the error for one of our own files or settings."""
    return AssociationError(what, where=where, why=why, todo=todo, step="TLS", code="tls.settings")


def _own_files(certificate_file: str, key_file: str, error: Exception, *, encrypted: bool) -> AssociationError:
    """Return the error for a certificate and key of ours that OpenSSL does not take."""
    reason = getattr(error, "reason", "") or ""
    if encrypted:
        return settings_error(
            "Our private key is encrypted",
            key_file,
            "It cannot be used without its passphrase",
            f"Store it without one, readable for us only: openssl pkey -in {key_file} -out KEY",
        )
    if reason == "KEY_VALUES_MISMATCH":
        return settings_error(
            "Our private key does not belong to our certificate",
            key_file,
            f"The certificate is {certificate_file}",
            "Give the key with which the certificate was requested",
        )
    if reason in _WEAK:
        return settings_error(
            "Our certificate is too weak",
            certificate_file,
            "Its key or its signature is below what TLS profiles of DICOM allow",
            "Request one with an RSA key of 2048 bits or more (or EC of 256) and SHA-256",
        )
    try:
        Certificate.of_pem(certificate_file)
    except CertificateError as unreadable:
        return settings_error("Our certificate cannot be read", certificate_file, unreadable.what, unreadable.todo)
    return settings_error(
        "Our private key cannot be read", key_file, "The file holds no private key", "Export the key in PEM format"
    )
