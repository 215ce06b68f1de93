"""The command line on the shared DICOM files, against independent counts by pydicom."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from lightbox.cli.main import run

REQUIRED = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict] | dict:
    capsys.readouterr()
    code = run(list(arguments))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def _read_independently(path: Path) -> dict[str, str] | None:
    """The four UIDs as pydicom reads them, or None for what pydicom cannot take as an instance."""
    try:
        dataset = dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, EOFError, ValueError, AttributeError, NotImplementedError, KeyError):
        try:
            dataset = dcmread(path, stop_before_pixels=True, force=True)
            if not all(dataset.get(keyword) for keyword in REQUIRED):
                return None
        except Exception:
            return None
    if dataset.file_meta.get("MediaStorageSOPClassUID", "") == MEDIA_STORAGE_DIRECTORY:
        return None
    if not all(dataset.get(keyword) for keyword in REQUIRED):
        return None
    return {keyword: str(dataset.get(keyword)) for keyword in REQUIRED}


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("link", [False, True], ids=["copied", "linked"])
def test_everything_readable_is_indexed_and_every_refusal_has_a_reason(
    data: Path, home: Path, link: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    report = _json(capsys, "import", str(data), "--json", *(["--link"] if link else []))
    assert isinstance(report, dict)
    assert all(entry["reason"].strip() for entry in report["refused"])
    refused = {
        Path(entry["path"].split("!")[0]).resolve()
        for entry in report["refused"]
        if "same SOP Instance UID" not in entry["reason"]
    }

    files = sorted(path for path in data.rglob("*") if path.is_file())
    taken: dict[str, dict[str, str]] = {}
    digests: dict[str, set[str]] = {}
    for path in files:
        uids = _read_independently(path)
        if uids is None or path.resolve() in refused:
            continue
        taken.setdefault(uids["SOPInstanceUID"], uids)
        digests.setdefault(uids["SOPInstanceUID"], set()).add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert report["added"] == len(taken)

    studies = _json(capsys, "list", "--json")
    expected = Counter(uids["StudyInstanceUID"] for uids in taken.values())
    listed = {entry["StudyInstanceUID"]: entry["NumberOfStudyRelatedInstances"] for entry in studies}
    # One SOP Instance UID with other bytes may come with another study: either file may have been first.
    twice = {uid for uid, found in digests.items() if len(found) > 1}
    assert sum(listed.values()) == len(taken)
    assert set(listed) == set(expected)
    if not twice:
        assert listed == dict(expected)
    assert report["quarantined"] == len(report["refused"]) - len(refused)
    assert report["quarantined"] >= len(twice)

    again = _json(capsys, "import", str(data), "--json", *(["--link"] if link else []))
    assert isinstance(again, dict)
    assert again["added"] == 0
    assert len(_json(capsys, "list", "--json")) == len(listed)


@pytest.mark.data
def test_a_readable_image_is_only_refused_for_its_identity(
    data: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the shared list calls readable and decodable is indexed unless its UIDs are missing or taken."""
    import csv

    with (data / "MANIFEST.csv").open(encoding="utf-8") as file:
        good = {row["file"] for row in csv.DictReader(file) if row["reads"] == "yes" and row["decodes"] == "yes"}
    report = _json(capsys, "import", str(data), "--json", "--link")
    assert isinstance(report, dict)
    seen: Counter[str] = Counter()
    for path in data.rglob("*"):
        uids = _read_independently(path) if path.is_file() else None
        if uids is not None:
            seen[uids["SOPInstanceUID"]] += 1
    for entry in report["refused"]:
        path = Path(entry["path"].split("!")[0]).resolve()
        if path.relative_to(data).as_posix() in good:
            uids = _read_independently(path)
            assert uids is None or seen[uids["SOPInstanceUID"]] > 1, entry


@pytest.mark.data
def test_list_of_one_study(data: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data / "overlays-seg" / "ct-3slice-liver"
    report = _json(capsys, "import", str(folder), "--json")
    assert isinstance(report, dict)
    assert report["added"] == 5
    studies = _json(capsys, "list", "--json")
    series = [entry for study in studies for entry in _json(capsys, "list", study["StudyInstanceUID"], "--json")]
    expected = Counter(str(dcmread(path, stop_before_pixels=True).SeriesInstanceUID) for path in folder.iterdir())
    assert {entry["SeriesInstanceUID"]: entry["NumberOfSeriesRelatedInstances"] for entry in series} == dict(expected)


def test_a_missing_path_fails_with_its_reason(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "no-such-file.dcm"]) == 1
    assert "no-such-file.dcm" in capsys.readouterr().err


def test_unknown_study_fails_in_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["list", "1.2.3"], ["findings", "1.2.3"], ["render", "1.2.3", "-o", "x.png"]):
        assert run(command) == 1
        error = capsys.readouterr().err
        assert error.startswith("lightbox: ")
        assert error.count("\n") == 1
