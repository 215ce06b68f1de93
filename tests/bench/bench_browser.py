"""Measure the study browser over 100,000 studies and 1,000,000 series: first show, filtering, sorting, scrolling.

Run with ``python tests/bench/bench_browser.py [STUDIES SERIES_EACH]``. Every line is a time in milliseconds from the
moment a person acts to the moment the rows are painted, and the limit it is held against. The pause in which a person
may type the next letter is not counted.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

LIMIT_MS = 200
ROUNDS = 3


def main() -> int:
    from builders.bulk_index import fill
    from lightbox.ui.app import application
    from lightbox.ui.main_window import MainWindow
    from lightbox.ui.studies import search
    from lightbox.workstation import Workstation

    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    search.LOCAL_PAUSE_MS = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        begun = time.perf_counter()
        fill(home, studies, each)
        print(f"index of {studies:,} studies and {studies * each:,} series made in {time.perf_counter() - begun:.0f} s")
        app = application()
        workstation = Workstation(home)
        window = MainWindow(workstation)
        window.resize(1600, 1000)
        page = window.studies
        page.search._local_pause.setInterval(0)
        window.show()
        window.start()
        for _ in range(2000):
            app.processEvents()
            if page.model.rows and page.search.total:
                break
            time.sleep(0.002)

        def until(done: Callable[[], bool]) -> float:
            begin = time.perf_counter()
            while not done():
                app.processEvents()
                time.sleep(0.0005)
                if time.perf_counter() - begin > 30:
                    raise TimeoutError("the rows did not come")
            page.table.viewport().repaint()
            return time.perf_counter()

        answers = [0]

        def answered() -> None:
            answers[0] += 1

        page.search.rows_changed.connect(answered)
        worst = 0.0
        lines: list[tuple[str, float]] = []

        def measure(name: str, act: Callable[[], object], *, undo: Callable[[], object] | None = None) -> None:
            times = []
            for _ in range(ROUNDS):
                before = (page.search._generation, answers[0])
                begin = time.perf_counter()
                act()
                end = until(lambda before=before: page.search._generation > before[0] and answers[0] > before[1])
                times.append((end - begin) * 1000)
                if undo is not None:
                    undo()
                    time.sleep(0.02)
                    for _ in range(60):
                        app.processEvents()
                        time.sleep(0.002)
            lines.append((name, sorted(times)[len(times) // 2]))

        measure("first show (page of 200, all studies)", page.search.refresh)

        def typed(text: str) -> Callable[[], object]:
            return lambda: page.box.setText(text)

        for text in ("m", "mu", "muller", "doe chest", "nosuchword", "axial doe"):
            measure(f"type {text!r}", typed(text), undo=lambda: page.box.setText(""))
        measure("patient ID 00123", lambda: page.patient_id.setText("00123"), undo=lambda: page.patient_id.setText(""))
        measure(
            "date 2026-03",
            lambda: page.date.set_range("20260301", "20260331", "March"),
            undo=lambda: page.date.set_range("", "", ""),
        )
        measure("modality MG", lambda: page.modality.choose(("MG",)), undo=lambda: page.modality.choose(()))
        for field in ("patient_name", "study_description", "number_of_instances", "number_of_series", "source"):
            measure(
                f"sort by {field}",
                lambda field=field: page._sort(field, False),
                undo=lambda: page._sort("study_date", True),
            )
        begin = time.perf_counter()
        rows = len(page.model.rows)
        page.table.scrollToBottom()
        end = until(lambda: len(page.model.rows) > rows)
        lines.append(("scroll to the next page", (end - begin) * 1000))
        for name, taken in lines:
            worst = max(worst, taken)
            print(f"{name:42s} {taken:7.1f} ms   limit {LIMIT_MS} ms   ratio {taken / LIMIT_MS:.2f}")
        window.close()
        workstation.close()
    print("ok" if worst < LIMIT_MS else "TOO SLOW")
    return 0 if worst < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
