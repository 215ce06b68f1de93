"""How fast the reading room is: updates while scrolling and windowing, and the first image after opening a study.

Run ``python tests/bench/bench_viewport.py``. It builds a study of 300 uncompressed CT slices of 512 x 512 with a
segmentation, and prints a table of value, limit, ratio (value / limit) and whether it holds. Tests assert no times:
they depend on the computer.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from pydicom.uid import generate_uid
from PySide6.QtWidgets import QApplication

from builders import library_objects
from lightbox.ui import icons, theme
from lightbox.ui.main_window import MainWindow
from lightbox.ui.viewer.viewer_page import ViewerPage
from lightbox.viewer import layout as layouts
from lightbox.workstation import Workstation

SLICES, SIDE = 300, 512
UPDATES = 200
LIMIT_UPDATE_MS = 16.0
LIMIT_OPEN_MS = 150.0


def make_study(folder: Path) -> tuple[str, list[object]]:
    """Write a CT: a bright ellipse with noise that differs from slice to slice."""
    uid, series, reference = generate_uid(), generate_uid(), generate_uid()
    rng = np.random.default_rng(1)
    noise = rng.integers(-40, 40, (SIDE + 64, SIDE + 64), dtype=np.int16)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    body = np.where((x / 190) ** 2 + (y / 140) ** 2 < 1, 1064, 24).astype(np.int16)
    sources = []
    for k in range(SLICES):
        pixels = body + noise[k % 64 : k % 64 + SIDE, (7 * k) % 64 : (7 * k) % 64 + SIDE]
        ds = library_objects.ct(
            StudyInstanceUID=uid,
            SeriesInstanceUID=series,
            FrameOfReferenceUID=reference,
            SeriesDescription="Bench",
            StudyID="1",
            AccessionNumber="",
            ReferringPhysicianName="",
            PositionReferenceIndicator="",
            Manufacturer="Bench",
            InstanceNumber=k + 1,
            ImagePositionPatient=[-180.0, -180.0, float(k)],
            PixelSpacing=[0.7, 0.7],
            SliceThickness=1.0,
            Rows=SIDE,
            Columns=SIDE,
            BitsStored=12,
            HighBit=11,
            RescaleSlope="1",
            RescaleIntercept="-1024",
            RescaleType="HU",
            WindowCenter="40",
            WindowWidth="400",
            PixelData=np.clip(pixels, 0, 4095).astype("<u2").tobytes(),
        )
        library_objects.write(folder / f"{k:04d}.dcm", ds)
        sources.append(ds)
    return uid, sources


def add_segmentation(folder: Path, sources: list[object]) -> None:
    """Write a SEG of three organs on 120 slices."""
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    chosen = sources[90:210]
    masks = np.zeros((len(chosen), SIDE, SIDE, 3), np.uint8)
    for k in range(len(chosen)):
        wobble = 10 * np.sin(k / 9)
        masks[k, :, :, 0] = ((x + 80 + wobble) / 60) ** 2 + (y / 90) ** 2 < 1
        masks[k, :, :, 1] = ((x - 80) / 60) ** 2 + ((y - wobble) / 90) ** 2 < 1
        masks[k, :, :, 2] = ((x - 10) / 12) ** 2 + ((y + 40) / (12 + wobble / 4)) ** 2 < 1
    hd.seg.Segmentation(
        source_images=chosen,  # type: ignore[arg-type]
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            hd.seg.SegmentDescription(
                number,
                label,
                CodedConcept("123037004", "SCT", "Anatomical Structure"),
                CodedConcept("39607008", "SCT", "Lung"),
                hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
                hd.AlgorithmIdentificationSequence("Bench", CodedConcept("123109", "DCM", "Manual Processing"), "1"),
            )
            for number, label in enumerate(("Right", "Left", "Middle"), 1)
        ],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Bench",
        manufacturer_model_name="Bench",
        software_versions="1",
        device_serial_number="1",
    ).save_as(folder / "seg.dcm")


def wait(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Let events run until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        QApplication.processEvents()
        time.sleep(0.001)


def percentile(times: list[float]) -> float:
    """Return the 95th percentile in milliseconds."""
    return float(np.percentile(np.array(times) * 1000.0, 95))


def measure_updates(page: ViewerPage, change: Callable[[int], None]) -> float:
    """Return the p95 of: change every viewport, then paint them all."""
    times = []
    for number in range(UPDATES):
        start = time.perf_counter()
        change(number)
        for widget in page.widgets:
            widget.repaint()
        times.append(time.perf_counter() - start)
        QApplication.processEvents()
    return percentile(times)


def measure_open(page: ViewerPage, uid: str) -> float:
    """Return the time from opening a study to the end of the paint of its first image, in milliseconds."""
    widget = page.widgets[0]
    start = time.perf_counter()
    page.open_study(uid)
    while widget.feed.view is None or not widget.feed.is_current:  # type: ignore[union-attr]
        QApplication.processEvents()
    widget.repaint()
    return (time.perf_counter() - start) * 1000.0


def measure_first_open(station: Workstation, uid: str) -> float:
    """Start the window as a person does and open the first study, as soon as the window has settled."""
    window = MainWindow(station)
    ready: list[bool] = []
    window.warmed_up.connect(lambda: ready.append(True))
    window.resize(1600, 1000)
    window.show()
    window.start()
    wait(lambda: bool(ready))
    page = window.viewer_page()
    start = time.perf_counter()
    window.open_study(uid)
    widget = page.widgets[0]
    while widget.feed.view is None or not widget.feed.is_current:
        QApplication.processEvents()
    widget.repaint()
    taken = (time.perf_counter() - start) * 1000.0
    window.close()
    QApplication.processEvents()
    return taken


def main() -> int:
    """Measure and print."""
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    theme.apply(app)
    icons.load()
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        uid, sources = make_study(folder / "in")
        add_segmentation(folder / "in", sources)
        station = Workstation(folder / "home")
        station.library.import_paths([folder / "in"])
        first = measure_first_open(station, uid)
        page = ViewerPage(station)
        page.resize(1600, 1000)
        page.show()
        QApplication.processEvents()
        wait(lambda: True)
        times = []
        for _ in range(5):
            page.close_study()
            wait(lambda: True)
            times.append(measure_open(page, uid))
        rows.append(("open -> first image painted, first study after start", first, LIMIT_OPEN_MS))
        rows.append(("open -> first image painted, median of 5", float(np.median(times)), LIMIT_OPEN_MS))
        session = page.session
        display_set = session.display_sets[0]
        wait(lambda: session.frames.progress(display_set)[0] == SLICES)
        wait(lambda: session.results_state.value == "ready")
        for key, count in (("1", 1), ("4", 4)):
            page.set_layout(layouts.by_key(key))
            for index in range(count):
                session.show(display_set, 60, index=index)
            wait(lambda: session.worker.wait_idle(0.0))
            for state in session.viewports:
                state.go_to(60)

            def scroll(number: int) -> None:
                for state in session.viewports:
                    state.scroll(1)

            def window(number: int) -> None:
                for state in session.viewports:
                    state.window(3 if number % 40 < 20 else -3, 1)

            name = f"{count} viewport{'s' if count > 1 else ''}"
            rows.append((f"scroll with overlays, {name}, p95", measure_updates(page, scroll), LIMIT_UPDATE_MS))
            rows.append((f"window/level, {name}, p95", measure_updates(page, window), LIMIT_UPDATE_MS))
        page.shutdown()
        station.close()
    print(f"{'measure':<58}{'ms':>9}{'limit':>9}{'ratio':>8}  holds")
    held = True
    for name, value, limit in rows:
        held = held and value <= limit
        print(f"{name:<58}{value:>9.1f}{limit:>9.0f}{value / limit:>8.2f}  {'yes' if value <= limit else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
