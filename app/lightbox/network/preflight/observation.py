"""What a live probe of a peer showed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lightbox.network.preflight.pairs import Pair

State = Literal["accepted", "refused", "untested"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of one pair.

    Parameters
    ----------
    state : str
        ``"accepted"``, ``"refused"`` or ``"untested"``.
    why : str
        Words, where there is more to say.
    role_refused : bool
        The SOP class was accepted, but not that we receive it (role of the peer ``scu``).
    result : int, optional
        Result of a refused context (PS3.8 9.3.3.2); peers mix them up, so nothing is concluded from it.
    """

    state: State
    why: str = ""
    role_refused: bool = False
    result: int | None = None


UNTESTED = Observed("untested")


@dataclass(frozen=True, slots=True)
class ServiceCheck:
    """One harmless request to a service.

    Parameters
    ----------
    sop_class, name : str
        The service.
    state : str
        ``"works"``, ``"negotiated"`` (accepted, but there is no request without effect), ``"denied"`` (accepted, then
        aborted or answered with a failure), ``"refused"`` (not accepted), ``"untested"``.
    text, todo : str
        What was seen, and what to change.
    milliseconds : float
        How long it took.
    """

    sop_class: str
    name: str
    state: str
    text: str = ""
    todo: str = ""
    milliseconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "sop_class": self.sop_class,
            "name": self.name,
            "state": self.state,
            "text": self.text,
            "todo": self.todo,
            "milliseconds": round(self.milliseconds, 1),
        }


@dataclass(slots=True)
class Observation:
    """Everything that a probe saw.

    ``tls`` is None without TLS; ``web`` is None for a peer without DICOMweb. ``notes`` say what could not be found out.
    """

    pairs: dict[Pair, Observed] = field(default_factory=dict)
    services: list[ServiceCheck] = field(default_factory=list)
    tls: dict[str, Any] | None = None
    web: list[dict[str, Any]] | None = None
    implementation_class_uid: str = ""
    implementation_version: str = ""
    maximum_pdu: int = 0
    associations: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def of(self, pair: Pair) -> Observed:
        """Return what became of `pair`."""
        return self.pairs.get(pair, UNTESTED)

    def accepted(self, sop_class: str, role: str) -> list[str]:
        """Return the transfer syntaxes in which a SOP class was accepted."""
        return [
            pair.transfer_syntax
            for pair, seen in self.pairs.items()
            if pair.sop_class == sop_class and pair.role == role and seen.state == "accepted"
        ]
