"""Make the pictures of the user guide from the sample study: ``make_screenshots.py [--size 1920x1080] [--out DIR]``.

The real window runs over a fresh data folder and the embedded sample archive. Without a display it runs offscreen.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

if not os.environ.get("DISPLAY") and sys.platform.startswith("linux"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if sys.platform.startswith("linux"):
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

WAIT_S = 120.0
LARGEST = 680_000
"""Bytes of a picture kept in full colour."""


def wait(condition: Callable[[], object], what: str) -> None:
    """Let the window work until `condition` holds."""
    from PySide6.QtWidgets import QApplication

    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        QApplication.processEvents()
        time.sleep(0.01)


def settle(seconds: float = 0.6) -> None:
    """Let the window work for a while."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end, "settle")


@contextlib.contextmanager
def second_archive(folder: Path, workstation: Any) -> Iterator[None]:
    """Run an empty archive, a worklist, and name an archive that is away."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from builders import pynetdicom_peer, worklist_peers
    from lightbox.library.library import Library
    from lightbox.network.archive import Archive
    from lightbox.network.peers import Peer

    today = date.today().strftime("%Y%m%d")
    rows = [
        worklist_peers.entry("A-20418", date=today, patient="ROE^Richard", PatientID="LBX-SAMPLE-007"),
        worklist_peers.entry("A-20419", date=today, patient="DOE^Jane Sample", PatientID="LBX-SAMPLE-001"),
    ]
    library = Library.open(folder)
    with (
        Archive(library, "TEACHING") as archive,
        pynetdicom_peer.running([worklist_peers.MWL], worklist_peers.worklist(rows), title="RIS") as ris,
    ):
        workstation.peers.add(archive.peer("Teaching archive"))
        workstation.peers.add(replace(ris, name="Department worklist"))
        workstation.peers.add(Peer("Night archive", "NIGHT", "127.0.0.1", 9))
        yield
    library.close()


def network_places(window: Any, grab: Callable[..., None]) -> None:
    """Picture sending, the worklist, the doctor and the pre-flight."""
    from lightbox.demo.sample import PEER_NAME

    window.studies.peers_changed()
    rows = window.studies.model.rows
    window.sending.send_studies("Teaching archive", [row.uid for row in rows])
    window.sending.send_studies("Night archive", [rows[1].uid])
    settle(1.0)
    if window.quality_sheet.isVisible():
        window.quality_sheet.send_anyway.click()
    wait(lambda: any(job.state == "confirmed" for job in window.sending.jobs), "the confirmation")
    wait(lambda: any(job.reason for job in window.sending.jobs), "the archive that is away")
    window._show_sending()
    for card in window.transfers.sending.cards.values():
        if card.job.reason:
            card.open_objects()
    grab("sending", 1.5)
    window.go("worklist")
    page = window.worklist_page()
    wait(lambda: bool(page.queries.answers) and not page.queries.asking, "the worklists")
    page.table.selectRow(0)
    grab("worklist")
    window.go("settings")
    settings = window.settings_page()
    settings.examine_all()
    wait(settings.examine_action.isEnabled, "the examinations")
    settings.lines[PEER_NAME].test.click()
    wait(lambda: not settings.doctor.running, "the doctor")
    grab("settings")
    settings.lines[PEER_NAME].preflight.click()
    settings.preflight.run()
    wait(settings.preflight.report.isVisible, "the pre-flight")
    settings.preflight.all_rows.setChecked(True)
    grab("preflight")


def main() -> int:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "images")
    chosen = parser.parse_args()
    width, height = (int(part) for part in chosen.size.split("x"))
    chosen.out.mkdir(parents=True, exist_ok=True)

    from PySide6.QtCore import Qt
    from PySide6.QtGui import QImage

    from lightbox.demo.sample import PEER_NAME, running_archive
    from lightbox.ui.app import application
    from lightbox.ui.main_window import MainWindow
    from lightbox.ui.studies.search import SourceState
    from lightbox.viewer import layout
    from lightbox.viewer.results import ResultsState
    from lightbox.workstation import Workstation

    application()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HOME"] = scratch  # the pictures show paths below the person's own folder
        home = Path(scratch) / "Lightbox data"
        home.mkdir()
        workstation = Workstation(home)
        with running_archive(Path(scratch) / "archive", workstation):
            window = MainWindow(workstation)
            window.setGeometry(0, 0, width, height)
            opened: list[bool] = []
            window.library_opened.connect(lambda: opened.append(True))
            window.show()
            window.start()
            wait(lambda: bool(opened), "the library")
            settle(1.0)

            def grab(name: str, seconds: float = 0.6) -> None:
                settle(seconds)
                target = chosen.out / f"{name}.png"
                window.grab().save(str(target))
                if target.stat().st_size > LARGEST:  # a volume rendering: 256 colours do
                    few = QImage.Format.Format_Indexed8
                    QImage(str(target)).convertToFormat(few, Qt.ImageConversionFlag.DiffuseDither).save(str(target))

            page = window.studies
            grab("studies-empty")
            page.ask_again()
            source = page.search.sources[PEER_NAME]
            wait(lambda: source.state is SourceState.ANSWERED, "the archive")
            page.table.select_line(0)
            wait(lambda: bool(page.detail.cards), "the series")
            grab("studies-archive")
            newest, older = page.model.rows[0], page.model.rows[1]
            for row in (older, newest):
                window.center.retrieve(source.peer, row.uid, row.record.study_description, row.expected)
            settle(0.8)
            window.go("transfers")
            grab("transfers", 0.1)
            wait(lambda: not window.center.running(), "the retrieves")
            window.go("studies")
            page.ask_again()
            wait(lambda: source.state is SourceState.ANSWERED and all(row.here for row in page.model.rows), "both here")
            page.table.select_line(0)
            grab("studies", 2.5)
            window.open_row(page.model.rows[0])
            viewer = window.viewer_page()
            wait(lambda: viewer.session.results_state is ResultsState.READY, "the results")
            grab("viewer", 3.0)
            viewer.set_layout(layout.MPR)
            wait(lambda: viewer.session.mpr.planes is not None, "the volume")
            nodule = min((f for f, _ in viewer.session.findings if f.segment), key=lambda found: found.voxels or 0)
            viewer.session.go_to(nodule.finding_id)
            grab("mpr", 7.0)
            viewer.set_layout(layout.TWO)
            viewer.session.go_to(nodule.finding_id)
            settle(1.5)
            window.open_palette()
            window.palette_sheet.field.setText("lay")
            grab("palette")
            window.palette_sheet.dismiss()
            window.open_overview()
            grab("keyboard")
            window.overview_sheet.dismiss()
            window.go("studies")
            page.table.selectAll()
            page.deidentify_action.trigger()
            wizard = window.export_page()
            grab("export-source")
            wizard.next()
            wizard.profile.make_key(home / "keys" / "lung-follow-up.lightbox-key")
            grab("export-profile")
            wizard.next()
            wait(lambda: wizard.plan.inventory is not None, "the scan")
            grab("export-review")
            wizard.next()
            wizard.run_step.field.setText("~/lung-follow-up")
            wizard.next()
            wait(lambda: "identif" in wizard.run_step.doing.text() or not wizard.running, "the export to begin")
            grab("export-run", 0.3)
            wait(lambda: wizard.plan.report is not None or not wizard.running, "the export")
            grab("export-certificate")
            with second_archive(Path(scratch) / "second", workstation):
                network_places(window, grab)
            window.close()
            workstation.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
