"""De-identification against a bare pydicom read and write of the same files, one process, interleaved runs.

Usage: ``python tests/bench/bench_deid.py [FOLDER]``; without a folder 300 CT images of 512 x 512 x 16 bit are made.
"""

from __future__ import annotations

import io
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from builders import phi
from lightbox.deid.engine import Engine
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import preset
from lightbox.export.cohort import Cohort
from lightbox.export.job import export

COUNT, RUNS = 300, 3


def make(folder: Path) -> None:
    """Write CT images with about 260 elements each."""
    noise = np.random.default_rng(1)
    for number in range(COUNT):
        planted = phi.ct(number=number + 1, extras=False)

        ds = pydicom.dcmread(io.BytesIO(planted.data))
        ds.Rows = ds.Columns = 512
        ds.PixelData = (noise.normal(1000, 80, (512, 512))).astype("<u2").tobytes()
        for index in range(150):
            ds.add_new(0x00191000 + index, "LO", f"value {index}")
        ds.add_new(0x00190010, "LO", "SIEMENS CT VA0  COAD")
        ds.save_as(folder / f"{number:04d}.dcm")


def bare(files: list[Path], out: Path) -> None:
    """Read and write with pydicom, elements undecoded."""
    for path in files:
        pydicom.dcmread(path).save_as(out / path.name)


def engine_only(name: str) -> Callable[[list[Path], Path], None]:
    """De-identify and verify in memory, then write."""

    def run(files: list[Path], out: Path) -> None:
        engine = Engine(preset(name), ProjectKey(bytes(32)))
        for path in files:
            engine.learn(path.read_bytes())
        for path in files:
            data = engine.transform(path.read_bytes())[1]
            assert data is not None
            (out / path.name).write_bytes(data)

    return run


def whole(name: str) -> Callable[[list[Path], Path], None]:
    """Export with log, report and the check of what was written."""

    def run(files: list[Path], out: Path) -> None:
        done = export(Cohort.of_paths(files), preset(name), ProjectKey(bytes(32)), out / "x", out / "report")
        assert done.complete

    return run


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        if len(sys.argv) > 1:
            files = [path for path in sorted(Path(sys.argv[1]).rglob("*")) if path.is_file()]
        else:
            (base / "in").mkdir()
            make(base / "in")
            files = sorted((base / "in").iterdir())
        cases: dict[str, Callable[[list[Path], Path], None]] = {
            "bare pydicom read + write": bare,
            "engine basic": engine_only("basic"),
            "engine research": engine_only("research-modified-dates"),
            "export basic": whole("basic"),
            "export research": whole("research-modified-dates"),
        }
        rates: dict[str, list[float]] = {name: [] for name in cases}
        for turn in range(RUNS):
            for name, case in cases.items():
                out = base / f"{turn}-{name.replace(' ', '-')}"
                out.mkdir()
                start = time.perf_counter()
                case(files, out)
                rates[name].append(len(files) / (time.perf_counter() - start))

                shutil.rmtree(out)
        reference = statistics.median(rates["bare pydicom read + write"])
        print(f"{len(files)} files, median of {RUNS} interleaved runs")
        for name, values in rates.items():
            rate = statistics.median(values)
            print(
                f"{name:28} {rate:7.1f} files/s  ratio {rate / reference:5.2f}  ({min(values):.0f}-{max(values):.0f})"
            )


if __name__ == "__main__":
    main()
