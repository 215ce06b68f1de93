from __future__ import annotations

import errno
import hashlib
import os
import socket
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydicom.fileset import FileSet

from builders.library_objects import ct, encode, write, write_series
from lightbox.core.errors import LightboxError, NotFoundError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.library import archives
from lightbox.library.import_ import ImportCancelled
from lightbox.library.library import Library
from lightbox.library.records import ImportReport, InstancesAdded


def reasons(report: ImportReport) -> dict[str, str]:
    return {Path(item.path).name: item.reason for item in report.refused}


def total(library: Library) -> int:
    return sum(row.number_of_instances for row in library.page_studies(limit=10_000).rows)


def test_a_folder_becomes_studies_series_and_instances(library: Library, tmp_path: Path):
    heard: list[InstancesAdded] = []
    library.instances_added.connect(heard.append)
    study = write_series(tmp_path / "in" / "a", 3)[0].StudyInstanceUID
    write_series(tmp_path / "in" / "b", 2, StudyInstanceUID=study, Modality="SR", SeriesNumber=2)
    report = library.import_paths([tmp_path / "in"])
    assert (report.added, report.duplicates, report.refused) == (5, 0, [])
    assert report.study_uids == {study}
    assert sum(event.count for event in heard) == 5
    row = library.page_studies().rows[0]
    assert (row.number_of_series, row.number_of_instances) == (2, 5)
    assert row.modalities_in_study == ("CT", "SR")
    assert (row.patient_name, row.patient_id, row.study_date) == ("Test^Patient", "P1", "20260102")
    series = library.series_of(study)
    assert [(entry.series_number, entry.number_of_instances) for entry in series] == [(1, 3), (2, 2)]
    instances = library.instances_of(series[0].series_instance_uid)
    assert [entry.instance_number for entry in instances] == [1, 2, 3]
    first = instances[0]
    assert first.image_position == (-1.5, 2.0, 3.0)
    assert first.image_orientation == (1, 0, 0, 0, 1, 0)
    assert first.pixel_spacing == (0.5, 0.75)
    assert (first.rows, first.columns, first.number_of_frames) == (6, 8, 1)


def test_what_is_stored_is_what_was_read(library: Library, tmp_path: Path):
    ds = write(tmp_path / "one.dcm")
    library.import_paths([tmp_path / "one.dcm"])
    original = (tmp_path / "one.dcm").read_bytes()
    with library.open_object(ds.SOPInstanceUID) as file:
        file.seek(100)
        file.seek(0)
        assert file.read() == original
    record = library.instance(ds.SOPInstanceUID)
    assert record is not None
    assert record.sha256 == hashlib.sha256(original).hexdigest()
    assert record.size == len(original)


def test_names_in_the_store_tell_nothing(library: Library, home: Path, tmp_path: Path):
    ds = write(tmp_path / "Mustermann_Erika.dcm", PatientName="Mustermann^Erika")
    library.import_paths([tmp_path])
    for path in (home / "library").rglob("*"):
        assert "muster" not in path.name.lower()
        assert ds.SOPInstanceUID not in path.name


def test_a_second_import_adds_nothing(library: Library, tmp_path: Path):
    write_series(tmp_path / "in", 4)
    library.import_paths([tmp_path / "in"])
    report = library.import_paths([tmp_path / "in"])
    assert (report.added, report.duplicates, report.quarantined, report.refused) == (0, 4, 0, [])
    assert total(library) == 4


def test_the_same_uid_with_other_bytes_is_quarantined_and_both_are_kept(library: Library, tmp_path: Path):
    first = write(tmp_path / "1.dcm")
    second = ct(SOPInstanceUID=first.SOPInstanceUID, StudyInstanceUID=first.StudyInstanceUID)
    second.PixelData = bytes(96)
    write(tmp_path / "2.dcm", second)
    report = library.import_paths([tmp_path])
    assert (report.added, report.quarantined, len(report.refused)) == (1, 1, 1)
    assert report.refused[0].path.endswith("2.dcm")
    assert "same SOP Instance UID" in report.refused[0].reason
    (entry,) = library.quarantine()
    assert entry.sop_instance_uid == first.SOPInstanceUID
    with library.open_quarantined(entry.id) as file:
        assert file.read() == (tmp_path / "2.dcm").read_bytes()
    with library.open_object(first.SOPInstanceUID) as file:
        assert file.read() == (tmp_path / "1.dcm").read_bytes()
    again = library.import_paths([tmp_path])
    assert (again.added, again.duplicates, again.quarantined) == (0, 2, 0)
    assert len(library.quarantine()) == 1


