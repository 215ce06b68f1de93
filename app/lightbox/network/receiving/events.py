"""What happens at our port, for people: who came, who was turned away and why. Never anything about patients."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from lightbox.core import clock

TROUBLE = frozenset(
    {
        "rejected",
        "aborted",
        "lost",
        "timeout",
        "too-large",
        "protocol-error",
        "plaintext-on-tls",
        "tls-on-plaintext",
        "tls-failed",
        "silent",
        "crowded",
        "failed",
        "not-stored",
        "not-ingested",
        "ended-early",
    }
)
"""Kinds that somebody may want to look into."""

_WORDS = {
    "opened": "connected",
    "closed": "finished",
    "rejected": "was turned away",
    "aborted": "aborted the association",
    "lost": "the connection was lost",
    "timeout": "sent nothing for too long and was cut off",
    "too-large": "sent something larger than is allowed and was cut off",
    "protocol-error": "does not speak DICOM as it must and was cut off",
    "plaintext-on-tls": "called our TLS port without TLS",
    "tls-on-plaintext": "called our port without TLS with TLS",
    "tls-failed": "TLS could not be agreed on",
    "silent": "connected but asked for no association",
    "crowded": "was closed to make room for others",
    "failed": "could not be served because of a fault of ours",
    "not-stored": "sent an object that could not be stored",
    "not-ingested": "received objects could not be brought into the library yet; they are kept",
    "ended-early": "the receiver ended before its time and was started again",
}
_REASONS = {
    "certificate-not-allowed": "its certificate is not the one that is allowed",
    "caller-not-allowed": "it is not on the list of those that may call",
    "wrong-called-ae": "it calls us by another AE title",
    "busy": "too many associations are open",
    "out-of-space": "the disk of this computer is full",
    "in-the-way": "something failed on this computer",
    "tls.no-client-certificate": "it has no client certificate",
    "tls.untrusted": "its certificate is not from an authority that we trust",
    "tls.expired": "its certificate has expired",
    "tls.not-yet-valid": "its certificate is not valid yet",
    "tls.purpose": "its certificate is not meant for a client",
    "tls.old-version": "it speaks only TLS below our minimum",
    "tls.no-common-suite": "it has no cipher suite in common with us",
    "tls.our-certificate-refused": "it does not accept our certificate",
    "tls.closed": "it broke off, perhaps because it does not trust our certificate",
    "tls.timeout": "it did not finish the handshake in time",
}


@dataclass(frozen=True, slots=True)
class ReceiverEvent:
    """Something that happened at our port.

    Parameters
    ----------
    kind : str
        As of `wire.server.Event`, or ``"not-stored"``, ``"not-ingested"``, ``"ended-early"``.
    code : str
        More exactly: result/source/reason of a rejection, the code of an error.
    address : str
        IP address of the caller; empty when it is not about one.
    calling_ae, called_ae : str
        As the caller said.
    reason : str
        Why it was turned away; see `sentence`.
    received : int
        Objects that the association brought.
    seconds : float
        How long it lasted.
    count : int
        How many times: events of the same kind that follow each other closely are told together.
    at : str
        UTC, ISO 8601.
    """

    kind: str
    code: str = ""
    address: str = ""
    calling_ae: str = ""
    called_ae: str = ""
    reason: str = ""
    received: int = 0
    seconds: float = 0.0
    count: int = 1
    at: str = ""

    @property
    def is_trouble(self) -> bool:
        """Whether somebody may want to look into it."""
        return self.kind in TROUBLE

    def sentence(self) -> str:
        """Return it in words."""
        who = f"{self.calling_ae} ({self.address})" if self.calling_ae and self.address else ""
        who = who or self.calling_ae or self.address
        words = _WORDS.get(self.kind, self.kind)
        reason = _REASONS.get(self.reason, "") or _REASONS.get(self.code, "")
        times = f" ({self.count} times)" if self.count > 1 else ""
        text = f"{who}: {words}" if who else words
        return f"{text}{': ' if reason else ''}{reason}{times}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ReceiverEvent:
        """Read what `as_dict` gave."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


def clean_title(title: str) -> str:
    """Return an AE title as it may be shown and logged: whatever a stranger sent, one line of at most 16 characters."""
    return "".join(char if char.isprintable() and char.isascii() else "?" for char in title.strip())[:16]


def stamped(**values: Any) -> ReceiverEvent:
    """Return an event of this moment."""
    return ReceiverEvent(at=clock.stamp(), **values)
