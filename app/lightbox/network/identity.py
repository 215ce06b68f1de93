"""Who we are on the network: our AE title, our port, and how patient we are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from lightbox.core.errors import UsageError
from lightbox.core.settings import Settings

_KEY = "network.identity"
DEFAULT_AE_TITLE = "LIGHTBOX"
DEFAULT_PORT = 11112
CERTIFICATE_WARNING_DAYS = 30
"""A certificate that ends within so many days deserves a warning."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How one side of a TLS connection proves who it is and whom it trusts (PS3.15 B.12, B.13).

    Parameters
    ----------
    ca_file : str
        PEM file with the certificate authorities that are trusted, and no others; empty trusts those of the system.
    certificate_file, key_file : str
        Our certificate (with its chain) and private key in PEM; empty where the other side asks for none.
    minimum_version : str
        ``"1.2"`` or ``"1.3"``; nothing below 1.2 is ever spoken.
    profile : str
        ``"bcp195"`` (PS3.15 B.12) or ``"bcp195-modified"`` (B.13: fixed lists of suites).
    check_host : bool
        Whether the certificate of a server must name the host that we called.
    pin_sha256 : str
        Hexadecimal SHA-256 of the one certificate that is accepted; empty: any that the authorities vouch for.
    client_certificate : str
        For a server: ``"required"`` or ``"optional"``.
    """

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    minimum_version: str = "1.2"
    profile: str = "bcp195"
    check_host: bool = True
    pin_sha256: str = ""
    client_certificate: str = "required"

    def __post_init__(self) -> None:
        """Check the values."""
        if self.minimum_version not in ("1.2", "1.3"):
            raise UsageError("TLS below 1.2 is not spoken", where=self.minimum_version, todo="Use 1.2 or 1.3")
        if self.client_certificate not in ("required", "optional"):
            raise UsageError("Client certificates are required or optional", where=self.client_certificate)
        if self.profile not in ("bcp195", "bcp195-modified"):
            raise UsageError("There is no such TLS profile", where=self.profile, todo="Use bcp195 or bcp195-modified")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TlsSettings:
        """Return the settings kept as JSON; keys of other versions are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    """Our own Application Entity.

    Parameters
    ----------
    ae_title : str
        1 to 16 printable characters without backslash (PS3.5 6.2).
    port : int
        TCP port of our storage SCP; 0 lets the system choose a free one.
    host : str
        Address our storage SCP listens on; empty means every address of this computer.
    connect_timeout, association_timeout, dimse_timeout : float
        Seconds to wait for the TCP connection, for association messages and for each DIMSE message.
    maximum_pdu : int
        Largest P-DATA PDU we ask peers to send, in bytes.
    tls_port : int
        A second port of our storage SCP on which only TLS is spoken (2762 is registered for it); 0 without.
    tls : TlsSettings, optional
        Our certificate and whom we trust on ``tls_port``.
    """

    ae_title: str = DEFAULT_AE_TITLE
    port: int = DEFAULT_PORT
    host: str = ""
    connect_timeout: float = 10.0
    association_timeout: float = 15.0
    dimse_timeout: float = 30.0
    maximum_pdu: int = 131_072
    tls_port: int = 0
    tls: TlsSettings | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        title = self.ae_title.strip()
        if not 1 <= len(title) <= 16 or "\\" in title or not title.isascii() or not self.ae_title.isprintable():
            raise UsageError(
                "Our AE title is not valid",
                where=self.ae_title,
                todo="Use 1 to 16 printable ASCII characters without backslash",
            )
        for port in (self.port, self.tls_port):
            if not 0 <= port <= 65535:
                raise UsageError("Our port is not valid", where=str(port), todo="Use a number from 1 to 65535")

    @property
    def only_tls(self) -> bool:
        """Whether nothing but TLS is spoken at our port: ``port`` and ``tls_port`` are the same."""
        return self.tls is not None and self.tls_port != 0 and self.tls_port == self.port

    @classmethod
    def of(cls, settings: Settings) -> LocalIdentity:
        """Return the identity kept in `settings`, or the default one; unknown keys are ignored."""
        stored = settings.get(_KEY, {})
        known = {field.name for field in fields(cls)}
        values = {key: value for key, value in stored.items() if key in known}
        if values.get("tls"):
            values["tls"] = TlsSettings.from_json(values["tls"])
        return cls(**values)

    def save(self, settings: Settings) -> None:
        """Keep this identity in `settings`."""
        settings.set(_KEY, asdict(self))
