from __future__ import annotations

import threading
import zipfile
from pathlib import Path

import pytest

from builders.library_objects import ct, encode, write, write_series
from lightbox.core.errors import LightboxError
from lightbox.library import durable
from lightbox.library.library import Library


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightbox.library.prepare.IN_MEMORY", 10)
    monkeypatch.setattr("lightbox.library.archives.IN_MEMORY", 10)


def test_files_too_large_for_memory_are_streamed(library: Library, tmp_path: Path, everything_is_large: None):
    whole = encode(ct())
    ds = write(tmp_path / "in" / "good.dcm")
    (tmp_path / "in" / "cut.dcm").write_bytes(whole[:-7])
    (tmp_path / "in" / "text.txt").write_text("some words that are longer than ten")
    with zipfile.ZipFile(tmp_path / "in" / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one", whole)
        archive.writestr("two", whole[:-7])
    report = library.import_paths([tmp_path / "in"])
    assert report.added == 2
    assert {Path(item.path).name for item in report.refused} == {"cut.dcm", "text.txt", "two"}
    with library.open_object(ds.SOPInstanceUID) as file:
        assert file.read() == (tmp_path / "in" / "good.dcm").read_bytes()
    spool = tmp_path / "home" / "library" / "spool"
    assert [path for path in spool.rglob("*") if path.is_file() and path.name != "lock"] == []


def test_without_a_file_system_flush_each_file_is_synchronised(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    synced: list[Path] = []
    original = durable.sync_file

    def follow(path: Path) -> None:
        synced.append(path)
        original(path)

    monkeypatch.setattr(durable, "_syncfs", lambda: None)
    monkeypatch.setattr(durable, "sync_file", follow)
    write_series(tmp_path / "in", 20)
    assert library.import_paths([tmp_path / "in"]).added == 20
    assert len([path for path in synced if path.suffix == ".part"]) == 20


def test_readers_see_whole_batches_while_an_import_runs(library: Library, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("lightbox.library.import_._BATCH_OBJECTS", 32)
    write_series(tmp_path / "in", 320)
    stop = threading.Event()
    seen: list[tuple[int, int]] = []
    errors: list[Exception] = []

    def read() -> None:
        try:
            while not stop.is_set():
                rows = library.page_studies().rows
                for row in rows:
                    series = library.series_of(row.study_instance_uid)[0]
                    count = len(library.instances_of(series.series_instance_uid))
                    seen.append((row.number_of_instances, count))
        except Exception as error:  # handed to the test's own thread
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    report = library.import_paths([tmp_path / "in"])
    stop.set()
    for thread in readers:
        thread.join()
    assert errors == []
    assert report.added == 320
    # A later query may see a later batch, never an earlier or a partial one.
    assert all(listed <= counted for listed, counted in seen)
    assert all(listed % 32 == 0 for listed, _ in seen)


def test_writers_of_several_threads_receive_at_once(library: Library):
    objects = [ct() for _ in range(40)]

    def receive(part: list) -> None:
        for ds in part:
            with library.spool().writer("PACS") as file:
                file.write(encode(ds))
                file.commit()
            library.ingest_spool()

    threads = [threading.Thread(target=receive, args=(objects[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    library.ingest_spool()
    assert library.count_studies() == 40
    for ds in objects:
        with library.open_object(ds.SOPInstanceUID) as file:
            assert file.read() == encode(ds)


def test_a_closed_library_says_so(home: Path):
    library = Library.open(home)
    library.close()
    with pytest.raises(LightboxError, match="closed"):
        library.count_studies()


def test_an_index_of_a_newer_program_is_left_alone(home: Path):
    with Library.open(home) as library:
        library._index.connection().execute("PRAGMA user_version = 99")
    with pytest.raises(LightboxError, match="newer"):
        Library.open(home)
