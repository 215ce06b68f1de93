"""``deid`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import dcmread

from lightbox.cli.main import run

pytestmark = pytest.mark.data


def _written(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.dcm"))


def test_files_are_de_identified_and_logged(
    data: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = data / "ct-volume" / "ge-head-gantry-tilt-28"
    before = {path: path.read_bytes() for path in source.iterdir()}
    out, report = tmp_path / "out", tmp_path / "report"
    assert run(["deid", str(source), "-o", str(out), "--report", str(report), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["total"] == counts["exported"] == len(before)
    assert {path: path.read_bytes() for path in source.iterdir()} == before
    originals = [dcmread(path) for path in before]
    names = {str(dataset.PatientName) for dataset in originals} | {str(dataset.PatientID) for dataset in originals}
    uids = {str(dataset.SOPInstanceUID) for dataset in originals}
    for path in _written(out):
        dataset = dcmread(path)
        assert dataset.PatientIdentityRemoved == "YES"
        assert {str(dataset.PatientName), str(dataset.PatientID)} & {name for name in names if name} == set()
        assert str(dataset.SOPInstanceUID) not in uids
    assert (report / "tag-log.jsonl.gz").stat().st_size > 0
    assert (report / "certificate.html").exists()


def test_the_same_key_gives_the_same_bytes_and_another_key_others(data: Path, home: Path, tmp_path: Path) -> None:
    source = data / "mr-volume" / "siemens-2studies" / "HFS"
    for name, key in (("one", "a.key"), ("two", "a.key"), ("three", "b.key")):
        assert run(["deid", str(source), "-o", str(tmp_path / name), "--key", str(tmp_path / key)]) == 0
    one, two, three = (
        {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in _written(tmp_path / name)}
        for name in ("one", "two", "three")
    )
    assert one == two
    assert set(one) & set(three) == set()


def test_studies_of_the_library(data: Path, home: Path, tmp_path: Path) -> None:
    folder = data / "overlays-seg" / "ct-3slice-liver"
    assert run(["import", str(folder)]) == 0
    study = str(dcmread(next(folder.iterdir())).StudyInstanceUID)
    preset = "research-modified-dates"
    assert run(["deid", study, "-o", str(tmp_path / "out"), "--preset", preset]) == 0
    datasets = [dcmread(path) for path in _written(tmp_path / "out")]
    assert len(datasets) == 5
    images = {str(dataset.SOPInstanceUID) for dataset in datasets if dataset.Modality == "CT"}
    for dataset in datasets:
        if dataset.Modality == "SEG":
            referenced = {
                str(item.ReferencedSOPInstanceUID)
                for series in dataset.ReferencedSeriesSequence
                for item in series.ReferencedInstanceSequence
            }
            assert referenced <= images


def test_usage_and_missing_input(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.dcm").write_bytes(b"not DICOM")
    assert run(["deid", "no-such-thing", "-o", str(tmp_path / "out")]) == 1
    assert run(["deid", str(tmp_path / "a.dcm"), "-o", str(tmp_path / "out"), "--preset", "nonsense"]) == 2
    assert run(["deid", str(tmp_path / "a.dcm"), "-o", str(tmp_path / "out2")]) == 1
    assert not _written(tmp_path / "out2")
