"""The study list over 100,000 studies and 1,000,000 series: first page and count, filter as you type, keyset paging.

The index is filled by SQL with made-up patients; what is timed are the calls that the browser makes, in turn, with warm
caches. The limit is milliseconds; ``ratio`` is limit / time, so 1 or more holds.

    python tests/bench/bench_browser_sql.py [--studies 100000] [--series 10] [--rounds 7]
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lightbox.library.index_write import refresh_study
from lightbox.library.library import Library
from lightbox.library.records import StudyQuery
from lightbox.library.text import fold

FAMILY = (
    *("Müller", "Schmidt", "Özdemir", "Nguyen", "Martin", "García", "Kowalski"),
    *("Jensen", "Rossi", "O'Neill", "Dubois", "Novák", "Hansen", "Ivanov"),
)
GIVEN = ("Anna", "Jürgen", "Zoë", "Peter", "María", "Luca", "Søren", "Chloé", "Jan", "Olga", "Tomás", "Eva")
MODALITIES = ("CT", "MR", "CR", "DX", "US", "PT", "MG", "XA", "NM")
PARTS = ("CHEST", "HEAD", "ABDOMEN", "KNEE", "HAND", "PELVIS", "SPINE")


def fill(library: Library, studies: int, series: int) -> None:
    """Write studies and series straight into the index."""
    rng = random.Random(1)
    with library._index.transaction() as connection:
        for number in range(1, studies + 1):
            name = f"{rng.choice(FAMILY)}{rng.randrange(100)}^{rng.choice(GIVEN)}"
            date = f"{rng.randrange(2005, 2027)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
            part, modality = rng.choice(PARTS), rng.choice(MODALITIES)
            description = f"{modality} {part} {rng.choice(('nativ', 'mit KM', 'Verlauf'))}"
            patient_id = f"P{rng.randrange(studies):07d}"
            connection.execute(
                "INSERT OR IGNORE INTO patient (identity, patient_id, issuer_of_patient_id, patient_name,"
                " patient_birth_date, patient_sex) VALUES (?, ?, '', ?, '19600101', 'O')",
                (f"id\x1f{patient_id}\x1f", patient_id, name),
            )
            (patient,) = connection.execute("SELECT id FROM patient WHERE patient_id = ?", (patient_id,)).fetchone()
            connection.execute(
                "INSERT INTO study (id, study_instance_uid, patient, patient_id, issuer_of_patient_id, patient_name,"
                " patient_birth_date, patient_sex, patient_age, study_date, study_time, study_id, study_description,"
                " accession_number, referring_physician_name, institution_name, number_of_instances, source, added_at,"
                " sort_moment, sort_name, sort_description)"
                " VALUES (?, ?, ?, ?, '', ?, '19600101', 'O', '', ?, '101112', '1', ?, ?, 'Arzt^A', 'Nord', ?, 'PACS',"
                " '2026-01-01T00:00:00.000Z', ?, ?, ?)",
                (
                    number,
                    f"1.2.826.0.1.{number}",
                    patient,
                    patient_id,
                    name,
                    date,
                    description,
                    f"A{number:08d}",
                    series * 30,
                    f"{date} 101112",
                    fold(name),
                    fold(description),
                ),
            )
            connection.executemany(
                "INSERT INTO series (study, series_instance_uid, modality, series_number, series_description,"
                " series_date, series_time, body_part_examined, laterality, protocol_name, manufacturer,"
                " manufacturer_model_name, station_name, frame_of_reference_uid, number_of_instances)"
                " VALUES (?, ?, ?, ?, ?, ?, '101112', ?, '', 'Routine', 'ACME', 'One', 'ST1', ?, 30)",
                [
                    (
                        number,
                        f"1.2.826.0.1.{number}.{place}",
                        modality if place else "SR",
                        place,
                        f"{part.lower()} {place} mm recon",
                        date,
                        part,
                        f"1.2.826.0.2.{number}",
                    )
                    for place in range(series)
                ],
            )
            refresh_study(connection, number)


def add_instances(library: Library, count: int) -> str:
    """Give one series `count` instances; return its UID."""
    uid = "1.2.826.0.1.1.1"
    with library._index.transaction() as connection:
        (series,) = connection.execute("SELECT id FROM series WHERE series_instance_uid = ?", (uid,)).fetchone()
        connection.executemany(
            "INSERT INTO instance (series, sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number,"
            " image_rows, image_columns, number_of_frames, image_position, image_orientation, pixel_spacing,"
            " slice_thickness, frame_of_reference_uid, image_type, content_time, size, object_key, sha256)"
            " VALUES (?, ?, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', ?, 512, 512, 1, ?,"
            " '1\\0\\0\\0\\1\\0', '0.74\\0.74', 1.0, '1.2.3', 'ORIGINAL\\PRIMARY\\AXIAL', '101112', 527000, ?, ?)",
            [
                (series, f"{uid}.{number}", number, rf"-190.0\-190.0\{number}.5", f"{number:064x}", bytes(32))
                for number in range(count)
            ],
        )
    return uid


def timed(work: Callable[[], object], rounds: int) -> float:
    """Return the median time of `work` in milliseconds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main() -> int:
    """Measure, print the table, return 0 when every limit holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--series", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="bench-browser-"))
    try:
        with Library.open(home) as library:
            started = time.perf_counter()
            fill(library, options.studies, options.series)
            filled = time.perf_counter() - started
            series_uid = add_instances(library, 300)
        started = time.perf_counter()
        library = Library.open(home)
        library.count_studies()
        first = library.page_studies()
        cold = (time.perf_counter() - started) * 1000
        rows = [("open the library, count, first page", cold, 200.0)]
        for name, work, limit in _cases(library, first.next, series_uid):
            rows.append((name, timed(work, options.rounds), limit))
        size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file()) / 1e6
        library.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(
        f"{options.studies} studies, {options.studies * options.series} series, {size:.0f} MB, filled in {filled:.0f} s"
    )
    print(f"{'what':52s} {'ms':>8s} {'limit':>7s} {'ratio':>7s} holds")
    for name, took, limit in rows:
        print(f"{name:52s} {took:8.1f} {limit:7.0f} {limit / took:7.1f} {'yes' if took <= limit else 'no'}")
    return 0 if all(took <= limit for _, took, limit in rows) else 1


def _cases(library: Library, after: tuple[str | int, int] | None, series_uid: str):
    def both(query: StudyQuery) -> Callable[[], object]:
        return lambda: (library.count_studies(query), library.page_studies(query))

    yield "count and first page", both(StudyQuery()), 200.0
    yield "next page by key", lambda: library.page_studies(StudyQuery(), after), 10.0
    deep = ("20100615 101112", 50_000)
    yield "page in the middle by key", lambda: library.page_studies(StudyQuery(), deep), 10.0
    for sort_by in ("patient_name", "patient_id", "modality", "description", "accession", "number_of_instances"):
        yield f"count and first page by {sort_by}", both(StudyQuery(sort_by=sort_by, descending=False)), 200.0
    for text in ("m", "mu", "mul", "mull", "muller7", "muller7 ct", "recon", "ct chest verlauf", "nobody"):
        yield f"typed: {text}", both(StudyQuery(text=text)), 200.0
    yield "typed: muller, by name", both(StudyQuery(text="muller", sort_by="patient_name", descending=False)), 200.0
    yield "modality MG", both(StudyQuery(modalities=("MG",))), 200.0
    yield "modality MG in 2026", both(StudyQuery(modalities=("MG",), study_date_from="20260101")), 200.0
    yield "name *ller5^*", both(StudyQuery(patient_name="*ller5^*")), 200.0
    yield "patient id P000001*", both(StudyQuery(patient_id="P000001*")), 200.0
    yield "series of a study", lambda: library.series_of("1.2.826.0.1.77"), 5.0
    yield "300 instances of a series", lambda: library.instances_of(series_uid), 20.0


if __name__ == "__main__":
    sys.exit(main())
