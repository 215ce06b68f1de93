"""Drives the real window as a person would, and waits for what the person would wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from lightbox.core.errors import LightboxError
from lightbox.demo.sample import PEER_NAME
from lightbox.ui.studies.search import SourceState

if TYPE_CHECKING:
    from lightbox.ui.main_window import MainWindow
    from lightbox.ui.studies.study_row import StudyRow
    from lightbox.ui.viewer.viewer_page import ViewerPage
    from lightbox.workstation import Workstation

_POLL_MS = 50
_SETTLE_S = 0.4


@contextmanager
def offscreen_window(workstation: Workstation, size: tuple[int, int]) -> Iterator[MainWindow]:
    """Show the main window without a screen, with the library open."""
    from lightbox.ui.app import application
    from lightbox.ui.main_window import MainWindow

    application()
    window = MainWindow(workstation)
    opened: list[bool] = []
    window.library_opened.connect(lambda: opened.append(True))
    window.resize(*size)
    window.show()
    window.start()
    try:
        _wait(lambda: bool(opened), 30, "the library to open")
        yield window
    finally:
        window.close()
        QApplication.processEvents()


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LightboxError("The demonstration waited in vain", where=what, why=f"nothing came in {seconds:.0f} s")
        QApplication.processEvents()
        time.sleep(0.01)


def _settle(seconds: float = _SETTLE_S) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        QApplication.processEvents()
        time.sleep(0.01)


class WindowDriver:
    """What the demonstration does with the window."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self._timer = QTimer(window, interval=_POLL_MS)

    # -- with a screen: nothing blocks

    def query_then(self, go_on: Callable[[WindowDriver], None]) -> None:
        """Ask the archive; call `go_on` once it answered."""
        self._ask()

        def poll() -> None:
            if self._source_state() is SourceState.ANSWERED:
                self._timer.stop()
                go_on(self)

        self._timer.timeout.connect(poll)
        self._timer.start()

    def open_newest(self) -> None:
        """Retrieve the prior, too, and open the newest study as soon as something of it is there."""
        newest, *older = self._rows()
        for row in older:
            self._retrieve(row)
        self.window.open_row(newest)

    # -- without a screen

    def query(self) -> int:
        """Ask the archive and wait; return how many studies it has."""
        self._ask()
        _wait(lambda: self._source_state() in (SourceState.ANSWERED, SourceState.FAILED), 30, "the archive")
        if self._source_state() is SourceState.FAILED:
            raise LightboxError("The archive did not answer", why=self.window.studies.search.sources[PEER_NAME].error)
        rows = self._rows()
        if len(rows) < 2:
            raise LightboxError("The archive does not hold the sample study and its prior", why=f"{len(rows)} found")
        self.window.studies.table.select_line(0)
        _settle(1.0)
        return len(rows)

    def open_newest_and_wait(self, seconds: float) -> str:
        """Retrieve prior and study, open the study; return what is on screen once its results are."""
        from lightbox.viewer.results import ResultsState

        newest, *older = self._rows()
        expected = newest.expected
        for row in older:
            self._retrieve(row)
        _wait(lambda: not self.window.center.running(), seconds, "the prior")
        self.window.open_row(newest)
        _wait(lambda: not self.window.center.running(), seconds, "the study")
        library = self.window.workstation.library
        study = library.study(newest.uid)
        if study is None or study.number_of_instances != expected:
            found = 0 if study is None else study.number_of_instances
            raise LightboxError("The retrieve is not complete", why=f"{found} of {expected} came")
        self.window.open_study(newest.uid)
        session = self._page().session
        _wait(lambda: session.results_state is ResultsState.READY, seconds, "the AI results")
        _wait(self._all_painted, seconds, "the images")
        _settle(1.5)
        return f"{study.number_of_instances} of {expected} objects came; {len(session.findings)} findings shown"

    def show_mpr(self, seconds: float) -> str:
        """Show planes and volume rendering."""
        from lightbox.viewer import layout

        page = self._page()
        page.set_layout(next(item for item in layout.LAYOUTS if item.has_mpr))
        _wait(lambda: page.session.mpr.planes is not None, seconds, "the volume")
        findings = page.session.findings
        smallest = min(
            (finding for finding, _ in findings if finding.segment is not None),
            key=lambda finding: finding.voxels or 0,
            default=None,
        )
        if smallest is not None:
            page.session.go_to(smallest.finding_id)
        _wait(self._all_painted, seconds, "the planes")
        _settle(6.0)
        return f"Crosshair on “{smallest.label}”" if smallest is not None else "No segment to go to"

    def results(self) -> list[str]:
        """Return the findings in words."""
        found = []
        for finding, result in self._page().session.findings:
            value = ""
            if isinstance(finding.value, float):
                value = f" {finding.value:.3g} {finding.unit or ''}".rstrip()
            elif finding.volume_ml is not None:
                value = f" {finding.volume_ml:.3g} ml"
            producer = " ".join(part for part in (finding.producer.name, finding.producer.version) if part)
            found.append(f"{finding.label}{value} ({result.modality}, {producer or 'unknown producer'})")
        return found

    def study_uids(self) -> list[str]:
        """Return the study on screen and its prior."""
        session = self._page().session
        return [study.study_instance_uid for study in (session.study, session.prior) if study is not None]

    def export(self, study_uids: list[str], out: Path, report_dir: Path, seconds: float) -> str:
        """Go through the export wizard; return its counts."""
        from lightbox.deid.key import ProjectKey
        from lightbox.ui.export import export_page

        workstation = self.window.workstation
        self.window.deidentify([workstation.study(uid) for uid in study_uids])
        page = self.window.export_page()
        page.go(export_page.PROFILE)
        key_path = workstation.home / "keys" / "demonstration.lightbox-key"
        ProjectKey.load_or_create(key_path)
        page.profile.use_key(key_path)
        page.next()
        _wait(lambda: page.plan.inventory is not None, seconds, "the list of identifiers")
        page.next()
        page.run_step.field.setText(str(out))
        page.next()
        _wait(lambda: page.plan.report is not None or not page.running, seconds, "the export")
        report = page.plan.report
        if report is None:
            raise LightboxError("The export failed", why=page.run_step.error.text())
        _settle()
        if report.failed or not report.exported:
            raise LightboxError("The export is not complete", why=str(report.as_dict()))
        if report.report_dir != report_dir:
            raise LightboxError("The report is not where it should be", where=str(report.report_dir))
        return f"{report.exported} of {report.total} exported, {report.quarantined} quarantined, {report.failed} failed"

    def grab(self, path: Path) -> None:
        """Save a picture of the window."""
        _settle()
        if not self.window.grab().save(str(path)):
            raise LightboxError("The picture could not be written", where=path.name)

    # -- parts

    def _page(self) -> ViewerPage:
        return self.window.viewer_page()

    def _all_painted(self) -> bool:
        from lightbox.ui.viewer.viewport_widget import ViewportWidget

        return all(
            widget.feed.view is not None
            for widget in self._page().widgets
            if isinstance(widget, ViewportWidget) and widget.state.display_set is not None
        )

    def _ask(self) -> None:
        self.window.studies.search.choose(PEER_NAME, True)
        self.window.studies.search.ask_archives()

    def _source_state(self) -> SourceState:
        return self.window.studies.search.sources[PEER_NAME].state

    def _rows(self) -> list[StudyRow]:
        """Return the studies at the archive, newest first."""
        rows = self.window.studies.search.sources[PEER_NAME].rows.values()
        return sorted(rows, key=lambda row: row.record.study_date, reverse=True)

    def _retrieve(self, row: StudyRow) -> None:
        search = self.window.studies.search
        peer = search.sources[PEER_NAME].peer
        self.window.center.retrieve(peer, row.uid, row.record.study_description, row.expected)
