"""The outcome of a pre-flight: rows with verdicts, services, TLS, DICOMweb, what changed; as JSON and in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.preflight import tasks
from lightbox.network.preflight.declaration import Declaration
from lightbox.network.preflight.needs import Needs
from lightbox.network.preflight.observation import Observation
from lightbox.network.preflight.pairs import SCP
from lightbox.network.preflight.tasks import Task
from lightbox.network.preflight.verdicts import UNTESTED, VERDICTS, Row


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

    def tasks(self) -> list[Task]:
        """Return what to change, and what is good to know, of the rows that are needed or declared."""
        return tasks.of(self.rows, {id(row) for row in self.failing}, self.peer.name, self.identity.ae_title)

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
