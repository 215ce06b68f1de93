from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from builders.library_objects import ct, encode
from lightbox.core import file_lock
from lightbox.core.errors import LightboxError
from lightbox.library import ingest
from lightbox.library.library import Library
from lightbox.library.spool_file import described


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


@pytest.mark.parametrize("step", ["index_write.IndexWriter.finish", "links.LinkJournal.append"])
def test_objects_of_a_batch_that_could_not_be_indexed_come_with_the_next(library: Library, monkeypatch, step: str):
    import sqlite3

    first, second = ct(), ct()
    receive(library, encode(first))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(f"lightbox.library.{step}", full)  # before and after the bytes moved into the store
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


@pytest.mark.parametrize("one_sync", [True, False])
def test_a_file_that_a_power_cut_tore_is_not_taken_for_an_object(home: Path, one_sync: bool):
    whole, torn = ct(), ct()
    first = Library.open(home)
    first.spool()._one_sync = one_sync
    receive(first, encode(whole), "PACS")
    receive(first, encode(torn), "PACS")
    path = first.spool().ready()[1].path
    data = bytearray(encode(torn))
    data[-40:] = bytes(40)  # the name reached the disk, the last block did not
    path.write_bytes(data)
    first.close()
    with Library.open(home) as second:
        assert second.instance(whole.SOPInstanceUID) is not None
        assert second.instance(torn.SOPInstanceUID) is None
        (entry,) = second.quarantine()
        assert "power failed" in entry.reason
        # the sender, who got no answer, sends it again
        receive(second, encode(torn), "PACS")
        assert second.ingest_spool().added == 1


def test_a_committed_file_of_an_older_version_is_taken(home: Path):
    ds = ct()
    folder = home / "library" / "spool" / "0123"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "00000000.UEFDUw.ready").write_bytes(encode(ds))
    with Library.open(home) as library:
        (row,) = library.page_studies().rows
        assert row.source == "PACS"


def test_files_that_are_not_committed_are_not_ingested(library: Library):
    first, second = ct(), ct()
    receive(library, encode(first))
    half = library.spool().writer()
    half.write(encode(second))
    assert library.ingest_spool().added == 1
    half.commit()
    assert [file.checksum is not None for file in library.spool().ready()] == [True]
    assert library.ingest_spool().added == 1


def test_many_small_writes_are_one_object(library: Library):
    ds = ct(rows=400, columns=400)
    data = encode(ds)
    with library.spool().writer("PACS") as file:
        sizes = [1, 300_000, 7, 16_378, 131_066]
        start = 0
        for number in range(1000):
            start += file.write(data[start : start + sizes[number % len(sizes)]])
        assert file.size == len(data)
        assert file.commit().intact()
    library.ingest_spool()
    with library.open_object(ds.SOPInstanceUID) as stored:
        assert stored.read() == data


@pytest.mark.parametrize("synchronise", [True, False])
def test_an_object_can_be_hashed_while_it_comes(library: Library, home: Path, synchronise: bool):
    ds = ct(rows=400, columns=400)
    data = encode(ds)
    with library.spool().writer("PACS", hashed=True) as file:
        for start in range(0, len(data), 50_000):
            file.write(data[start : start + 50_000])
        ready = file.commit(synchronise=synchronise)
    assert ready.sha256 == hashlib.sha256(data).digest()
    assert ready.intact()
    assert described(ready.path).sha256 == ready.sha256
    assert library.ingest_spool().added == 1
    with library.open_object(ds.SOPInstanceUID) as stored:
        assert stored.read() == data
    assert library.check() == []


@pytest.mark.parametrize("tear", [True, False])
def test_what_was_hashed_is_checked_when_its_process_is_gone(home: Path, tear: bool):
    ds = ct(rows=400, columns=400)
    data = encode(ds)
    first = Library.open(home)
    with first.spool().writer("PACS", hashed=True) as file:
        file.write(data)
        ready = file.commit(synchronise=False)
    if tear:  # as after a power cut: the right size, other bytes
        ready.path.write_bytes(data[:-5000] + bytes(5000))
    first.close()
    with Library.open(home) as second:
        assert second.count_studies() == (0 if tear else 1)
        assert len(second.quarantine()) == (1 if tear else 0)


def test_what_was_hashed_while_it_came_is_not_hashed_again(library: Library, monkeypatch: pytest.MonkeyPatch):
    ds = ct()
    with library.spool().writer("PACS", hashed=True) as file:
        file.write(encode(ds))
        file.commit()
    monkeypatch.setattr(ingest, "_hash", lambda descriptor: pytest.fail("it was read again"))
    assert library.ingest_spool().added == 1
