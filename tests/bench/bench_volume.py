"""Opening a CT of 300 uncompressed slices: first image, and the whole volume against SimpleITK.ImageSeriesReader.

The series lies in a real library. Both sides of the volume run in turn in this process, caches warm, and give the same
numbers (checked); medians are compared. "First image" starts with the library open and the study's UID known, and ends
with the grey levels that a viewport paints.

    python tests/bench/bench_volume.py [--slices 300] [--matrix 512] [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

VOLUME_LIMIT = 2.0
FIRST_IMAGE_LIMIT_MS = 150.0


def timed(work: Callable[[], object]) -> float:
    """Return how many milliseconds `work` takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def use_all_bits(folder: Path) -> None:
    """Say that all 16 bits are stored: with unused bits SimpleITK goes a several times slower way."""
    from pydicom import dcmread

    for path in folder.rglob("*.dcm"):
        ds = dcmread(path)
        ds.BitsStored, ds.HighBit = 16, 15
        ds.save_as(path)


def main() -> int:
    """Measure, print, return 0 when every limit holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--matrix", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    import numpy as np
    import SimpleITK as sitk
    from bench_import import make_series

    from lightbox.core.jobs import JobRunner
    from lightbox.imaging.grey import GreyChain
    from lightbox.imaging.volume import Volume, assemble
    from lightbox.library.library import Library
    from lightbox.library.records import StudyQuery
    from lightbox.viewer.display_sets import build, first_to_show
    from lightbox.viewer.display_sets_model import DisplaySet
    from lightbox.viewer.loader import FrameLoader
    from lightbox.viewer.volume_cache import volume_frames

    with tempfile.TemporaryDirectory() as folder:
        source, home = Path(folder) / "in", Path(folder) / "home"
        source.mkdir()
        home.mkdir()
        make_series(source, arguments.slices, arguments.matrix)
        use_all_bits(source)
        with Library.open(home) as library:
            library.import_paths([source])
            uid = library.page_studies(StudyQuery()).rows[0].study_instance_uid
            jobs = JobRunner()

            def display_set() -> DisplaySet:
                study, series = library.study(uid), library.series_of(uid)
                instances = [item for entry in series for item in library.instances_of(entry.series_instance_uid)]
                found = first_to_show(build(study, series, instances, library.open_object))
                assert found is not None
                assert found.is_volume
                assert found.number_of_frames == arguments.slices
                return found

            def first_image() -> None:
                shown = display_set()
                loader = FrameLoader(library.open_object, jobs)
                loader.request(shown, 0, prefetch=False)
                frame = loader.load(shown, 0)
                chain = GreyChain.of(frame.image, frame.frame_index)
                chain.display(frame.decoded.values, chain.default_voi(frame.decoded.values))
                loader.close()

            def volume() -> Volume:
                return assemble(volume_frames(display_set(), library.open_object))

            files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(source / "S001"))

            def by_sitk() -> sitk.Image:
                reader = sitk.ImageSeriesReader()
                reader.SetFileNames(files)
                return reader.Execute()

            ours, theirs = volume(), by_sitk()
            np.testing.assert_array_equal(ours.voxels, sitk.GetArrayViewFromImage(theirs))
            np.testing.assert_allclose(ours.spacing_mm, theirs.GetSpacing(), atol=1e-6)
            np.testing.assert_allclose(ours.affine[:3, 3], theirs.GetOrigin(), atol=1e-6)
            del ours, theirs

            first, mine, other = [], [], []
            for _ in range(arguments.rounds):
                first.append(timed(first_image))
                mine.append(timed(volume))
                other.append(timed(by_sitk))
            jobs.close()

    first_ms, mine_ms, other_ms = (statistics.median(times) for times in (first, mine, other))
    ratio = other_ms / mine_ms
    checks = [first_ms < FIRST_IMAGE_LIMIT_MS, ratio >= VOLUME_LIMIT]
    print(f"{arguments.slices} slices of {arguments.matrix} x {arguments.matrix} int16, median of {arguments.rounds}")
    print(
        f"open -> first image: {first_ms:.1f} ms (worst {max(first):.1f}; limit {FIRST_IMAGE_LIMIT_MS:.0f}) "
        f"{'ok' if checks[0] else 'MISSED'}"
    )
    print(
        f"volume: Lightbox {mine_ms:.0f} ms, SimpleITK.ImageSeriesReader {other_ms:.0f} ms, "
        f"ratio {ratio:.2f} (limit {VOLUME_LIMIT:.1f}) {'ok' if checks[1] else 'MISSED'}"
    )
    return 0 if all(checks) else 1


if __name__ == "__main__":
    sys.exit(main())
