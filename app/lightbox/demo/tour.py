"""The steps of the demonstration, driven through the real window."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import LightboxError
from lightbox.demo import report
from lightbox.demo.report import Step

if TYPE_CHECKING:
    from lightbox.ui.main_window import MainWindow
    from lightbox.workstation import Workstation

WAIT_S = 120.0
WINDOW_SIZE = (1920, 1080)


def has_display() -> bool:
    """Whether a window can be shown."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def _scratch(home: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield (data folder, scratch folder); what is temporary is removed at the end."""
    scratch = Path(tempfile.mkdtemp(prefix="lightbox-demo-"))
    try:
        yield home or scratch / "home", scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def on_screen(home: Path | None) -> int:
    """Start the archive and the workstation on it; the newest sample study is retrieved and opened."""
    from lightbox.demo import sample
    from lightbox.ui import app
    from lightbox.workstation import Workstation

    with _scratch(home) as (data_folder, scratch):
        workstation = Workstation(data_folder)
        try:
            with sample.running_archive(scratch, workstation):
                return app.run(data_folder, on_ready=_open_newest)
        finally:
            workstation.close()


def _open_newest(window: MainWindow) -> None:
    from lightbox.demo.window import WindowDriver

    WindowDriver(window).query_then(lambda driver: driver.open_newest())


def headless(out: Path, home: Path | None) -> int:
    """Do the whole main job without a screen; leave pictures, the export and ``report.html`` in `out`."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if sys.platform.startswith("linux"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    for name in ("export", "export-report"):
        if (out / name).exists():
            shutil.rmtree(out / name)
    steps: list[Step] = []
    with _scratch(home) as (data_folder, scratch):
        _Tour(out, data_folder, scratch, steps).run()
    report.write(out / "report.html", steps)
    for step in steps:
        _print(f"{'ok    ' if step.ok else 'FAILED'} {step.seconds:6.1f} s  {step.name}: {step.text}")
    _print(f"report: {out / 'report.html'}")
    return 0 if steps and all(step.ok for step in steps) else 1


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class _Tour:
    def __init__(self, out: Path, data_folder: Path, scratch: Path, steps: list[Step]) -> None:
        self._out = out
        self._data_folder = data_folder
        self._scratch = scratch
        self._steps = steps

    def run(self) -> None:
        """Do the steps; after one that failed the rest is not done."""
        from lightbox.workstation import Workstation

        workstation = Workstation(self._data_folder)
        try:
            self._run(workstation)
        except _StepFailed:
            return  # its step says what failed
        finally:
            workstation.close()

    def _step(self, name: str, work: Callable[[Step], Any]) -> Any:
        step = Step(name)
        self._steps.append(step)
        started = time.monotonic()
        try:
            return work(step)
        except Exception as error:
            step.ok = False
            step.text = str(error) if isinstance(error, LightboxError) else f"{type(error).__name__}: {error}"
            raise _StepFailed from error
        finally:
            step.seconds = time.monotonic() - started

    def _run(self, workstation: Workstation) -> None:
        with ExitStack() as stack:
            name = "Make the sample study and start an archive that holds it"
            self._step(name, lambda step: self._start(step, stack, workstation))
            self._drive(workstation)

    def _start(self, step: Step, stack: ExitStack, workstation: Workstation) -> None:
        from lightbox.demo import sample

        archive = stack.enter_context(sample.running_archive(self._scratch, workstation))
        step.text = f"Query/retrieve SCP {archive.ae_title} on loopback port {archive.port}"

    def _drive(self, workstation: Workstation) -> None:
        from lightbox.demo.window import WindowDriver, offscreen_window

        with offscreen_window(workstation, WINDOW_SIZE) as window:
            driver = WindowDriver(window)
            self._step("Query the archive", lambda step: self._query(step, driver))
            self._step("Retrieve and open the study", lambda step: self._open(step, driver))
            self._step("Reformat and render the volume", lambda step: self._mpr(step, driver))
            study_uids = self._step("List the findings", lambda step: self._findings(step, driver))
            self._step("Export de-identified", lambda step: self._export(step, driver, study_uids))
            self._step("Search the export for the patient", lambda step: self._search(step, workstation, study_uids))

    def _shoot(self, step: Step, driver: Any, name: str, caption: str) -> None:
        driver.grab(self._out / name)
        step.pictures.append((name, caption))

    def _query(self, step: Step, driver: Any) -> None:
        found = driver.query()
        step.text = f"{found} studies answered"
        self._shoot(step, driver, "1-studies.png", "The browser with the archive's answers")

    def _open(self, step: Step, driver: Any) -> None:
        shown = driver.open_newest_and_wait(WAIT_S)
        step.text = shown
        self._shoot(step, driver, "2-viewer.png", "Opened without a further click: current study, prior and AI results")

    def _mpr(self, step: Step, driver: Any) -> None:
        step.text = driver.show_mpr(WAIT_S)
        self._shoot(step, driver, "3-mpr.png", "Axial, coronal, sagittal and volume rendering, results in every plane")

    def _findings(self, step: Step, driver: Any) -> list[str]:
        results = driver.results()
        step.text = "; ".join(results) or "none"
        if not results:
            raise LightboxError("The AI results of the sample study were not read")
        return driver.study_uids()

    def _export(self, step: Step, driver: Any, study_uids: list[str]) -> None:
        counts = driver.export(study_uids, self._out / "export", self._out / "export-report", WAIT_S)
        step.text = counts
        self._shoot(step, driver, "4-export.png", "The export with its certificate")

    def _search(self, step: Step, workstation: Workstation, study_uids: list[str]) -> None:
        study = workstation.study(study_uids[0])
        family = study.patient_name.split("^")[0]
        needles = [text.encode() for text in (family, study.patient_id, *study_uids) if len(text) > 2]
        files = [path for path in (self._out / "export").rglob("*") if path.is_file()]
        leaks = [path.name for path in files for needle in needles if needle in path.read_bytes()]
        step.text = f"{len(files)} files searched for {len(needles)} identifiers: {len(leaks)} hits"
        if leaks or not files:
            raise LightboxError("The export is not clean", why=step.text)


class _StepFailed(Exception):
    """A step failed; its record says why."""