def test_bad_files_are_named_and_the_rest_goes_on(library: Library, tmp_path: Path):
    whole = encode(ct())
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "cut.dcm").write_bytes(whole[:-10])
    (tmp_path / "packed.dcm.gz").write_bytes(b"\x1f\x8b\x08" + bytes(200))
    no_uid = ct()
    no_uid.SeriesInstanceUID = ""
    write(tmp_path / "no-series.dcm", no_uid)
    write(tmp_path / "good.dcm")
    report = library.import_paths([tmp_path])
    assert report.added == 1
    found = reasons(report)
    assert "text" in found["notes.txt"]
    assert "empty" in found["empty"]
    assert "10 of 96 bytes" in found["cut.dcm"]
    assert "gzip" in found["packed.dcm.gz"]
    assert found["no-series.dcm"] == "Series Instance UID is missing or empty"
    assert {Path(item.path).name for item in library.refusals()} == set(found)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes and Unix sockets are not files on Windows")
@pytest.mark.parametrize("link", [False, True])
def test_pipes_sockets_and_circles_hang_nothing(library: Library, tmp_path: Path, link: bool, monkeypatch):
    folder = tmp_path / "in"
    write(folder / "deep" / "good.dcm")
    os.mkfifo(folder / "pipe")
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "gone").symlink_to(folder / "nowhere")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        report = library.import_paths([folder, tmp_path / "missing", folder / "pipe"], link=link)
    assert report.added == 1
    found = reasons(report)
    assert found["pipe"] == "a named pipe is not a file"
    assert found["socket"] == "a socket is not a file"
    assert "no such file" in found["missing"]
    assert "gone" in found


def test_an_unreadable_folder_is_named(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o000)
    scandir = os.scandir

    def as_somebody(path: Any) -> Any:
        # An administrator may read everything: then the system's refusal to anybody else is put in its place.
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    if os.geteuid() == 0:
        monkeypatch.setattr(os, "scandir", as_somebody)
    try:
        report = library.import_paths([tmp_path])
    finally:
        folder.chmod(0o700)
    assert "may not be read" in reasons(report)["locked"]


def test_a_zip_archive_with_one_inside_it(library: Library, tmp_path: Path):
    inner = tmp_path / "inner.zip"
    innermost = tmp_path / "innermost.zip"
    with zipfile.ZipFile(innermost, "w") as archive:
        archive.writestr("c.dcm", encode(ct()))
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/ä.dcm", encode(ct()))
        archive.write(innermost, "innermost.zip")
    with zipfile.ZipFile(tmp_path / "outer.ZIP", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", encode(ct()))
        archive.writestr("readme.txt", "hello")
        archive.write(inner, "inner.zip")
    report = library.import_paths([tmp_path / "outer.ZIP"])
    assert report.added == 2
    assert {item.path.rpartition(archives.SEPARATOR)[2] for item in report.refused} == {"readme.txt", "innermost.zip"}
    assert library.import_paths([tmp_path / "outer.ZIP"]).duplicates == 2


def test_encrypted_and_damaged_archives_are_refused_with_a_reason(library: Library, tmp_path: Path):
    plain = tmp_path / "plain.zip"
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("a.dcm", encode(ct()))
    data = bytearray(plain.read_bytes())
    central = data.index(b"PK\x01\x02")
    for flags in (6, central + 8):
        data[flags] |= 1
    (tmp_path / "encrypted.zip").write_bytes(bytes(data))
    wrong = bytearray(plain.read_bytes())
    wrong[wrong.index(b"DICM") + 40] ^= 0xFF
    (tmp_path / "wrong-crc.zip").write_bytes(bytes(wrong))
    (tmp_path / "cut.zip").write_bytes(plain.read_bytes()[:200])
    plain.unlink()
    report = library.import_paths([tmp_path])
    assert report.added == 0
    words = " | ".join(item.reason for item in report.refused)
    assert "encrypted" in words
    assert "CRC" in words
    assert "damaged" in words


def test_a_zip_bomb_is_not_unpacked(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "RATIO_FROM", 1_000_000)
    monkeypatch.setattr(archives, "MAX_RATIO", 500)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("big", bytes(20_000_000))
    report = library.import_paths([tmp_path])
    assert "zip bomb" in report.refused[0].reason


def test_a_member_that_lies_about_its_size_is_refused(library: Library, tmp_path: Path):
    path = tmp_path / "lie.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", encode(ct()))
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    for at in (22, central + 24):
        (size,) = struct.unpack_from("<I", data, at)
        struct.pack_into("<I", data, at, size - 50)
    path.write_bytes(bytes(data))
    report = library.import_paths([path])
    assert report.added == 0
    assert report.refused[0].reason


