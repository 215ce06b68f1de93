"""What the quality gate says: one issue, its severity, and the repair that a program can make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lightbox.core.errors import Severity

__all__ = ["RANK", "Change", "QualityIssue", "Severity", "StoredIssue", "worst_first"]

RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
_SHOWN = 200
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """A repair of one attribute at the top level of the data set, or of the File Meta Information.

    Attributes
    ----------
    tag : int
        The attribute; group 0002 means the File Meta Information.
    vr : str
        Its value representation.
    value : str
        The new value as text, several values joined by a backslash; empty for a zero-length value.
    """

    tag: int
    vr: str
    value: str


@dataclass(frozen=True, slots=True)
class QualityIssue:
    """One fault of an object, or of several objects together.

    Attributes
    ----------
    code : str
        Stable and machine readable; the codes are listed in ``codes.CODES`` and in ``docs/quality.md``.
    severity : Severity
        ERROR: another system may refuse or confuse the object. WARNING: against the standard, or doubtful. INFO: worth
        knowing.
    where : str
        Path to the attribute: ``(0010,0010) PatientName``, with items counted from 1.
    found, expected, repair : str
        In words for a person; `found` may hold values of the patient and must never be logged.
    change : Change or None
        The repair that `apply_repairs` can make; None when a person has to decide.
    sop_instance_uid, path : str
        The object, as far as it is known.
    """

    code: str
    severity: Severity
    where: str
    found: str
    expected: str
    repair: str
    change: Change | None = None
    sop_instance_uid: str = ""
    path: str = ""

    def of(self, *, sop_instance_uid: str = "", path: str = "") -> QualityIssue:
        """Return the same issue with the object it belongs to."""
        return replace(self, sop_instance_uid=sop_instance_uid or self.sop_instance_uid, path=path or self.path)

    def as_dict(self) -> dict[str, Any]:
        """Return the public ``--json`` shape."""
        shape: dict[str, Any] = {
            "code": self.code,
            "severity": self.severity.value,
            "where": self.where,
            "found": self.found,
            "expected": self.expected,
            "repair": self.repair,
            "repairable": self.change is not None,
        }
        if self.sop_instance_uid:
            shape["sop_instance_uid"] = self.sop_instance_uid
        if self.path:
            shape["path"] = self.path
        return shape


@dataclass(frozen=True, slots=True)
class StoredIssue:
    """An issue as the library keeps it: once for all objects of a study that share it.

    ``count`` is the number of objects, ``issue.sop_instance_uid`` one of them (empty for an issue of the whole study).
    """

    study_instance_uid: str
    issue: QualityIssue
    count: int


def worst_first(issues: list[QualityIssue]) -> list[QualityIssue]:
    """Return issues ordered by severity, otherwise as they were."""
    return sorted(issues, key=lambda issue: RANK[issue.severity])


def shown(text: str) -> str:
    """Return a value for `QualityIssue.found`: printable, and not endless."""
    printable = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text[: _SHOWN + 1])
    return printable if len(text) <= _SHOWN else printable[:_SHOWN] + "..."
