"""Typed errors and problems: what happened, where, why, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum


class LightboxError(Exception):
    """Base of every error that Lightbox raises on purpose.

    Parameters
    ----------
    what : str
        What could not be done, in a few words ("The file could not be imported").
    where : str, optional
        The object concerned: a path, a peer, a UID. Never a patient's name or identifier.
    why : str, optional
        The reason as far as it is known.
    todo : str, optional
        What a person can do about it.
    """

    def __init__(self, what: str, *, where: str = "", why: str = "", todo: str = "") -> None:
        self.what = what
        self.where = where
        self.why = why
        self.todo = todo
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """Return the error as one line for a person."""
        head = f"{self.what} ({self.where})" if self.where else self.what
        tail = ". ".join(part.rstrip(".") for part in (self.why, self.todo) if part)
        return f"{head}: {tail}" if tail else head


class NotFoundError(LightboxError):
    """Something that was asked for by name or UID does not exist."""


class UsageError(LightboxError):
    """The request itself makes no sense (command line: exit code 2)."""


class Cancelled(LightboxError):
    """A job was cancelled by the person who started it."""

    def __init__(self, what: str = "Cancelled") -> None:
        super().__init__(what)


class Severity(Enum):
    """How much a problem matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should know but that did not stop the work.

    ``code`` is stable and machine readable (``geometry.missing-slice``); the other fields are for people.
    """

    severity: Severity
    code: str
    what: str
    where: str = ""
    why: str = ""
    todo: str = ""

    def sentence(self) -> str:
        """Return the problem as one line for a person."""
        return LightboxError(self.what, where=self.where, why=self.why, todo=self.todo).sentence()

    def as_dict(self) -> dict[str, str]:
        """Return a JSON-ready mapping."""
        return {**asdict(self), "severity": self.severity.value}
