"""What to do after a failure: try again later, or not at all."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from lightbox.core.errors import LightboxError
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.sending.states import QueueSettings
from lightbox.network.web.errors import TRANSIENT

SUCCESS = 0x0000
DUPLICATE_SOP_INSTANCE = 0x0111
_WARNINGS = frozenset({0x0001, 0x0107, 0x0116})
_PERMANENT_CODES = frozenset({"association.rejected", "association.no-context", "association.http", "peer.plaintext"})
_RESOURCE_LIMITATION = 0x0213


class Verdict(Enum):
    """What a failure, or an answer, means for the object."""

    ACCEPTED = "accepted"
    WARNING = "warning"
    """Stored, with a remark."""
    DUPLICATE = "duplicate"
    """The peer has an object of this SOP Instance UID and refuses it again: read back whether it is the same."""
    TRANSIENT = "transient"
    PERMANENT = "permanent"


def of_status(status: int | None) -> Verdict:
    """Judge the status of a C-STORE response (PS3.4 B.2.3, PS3.7 Annex C); None: no response came."""
    if status is None:
        return Verdict.TRANSIENT
    if status == SUCCESS:
        return Verdict.ACCEPTED
    if status in _WARNINGS or status & 0xF000 == 0xB000:
        return Verdict.WARNING
    if status == DUPLICATE_SOP_INSTANCE:
        return Verdict.DUPLICATE
    # A777 is what an archive answers to an object without Patient ID: it stays without one
    if (status & 0xFF00 == 0xA700 and status != 0xA777) or status == _RESOURCE_LIMITATION:
        return Verdict.TRANSIENT
    return Verdict.PERMANENT


def of_http(status: int) -> Verdict:
    """Judge an HTTP status (RFC 9110 clause 15)."""
    if 200 <= status < 300:
        return Verdict.ACCEPTED
    if status in TRANSIENT:
        return Verdict.TRANSIENT
    return Verdict.PERMANENT


def of_error(error: Exception) -> Verdict:
    """Judge an exception of opening or using a connection."""
    if isinstance(error, AssociationError):
        permanent = error.code in _PERMANENT_CODES or error.code.startswith("tls.")
        return Verdict.PERMANENT if permanent else Verdict.TRANSIENT
    if getattr(error, "transient", False):  # of DICOMweb
        return Verdict.TRANSIENT
    if isinstance(error, DimseError):
        return of_status(error.status)
    if isinstance(error, LightboxError):
        return Verdict.PERMANENT
    return Verdict.TRANSIENT if isinstance(error, OSError | TimeoutError) else Verdict.PERMANENT


def delay(attempt: int, settings: QueueSettings, *, generator: random.Random | None = None) -> float:
    """Return the seconds to wait after the `attempt`-th failure (1, 2, ...).

    The delay doubles with every attempt; of it, a random part between half and all is waited, so that many objects,
    or many workstations, do not come back at the same moment.
    """
    longest = min(settings.maximum_delay_s, settings.first_delay_s * 2.0 ** min(attempt - 1, 30))
    return longest * (0.5 + 0.5 * (generator or random).random())


@dataclass(slots=True)
class Circuit:
    """Whether a peer is worth trying: opened by failures to reach it, closed by the first success.

    While it is open no object is tried, so that a peer that is down does not use up the attempts of everything queued.
    """

    failures: int = 0
    retry_at: float = 0.0
    reason: str = ""

    def fail(self, now: float, reason: str, settings: QueueSettings) -> None:
        """Note that the peer could not be reached."""
        self.failures += 1
        self.retry_at = now + delay(self.failures, settings)
        self.reason = reason

    def succeed(self) -> None:
        """Note that the peer answers."""
        self.failures, self.retry_at, self.reason = 0, 0.0, ""

    def blocks(self, now: float, settings: QueueSettings) -> bool:
        """Whether to leave the peer alone at `now`; a clock that was set back does not block it for ever."""
        return now < self.retry_at <= now + settings.maximum_delay_s * 1.01 + 1.0
