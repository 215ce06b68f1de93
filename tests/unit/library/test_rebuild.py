from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builders.library_objects import ct, encode, write, write_series
from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken, Progress
from lightbox.library.library import INDEX_NAME, Library


def contents(library: Library) -> tuple[object, ...]:
    """Everything a library tells, without row ids and times of addition."""
    studies = sorted(
        (replace(row, row_id=0, added_at="") for row in library.page_studies(limit=1000).rows),
        key=lambda row: row.study_instance_uid,
    )
    series = [replace(entry, row_id=0) for row in studies for entry in library.series_of(row.study_instance_uid)]
    instances = [entry for one in series for entry in library.instances_of(one.series_instance_uid)]
    return studies, series, instances


@pytest.fixture
def filled(home: Path, tmp_path: Path):
    with Library.open(home) as library:
        first = write_series(tmp_path / "copied", 4, PatientName="Müller^Ä", StudyDescription="Übersicht")[0]
        write(tmp_path / "copied" / "z.dcm", ct(SOPInstanceUID=first.SOPInstanceUID))
        write_series(tmp_path / "linked", 3, PatientID="P2", PatientName="Łukasz^Ω", SliceThickness="1.25")
        library.import_paths([tmp_path / "copied"], source="disc 1")
        library.import_paths([tmp_path / "linked"], link=True)
        library.put_thumbnail(first.SeriesInstanceUID, b"png")
        yield library


def test_a_rebuilt_index_tells_the_same(filled: Library, tmp_path: Path):
    before, times = contents(filled), [row.added_at for row in filled.page_studies().rows]
    told: list[Progress] = []
    report = filled.rebuild(told.append)
    assert (report.added, report.refused) == (7, [])
    assert contents(filled) == before
    assert [row.added_at for row in filled.page_studies().rows] == times
    assert told[-1].done == told[-1].total
    assert len(filled.quarantine()) == 1
    series = filled.series_of(filled.page_studies().rows[0].study_instance_uid)
    assert {filled.thumbnail(entry.series_instance_uid) for entry in series} <= {b"png", None}
    assert filled.check() == []


def test_links_whose_files_are_away_keep_their_rows(filled: Library, tmp_path: Path):
    before = contents(filled)
    (tmp_path / "linked").rename(tmp_path / "away")
    assert filled.rebuild().added == 7
    assert contents(filled) == before
    (tmp_path / "away").rename(tmp_path / "linked")
    uid = contents(filled)[2][-1].sop_instance_uid  # type: ignore[index]
    filled.open_object(uid).close()


@pytest.mark.parametrize("damage", ["missing", "garbage", "cut"])
def test_a_lost_index_is_made_again_on_open(filled: Library, home: Path, damage: str):
    before = contents(filled)
    filled.close()
    path = home / "library" / INDEX_NAME
    whole = path.read_bytes()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if damage == "garbage":
        path.write_bytes(b"this is no database" * 1000)
    elif damage == "cut":
        path.write_bytes(whole[:5000])
    with Library.open(home) as again:
        studies, series, instances = contents(again)
        assert instances == before[2]
        assert series == before[1]
        strip = [replace(row, source="") for row in studies]  # type: ignore[union-attr]
        assert strip == [replace(row, source="") for row in before[0]]  # type: ignore[attr-defined]
        assert len(again.quarantine()) == 1
        assert again.check() == []
    kept = list((home / "library").glob("damaged-*/*"))
    assert bool(kept) == (damage != "missing")


def test_cancelling_leaves_the_old_index(filled: Library):
    before = contents(filled)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        filled.rebuild(cancel=token)
    assert contents(filled) == before


def test_a_damaged_object_is_reported_and_kept(filled: Library, home: Path):
    objects = [path for path in (home / "library" / "objects").rglob("*") if path.is_file()]
    objects[0].write_bytes(encode(ct())[:-30])
    report = filled.rebuild()
    assert report.added == 6
    assert "truncated" in report.refused[0].reason
    assert objects[0].exists()
