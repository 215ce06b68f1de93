"""What a retrieve or a send achieved. Importing this module loads no network library."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class SeriesReport:
    """One series of a retrieve. ``announced`` is None when the archive did not tell."""

    series_instance_uid: str
    modality: str = ""
    announced: int | None = None
    received: int = 0

    @property
    def complete(self) -> bool:
        """Whether all that was announced came."""
        return self.announced is None or self.received >= self.announced


@dataclass(slots=True)
class RetrieveReport:
    """What came, compared with what the archive announced.

    ``failed`` lists (SOP Instance UID, reason in words); a UID is empty when the archive only counted failures.
    ``received`` counts the objects that are in the library now: those that came in this retrieve, and the
    ``already_here`` that were there before it.
    """

    study_instance_uid: str
    announced: int = 0
    received: int = 0
    already_here: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    series: list[SeriesReport] = field(default_factory=list)
    method: str = ""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything that was announced came, and nothing failed."""
        return not self.failed and self.received >= self.announced

    def summary(self) -> str:
        """Return one line for a person: "118 of 120 (20 were here already), 2 failed: reason"."""
        text = f"{self.received} of {self.announced}"
        if self.already_here:
            text += f" ({self.already_here} were here already)"
        if self.failed:
            reasons = Counter(reason for _, reason in self.failed)
            text += f", {len(self.failed)} failed: {'; '.join(reason for reason, _ in reasons.most_common(3))}"
        return text

    def as_dict(self) -> dict[str, object]:
        """Return the public ``--json`` shape."""
        return {
            "StudyInstanceUID": self.study_instance_uid,
            "method": self.method,
            "announced": self.announced,
            "received": self.received,
            "already_here": self.already_here,
            "failed": [{"sop_instance_uid": uid, "reason": reason} for uid, reason in self.failed],
            "series": [
                {
                    "SeriesInstanceUID": entry.series_instance_uid,
                    "Modality": entry.modality,
                    "announced": entry.announced,
                    "received": entry.received,
                }
                for entry in self.series
            ],
            "seconds": round(self.seconds, 3),
            "notes": self.notes,
        }


@dataclass(slots=True)
class SendReport:
    """What a send achieved; ``failed`` lists (SOP Instance UID, reason in words)."""

    total: int = 0
    sent: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether everything was accepted."""
        return self.sent == self.total and not self.failed

    def summary(self) -> str:
        """Return one line for a person."""
        text = f"{self.sent} of {self.total} sent"
        if self.failed:
            reasons = Counter(reason for _, reason in self.failed)
            text += f", {len(self.failed)} failed: {'; '.join(reason for reason, _ in reasons.most_common(3))}"
        return text
