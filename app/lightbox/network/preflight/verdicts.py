"""What declared, needed and observed mean together, row by row, in words that name what to change and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lightbox.network.peers import Peer
from lightbox.network.preflight import services, vocabulary
from lightbox.network.preflight.declaration import Declaration
from lightbox.network.preflight.needs import Needs
from lightbox.network.preflight.observation import Observation, Observed
from lightbox.network.preflight.pairs import SCP, SCU, Pair
from lightbox.network.sending.offer import TARGETS

OK = "ok"
TRANSCODE = "transcode"
LOSSY_ONLY = "lossy only"
BLOCKED = "blocked"
DECLARED_BUT_REFUSED = "declared but refused"
ACCEPTED_BUT_UNDECLARED = "accepted but undeclared"
UNTESTED = "untested"
ROLE_REFUSED = "role refused"

VERDICTS = (
    BLOCKED,
    LOSSY_ONLY,
    DECLARED_BUT_REFUSED,
    ROLE_REFUSED,
    UNTESTED,
    TRANSCODE,
    ACCEPTED_BUT_UNDECLARED,
    OK,
)
"""Worst first."""

FAILING = frozenset({BLOCKED, LOSSY_ONLY, DECLARED_BUT_REFUSED, ROLE_REFUSED})
"""Verdicts that make a pre-flight fail."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pair with its verdict."""

    pair: Pair
    declared: bool
    needed: bool
    observed: Observed
    verdict: str
    reason: str = ""
    count: int = 0
    advice: str = ""
    convert_to: str = ""
    """The transfer syntax that is used instead, for `TRANSCODE`."""
    denied: bool = False
    """Accepted in the negotiation, but the service failed when it was used."""
    failing: bool = False
    """Whether this row makes the pre-flight fail."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "sop_class": self.pair.sop_class,
            "transfer_syntax": self.pair.transfer_syntax,
            "role": self.pair.role,
            "declared": self.declared,
            "needed": self.needed,
            "observed": self.observed.state,
            "verdict": self.verdict,
            "convert_to": self.convert_to,
            "denied": self.denied,
            "sop_class_name": vocabulary.class_name(self.pair.sop_class),
            "transfer_syntax_name": vocabulary.full(self.pair.transfer_syntax),
            "needed_for": self.reason,
            "instances": self.count,
            "observed_why": self.observed.why,
            "advice": self.advice,
        }


def convertible(source: str, target: str) -> bool:
    """Whether an object in `source` can be rewritten in `target` without loss of what it holds."""
    from lightbox.network.sending.transcode import convertible as decodable

    return source != target and target in TARGETS and decodable(source)


class Judge:
    """Gives each pair its verdict.

    Parameters
    ----------
    peer : Peer
        Named in the advice.
    own_title : str
        Our AE title towards the peer.
    declaration : Declaration or None
        None: nothing is declared.
    needs : Needs
        What we need of the peer.
    observation : Observation
        What the probe saw.
    """

    def __init__(
        self, peer: Peer, own_title: str, declaration: Declaration | None, needs: Needs, observation: Observation
    ) -> None:
        self._peer = peer
        self._own_title = own_title
        self._declaration = declaration
        self._declared = frozenset(declaration.pairs) if declaration is not None else frozenset()
        self._needs = needs
        self._seen = observation
        self._denied = {check.sop_class: check for check in observation.services if check.state == "denied"}

    def rows(self, pairs: Iterable[Pair]) -> list[Row]:
        """Return the rows of `pairs`, worst first."""
        rows = [self.row(pair) for pair in dict.fromkeys(pairs)]
        return sorted(rows, key=_order)

    def row(self, pair: Pair) -> Row:
        """Return one pair with its verdict."""
        declared, needed = pair in self._declared, pair in self._needs.reasons
        seen = self._seen.of(pair)
        verdict, advice = self._judge(pair, declared, needed, seen)
        reason, count = self._needs.reasons.get(pair, ""), self._needs.counts.get(pair, 0)
        denied = seen.state == "accepted" and pair.sop_class in self._denied
        fails = self._fails(verdict, declared, needed)
        instead = self._usable(pair) if verdict == TRANSCODE else []
        target = instead[0] if instead else ""
        return Row(pair, declared, needed, seen, verdict, reason, count, advice, target, denied, fails)

    def _fails(self, verdict: str, declared: bool, needed: bool) -> bool:
        if verdict == ROLE_REFUSED and not declared:
            return needed and not self._accepted(services.STUDY_MOVE, SCP)
        return verdict in FAILING and (declared or needed)

    def _judge(self, pair: Pair, declared: bool, needed: bool, seen: Observed) -> tuple[str, str]:
        if seen.state == "untested":
            return UNTESTED, seen.why or "It was not probed"
        denied = self._denied.get(pair.sop_class)
        if seen.state == "accepted" and denied is not None:
            return self._denial(pair, declared, needed)
        if seen.state == "accepted":
            if declared or (needed and self._declaration is None):
                return OK, ""
            return ACCEPTED_BUT_UNDECLARED, self._undeclared(needed)
        if seen.role_refused:
            return ROLE_REFUSED, self._role(pair)
        verdict, advice = self._refused(pair) if needed else (OK, "Refused, and neither needed nor declared")
        if not declared:
            return verdict, advice
        if verdict in (OK, TRANSCODE):
            return DECLARED_BUT_REFUSED, f"{self._broken_promise(pair)} {advice if needed else ''}".strip()
        return verdict, f"{advice} {self._broken_promise(pair)}"

    def _denial(self, pair: Pair, declared: bool, needed: bool) -> tuple[str, str]:
        """Judge a service that was accepted in the negotiation and then failed."""
        check = self._denied[pair.sop_class]
        words = f"{check.text}. {check.todo}." if check.todo else f"{check.text}."
        instead = services.BY_CLASS[pair.sop_class].instead
        if needed and instead and self._accepted(instead, pair.role):
            return (DECLARED_BUT_REFUSED if declared else OK), (
                f"{words} Meanwhile {services.BY_CLASS[instead].name} is used."
            )
        if needed:
            return BLOCKED, words
        return (DECLARED_BUT_REFUSED if declared else OK), f"{words} It is not needed."

    def _accepted(self, sop_class: str, role: str) -> list[str]:
        """Return the transfer syntaxes in which a SOP class was accepted and, if a service, answered."""
        return [] if sop_class in self._denied else self._seen.accepted(sop_class, role)

    def _refused(self, pair: Pair) -> tuple[str, str]:
        """Judge a pair that is needed and refused by what the peer accepts instead."""
        name, syntax = vocabulary.class_name(pair.sop_class), vocabulary.short(pair.transfer_syntax)
        service = services.BY_CLASS.get(pair.sop_class)
        accepted = self._accepted(pair.sop_class, pair.role)
        if service is not None:
            if vocabulary.EXPLICIT_LE in accepted:
                return TRANSCODE, f"Accepted in Explicit LE, which is used instead of {syntax}."
            if service.instead and self._accepted(service.instead, pair.role):
                return OK, f"Refused; {services.BY_CLASS[service.instead].name} is used instead"
            return BLOCKED, (
                f"{self._peer.name} does not offer {service.name} to us. Enable it there for AE {self._own_title};"
                f" if {self._peer.name} is not meant for this, tell Lightbox what it is for."
            )
        usable = self._usable(pair)
        if usable:
            instead = vocabulary.short(usable[0])
            if pair.role == SCU:
                return TRANSCODE, f"{self._peer.name} has to send {name} as {instead} instead of {syntax}."
            return TRANSCODE, (
                f"Objects in {syntax} are converted to {instead} without loss before they are sent."
                f" To send them unchanged, enable {vocabulary.full(pair.transfer_syntax)} for {name} at"
                f" {self._peer.name}."
            )
        lossy = [vocabulary.short(s) for s in accepted if not vocabulary.lossless(s)]
        if lossy and len(lossy) == len(accepted):
            return LOSSY_ONLY, (
                f"{self._peer.name} takes {name} only in {', '.join(lossy)}: pixel values would change. Lightbox"
                f" does not do that by itself. {self._enable(pair)}"
            )
        if accepted:
            others = ", ".join(vocabulary.short(s) for s in accepted)
            return BLOCKED, (
                f"{self._peer.name} takes {name} only in {others}, which Lightbox does not convert {syntax} to."
                f" {self._enable(pair)}"
            )
        what = "to send" if pair.role == SCU else "to take"
        if pair.role == SCP and any(e["name"] == "STOW-RS" and e["state"] == "works" for e in self._seen.web or ()):
            name = f"{name} by DIMSE (its DICOMweb service may take it: STOW-RS answers)"
        return (
            BLOCKED,
            f"{self._peer.name} refuses {what} {name} in every encoding that was probed. {self._enable(pair)}",
        )

    def _usable(self, pair: Pair) -> list[str]:
        """Return the transfer syntaxes that serve instead of a refused one, without loss."""
        accepted = self._accepted(pair.sop_class, pair.role)
        usable = [t for t in TARGETS if t in accepted and convertible(pair.transfer_syntax, t)]
        if pair.role == SCU:  # the peer converts, and we read all of them
            usable += [s for s in accepted if vocabulary.lossless(s) and s not in usable]
        return usable

    def _enable(self, pair: Pair) -> str:
        name, where = vocabulary.full(pair.sop_class), self._peer.name
        what = "allow sending" if pair.role == SCU else "accept"
        if pair.transfer_syntax in TARGETS or convertible(pair.transfer_syntax, vocabulary.IMPLICIT_LE):
            return f"At {where}, {what} {name} in Implicit VR Little Endian at least, for AE {self._own_title}."
        return f"At {where}, {what} {name} in {vocabulary.full(pair.transfer_syntax)} for AE {self._own_title}."

    def _broken_promise(self, pair: Pair) -> str:
        assert self._declaration is not None
        return (
            f"The declaration ({self._declaration.title()}) promises it: ask the vendor of {self._peer.name} to enable"
            f" {vocabulary.short(pair.transfer_syntax)} for {vocabulary.class_name(pair.sop_class)}, or correct the"
            " declaration."
        )

    def _undeclared(self, needed: bool) -> str:
        if self._declaration is None:
            return "Accepted, not needed, and no declaration is on file"
        words = f"It works, but the declaration ({self._declaration.title()}) does not promise it"
        if needed:
            return f"{words}: an update of {self._peer.name} may end it. Ask the vendor to state it."
        return f"{words}."

    def _role(self, pair: Pair) -> str:
        name = vocabulary.class_name(pair.sop_class)
        return (
            f"{self._peer.name} accepts {name} but not that we receive it on our own association, so C-GET cannot fetch"
            f" it. Fetch by C-MOVE (enter AE {self._own_title}, our host and port there as a destination), or enable"
            " role selection at the peer."
        )


def _order(row: Row) -> tuple[object, ...]:
    service = row.pair.sop_class in services.BY_CLASS
    return (
        not row.failing,
        VERDICTS.index(row.verdict),
        not row.needed,
        not row.declared,
        row.observed.state != "accepted",
        row.pair.role,
        not service,
        -row.count,
        vocabulary.class_name(row.pair.sop_class),
        vocabulary.order(row.pair.transfer_syntax),
    )
