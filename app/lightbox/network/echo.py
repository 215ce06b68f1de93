"""C-ECHO: is a peer there, and does it know us (PS3.4 Annex A)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer

VERIFICATION = "1.2.840.10008.1.1"
STEP_NAMES = ("name resolution", "TCP connection", "association", "echo")


@dataclass(frozen=True, slots=True)
class EchoStep:
    """One step of an echo: how long it took, and in words what it showed."""

    name: str
    ok: bool
    seconds: float
    text: str

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return self.seconds * 1000


@dataclass(slots=True)
class EchoResult:
    """What an echo found out. `ok` is True when every step succeeded; `todo` says what to do otherwise."""

    peer: str
    ok: bool = False
    steps: list[EchoStep] = field(default_factory=list)
    why: str = ""
    todo: str = ""
    code: str = ""
    implementation: str = ""
    seconds: float = 0.0

    def summary(self) -> str:
        """Return one line for a person."""
        if self.ok:
            return f"{self.peer} answers ({self.seconds * 1000:.0f} ms)"
        text = self.steps[-1].text if self.steps else "no answer"
        return f"{text}. {self.todo}" if self.todo else text

    def as_dict(self) -> dict[str, object]:
        """Return a JSON-ready mapping."""
        return {
            "peer": self.peer,
            "ok": self.ok,
            "seconds": round(self.seconds, 4),
            "implementation": self.implementation,
            "steps": [
                {"name": step.name, "ok": step.ok, "seconds": round(step.seconds, 4), "text": step.text}
                for step in self.steps
            ],
            "why": self.why,
            "todo": self.todo,
        }


def echo(peer: Peer, identity: LocalIdentity) -> EchoResult:
    """Ask `peer` for an echo, step by step. A failure is part of the result, not an exception."""
    from lightbox.network import words
    from lightbox.network.wire import commands
    from lightbox.network.wire.client import Steps, associated
    from lightbox.network.wire.contexts import Proposal

    result = EchoResult(peer.name)
    steps = Steps()
    begun = time.perf_counter()
    try:
        with associated(peer, identity, [Proposal(VERIFICATION)], steps=steps) as association:
            result.implementation = association.implementation_version
            before = time.perf_counter()
            response = association.request(association.accepted[0], commands.c_echo())
            taken = time.perf_counter() - before
            if response.status == 0x0000:
                steps.done.append(("echo", taken, f"{peer.ae_title} answers the echo"))
                result.ok = True
            else:
                raise AssociationError(
                    f"{peer.ae_title} did not answer the echo",
                    why=words.status_words(response.status, response.comment),
                    todo="Ask the administrator of the peer to allow verification to our AE title",
                    step="echo",
                    code="echo.failed",
                )
    except AssociationError as error:
        text = f"{error.what}: {error.why}" if error.why else error.what
        result.why, result.todo, result.code = text, error.todo, error.code
        step = "echo" if error.step == "operation" else error.step
        failed = EchoStep(step, False, time.perf_counter() - begun - sum(s[1] for s in steps.done), text)
        result.steps = [*(EchoStep(name, True, taken, said) for name, taken, said in steps.done), failed]
    else:
        result.steps = [EchoStep(name, True, taken, said) for name, taken, said in steps.done]
    result.seconds = time.perf_counter() - begun
    return result
