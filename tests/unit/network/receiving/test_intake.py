from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from builders import network_objects
from lightbox.core.errors import LightboxError
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


def commit(home: Path, *numbers: int) -> list[ReadyFile]:
    """Write objects as another process does."""
    files: list[ReadyFile] = []
    spool = Spool.of(home, announce=files.append)
    for number in numbers:
        buffer = BytesIO()
        network_objects.ct("a", "b", number).save_as(buffer, enforce_file_format=True)
        with spool.writer("CT1") as file:
            file.write(buffer.getvalue())
            file.commit()
    assert spool.ready() == []
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
