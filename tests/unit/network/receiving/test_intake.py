from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from builders import network_objects
from lightbox.core.errors import LightboxError
from lightbox.library.index_write import IndexWriter
from lightbox.library.library import Library
from lightbox.library.records import ImportReport
from lightbox.library.spool import Spool
from lightbox.library.spool_file import ReadyFile
from lightbox.network.receiving import intake
from lightbox.network.receiving.intake import Intake


class Told:
    """What an intake tells."""

    def __init__(self) -> None:
        self.reports: list[ImportReport] = []
        self.errors: list[Exception] = []
        self.failed = threading.Event()

    def tell(self, reports: list[ImportReport], added: object) -> None:
        self.reports += reports

    def fail(self, error: Exception) -> None:
        self.errors.append(error)
        self.failed.set()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def running(library: Library, told: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Intake]:
    monkeypatch.setattr(intake, "_PATIENCE_S", (0.02,))
    started = Intake(library, told.tell, told.fail)
    started.start()
    yield started
    started.close()


def commit(home: Path, *numbers: int, dies: bool = False) -> list[ReadyFile]:
    """Write objects as another process does, perhaps one that ends then."""
    files: list[ReadyFile] = []
    spool = Spool.of(home, announce=files.append)
    for number in numbers:
        buffer = BytesIO()
        network_objects.ct("a", "b", number).save_as(buffer, enforce_file_format=True)
        with spool.writer("CT1") as file:
            file.write(buffer.getvalue())
            file.commit()
    assert spool.ready() == []
    if dies:
        spool.close()
    return files


def flush(running: Intake) -> None:
    done = threading.Event()
    running.flush(done.set)
    assert done.wait(20)


def test_files_of_other_processes(running: Intake, told: Told, library: Library, home: Path) -> None:
    for file in commit(home, 1, 2, 3):
        running.add(file)
    flush(running)
    assert sum(report.added for report in told.reports) == 3
    [study] = library.page_studies().rows
    assert (study.number_of_instances, study.source) == (3, "CT1")


def test_what_fails_is_tried_again(
    running: Intake, told: Told, library: Library, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = library.ingest_files

    def fail(files: Any) -> ImportReport:
        if not told.failed.is_set():
            raise LightboxError("The library could not be written", why="No space left on device")
        return real(files)

    monkeypatch.setattr(library, "ingest_files", fail)
    for file in commit(home, 1, 2):
        running.add(file)
    assert told.failed.wait(20)
    flush(running)
    assert sum(report.added for report in told.reports) == 2


def test_one_object_that_we_fail_over_does_not_stop_the_others(
    running: Intake, told: Told, library: Library, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = commit(home, 1, 2, 3)
    real = library.ingest_files

    def fail(some: list[Any]) -> ImportReport:
        if files[1].path in [item.path for item in some]:
            raise RuntimeError("a fault of ours")
        return real(some)

    with monkeypatch.context() as patched:
        patched.setattr(library, "ingest_files", fail)
        for file in files:
            running.add(file)
        flush(running)
    assert sum(report.added for report in told.reports) == 2
    assert [type(error) for error in told.errors] == [RuntimeError]
    assert files[1].path.exists()  # it was acknowledged: it is kept


def test_an_object_that_breaks_the_scanner_is_kept_in_quarantine(
    running: Intake, told: Told, library: Library, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RecursionError

    files = commit(home, 1)
    with monkeypatch.context() as patched:
        patched.setattr("lightbox.library.ingest.scan", fail)
        running.add(files[0])
        flush(running)
    [entry] = library.quarantine()
    assert "RecursionError" in entry.reason


def test_an_object_that_the_index_cannot_take_stops_no_other(
    running: Intake, told: Told, library: Library, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault shows when the bytes of the whole batch have moved into the store already."""
    files = commit(home, 1, 2, 3)
    uids = [str(network_objects.ct("a", "b", number).SOPInstanceUID) for number in (1, 2, 3)]
    real = IndexWriter.add

    def fail(writer: IndexWriter, header: Any, *more: Any) -> None:
        if header.code("SOPInstanceUID") == uids[1]:
            raise ValueError("a fault of ours")
        real(writer, header, *more)

    with monkeypatch.context() as patched:
        patched.setattr(IndexWriter, "add", fail)
        for file in files:
            running.add(file)
        flush(running)
        assert [library.instance(uid) is not None for uid in uids] == [True, False, True]
        for file in commit(home, 4):
            running.add(file)
        flush(running)
        assert library.instance(str(network_objects.ct("a", "b", 4).SOPInstanceUID)) is not None
        (entry,) = library.quarantine()
        assert "the index cannot take it" in entry.reason
        running.close()
        library.close()
        commit(home, 5, dies=True)
        with Library.open(home) as again:
            assert again.instance(str(network_objects.ct("a", "b", 5).SOPInstanceUID)) is not None


def test_an_object_that_cannot_be_recovered_does_not_keep_the_library_shut(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(home, 1, 2, dies=True)
    first = str(network_objects.ct("a", "b", 1).SOPInstanceUID)
    real = IndexWriter.add

    def fail(writer: IndexWriter, header: Any, *more: Any) -> None:
        if header.code("SOPInstanceUID") == first:
            raise ValueError("a fault of ours")
        real(writer, header, *more)

    monkeypatch.setattr(IndexWriter, "add", fail)
    with Library.open(home) as library:
        assert library.instance(first) is None
        assert library.instance(str(network_objects.ct("a", "b", 2).SOPInstanceUID)) is not None
        assert len(library.quarantine()) == 1
