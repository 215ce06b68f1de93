from __future__ import annotations

from pathlib import Path

import pytest

from builders.library_objects import ct, encode
from lightbox.core.errors import LightboxError
from lightbox.library import file_lock
from lightbox.library.library import Library


def receive(library: Library, data: bytes, source: str = "PACS") -> None:
    with library.spool().writer(source) as file:
        for start in range(0, len(data), 100):
            file.write(data[start : start + 100])
        file.commit()


def test_what_is_committed_is_ingested(library: Library):
    ds = ct()
    receive(library, encode(ds))
    assert library.count_studies() == 0
    report = library.ingest_spool()
    assert report.added == 1
    (row,) = library.page_studies().rows
    assert row.source == "PACS"
    with library.open_object(ds.SOPInstanceUID) as file:
        assert file.read() == encode(ds)
    assert library.ingest_spool().added == 0


def test_what_was_committed_by_a_process_that_is_gone_is_ingested_on_open(home: Path):
    ds = ct()
    first = Library.open(home)
    receive(first, encode(ds), "Klinik Süd")
    half = first.spool().writer()
    half.write(encode(ct())[:200])
    first.close()
    with Library.open(home) as second:
        (row,) = second.page_studies().rows
        assert (row.study_instance_uid, row.source) == (ds.StudyInstanceUID, "Klinik Süd")
        assert second.quarantine() == []
    half.abort()
    assert [path for path in (home / "library" / "spool").rglob("*") if path.is_file()] == []


def test_a_living_writer_is_left_alone(home: Path, library: Library):
    data = encode(ct())
    file = library.spool().writer()
    file.write(data)
    with Library.open(home) as other:
        assert other.count_studies() == 0
    file.commit()
    assert library.ingest_spool().added == 1


def test_an_aborted_object_leaves_nothing(library: Library, home: Path):
    with library.spool().writer() as file:
        file.write(b"half")
    assert library.ingest_spool().as_dict()["added"] == 0
    assert list((home / "library" / "spool").rglob("*.part")) == []


def test_a_received_object_that_cannot_be_indexed_is_kept_in_quarantine(library: Library):
    whole = encode(ct())
    receive(library, whole[:-20], "PACS")
    report = library.ingest_spool()
    assert (report.added, len(report.refused)) == (0, 1)
    (entry,) = library.quarantine()
    assert entry.code == "truncated"
    with library.open_quarantined(entry.id) as file:
        assert file.read() == whole[:-20]


def test_committing_twice_is_an_error(library: Library):
    file = library.spool().writer()
    file.write(b"x")
    file.commit()
    with pytest.raises(LightboxError):
        file.commit()


def test_objects_of_a_batch_that_could_not_be_indexed_come_with_the_next(library: Library, monkeypatch):
    import sqlite3

    first, second = ct(), ct()
    receive(library, encode(first))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("lightbox.library.index_write.IndexWriter.finish", full)
        with pytest.raises(LightboxError, match="disk is full"):
            library.ingest_spool()
    assert library.count_studies() == 0
    receive(library, encode(second))
    assert library.ingest_spool().added == 2
    for ds in (first, second):
        library.open_object(ds.SOPInstanceUID).close()


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Between opening and locking, another process may have cleared the folder away as abandoned."""
    path = tmp_path / "lock"
    real = file_lock._lock

    def overtaken(descriptor: int) -> None:
        path.unlink()
        real(descriptor)

    monkeypatch.setattr(file_lock, "_lock", overtaken)
    assert not file_lock.FileLock(path).acquire()
    monkeypatch.setattr(file_lock, "_lock", real)
    first, second = file_lock.FileLock(path), file_lock.FileLock(path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
