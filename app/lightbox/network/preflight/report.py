"""The outcome of a pre-flight: rows with verdicts, services, TLS, DICOMweb, what changed; as JSON and in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.preflight import services, vocabulary
from lightbox.network.preflight.declaration import Declaration
from lightbox.network.preflight.needs import Needs
from lightbox.network.preflight.observation import Observation
from lightbox.network.preflight.pairs import SCP, SCU
from lightbox.network.preflight.verdicts import OK, TRANSCODE, UNTESTED, VERDICTS, Row


@dataclass(frozen=True, slots=True)
class Finding:
    """Something beside the rows: TLS, DICOMweb, the round trip.

    ``state`` is ``"ok"``, ``"warning"`` or ``"failed"``.
    """

    subject: str
    state: str
    text: str
    todo: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as JSON values."""
        return {"subject": self.subject, "state": self.state, "text": self.text, "todo": self.todo}


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one SOP class with the same verdict."""

    rows: list[Row]
    failing: bool

    @property
    def verdict(self) -> str:
        """What they have in common."""
        return self.rows[0].verdict

    def title(self) -> str:
        """Return SOP class, transfer syntaxes and direction."""
        sop_class = self.rows[0].pair.sop_class
        service = services.BY_CLASS.get(sop_class)
        if service is not None:
            return service.name
        syntaxes = ", ".join(dict.fromkeys(vocabulary.short(row.pair.transfer_syntax) for row in self.rows))
        roles = {row.pair.role for row in self.rows}
        way = {SCP: "", SCU: ", when fetched from it"}[roles.pop()] if len(roles) == 1 else ", sent to it and fetched"
        return f"{vocabulary.class_name(sop_class)} in {syntaxes}{way}"

    def reason(self) -> str:
        """Return why they are needed."""
        counts: dict[str, int] = {}
        for row in self.rows:
            counts[row.pair.transfer_syntax] = max(counts.get(row.pair.transfer_syntax, 0), row.count)
        held = sum(counts.values())
        others = [part for row in self.rows for part in row.reason.split("; ") if part and "in the library" not in part]
        return "; ".join(dict.fromkeys(([f"{held:,} in the library"] if held else []) + others))

    def advice(self) -> list[str]:
        """Return what to change, each piece once."""
        if self.verdict == TRANSCODE and len(self.rows) > 2:
            return self._conversions()
        return list(dict.fromkeys(row.advice for row in self.rows if row.advice))

    def _conversions(self) -> list[str]:
        ways: dict[tuple[str, str], list[str]] = {}
        for row in self.rows:
            ways.setdefault((row.pair.role, row.convert_to), []).append(vocabulary.short(row.pair.transfer_syntax))
        texts = []
        for (role, target), syntaxes in ways.items():
            instead = vocabulary.short(target)
            if role == SCP:
                texts.append(
                    f"Objects in {', '.join(syntaxes)} are converted to {instead} without loss before they are sent."
                    " To send them unchanged, enable these at the peer."
                )
            else:
                texts.append(f"The peer has to send {', '.join(syntaxes)} as {instead}.")
        return texts


@dataclass(slots=True)
class Report:
    """A pre-flight of one peer.

    Parameters
    ----------
    peer, identity : Peer, LocalIdentity
        Whom we called, and as whom.
    at : str
        When (ISO 8601, UTC).
    rows : list of Row
        Worst first.
    declaration : Declaration or None
        What was declared.
    needs : Needs
        What we need.
    observation : Observation
        What the probe saw.
    findings : list of Finding
        TLS, DICOMweb, round trip.
    changed_since : dict, optional
        What is different from the report before (`changes.since`).
    round_trip : dict, optional
        The objects of the round trip, and what became of them.
    """

    peer: Peer
    identity: LocalIdentity
    at: str
    rows: list[Row]
    declaration: Declaration | None
    needs: Needs
    observation: Observation
    findings: list[Finding] = field(default_factory=list)
    changed_since: dict[str, Any] | None = None
    round_trip: dict[str, Any] | None = None

    @property
    def failing(self) -> list[Row]:
        """The rows that make it fail; rows that a broken association left untested count when they are needed."""
        broken = bool(self.observation.notes)
        return [
            row
            for row in self.rows
            if row.failing or (broken and row.needed and row.verdict == UNTESTED and row.pair.role == SCP)
        ]

    @property
    def ok(self) -> bool:
        """Whether nothing that is needed or declared is blocked."""
        return not self.failing and not any(finding.state == "failed" for finding in self.findings)

    def counts(self) -> dict[str, int]:
        """Return how many rows have each verdict, worst first."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}

    def groups(self) -> list[Group]:
        """Return what is worth telling of the rows that are needed or declared, what asks for the same together."""
        found: dict[tuple[str, str], list[Row]] = {}
        failing = set(map(id, self.failing))
        for row in self.rows:
            if row.verdict != OK and (row.needed or row.declared):
                found.setdefault((row.verdict, row.pair.sop_class), []).append(row)
        return [Group(rows, any(id(row) in failing for row in rows)) for rows in found.values()]

    def summary(self) -> str:
        """Return the outcome in one line."""
        used = [row for row in self.rows if row.needed or row.declared]
        fine = sum(row.verdict == "ok" for row in used)
        parts = [f"{fine} of {len(used)} needed or declared pairs are ok"]
        parts += [
            f"{count} {verdict}" for verdict, count in Counter(r.verdict for r in used).items() if verdict != "ok"
        ]
        head = "ready" if self.ok else "not ready"
        return f"{self.peer.name}: {head}. " + ", ".join(parts)

    def as_json(self, *, full: bool = True) -> dict[str, Any]:
        """Return it as JSON values; without `full` only what the history keeps."""
        rows = [row.as_json() for row in self.rows]
        if not full:
            kept = ("sop_class", "transfer_syntax", "role", "declared", "needed", "observed", "verdict", "denied")
            rows = [{key: row[key] for key in kept if key in row} for row in rows]
        seen = self.observation
        return {
            "peer": self.peer.name,
            "ae_title": self.peer.ae_title,
            "host": self.peer.host,
            "port": self.peer.port,
            "own_ae_title": self.identity.ae_title,
            "at": self.at,
            "result": "ok" if self.ok else "failed",
            "summary": self.summary(),
            "counts": self.counts(),
            "purposes": list(self.needs.purposes),
            "implementation_class_uid": seen.implementation_class_uid,
            "implementation_version": seen.implementation_version,
            "maximum_pdu": seen.maximum_pdu,
            "pairs": len(seen.pairs),
            "associations": seen.associations,
            "seconds": round(seen.seconds, 3),
            "services": [check.as_json() for check in seen.services],
            "tls": seen.tls,
            "dicomweb": seen.web,
            "findings": [finding.as_json() for finding in self.findings],
            "declaration": None
            if self.declaration is None
            else {
                "source": self.declaration.source,
                "date": self.declaration.date,
                "who": self.declaration.who,
                "pairs": len(self.declaration.pairs),
                "problems": list(self.declaration.problems),
            },
            "changed_since": self.changed_since,
            "round_trip": self.round_trip,
            "notes": list(seen.notes),
            "rows": rows,
        }
