"""Asks the worklists of all archives at once; each answer is shown as it comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import Job, JobRunner
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.core.errors import Problem
    from lightbox.network.peers import Peer
    from lightbox.network.worklist.entries import WorklistEntry

NO_WORKLIST = "has no worklist"


@dataclass
class Answer:
    """What one archive said."""

    asking: bool = True
    entries: list[WorklistEntry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    error: str = ""
    without: bool = False
    """It offers no worklist at all: nothing is wrong with that."""


class WorklistQueries(QObject):
    """One question at a time, to every archive."""

    changed = Signal()

    def __init__(self, workstation: Workstation, bridge: Bridge, network: JobRunner) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._network = network
        self._jobs: list[Job[Any]] = []
        self._generation = 0
        self.answers: dict[str, Answer] = {}

    @property
    def asking(self) -> bool:
        """Whether an archive has not answered yet."""
        return any(answer.asking for answer in self.answers.values())

    def entries(self) -> list[WorklistEntry]:
        """Return everything that came, in order of time."""
        found = [entry for answer in self.answers.values() for entry in answer.entries]
        return sorted(found, key=lambda entry: entry.when)

    def ask(self, dates: str, modality: str) -> None:
        """Ask every archive."""
        self.stop()
        self._generation += 1
        peers = self._workstation.peers.all()
        self.answers = {peer.name: Answer() for peer in peers}
        for peer in peers:
            self._ask_one(peer, dates, modality, self._generation)
        self.changed.emit()

    def stop(self) -> None:
        """Ask no more."""
        for job in self._jobs:
            job.cancel()
        self._jobs = []

    def _ask_one(self, peer: Peer, dates: str, modality: str, generation: int) -> None:
        workstation = self._workstation

        def work(job: Job[Answer]) -> Answer:
            from lightbox.network.errors import AssociationError
            from lightbox.network.worklist import mwl

            answer = Answer(asking=False)
            try:
                answer.entries = mwl.query(
                    peer,
                    workstation.identity,
                    mwl.WorklistQuery(dates=dates, modality=modality),
                    cancel=job.token,
                    problems=answer.problems,
                )
            except AssociationError as error:
                if error.code != "association.no-context":
                    raise
                answer.without = True
            return answer

        def done(answer: Answer) -> None:
            if generation == self._generation:
                self.answers[peer.name] = answer
                self.changed.emit()

        def failed(error: Exception) -> None:
            if generation == self._generation and not isinstance(error, Cancelled):
                self.answers[peer.name] = Answer(asking=False, error=words.error(error))
                self.changed.emit()

        self._jobs.append(self._bridge.run(self._network, "ask a worklist", work, done, failed))
