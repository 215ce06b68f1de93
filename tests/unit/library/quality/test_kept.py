"""The quality list of the library."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from builders.library_objects import write
from builders.quality_objects import good_ct, part10
from lightbox.core.errors import Cancelled, Severity
from lightbox.core.jobs import CancelToken
from lightbox.library.library import Library
from lightbox.library.schema import STEPS, step_0001


def put(folder: Path, name: str, **attributes: object) -> object:
    ds = good_ct(**attributes)
    path = folder / name
    path.write_bytes(part10(ds))
    return ds


def kept(library: Library, uid: str | None = None) -> list[tuple[str, int]]:
    return [(entry.issue.code, entry.count) for entry in library.quality_issues(uid)]


def test_uid_faults_are_listed_at_once(library: Library, tmp_path: Path) -> None:
    ds = put(tmp_path, "a.dcm", StudyInstanceUID="1.2.03.4")
    library.import_paths([tmp_path / "a.dcm"])
    (entry,) = library.quality_issues("1.2.03.4")
    assert entry.issue.code == "uid.leading-zero"
    assert entry.issue.severity is Severity.ERROR
    assert entry.issue.sop_instance_uid == ds.SOPInstanceUID
    assert library.quality_pending() == 1


def test_the_whole_gate_replaces_them_by_all(library: Library, tmp_path: Path) -> None:
    put(tmp_path, "a.dcm", StudyInstanceUID="1.2.03.4", RescaleSlope=None)
    library.import_paths([tmp_path])
    heard: list[bool] = []
    library.quality_changed.connect(lambda: heard.append(True))
    assert library.check_quality() == 1
    assert kept(library) == [("uid.leading-zero", 1), ("type1.missing", 1)]
    assert (library.check_quality(), library.quality_pending()) == (0, 0)
    assert heard == [True]


def test_the_same_fault_of_many_objects_is_one_line(library: Library, tmp_path: Path) -> None:
    study, series = generate_uid(), generate_uid()
    for number in range(5):
        put(
            tmp_path, f"{number}.dcm", StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=number, KVP=None
        )
    library.import_paths([tmp_path], link=True)
    library.check_quality()
    assert ("type2.missing", 5) in kept(library, study)
    assert library.quality_counts()[study][Severity.WARNING] >= 1
    assert kept(library, generate_uid()) == []


def test_study_level(library: Library, tmp_path: Path) -> None:
    study = generate_uid()
    put(tmp_path, "a.dcm", StudyInstanceUID=study)
    put(tmp_path, "b.dcm", StudyInstanceUID=study, PatientID="P2", PatientName="Schmidt^Karl")
    library.import_paths([tmp_path])
    library.check_quality()
    (found,) = [entry for entry in library.quality_issues(study) if entry.issue.code == "study.two-patients"]
    assert found.count == 0
    assert found.issue.sop_instance_uid


def test_an_older_study_hears_of_a_new_one(library: Library, tmp_path: Path) -> None:
    first, second = generate_uid(), generate_uid()
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    put(tmp_path / "1", "a.dcm", StudyInstanceUID=first)
    library.import_paths([tmp_path / "1"])
    library.check_quality()
    assert kept(library) == []
    put(tmp_path / "2", "b.dcm", StudyInstanceUID=second, PatientName="Schmidt^Karl", PatientBirthDate="19500101")
    library.import_paths([tmp_path / "2"])
    library.check_quality()
    for study in (first, second):
        assert ("patient.id-two-people", 0) in kept(library, study)


def test_a_conflict_in_quarantine(library: Library, tmp_path: Path) -> None:
    uid = generate_uid()
    put(tmp_path, "a.dcm", SOPInstanceUID=uid)
    put(tmp_path, "b.dcm", SOPInstanceUID=uid, SeriesDescription="other")
    library.import_paths([tmp_path])
    library.check_quality()
    (found,) = [entry for entry in library.quality_issues() if entry.issue.code == "uid.duplicate"]
    assert found.issue.sop_instance_uid == uid


def test_a_linked_file_that_is_gone(library: Library, tmp_path: Path) -> None:
    put(tmp_path, "a.dcm")
    library.import_paths([tmp_path], link=True)
    (tmp_path / "a.dcm").unlink()
    library.check_quality()
    assert kept(library) == [("file.unavailable", 1)]


def test_rebuild(library: Library, tmp_path: Path) -> None:
    put(tmp_path, "a.dcm", StudyInstanceUID="1.2.03.4", RescaleSlope=None)
    library.import_paths([tmp_path])
    library.check_quality()
    before = kept(library)
    library.rebuild()
    assert kept(library) == [("uid.leading-zero", 1)]
    library.check_quality()
    assert kept(library) == before


def test_cancelled_and_continued(library: Library, tmp_path: Path) -> None:
    put(tmp_path, "a.dcm")
    library.import_paths([tmp_path])
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        library.check_quality(cancel=token)
    assert library.check_quality() == 1


def test_issues_of_one_object_carry_their_repair(library: Library, tmp_path: Path) -> None:
    ds = put(tmp_path, "a.dcm", KVP=None)
    library.import_paths([tmp_path])
    library.check_quality()
    (issue,) = library.quality_issues_of(ds.SOPInstanceUID)
    assert issue.change is not None
    assert issue.change.tag == 0x00180060


def test_an_index_of_version_1_is_migrated(home: Path, tmp_path: Path) -> None:
    (home / "library").mkdir()
    connection = sqlite3.connect(home / "library" / "index.sqlite3")
    connection.executescript(step_0001.SQL)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    with Library.open(home) as library:
        assert library._index.connection().execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        write(tmp_path / "a.dcm")
        library.import_paths([tmp_path])
        assert library.check_quality() == 1


def test_the_gate_in_a_process_of_its_own(home: Path, tmp_path: Path) -> None:
    from lightbox.library.quality.process import check_in_process

    put(tmp_path, "a.dcm", KVP=None)
    with Library.open(home) as library:
        library.import_paths([tmp_path])
        assert check_in_process(home) == 1
        assert kept(library) == [("type2.missing", 1)]
        assert check_in_process(home) == 0


def test_the_watch_looks_at_what_comes_in(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from lightbox.library.quality import process

    monkeypatch.setattr(process, "QUIET_S", 0.05)
    put(tmp_path, "a.dcm", KVP=None)
    with Library.open(home) as library:
        watch = process.QualityWatch(library, home)
        done = threading.Event()
        library.quality_changed.connect(done.set)
        watch.start()
        try:
            library.import_paths([tmp_path])
            assert done.wait(60)
        finally:
            watch.close()
        assert kept(library) == [("type2.missing", 1)]
        assert library.quality_pending() == 0
