"""What the send queue keeps of jobs and objects. Importing this module loads no network library."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lightbox.core.errors import UsageError
from lightbox.core.settings import Settings

_KEY = "network.send"


class State(StrEnum):
    """Where one object of a job is."""

    QUEUED = "queued"
    SENDING = "sending"
    WAITING = "waiting"
    """A transient failure; it is tried again at ``retry_at``."""
    SENT = "sent"
    """The peer answered that it stored the object; not yet, or never, confirmed."""
    CONFIRMED = "confirmed"
    """The peer committed itself to keep the object, or a query found it."""
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (State.QUEUED, State.SENDING, State.WAITING)
"""States in which an object is still to be sent."""


class Confirm(StrEnum):
    """What is still to be done for an object that was sent."""

    NONE = ""
    """Nothing: it was confirmed, or nobody asked for it."""
    WANTED = "wanted"
    ASKED = "asked"
    """Storage commitment was requested; the report is awaited."""
    IMPOSSIBLE = "impossible"
    """The peer offers no way to confirm it; ``reason`` says so."""


class Priority:
    """Usual priorities of jobs: lower numbers go first."""

    URGENT = 0
    NORMAL = 50
    LOW = 90


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job of the queue.

    Attributes
    ----------
    counts : dict
        Number of objects by `State` value.
    total, total_bytes, sent_bytes : int
        Objects, and their encoded size as far as it is known.
    unconfirmed : int
        Objects that were sent and whose confirmation is outstanding or impossible.
    reason : str
        Why nothing moves at the moment, in words (the peer is down, paused); else empty.
    retry_at : float
        Seconds since the epoch at which the peer is tried again, 0 without.
    """

    id: int
    peer: str
    priority: int
    commit: bool
    paused: bool
    created_at: float
    total: int = 0
    total_bytes: int = 0
    sent_bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    unconfirmed: int = 0
    awaiting: int = 0
    reason: str = ""
    retry_at: float = 0.0

    def count(self, *states: State) -> int:
        """Return how many objects are in one of `states`."""
        return sum(self.counts.get(state.value, 0) for state in states)

    @property
    def accepted(self) -> int:
        """Objects that the peer took, confirmed or not."""
        return self.count(State.SENT, State.CONFIRMED)

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return not self.count(*OPEN_STATES) and not self.awaiting

    @property
    def state(self) -> str:
        """One word for the whole job."""
        if self.count(*OPEN_STATES):
            if self.paused:
                return "paused"
            if self.reason:
                return "waiting"
            return "sending" if self.count(State.SENDING) or self.accepted else "queued"
        if self.count(State.FAILED):
            return "failed"
        if self.awaiting:
            return "confirming"
        if self.count(State.CANCELLED):
            return "cancelled"
        if self.unconfirmed and self.commit:
            return "unconfirmed"
        return "confirmed" if self.count(State.CONFIRMED) else "sent"

    def as_dict(self) -> dict[str, Any]:
        """Return the public ``--json`` shape."""
        return {
            "job": self.id,
            "peer": self.peer,
            "state": self.state,
            "priority": self.priority,
            "queued": self.total,
            "sent": self.accepted,
            "confirmed": self.count(State.CONFIRMED),
            "waiting": self.count(*OPEN_STATES),
            "failed": self.count(State.FAILED),
            "cancelled": self.count(State.CANCELLED),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One object of a job."""

    id: int
    job: int
    sop_instance_uid: str
    state: State
    reason: str = ""
    confirm: Confirm = Confirm.NONE
    attempts: int = 0
    retry_at: float = 0.0
    size: int = 0
    sop_class_uid: str = ""
    transfer_syntax_uid: str = ""
    sent_syntax_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    path: str = ""
    existed: bool | None = None
    """Whether the peer held this SOP Instance UID before it was sent; None: not known."""
    compare: bool = False
    """Whether what the peer keeps is to be compared with what was sent."""


@dataclass(frozen=True, slots=True)
class SendProgress:
    """How far sending to one peer is. ``rate`` is in bytes a second; ``remaining_s`` is None while unknown."""

    peer: str
    done: int
    total: int
    bytes_done: int
    bytes_total: int
    rate: float
    remaining_s: float | None


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How the queue behaves.

    Parameters
    ----------
    first_delay_s, maximum_delay_s : float
        Back-off after a transient failure: doubled from the first up to the largest delay, with jitter.
    tries : int
        Attempts for one object; transient failures beyond it are final.
    compare : str
        Which objects are read back and compared: ``"existing"`` those that the peer held before we sent them,
        ``"sample"`` these and one in `sample_every`, ``"all"``.
    sample_every : int
        For ``"sample"``.
    commitment_timeout_s : float
        How long the report of a storage commitment is awaited.
    commitment_again_s : float
        After so long without a report it is asked for once more: an archive that was restarted forgets requests.
    commitment_lost_s : float
        So long after a request that an earlier program made, its report is taken as lost.
    commitment_chunk : int
        Objects in one storage commitment request.
    commitment_wait_s : float
        How long the association of the request stays open for a report that comes at once.
    keep_finished_s : float
        How long finished jobs stay listed.
    """

    first_delay_s: float = 5.0
    maximum_delay_s: float = 600.0
    tries: int = 12
    compare: str = "existing"
    sample_every: int = 50
    commitment_timeout_s: float = 48 * 3600.0
    commitment_again_s: float = 1800.0
    commitment_lost_s: float = 20.0
    commitment_chunk: int = 500
    commitment_wait_s: float = 2.0
    keep_finished_s: float = 30 * 86400.0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.compare not in ("existing", "sample", "all"):
            raise UsageError("There is no such setting", where=self.compare, todo="Use existing, sample or all")
        if self.first_delay_s < 0 or self.maximum_delay_s < self.first_delay_s or self.tries < 1:
            raise UsageError("The retry settings of the send queue make no sense")
        if self.sample_every < 1 or self.commitment_chunk < 1:
            raise UsageError("The confirmation settings of the send queue make no sense")

    @classmethod
    def of(cls, settings: Settings) -> QueueSettings:
        """Return the settings kept in `settings`; unknown keys are ignored."""
        known = cls.__dataclass_fields__
        return cls(**{key: value for key, value in settings.get(_KEY, {}).items() if key in known})
