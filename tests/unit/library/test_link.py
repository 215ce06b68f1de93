from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders.library_objects import ct, write, write_series
from lightbox.library.library import Library
from lightbox.library.store import LinkedFileError


def stored(home: Path) -> list[Path]:
    return [path for path in (home / "library" / "objects").rglob("*") if path.is_file()]


def test_linking_copies_nothing(library: Library, home: Path, tmp_path: Path):
    slices = write_series(tmp_path / "in", 3)
    report = library.import_paths([tmp_path / "in"], link=True)
    assert report.added == 3
    assert stored(home) == []
    record = library.instance(slices[0].SOPInstanceUID)
    assert record is not None
    assert record.linked_path == str(tmp_path / "in" / "0000.dcm")
    with library.open_object(slices[0].SOPInstanceUID) as file:
        assert file.read() == (tmp_path / "in" / "0000.dcm").read_bytes()
    assert library.import_paths([tmp_path / "in"], link=True).duplicates == 3


def test_a_linked_file_that_is_gone_or_changed_is_a_clear_error(library: Library, tmp_path: Path):
    path = tmp_path / "a.dcm"
    ds = write(path)
    library.import_paths([path], link=True)
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    with pytest.raises(LinkedFileError, match="changed"):
        library.open_object(ds.SOPInstanceUID)
    path.unlink()
    with pytest.raises(LinkedFileError, match="cannot be opened"):
        library.open_object(ds.SOPInstanceUID)


def test_importing_again_mends_a_changed_link(library: Library, tmp_path: Path):
    path = tmp_path / "a.dcm"
    ds = write(path)
    library.import_paths([path], link=True)
    ds.PixelData = bytes(96)
    write(path, ds)
    os.utime(path, ns=(1, 1))
    report = library.import_paths([path], link=True)
    assert (report.added, report.quarantined) == (1, 0)
    with library.open_object(ds.SOPInstanceUID) as file:
        assert file.read() == path.read_bytes()
    assert library.page_studies().rows[0].number_of_instances == 1


def test_the_same_bytes_elsewhere_are_a_duplicate_and_others_are_quarantined(library: Library, tmp_path: Path):
    ds = write(tmp_path / "a.dcm")
    write(tmp_path / "b.dcm", ds)
    other = ct(SOPInstanceUID=ds.SOPInstanceUID)
    write(tmp_path / "c.dcm", other)
    report = library.import_paths([tmp_path], link=True)
    assert (report.added, report.duplicates, report.quarantined) == (1, 1, 1)
    (entry,) = library.quarantine()
    with library.open_quarantined(entry.id) as file:
        assert file.read() == (tmp_path / "c.dcm").read_bytes()
    again = library.import_paths([tmp_path], link=True)
    assert (again.added, again.duplicates, again.refused) == (0, 3, [])


def test_importing_a_copy_of_a_linked_object_makes_it_independent(library: Library, home: Path, tmp_path: Path):
    path = tmp_path / "a.dcm"
    ds = write(path)
    library.import_paths([path], link=True)
    report = library.import_paths([path])
    assert (report.added, report.duplicates) == (0, 1)
    whole = path.read_bytes()
    path.unlink()
    with library.open_object(ds.SOPInstanceUID) as file:
        assert file.read() == whole
    assert len(stored(home)) == 1


def test_members_of_an_archive_cannot_be_linked(library: Library, tmp_path: Path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", "y")
    report = library.import_paths([tmp_path], link=True)
    assert "cannot be linked" in report.refused[0].reason
