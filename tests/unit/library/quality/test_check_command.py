"""``lightbox check``."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from builders.quality_objects import good_ct, part10
from lightbox.cli.main import run

KEYS = {"code", "severity", "where", "found", "expected", "repair"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    (made / "good.dcm").write_bytes(part10(good_ct()))
    (made / "bad.dcm").write_bytes(part10(good_ct(PatientID="P7", PatientName="Seven^P", Rows=None)))
    (made / "readme.txt").write_text("nothing of interest")
    return made


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, str]]]:
    code = run(["check", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_good_file(home: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, str(folder / "good.dcm")) == (0, [])


def test_a_folder(home: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, str(folder))
    assert code == 1
    assert found[0].keys() >= KEYS
    assert found[0]["code"] == "type1.missing"
    assert found[0]["path"].endswith("bad.dcm")
    assert {entry["path"] for entry in found} == {found[0]["path"]}, "a text file among others is no fault"


def test_a_file_that_is_named_has_to_be_dicom(home: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = call(capsys, str(folder / "readme.txt"))
    assert (code, found[0]["code"]) == (1, "file.not-dicom")


def test_an_archive(home: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(folder / "bad.dcm", "in/bad.dcm")
    code, found = call(capsys, str(tmp_path / "a.zip"))
    assert code == 1
    assert found[0]["path"].endswith("a.zip!/in/bad.dcm")


def test_warnings_alone_are_no_failure(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w.dcm").write_bytes(part10(good_ct(KVP=None, IssuerOfPatientID=None)))
    code, found = call(capsys, str(tmp_path / "w.dcm"))
    assert code == 0
    assert [entry["severity"] for entry in found] == ["warning", "info"]
    assert [entry["severity"] for entry in call(capsys, str(tmp_path / "w.dcm"), "--severity", "warning")[1]] == [
        "warning"
    ]
    assert call(capsys, str(tmp_path / "w.dcm"), "--severity", "error") == (0, [])


def test_two_files_with_one_uid(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uid = generate_uid()
    (tmp_path / "1.dcm").write_bytes(part10(good_ct(SOPInstanceUID=uid)))
    (tmp_path / "2.dcm").write_bytes(part10(good_ct(SOPInstanceUID=uid, SeriesDescription="x")))
    code, found = call(capsys, str(tmp_path / "1.dcm"), str(tmp_path / "2.dcm"))
    assert code == 1
    assert "uid.duplicate" in {entry["code"] for entry in found}


def test_the_library(home: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ds = good_ct(Rows=None)
    (folder / "third.dcm").write_bytes(part10(ds))
    run(["import", str(folder)])
    capsys.readouterr()
    code, everything = call(capsys)
    assert code == 1
    assert len({entry["sop_instance_uid"] for entry in everything}) >= 2
    for uid in (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID):
        code, found = call(capsys, uid)
        assert code == 1
        assert {entry["sop_instance_uid"] for entry in found} == {ds.SOPInstanceUID}
        assert all("path" not in entry for entry in found)


def test_nothing_of_that_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "1.2.3.4.5"]) == 1
    assert "no such file" in capsys.readouterr().err


def test_for_people(home: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(folder)]) == 1
    shown = capsys.readouterr()
    assert "error: type1.missing: (0028,0010) Rows: missing" in shown.out
    assert "1 errors" in shown.err
