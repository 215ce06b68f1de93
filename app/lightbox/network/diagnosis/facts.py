"""What is known of a peer from its last examination: for status lights and lists. Imports nothing heavy."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

from lightbox.core.settings import Settings
from lightbox.network.identity import CERTIFICATE_WARNING_DAYS

_KEY = "network.peer_facts"
_lock = threading.Lock()  # several peers are examined at once, and all are kept under one key


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """What the last examination of a peer found.

    Parameters
    ----------
    checked : str
        When (ISO 8601, UTC).
    state : str
        ``"ok"``, ``"warning"`` or ``"failed"``.
    text : str
        The same in one line.
    implementation, implementation_class_uid : str
        What the peer calls its software (PS3.7 D.3.3.2); of the last time it was reached.
    tls_version, tls_suite : str
        What was negotiated; empty without TLS.
    certificate_subject, certificate_issuer, certificate_end, certificate_sha256 : str
        The certificate of the peer; its end is a date (ISO 8601).
    client_certificate_asked : bool, optional
        Whether the peer asked for our certificate.
    services : list of str
        What it accepted of ``"echo"``, ``"find"``, ``"move"``, ``"get"``, and ``"dicomweb"`` when that works.
    """

    checked: str = ""
    state: str = ""
    text: str = ""
    implementation: str = ""
    implementation_class_uid: str = ""
    tls_version: str = ""
    tls_suite: str = ""
    certificate_subject: str = ""
    certificate_issuer: str = ""
    certificate_end: str = ""
    certificate_sha256: str = ""
    client_certificate_asked: bool | None = None
    services: tuple[str, ...] = ()

    @property
    def certificate_days_left(self) -> int | None:
        """Days until the certificate of the peer ends, as of today; None without one."""
        if not self.certificate_end:
            return None
        return (date.fromisoformat(self.certificate_end) - datetime.now(UTC).date()).days

    @property
    def light(self) -> str:
        """What a status light shows now: the state, at least ``"warning"`` for a certificate that ends soon."""
        days = self.certificate_days_left
        if self.state == "ok" and days is not None and days < CERTIFICATE_WARNING_DAYS:
            return "warning"
        return self.state or "unknown"

    def words(self) -> str:
        """Return one line for a person."""
        days = self.certificate_days_left
        end = ""
        if days is not None and days < CERTIFICATE_WARNING_DAYS:
            end = "; its certificate has expired" if days < 0 else f"; its certificate ends in {days} days"
        return f"{self.light} on {self.checked[:16].replace('T', ' ')} UTC{end}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {
            "services": list(self.services),
            "certificate_days_left": self.certificate_days_left,
            "light": self.light,
        }


def of(settings: Settings, peer_name: str) -> PeerFacts | None:
    """Return what is known of a peer, or None when it was never examined."""
    stored = settings.get(_KEY, {}).get(_name(peer_name))
    if not stored:
        return None
    known = {field.name for field in fields(PeerFacts)}
    values: dict[str, Any] = {key: value for key, value in stored.items() if key in known}
    values["services"] = tuple(values.get("services", ()))
    return PeerFacts(**values)


def keep(settings: Settings, peer_name: str, found: PeerFacts) -> None:
    """Keep what an examination found."""
    values = asdict(found) | {"services": list(found.services)}
    with _lock:
        settings.set(_KEY, {**settings.get(_KEY, {}), _name(peer_name): values})


def forget(settings: Settings, peer_name: str) -> None:
    """Forget a peer."""
    with _lock:
        stored = dict(settings.get(_KEY, {}))
        if stored.pop(_name(peer_name), None) is not None:
            settings.set(_KEY, stored)


def now() -> str:
    """Return this moment as it is kept (ISO 8601, UTC)."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _name(peer_name: str) -> str:
    return peer_name.strip().casefold()
