"""The Export place: a wizard from the chosen studies to a verified folder and its certificate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import Job, JobRunner, Progress
from lightbox.library.records import StudyRecord
from lightbox.ui import actions, words
from lightbox.ui.bridge import Bridge
from lightbox.ui.export.certificate_step import CertificateStep
from lightbox.ui.export.plan import Plan
from lightbox.ui.export.profile_step import ProfileStep
from lightbox.ui.export.review_step import ReviewStep
from lightbox.ui.export.run_step import RunStep
from lightbox.ui.export.source_step import SourceStep
from lightbox.ui.export.step_list import StepList
from lightbox.ui.widgets import ElidedLabel, button, label, panel, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.deid.scan import Inventory
    from lightbox.export.job import ExportReport

SOURCE, PROFILE, REVIEW, RUN, CERTIFICATE = range(5)
STEPS = (
    ("Source", "studies or folders"),
    ("Profile", "rules and key"),
    ("What will go", "identifiers, before anything is written"),
    ("Run and verify", "write, re-read, search"),
    ("Certificate", "counts, log, manifest"),
)
_PROGRESS_S = 0.1


class ExportPage(QWidget):
    """Five steps; each can be gone back to."""

    studies_wanted = Signal()

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner) -> None:
        super().__init__()
        self.setObjectName("page")
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner
        self.plan = Plan()
        self.step = SOURCE
        self._job: Job[ExportReport] | None = None
        self._scan: Job[Inventory] | None = None
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        bar = panel("bar")
        bar.setFixedHeight(48)
        self._summary = ElidedLabel("", "text-secondary")
        said = label("The originals are never changed", "secondary")
        bar.setLayout(row(label("De-identify and export", "title"), 6, self._summary, said, margins=(16, 0, 16, 0)))
        outer.addWidget(bar)
        middle = QHBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(0)
        self.steps = StepList(STEPS)
        self.steps.chosen.connect(self.go)
        middle.addWidget(self.steps)
        self._stack = QStackedWidget()
        self.source = SourceStep(self.plan)
        self.profile = ProfileStep(self.plan, workstation.home / "keys")
        self.review = ReviewStep(self.plan)
        self.run_step = RunStep(self.plan)
        self.certificate = CertificateStep()
        for page in (self.source, self.profile, self.review, self.run_step, self.certificate):
            self._stack.addWidget(page)
        middle.addWidget(self._stack, 1)
        outer.addLayout(middle, 1)
        foot = panel("foot")
        foot.setFixedHeight(54)
        self._foot = ElidedLabel("", "text-secondary")
        self.back_action = actions.add(self, "Export", "Back", self.back, "Alt+Left", tip="One step back")
        self.next_action = actions.add(self, "Export", "Next step", self.next, "Ctrl+Return", tip="One step on")
        self.back_button = button("Back", tip="One step back  (Alt+Left)", on_click=self.back)
        self.next_button = button("Next", "primary", tip="One step on  (Ctrl+Return)", on_click=self.next)
        foot.setLayout(row(self._foot, self.back_button, self.next_button, margins=(16, 0, 16, 0)))
        outer.addWidget(foot)
        self.source.studies_wanted.connect(self.studies_wanted)
        self.certificate.again_wanted.connect(self.start_again)
        self.review.cancel_wanted.connect(self._cancel_scan)
        self.run_step.cancel_wanted.connect(self.cancel)
        for part in (self.source, self.profile, self.review, self.run_step):
            part.changed.connect(self.refresh)
        self.go(SOURCE)

    # --- steps

    @property
    def running(self) -> bool:
        """Whether an export runs now."""
        return self._job is not None

    def choose_studies(self, studies: list[StudyRecord]) -> None:
        """Begin with `studies`, added to what is chosen already."""
        if self.running:
            return
        if self.plan.report is not None:
            self.start_again()
        self.plan.add_studies(studies)
        self.source.refresh()
        self.go(SOURCE)

    def start_again(self) -> None:
        """Begin a new export; profile and key stay."""
        self.plan.studies, self.plan.folders = [], []
        self.plan.accept_burned_in = False
        self.plan.forget_results()
        self.run_step.field.clear()
        self.source.refresh()
        self.go(SOURCE)

    def _reachable(self, step: int) -> bool:
        plan = self.plan
        if step == SOURCE:
            return True
        if plan.empty:
            return False
        if step == PROFILE:
            return True
        if plan.key is None or plan.profile is None:
            return False
        if step == REVIEW:
            return True
        if plan.inventory is None:
            return False
        return step == RUN or plan.report is not None

    def go(self, step: int) -> None:
        """Show a step, if it can be shown."""
        if self.running or not self._reachable(step):
            return
        self.step = step
        self._stack.setCurrentIndex(step)
        if step == REVIEW and self.plan.inventory is None and self._scan is None:
            self._start_scan()
        if step == RUN:
            self._tell_plan()
        self.refresh()
        if self.next_button.isEnabled():
            self.next_button.setFocus()

    def back(self) -> None:
        """Go one step back."""
        if self.step > SOURCE:
            self.go(self.step - 1)

    def next(self) -> None:
        """Go one step on; on the fourth, start."""
        if self.step == RUN:
            self.start()
        elif self.step == CERTIFICATE:
            self.start_again()
        else:
            self.go(self.step + 1)

    def refresh(self) -> None:
        """Bring steps, buttons and summary up to date."""
        plan = self.plan
        self._summary.setText(plan.summary())
        hints = [
            plan.summary() or STEPS[SOURCE][1],
            (plan.profile.title if plan.profile else STEPS[PROFILE][1]) + ("" if plan.key else " · no key yet"),
            words.plural(len(plan.inventory.rows), "attribute") if plan.inventory else STEPS[REVIEW][1],
            "running" if self.running else STEPS[RUN][1],
            f"{words.count(plan.report.exported)} exported" if plan.report else STEPS[CERTIFICATE][1],
        ]
        done = [not plan.empty, plan.key is not None, plan.inventory is not None, plan.report is not None, False]
        for number, item in enumerate(self.steps.items):
            reachable = self._reachable(number) and not self.running
            if number == self.step:
                state = "present"
            elif done[number] and (reachable or self.running) and number < self.step:
                state = "done"
            else:
                state = "open" if reachable else "waiting"
            item.show_state(state, hints[number])
        names = ("Next: profile", "Next: what will go", "Next: run", "Start the export", "Another export")
        self.next_button.setText(names[self.step])
        ready = self._reachable(self.step + 1) if self.step < RUN else True
        if self.step == RUN:
            ready = plan.out is not None and plan.inventory is not None
        self.next_button.setEnabled(ready and not self.running)
        self.back_button.setEnabled(self.step > SOURCE and not self.running)
        self.next_action.setEnabled(self.next_button.isEnabled())
        self.back_action.setEnabled(self.back_button.isEnabled())
        self._foot.setText(self._foot_words())

    def _foot_words(self) -> str:
        plan = self.plan
        if plan.profile is None:
            return ""
        pieces = ["PS3.15 Basic Profile", *sorted(option.title for option in plan.profile.options)]
        key = f"key {plan.key_path.stem}" if plan.key_path else "no key yet"
        if self.step == PROFILE and plan.key is None:
            key = "make or choose a project key to go on"
        return f"{' + '.join(pieces)} · {key}"

    # --- scan

    def _start_scan(self) -> None:
        plan, workstation = self.plan, self._workstation
        self.review.show_progress(0, 0)
        show = self._bridge.slot(self.review.show_progress)

        def work(job: Job[Inventory]) -> Inventory:
            from lightbox.deid.scan import scan

            told = 0.0

            def progress(done: int, total: int = 0, *, unit: str = "", message: str = "") -> None:
                nonlocal told
                moment = time.monotonic()
                if moment - told > _PROGRESS_S or done == total:
                    told = moment
                    show(done, total)

            return scan(plan.sources(workstation), plan.profile, progress=progress, cancel=job.token)

        def done(inventory: Inventory) -> None:
            self._scan = None
            plan.inventory = inventory
            self.review.show_inventory(inventory)
            self.refresh()

        def failed(error: Exception) -> None:
            self._scan = None
            if isinstance(error, Cancelled):
                self.go(PROFILE)
            else:
                self.review.show_error(words.error(error))
            self.refresh()

        self._scan = self._bridge.run(self._runner, "scan for identifiers", work, done, failed)

    def _cancel_scan(self) -> None:
        if self._scan is not None:
            self._scan.cancel()

    # --- run

    def _tell_plan(self) -> None:
        inventory = self.plan.inventory
        if inventory is None:
            return
        held = [
            entry for entry in inventory.refused if not (entry.code == "burned-in-risk" and self.plan.accept_burned_in)
        ]
        text = f"{words.plural(inventory.files, 'object')} of {words.plural(inventory.patients, 'patient')}"
        if held:
            text += f"; {words.plural(len(held), 'object')} will be withheld"
        self.run_step.show_plan(text + ".")

    def start(self) -> None:
        """De-identify, write, verify."""
        plan, workstation = self.plan, self._workstation
        profile, key, out = plan.profile, plan.key, plan.out
        if self.running or profile is None or key is None or out is None:
            return
        begun = time.monotonic()
        show = self._bridge.slot(self._show_running)
        accept, crosswalk = plan.accept_burned_in, plan.crosswalk

        def work(job: Job[ExportReport]) -> ExportReport:
            from lightbox.export.worker import export

            told = 0.0

            def progress(done: int, total: int = 0, *, unit: str = "", message: str = "") -> None:
                nonlocal told
                moment = time.monotonic()
                if moment - told > _PROGRESS_S or done == total:
                    told = moment
                    show(Progress(done, total, unit, message, moment - begun))

            return export(
                plan.sources(workstation),
                profile,
                key,
                out,
                progress=progress,
                cancel=job.token,
                accept_burned_in=accept,
                crosswalk=crosswalk,
            )

        def done(report: ExportReport) -> None:
            self._job = None
            plan.report = report
            self.run_step.show_stopped()
            self.certificate.show_report(report)
            self.go(CERTIFICATE)

        def failed(error: Exception) -> None:
            self._job = None
            stopped = "Stopped by you. What had been exported until then was verified and stays in the folder."
            self.run_step.show_stopped(stopped if isinstance(error, Cancelled) else words.error(error))
            self.refresh()

        self._job = self._bridge.run(self._runner, "export", work, done, failed)
        self._show_running(Progress(message="Starting"))
        self.refresh()

    def _show_running(self, progress: Progress) -> None:
        if self.running:
            self.run_step.show_running(progress)

    def cancel(self) -> None:
        """Stop the export."""
        if self._job is not None:
            self.run_step.cancel.setEnabled(False)
            self._job.cancel()