def test_a_dicomdir_names_its_file_set(library: Library, tmp_path: Path):
    files = FileSet()
    for number in range(3):
        ds = ct(InstanceNumber=number + 1)
        ds.StudyID = "1"
        ds.AccessionNumber = ""
        encode(ds)
        files.add(ds)
    root = tmp_path / "disc"
    files.write(root)
    write(root / "stranger.dcm")
    report = library.import_paths([root / "DICOMDIR"])
    assert (report.added, report.refused) == (3, [])
    assert report.notes[0].code == "dicomdir"
    next(path for path in root.rglob("*") if path.is_file() and path.name.startswith("IM")).unlink()
    again = library.import_paths([root / "DICOMDIR"])
    assert again.duplicates == 2
    assert [item.reason for item in again.refused] == ["named by the DICOMDIR but missing"]
    folder = library.import_paths([root])
    assert (folder.added, folder.duplicates, folder.refused) == (1, 2, [])
    assert [Path(item.path).name for item in folder.notes] == ["DICOMDIR"]


def test_progress_is_rare_and_cancelling_keeps_what_was_committed(library: Library, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("lightbox.library.import_._BATCH_OBJECTS", 40)
    write_series(tmp_path / "in", 200)
    told: list[Progress] = []
    token = CancelToken()
    library.instances_added.connect(lambda event: token.cancel())
    with pytest.raises(ImportCancelled) as caught:
        library.import_paths([tmp_path / "in"], progress=told.append, cancel=token)
    kept = caught.value.report.added
    assert 0 < kept < 200
    assert total(library) == kept
    spool = tmp_path / "home" / "library" / "spool"
    assert [path for path in spool.rglob("*") if path.is_file() and path.name != "lock"] == []
    told.clear()
    report = library.import_paths([tmp_path / "in"], progress=told.append)
    assert (report.added, report.duplicates) == (200 - kept, kept)
    assert told[-1].done == told[-1].total == 200
    assert len(told) <= told[-1].seconds * 10 + 2


def test_a_study_of_two_patients_is_flagged_and_found_by_both(library: Library, tmp_path: Path):
    one = write(tmp_path / "1.dcm", PatientID="A")
    write(tmp_path / "2.dcm", PatientID="B", StudyInstanceUID=one.StudyInstanceUID)
    write(tmp_path / "3.dcm", PatientID="A", IssuerOfPatientID="X", StudyInstanceUID=one.StudyInstanceUID)
    library.import_paths([tmp_path])
    (row,) = library.page_studies().rows
    assert "different patient" in row.warning
    assert row.number_of_instances == 3
    for patient in ("A", "B"):
        assert [entry.study_instance_uid for entry in library.studies_of_patient(patient)] == [one.StudyInstanceUID]
    assert library.studies_of_patient("A", "X") == []


def test_patients_without_an_id_are_not_merged(library: Library, tmp_path: Path):
    people = [("Doe^Jane", "19700101"), ("Doe^Jane", "19800101"), ("", ""), ("", "")]
    for number, (name, birth) in enumerate(people):
        write(tmp_path / f"{number}.dcm", PatientID="", PatientName=name, PatientBirthDate=birth)
    write(tmp_path / "again.dcm", PatientID="", PatientName="DOE^JANE", PatientBirthDate="19700101")
    library.import_paths([tmp_path])
    connection = library._index.connection()
    assert connection.execute("SELECT count(*) FROM patient").fetchone()[0] == 4
    assert library.count_studies() == 5


def test_the_same_id_of_two_issuers_is_two_patients(library: Library, tmp_path: Path):
    write(tmp_path / "1.dcm", PatientID="7", IssuerOfPatientID="North")
    write(tmp_path / "2.dcm", PatientID="7", IssuerOfPatientID="South")
    library.import_paths([tmp_path])
    assert len(library.studies_of_patient("7", "North")) == 1
    assert len(library.studies_of_patient("7", "South")) == 1
    assert library.studies_of_patient("7") == []


def test_an_unknown_instance_is_an_error_with_words(library: Library):
    with pytest.raises(NotFoundError, match="no such instance"):
        library.open_object("1.2.3")


def test_the_report_has_its_public_shape(library: Library, tmp_path: Path):
    write(tmp_path / "1.dcm")
    (tmp_path / "x").write_bytes(b"x")
    shape = library.import_paths([tmp_path]).as_dict()
    assert shape["added"] == 1
    assert shape["duplicates"] == 0
    assert shape["refused"] == [{"path": str(tmp_path / "x"), "reason": "the file is too short to be DICOM"}]


@pytest.mark.parametrize("limit", [10, 1 << 25])
def test_a_full_disk_ends_the_import_and_is_no_fault_of_the_files(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
):
    write_series(tmp_path / "in", 3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lightbox.library.prepare.IN_MEMORY", limit)
    with monkeypatch.context() as patch:
        patch.setattr("lightbox.library.prepare._write_all", full)
        with pytest.raises(LightboxError, match="No space left"):
            library.import_paths([tmp_path / "in"])
    assert library.refusals() == []
    spool = tmp_path / "home" / "library" / "spool"
    assert [path for path in spool.rglob("*") if path.is_file() and path.name != "lock"] == []
    assert library.import_paths([tmp_path / "in"]).added == 3
