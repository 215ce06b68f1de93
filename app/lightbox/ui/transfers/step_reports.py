"""Reports of performance (MPPS): told behind the screen, and said where one could not be delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from lightbox.core.jobs import Job, JobRunner
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.widgets import Dot, button, clear, label, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.worklist.mpps_store import Step

_AGAIN_MS = 5 * 60_000


class StepReports(QObject):
    """Works off the reports that wait, at the start and every few minutes while some do."""

    changed = Signal()

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner
        self._job: Job[list[Step]] | None = None
        self.steps: list[Step] = []
        self.error = ""
        self._again = QTimer(self, interval=_AGAIN_MS)
        self._again.timeout.connect(self.tell)

    @property
    def telling(self) -> bool:
        """Whether they are being told now."""
        return self._job is not None

    def start(self) -> None:
        """Tell what waits, and go on doing so."""
        self._again.start()
        self.tell()

    def close(self) -> None:
        """Stop."""
        self._again.stop()

    def tell(self) -> None:
        """Tell now what waits."""
        if self._job is not None:
            return

        def done(steps: list[Step]) -> None:
            self._job, self.steps, self.error = None, steps, ""
            self.changed.emit()

        def failed(error: Exception) -> None:
            self._job, self.error = None, words.error(error)
            self.changed.emit()

        self._job = self._bridge.run(
            self._runner, "tell procedure steps", lambda job: self._workstation.tell_steps(), done, failed
        )
        self.changed.emit()

    def dismiss(self, uid: str) -> None:
        """Take a report that was refused for good off the screen."""

        def work(job: Job[object]) -> object:
            from lightbox.network.worklist.mpps_store import StepStore

            return StepStore(self._workstation.home).look_at(uid)

        self.steps = [step for step in self.steps if step.uid != uid]
        self.changed.emit()
        self._bridge.run(self._runner, "dismiss a procedure step", work, lambda _step: None)


class StepReportsCard(QFrame):
    """Who was not told yet what was performed, and why."""

    def __init__(self, reports: StepReports) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setAccessibleName("Reports of performance that could not be delivered")
        self._reports = reports
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 10, 12, 12)
        column.setSpacing(8)
        self._title = label("", "text-strong")
        self.again = button("Try now", tip="Tell them now", on_click=reports.tell)
        column.addLayout(row(self._title, None, self.again))
        self._list = QVBoxLayout()
        self._list.setSpacing(8)
        column.addLayout(self._list)
        self.dismissing: dict[str, QWidget] = {}
        reports.changed.connect(self.refresh)
        self.refresh()

    def told(self) -> list[str]:
        """Return what the card says."""
        return [sentence(step) for step in self._reports.steps]

    def refresh(self) -> None:
        """Show the present state."""
        steps = self._reports.steps
        waiting = sum(1 for step in steps if step.waits)
        refused = len(steps) - waiting
        said = [
            f"{words.plural(waiting, 'report')} of performance (MPPS) not delivered yet" if waiting else "",
            f"{words.plural(refused, 'report')} refused" if refused else "",
        ]
        self._title.setText(" · ".join(part for part in said if part))
        self.again.setVisible(bool(waiting))
        self.again.setEnabled(not self._reports.telling)
        self.again.setText("Telling …" if self._reports.telling else "Try now")
        clear(self._list)
        self.dismissing = {}
        for step in steps:
            self._list.addWidget(self._line(step))
        if self._reports.error:
            self._list.addWidget(label(self._reports.error, "critical", wrap=True))
        self.setVisible(bool(steps or self._reports.error))

    def _line(self, step: Step) -> QWidget:
        holder = QWidget()
        text = label(sentence(step), "secondary", wrap=True, selectable=True)
        line = row(Dot("warn" if step.waits else "critical"), 2)
        line.addWidget(text, 1)
        if not step.waits:
            dismiss = button("Dismiss", tip="Take it off this list", on_click=lambda: self._reports.dismiss(step.uid))
            line.addWidget(dismiss)
            self.dismissing[step.uid] = dismiss
        holder.setLayout(line)
        return holder


def sentence(step: Step) -> str:
    """Return how a report stands, in words without anything of the patient."""
    begun = words.stamp(step.begun_at)
    why = f": {step.words}" if step.words else ""
    if not step.waits:
        return f"{step.peer} refused the report of {begun}{why}"
    tries = f" (tried {words.plural(step.tries, 'time')})" if step.tries else ""
    again = "It is told again every few minutes, and when Lightbox starts."
    ending = "" if why.endswith((".", "!", "?")) else "."
    return f"{step.peer} has not got the report of {begun}{tries}{why}{ending} {again}"
