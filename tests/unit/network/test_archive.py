from __future__ import annotations

from pathlib import Path

import pytest

from builders import network_objects
from lightbox.library.library import Library
from lightbox.network.archive import Archive
from lightbox.network.archive_index import matches
from lightbox.network.find import find
from lightbox.network.identity import LocalIdentity
from lightbox.network.send import send
from lightbox.network.stored import of_files


@pytest.mark.parametrize(
    ("word", "key", "value", "expected"),
    [
        ("PatientName", "", "Doe^John", True),
        ("PatientName", "*", "", True),
        ("PatientName", "doe^*", "Doe^John", True),
        ("PatientName", "doe^j?hn", "Doe^John", True),
        ("PatientName", "doe", "Doe^John", False),
        ("PatientID", "abc", "ABC", False),
        ("PatientID", "[A]*", "A1", False),
        ("PatientID", "[A]*", "[A]1", True),
        ("StudyDate", "20240131", "20240131", True),
        ("StudyDate", "20240101-20240131", "20240131", True),
        ("StudyDate", "20240101-", "20231231", False),
        ("StudyDate", "-20240131", "20231231", True),
        ("StudyDate", "20240101-", "", False),
        ("StudyTime", "10", "101500", True),
        ("StudyTime", "1000-1015", "101530", True),
        ("StudyInstanceUID", "1.2\\1.3", "1.3", True),
        ("StudyInstanceUID", "1.2", "1.23", False),
        ("ModalitiesInStudy", "SR", "CT\\SR", True),
        ("ModalitiesInStudy", "CT\\MR", "MR", True),
    ],
)
def test_matching(word: str, key: str, value: str, expected: bool) -> None:
    assert matches(word, key, value) is expected


def test_an_archive_over_a_library_takes_objects(library: Library, identity: LocalIdentity, tmp_path: Path) -> None:
    paths = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", n) for n in range(3)])
    library.import_paths(paths[:1])
    with Archive(library, "STORE") as archive:
        assert [row["NumberOfStudyRelatedInstances"] for row in find(archive.peer(), identity, "study", {})] == ["1"]
        assert send(archive.peer(), identity, of_files(paths[1:])).complete
        archive.stop()
    with Archive(library, "STORE") as archive:
        assert [row["NumberOfStudyRelatedInstances"] for row in find(archive.peer(), identity, "study", {})] == ["3"]


def test_what_is_imported_while_it_runs_is_found(library: Library, identity: LocalIdentity, tmp_path: Path) -> None:
    with Archive(library) as archive:
        assert list(find(archive.peer(), identity, "study", {})) == []
        library.import_paths(network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", 1)]))
        assert len(list(find(archive.peer(), identity, "study", {}))) == 1


def test_it_stops_and_starts(tmp_path: Path) -> None:
    network_objects.study(tmp_path / "x", "x", 1)
    archive = Archive(tmp_path / "x")
    assert archive.port == 0
    archive.start()
    assert archive.port
    archive.start()
    archive.stop()
    archive.stop()
    assert archive.port == 0
