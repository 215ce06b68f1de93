"""What an X.509 certificate says (RFC 5280), read from its bytes.

The standard library tells it only for certificates that it trusts; but it is the others that need words. Nothing here
decides about trust: that is left to OpenSSL.
"""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lightbox.core.errors import LightboxError

_SEQUENCE, _OID, _UTC_TIME, _CONTEXT_0, _CONTEXT_3 = 0x30, 0x06, 0x17, 0xA0, 0xA3
_COMMON_NAME, _ORGANIZATION, _UNIT = bytes.fromhex("550403"), bytes.fromhex("55040a"), bytes.fromhex("55040b")
_ALTERNATIVE_NAME = bytes.fromhex("551d11")
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}


class CertificateError(LightboxError):
    """A certificate cannot be read."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    Parameters
    ----------
    subject, issuer : str
        Common name, else organisation; with both: ``"name (organisation)"``.
    not_before, not_after : datetime
        When it is valid (UTC).
    names : tuple of str
        DNS names and addresses for which it is issued (Subject Alternative Name).
    fingerprint : str
        SHA-256 of the certificate, hexadecimal in lower case.
    self_signed : bool
        Whether subject and issuer are the same.
    """

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    fingerprint: str
    self_signed: bool

    @classmethod
    def of_der(cls, der: bytes) -> Certificate:
        """Read a certificate.

        Raises
        ------
        CertificateError
            The bytes are no certificate.
        """
        try:
            return _read(der)
        except (IndexError, ValueError, KeyError, StopIteration) as error:
            raise CertificateError("The certificate cannot be read", why=type(error).__name__) from error

    @classmethod
    def of_pem(cls, path: str | Path) -> Certificate:
        """Read the first certificate of a PEM file.

        Raises
        ------
        CertificateError
            The file cannot be read or holds no certificate.
        """
        try:
            text = Path(path).read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise CertificateError(
                "The certificate cannot be read", where=str(path), why=error.strerror or ""
            ) from error
        head, tail = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
        begin, end = text.find(head), text.find(tail)
        if begin < 0 or end < begin:
            raise CertificateError(
                "The file holds no certificate", where=str(path), todo="Export the certificate in PEM format"
            )
        try:
            der = ssl.PEM_cert_to_DER_cert(text[begin : end + len(tail)])
        except ValueError as error:
            raise CertificateError("The certificate cannot be read", where=str(path)) from error
        return cls.of_der(der)

    @property
    def days_left(self) -> int:
        """Whole days until it ends; negative afterwards."""
        return (self.not_after - datetime.now(UTC)).days

    @property
    def not_after_date(self) -> str:
        """The day it ends, ISO 8601."""
        return self.not_after.date().isoformat()


def _read(der: bytes) -> Certificate:
    [(tag, outer)] = _elements(der)
    if tag != _SEQUENCE:
        raise ValueError
    parts = list(_elements(next(_elements(outer))[1]))
    if parts[0][0] == _CONTEXT_0:  # version; absent in version 1
        parts = parts[1:]
    issuer, validity, subject = parts[2][1], parts[3][1], parts[4][1]
    not_before, not_after = (_time(tag, value) for tag, value in _elements(validity))
    extensions = next((value for tag, value in parts[5:] if tag == _CONTEXT_3), b"")
    return Certificate(
        _name(subject),
        _name(issuer),
        not_before,
        not_after,
        tuple(_alternative_names(extensions)),
        hashlib.sha256(der).hexdigest(),
        subject == issuer,
    )


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER element (X.690 8.1); multi-byte tags do not occur in certificates."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4:
                raise ValueError
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        if position + length > len(data):
            raise ValueError
        yield tag, data[position : position + length]
        position += length


def _name(data: bytes) -> str:
    found: dict[bytes, str] = {}
    for _, relative in _elements(data):
        for _, pair in _elements(relative):
            (_, identifier), (tag, value) = _elements(pair)
            text = value.decode(_ENCODINGS.get(tag, "latin-1"), "replace")
            found.setdefault(identifier, "".join(letter for letter in text if letter.isprintable()))
    common = found.get(_COMMON_NAME, "")
    organization = found.get(_ORGANIZATION, "") or found.get(_UNIT, "")
    if common and organization:
        return f"{common} ({organization})"
    return common or organization or "without a name"


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # RFC 5280 4.1.2.5.1: 50 and above is the last century
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _alternative_names(data: bytes) -> Iterator[str]:
    for _, listing in _elements(data):
        for _, extension in _elements(listing):
            (_, identifier), *_, (_, value) = _elements(extension)
            if identifier != _ALTERNATIVE_NAME:
                continue
            for _, names in _elements(value):
                for tag, name in _elements(names):
                    if tag == _DNS_NAME:
                        yield name.decode("ascii", "replace")
                    elif tag == _IP_ADDRESS:
                        yield str(ipaddress.ip_address(name))
