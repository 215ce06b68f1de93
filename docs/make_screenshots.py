"""Make the pictures of the user guide from the sample study: ``make_screenshots.py [--size 1920x1080] [--out DIR]``.

The real window runs over a fresh data folder and the embedded sample archive. Without a display it runs offscreen.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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
            window.go("settings")
            settings = window.settings_page()
            settings.lines[PEER_NAME].test_wanted.emit(source.peer)
            wait(settings.form.test_button.isEnabled, "the echo")
            grab("settings")
            window.close()
            workstation.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
