from __future__ import annotations

from pathlib import Path

import pytest

from builders.library_objects import write_series
from lightbox.core.jobs import CancelToken, Progress
from lightbox.library.import_ import ImportCancelled
from lightbox.library.library import Library
from lightbox.library.records import InstancesAdded


def test_an_import_in_its_own_process_tells_this_one(library: Library, tmp_path: Path):
    write_series(tmp_path / "in", 5)
    (tmp_path / "in" / "x.txt").write_text("not a picture, that is")
    heard: list[InstancesAdded] = []
    told: list[Progress] = []
    library.instances_added.connect(heard.append)
    report = library.import_in_process([tmp_path / "in"], progress=told.append)
    assert (report.added, len(report.refused)) == (5, 1)
    assert sum(event.count for event in heard) == 5
    assert told[-1].done == 6
    assert library.page_studies().rows[0].number_of_instances == 5
    assert list((tmp_path / "home" / "library" / "spool").iterdir()) == []


def test_it_can_be_cancelled(library: Library, tmp_path: Path):
    write_series(tmp_path / "in", 300)
    token = CancelToken()
    token.cancel()
    with pytest.raises(ImportCancelled):
        library.import_in_process([tmp_path / "in"], cancel=token, progress=lambda _: None)
    assert sum(row.number_of_instances for row in library.page_studies().rows) < 300


def test_two_processes_import_the_same_at_once(home: Path, library: Library, tmp_path: Path):
    import threading

    write_series(tmp_path / "in", 60)
    reports = []

    def run() -> None:
        reports.append(library.import_in_process([tmp_path / "in"]))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    mine = library.import_paths([tmp_path / "in"])
    for thread in threads:
        thread.join()
    assert len(reports) == 2
    assert mine.added + sum(report.added for report in reports) == 60
    assert mine.duplicates + sum(report.duplicates for report in reports) == 120
    assert library.page_studies().rows[0].number_of_instances == 60
    assert library.check() == []
