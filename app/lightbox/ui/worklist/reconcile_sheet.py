"""Images from outside become part of an order: what will change is seen before anything does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QWidget

from lightbox.core.errors import Cancelled, Severity
from lightbox.core.jobs import Job, JobRunner
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.sheet import Sheet
from lightbox.ui.widgets import ThinProgress, button, label, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.peers import Peer
    from lightbox.network.worklist.changes import Plan
    from lightbox.network.worklist.entries import WorklistEntry
    from lightbox.network.worklist.importing import Reconciled, Sources
    from lightbox.network.worklist.mpps import Steps

_NAMES = {
    "PatientName": "Name",
    "PatientID": "Patient ID",
    "IssuerOfPatientID": "Issuer of the ID",
    "PatientBirthDate": "Born",
    "PatientSex": "Sex",
    "AccessionNumber": "Accession number",
    "ReferringPhysicianName": "Referred by",
    "StudyInstanceUID": "Study Instance UID",
}


class ReconcileSheet(Sheet):
    """The plan, what speaks against it, and the import."""

    imported = Signal(str)

    def __init__(self, window: QWidget, workstation: Workstation, bridge: Bridge, runner: JobRunner) -> None:
        super().__init__(window, 980, 680)
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner
        self._job: Job[Any] | None = None
        self._entry: WorklistEntry | None = None
        self._sources: Sources | None = None
        self._plan: Plan | None = None
        self.column.setContentsMargins(20, 14, 20, 16)
        self.heading = label("", "heading")
        self._close = button("", "flat", "close", "Close  (Esc)", self.dismiss)
        self._close.setAccessibleName("Close without importing")
        self.column.addLayout(row(self.heading, None, self._close))
        self.said = label("", "secondary", wrap=True, selectable=True)
        self.column.addWidget(self.said)
        self.problems = label("", "critical", wrap=True, selectable=True)
        self.column.addWidget(self.problems)
        self.table = PlainTable("What changes", ("Attribute", "In the files", "Will be"), (190, 320, 320), 2)
        self.column.addWidget(self.table, 1)
        self.same_study = QCheckBox("Put the images into the study of the order")
        self.same_study.setToolTip(
            "Changes the Study Instance UID of the copies; the files themselves stay as they are"
        )
        self.same_study.toggled.connect(lambda: self._make_plan())
        self.report = QCheckBox("Report it to the archive as performed (MPPS)")
        self.sure = QCheckBox("I have made sure that this is the same person")
        self.sure.toggled.connect(self._arrange)
        for box in (self.same_study, self.report, self.sure):
            self.column.addWidget(box)
        self.bar = ThinProgress()
        self.column.addWidget(self.bar)
        self.go = button("Import", "primary", on_click=self.carry_out)
        self.stop = button("Stop", on_click=self._stop)
        self.column.addLayout(row(None, self.stop, self.go))

    def open_with(self, entry: WorklistEntry, paths: list[Path]) -> None:
        """Look at the files and show what would change."""
        self._entry, self._sources, self._plan = entry, None, None
        who = words.name(entry.patient_name)
        self.heading.setText(f"Import for {who}, {entry.accession_number or 'no accession number'}")
        self.same_study.blockSignals(True)
        self.same_study.setChecked(bool(entry.study_instance_uid))
        self.same_study.blockSignals(False)
        self.same_study.setEnabled(bool(entry.study_instance_uid))
        self.sure.setChecked(False)
        self.report.setChecked(False)
        self.table.fill([])
        self.open()
        self._run("Reading the files …", lambda job: self._gather(paths), self._gathered)

    def _gather(self, paths: list[Path]) -> Sources:
        from lightbox.network.worklist import importing

        return importing.gather(paths, own=self._workstation.home)

    def _gathered(self, sources: Sources) -> None:
        self._sources = sources
        self._make_plan()

    def _make_plan(self) -> None:
        sources, entry = self._sources, self._entry
        if sources is None or entry is None:
            return
        map_study = self.same_study.isChecked()

        def work(job: Job[Plan]) -> Plan:
            from lightbox.network.worklist import importing

            return importing.plan(sources, entry, library=self._workstation.library, map_study_uid=map_study)

        self._run("Comparing with the order …", work, self._planned)

    def _planned(self, plan: Plan) -> None:
        self._plan = plan
        studies = words.plural(len(plan.studies), "study", "studies")
        self.said.setText(
            f"{words.plural(plan.objects, 'object')} of {studies}. The copies in the library carry the values of the "
            "order; the former ones are kept in each object. Pixels and the files themselves are not touched."
        )
        serious = [problem for problem in plan.problems if problem.severity is Severity.ERROR]
        self.problems.setText("\n".join(problem.what for problem in plan.problems))
        self.problems.setProperty("role", "critical" if serious else "warn")
        self.problems.style().unpolish(self.problems)
        self.problems.style().polish(self.problems)
        rows = [
            (
                (_NAMES.get(change.keyword, change.keyword), ""),
                (" | ".join(_shown(change.keyword, old) for old in change.old) or "empty", "text-secondary"),
                (_shown(change.keyword, change.new) if change.new else "removed", "accent"),
            )
            for change in plan.changes
            if change.effective
        ]
        self.table.fill(rows)
        self._arrange()
        self.go.setFocus()

    def carry_out(self) -> None:
        """Import the copies."""
        plan, sources, workstation = self._plan, self._sources, self._workstation
        if plan is None or sources is None:
            return
        confirmed, report = self.sure.isChecked(), self.report.isChecked()
        listen = self._bridge.slot(lambda progress: self.bar.show_progress(progress.done, progress.total))

        def work(job: Job[tuple[Reconciled, str]]) -> tuple[Reconciled, str]:
            from lightbox.network.worklist import importing

            done = importing.carry_out(
                sources,
                plan,
                workstation.library,
                workstation.home,
                system=workstation.identity.ae_title,
                confirmed=confirmed,
                progress=listen,
                cancel=job.token,
            )
            return done, tell(workstation, plan.entry, done) if report and done.instances else ""

        def finished(result: tuple[Reconciled, str]) -> None:
            done, told = result
            text = f"Imported for the order: {words.plural(done.report.added, 'object')}"
            if done.report.refused:
                text += f", {words.count(len(done.report.refused))} not taken"
            self.dismiss()
            self.imported.emit(f"{text}. {told}".strip())

        self._run("Importing …", work, finished)

    def _run(self, doing: str, work: Callable[[Job[Any]], Any], done: Callable[[Any], object]) -> None:
        self._stop()
        self.said.setText(doing)
        self.problems.setText("")
        self._plan = None
        job: Job[Any]

        def finished(result: Any) -> None:
            if self._job is job:
                self._job = None
                self._arrange()
                done(result)

        def failed(error: Exception) -> None:
            if self._job is job:
                self._job = None
                self.said.setText("")
                self.problems.setText("Stopped" if isinstance(error, Cancelled) else words.error(error))
                self._arrange()

        job = self._job = self._bridge.run(self._runner, "reconcile", work, finished, failed)
        self.bar.show_progress(0, 0)
        self._arrange()

    def _arrange(self, *_: object) -> None:
        running = self._job is not None
        plan = self._plan
        self.problems.setVisible(bool(self.problems.text()))
        self.bar.setVisible(running)
        self.stop.setVisible(running)
        self.sure.setVisible(plan is not None and plan.needs_confirmation)
        self.go.setEnabled(
            plan is not None
            and not running
            and plan.objects > 0
            and (not plan.needs_confirmation or self.sure.isChecked())
        )

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self._arrange()

    def dismiss(self) -> None:
        """Stop, and close."""
        self._stop()
        super().dismiss()


def tell(workstation: Workstation, entry: WorklistEntry, done: Reconciled) -> str:
    """Report the import as a performed procedure step; what cannot be told now is told later."""
    from lightbox.network.worklist.mpps import Steps

    steps, peer = Steps(workstation.home), workstation.peers.get(entry.source)
    record = workstation.library.instance(done.instances[0].sop_instance_uid)
    study = record.study_instance_uid if record is not None else entry.study_instance_uid
    with workstation.telling:
        return _told(steps, peer, workstation, entry, done, study)


def _told(
    steps: Steps, peer: Peer, workstation: Workstation, entry: WorklistEntry, done: Reconciled, study: str
) -> str:
    from lightbox.core.errors import LightboxError

    step = steps.begin(peer, workstation.identity, entry, modality=done.instances[0].modality, study_uid=study)
    steps.complete(step.uid, done.instances)
    try:
        steps.send(step.uid, peer, workstation.identity)
    except LightboxError as error:
        return f"{peer.name} was not told yet: {error.sentence()}"
    return f"{peer.name} was told."


def _shown(keyword: str, value: str) -> str:
    if keyword.endswith("Name"):
        return words.name(value)
    return words.day(value) if keyword.endswith("Date") else value
