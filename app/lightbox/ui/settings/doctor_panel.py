"""The connection doctor: every step of the way to an archive, as it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QVBoxLayout

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import Job, JobRunner
from lightbox.network.peers import Peer
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.settings.step_list import StepList
from lightbox.ui.widgets import button, label, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.diagnosis.steps import Diagnosis, Step

_VERDICTS = {"ok": "ok", "warning": "warn", "failed": "critical"}


class DoctorPanel(QFrame):
    """Examines one archive at a time."""

    ended = Signal(str)
    """The name of the archive, when an examination is over."""

    def __init__(self, workstation: Workstation, bridge: Bridge, network: JobRunner) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._workstation = workstation
        self._bridge = bridge
        self._network = network
        self._job: Job[Diagnosis] | None = None
        self._peer: Peer | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        self.heading = label("", "title")
        self.again = button("Again", on_click=self._again)
        self.stop = button("Stop", on_click=self._stop)
        column.addLayout(row(self.heading, None, self.again, self.stop, button("Close", "flat", on_click=self.shut)))
        self.steps = StepList()
        column.addWidget(self.steps)
        self.verdict = label("", wrap=True, selectable=True)
        column.addWidget(self.verdict)

    @property
    def running(self) -> bool:
        """Whether it examines something now."""
        return self._job is not None

    def examine(self, peer: Peer) -> None:
        """Take every step towards `peer`, each shown as soon as it is done."""
        self._stop()
        self._peer = peer
        self.heading.setText(f"The way to {peer.name}")
        self.steps.clear()
        self.verdict.setText("Examining …")
        self._show_running(True)
        workstation = self._workstation
        job: Job[Diagnosis]

        def show(step: Step) -> None:
            if self._job is job:
                self.steps.add(step)

        listen = self._bridge.slot(show)

        def work(running: Job[Diagnosis]) -> Diagnosis:
            from lightbox.network.diagnosis.doctor import diagnose

            return diagnose(
                peer,
                workstation.identity,
                settings=workstation.settings,
                home=workstation.home,
                progress=listen,
                cancel=running.token,
            )

        def done(found: Diagnosis) -> None:
            if self._job is job:
                self._end(found.summary(), _VERDICTS[found.state])
                self.ended.emit(peer.name)

        def failed(error: Exception) -> None:
            if self._job is job:
                self._end("Stopped" if isinstance(error, Cancelled) else words.error(error), "secondary")

        job = self._job = self._bridge.run(self._network, "examine a peer", work, done, failed)

    def _end(self, text: str, role: str) -> None:
        self._job = None
        self.verdict.setText(text)
        self.verdict.setProperty("role", role)
        self.verdict.style().unpolish(self.verdict)
        self.verdict.style().polish(self.verdict)
        self._show_running(False)

    def _show_running(self, running: bool) -> None:
        self.stop.setVisible(running)
        self.again.setVisible(not running)

    def _again(self) -> None:
        if self._peer is not None:
            self.examine(self._peer)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._end("Stopped", "secondary")

    def shut(self) -> None:
        """Stop and hide."""
        self._stop()
        self.hide()
