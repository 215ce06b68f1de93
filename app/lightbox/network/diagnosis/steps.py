"""What an examination found: steps with their time, in words, and what to do. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"

SETTINGS = "settings"
NAME = "name"
TCP = "TCP"
TLS = "TLS"
ASSOCIATION = "association"
ECHO = "echo"
FIND = "find"
WEB = "DICOMweb"
OWN_PORT = "own port"
MOVE = "C-MOVE"
NAMES = (SETTINGS, NAME, TCP, TLS, ASSOCIATION, ECHO, FIND, WEB, OWN_PORT, MOVE)
"""All steps in their order."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an examination.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    state : str
        ``"ok"``, ``"warning"``, ``"failed"`` or ``"skipped"``.
    seconds : float
        How long it took.
    text : str
        What it showed.
    why, todo : str
        The reason, and the setting to change; empty when it is ok.
    code : str
        Stable and machine readable, for example ``"tcp.refused"``; empty when it is ok.
    detail : dict
        Facts for programs, JSON values.
    """

    name: str
    state: str
    seconds: float
    text: str
    why: str = ""
    todo: str = ""
    code: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return self.seconds * 1000

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values: dict[str, Any] = {"name": self.name, "state": self.state, "seconds": round(self.seconds, 4)}
        values |= {"text": self.text, "why": self.why, "todo": self.todo, "code": self.code}
        return values | ({"detail": self.detail} if self.detail else {})


@dataclass(slots=True)
class Diagnosis:
    """What the doctor found out about a peer."""

    peer: str
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return all(step.state != FAILED for step in self.steps)

    @property
    def state(self) -> str:
        """``"failed"``, ``"warning"`` or ``"ok"``: the worst of the steps."""
        states = {step.state for step in self.steps}
        return next((state for state in (FAILED, WARNING) if state in states), OK)

    @property
    def seconds(self) -> float:
        """How long all steps took."""
        return sum(step.seconds for step in self.steps)

    def step(self, name: str) -> Step:
        """Return the step called `name`."""
        return next(step for step in self.steps if step.name == name)

    def summary(self) -> str:
        """Return one line for a person."""
        for wanted in (FAILED, WARNING):
            for step in self.steps:
                if step.state == wanted:
                    return f"{step.text}. {step.todo}" if step.todo else step.text
        return f"{self.peer} answers ({self.seconds * 1000:.0f} ms)"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values: dict[str, Any] = {"peer": self.peer, "ok": self.ok, "state": self.state}
        values |= {"seconds": round(self.seconds, 4), "summary": self.summary()}
        return values | {"steps": [step.as_dict() for step in self.steps]}
