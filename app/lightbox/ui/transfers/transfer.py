"""One transfer: a retrieve, an import or a reception, with everything the screen says about it."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lightbox.core.jobs import Job
from lightbox.network.retrieving.journal import Entry
from lightbox.ui import words

_numbers = itertools.count(1)


class Kind(Enum):
    """Which way things go."""

    RETRIEVE = "Retrieve"
    IMPORT = "Import"
    RECEIVE = "Receive"
    PRIORS = "Priors"


class State(Enum):
    """Where a transfer is in its life.

    PARTIAL: it ended, and something is missing. INTERRUPTED: Lightbox ended while an earlier session retrieved it.
    """

    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that did not come, and why."""

    what: str
    reason: str


@dataclass(eq=False)
class Transfer:
    """What the screen knows of a transfer. `title` may name the patient: it is shown and never logged."""

    kind: Kind
    title: str
    partner: str = ""
    study_uid: str = ""
    done: int = 0
    total: int = 0
    unit: str = "images"
    seconds: float = 0.0
    state: State = State.RUNNING
    message: str = ""
    failures: list[Failure] = field(default_factory=list)
    parts: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    job: Job[Any] | None = None
    unfinished: Entry | None = None
    """What the journal of retrieves holds of it, when an earlier session left it."""
    number: int = field(default_factory=lambda: next(_numbers))
    started: float = field(default_factory=time.monotonic)

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.state is State.RUNNING

    @property
    def failed(self) -> int:
        """How many objects did not come."""
        return len(self.failures)

    @property
    def rate(self) -> float:
        """Objects a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    def amount(self) -> str:
        """Return how much came: ``118 of 120 images · 2 failed``."""
        if self.state is State.INTERRUPTED:
            return f"{words.plural(self.done, 'image')} had come" if self.done else "nothing had come yet"
        if self.total:
            text = f"{words.count(self.done)} of {words.count(self.total)} {self.unit}"
        elif self.done:
            text = f"{words.count(self.done)} {self.unit}"
        else:
            text = "starting" if self.running else f"no {self.unit}"
        if not self.failed:
            return text
        if self.kind is Kind.IMPORT:
            return f"{words.count(self.done)} {self.unit} · {self.failed} not taken"
        return f"{text} · {self.failed} failed"

    def pace(self) -> str:
        """Return rate and remaining time while it runs, how long it took afterwards."""
        if not self.running:
            return f"took {words.duration(self.seconds)}" if self.seconds >= 1 else ""
        if self.seconds < 0.5 or not self.done:
            return ""
        rate = f"{self.rate:.0f}/s" if self.rate >= 10 else f"{self.rate:.1f}/s"
        left = (self.total - self.done) / self.rate
        if left >= 1:
            return f"{rate} · {words.duration(left)} left"
        return rate

    def verdict(self) -> str:
        """Return its state in a word or two."""
        return {
            State.RUNNING: "running",
            State.DONE: "complete",
            State.PARTIAL: "incomplete",
            State.FAILED: "failed",
            State.CANCELLED: "cancelled",
            State.INTERRUPTED: "interrupted",
        }[self.state]

    def sentence(self) -> str:
        """Return it as one line, for the status line."""
        verb = {
            Kind.RETRIEVE: "Retrieving",
            Kind.IMPORT: "Importing",
            Kind.RECEIVE: "Receiving",
            Kind.PRIORS: "Fetching priors of",
        }[self.kind]
        return f"{verb} {self.title} · {self.amount()}" if self.running else f"{self.title} · {self.amount()}"
