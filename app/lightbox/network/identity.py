"""Who we are on the network: our AE title, our port, and how patient we are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from lightbox.core.errors import UsageError
from lightbox.core.settings import Settings

_KEY = "network.identity"
DEFAULT_AE_TITLE = "LIGHTBOX"
DEFAULT_PORT = 11112


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
    """

    ae_title: str = DEFAULT_AE_TITLE
    port: int = DEFAULT_PORT
    host: str = ""
    connect_timeout: float = 10.0
    association_timeout: float = 15.0
    dimse_timeout: float = 30.0
    maximum_pdu: int = 131_072

    def __post_init__(self) -> None:
        """Check the values."""
        title = self.ae_title.strip()
        if not 1 <= len(title) <= 16 or "\\" in title or not title.isascii() or not self.ae_title.isprintable():
            raise UsageError(
                "Our AE title is not valid",
                where=self.ae_title,
                todo="Use 1 to 16 printable ASCII characters without backslash",
            )
        if not 0 <= self.port <= 65535:
            raise UsageError("Our port is not valid", where=str(self.port), todo="Use a number from 1 to 65535")

    @classmethod
    def of(cls, settings: Settings) -> LocalIdentity:
        """Return the identity kept in `settings`, or the default one; unknown keys are ignored."""
        stored = settings.get(_KEY, {})
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in stored.items() if key in known})

    def save(self, settings: Settings) -> None:
        """Keep this identity in `settings`."""
        settings.set(_KEY, asdict(self))
