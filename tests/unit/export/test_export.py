"""An export from end to end: folder, report, accounts, cancel, a process of its own, all shared files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from builders import phi
from lightbox.core.errors import Cancelled, LightboxError, NotFoundError, UsageError
from lightbox.core.jobs import CancelToken
from lightbox.deid import log
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import PRESETS, preset
from lightbox.deid.source import OpenerSource, PathSource
from lightbox.export import job, report, worker
from lightbox.export.cohort import Cohort

KEY = ProjectKey(bytes(range(32)))
EXPORTS = pytest.mark.parametrize("export", [job.export, worker.export], ids=["here", "process"])
Export = Callable[..., job.ExportReport]


def write(folder: Path, person: phi.Person, count: int = 3) -> None:
    target = folder / person.name.split("^")[0]
    target.mkdir(parents=True)
    for number in range(1, count + 1):
        (target / f"{person.patient_id}-{number}.dcm").write_bytes(phi.ct(person, number=number).data)


@pytest.fixture
def people() -> list[phi.Person]:
    return [
        phi.Person(),
        phi.Person(name="Sauerampfer^Liesl", patient_id="77120033", root="1.3.6.1.4.1.99999.77", study_date="20180411"),
    ]


@pytest.fixture
def inputs(tmp_path: Path, people: list[phi.Person]) -> Path:
    folder = tmp_path / "in"
    for person in people:
        write(folder, person)
    (folder / "readme.txt").write_text("Müßigbrödt was here")
    return folder


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@EXPORTS
def test_export(export: Export, tmp_path: Path, inputs: Path, people: list[phi.Person]) -> None:
    before = tree(inputs)
    steps: list[tuple[int, int]] = []
    out = tmp_path / "out"
    done = export(
        Cohort.of_paths([inputs]),
        preset("research-modified-dates"),
        KEY,
        out,
        progress=lambda n, total=0, **_: steps.append((n, total)),
    )
    assert tree(inputs) == before
    assert (done.total, done.exported, done.quarantined, done.failed) == (7, 6, 1, 0)
    assert (done.patients, done.studies, done.series) == (2, 2, 2)
    assert [(Path(one.label).name, one.code) for one in done.withheld] == [("readme.txt", "not-dicom")]
    assert steps[-1] == (14, 14)
    files = tree(out)
    assert len(files) == 6
    for name in files:
        assert re.fullmatch(r"P-[A-Z2-7]{10}/2\.25\.\d+/2\.25\.\d+/2\.25\.\d+\.dcm", name)
        ds = pydicom.dcmread(out / name)
        assert name == f"{ds.PatientID}/{ds.StudyInstanceUID}/{ds.SeriesInstanceUID}/{ds.SOPInstanceUID}.dcm"
        for person in people:
            assert phi.leaks((out / name).read_bytes(), person.needles) == []


def test_the_report_tells_everything_but_who_it_was(tmp_path: Path, inputs: Path, people: list[phi.Person]) -> None:
    out = tmp_path / "out"
    done = job.export(Cohort.of_paths([inputs]), preset("basic"), KEY, out)
    folder = tmp_path / "out-report"
    assert done.report_dir == folder
    assert {path.name for path in folder.iterdir()} == {
        report.LOG_NAME, report.MANIFEST_NAME, report.SUMMARY_NAME, report.CERTIFICATE_NAME,
    }  # fmt: skip
    for path in folder.iterdir():
        for person in people:
            assert phi.leaks(path.read_bytes(), person.needles) == [], path.name
    sealed = json.loads((folder / report.MANIFEST_NAME).read_text())
    manifest = sealed["manifest"]
    assert {one["file"]: one["sha256"] for one in manifest["files"]} == tree(out)
    assert sealed["seal"] == KEY.derive("manifest", json.dumps(manifest, indent=1, sort_keys=True)).hex()
    assert manifest["log_head"] == done.log_head
    records = list(log.read(folder / report.LOG_NAME))
    assert len(records) == done.total
    exported = {record["file"]: record["target_sha256"] for record in records if record["outcome"] == "exported"}
    assert exported == tree(out)
    with (folder / report.SUMMARY_NAME).open(newline="") as file:
        rows = {(row["path"], row["action"]): int(row["count"]) for row in csv.DictReader(file)}
    assert rows["(0010,0010)", "replaced"] == 6
    certificate = (folder / report.CERTIFICATE_NAME).read_text()
    assert "PatientName" in certificate
    assert "not-dicom" in certificate


def test_the_crosswalk_is_written_on_request_only_and_privately(tmp_path: Path, inputs: Path) -> None:
    job.export(Cohort.of_paths([inputs]), preset("basic"), KEY, tmp_path / "out", crosswalk=True)
    folder = tmp_path / "out-report" / report.CONFIDENTIAL
    with (folder / "patid_map.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id_old", "id_new"]
    assert {row[0] for row in rows[1:]} == {"MRN-00471182", "77120033"}
    with (folder / "uid_map.csv").open(newline="") as file:
        uids = {row["id_old"]: row["id_new"] for row in csv.DictReader(file)}
    new = {Path(name).stem for name in tree(tmp_path / "out")}
    assert {uids[f"{phi.Person().root}.1.1.{n}"] for n in (1, 2, 3)} <= new
    assert (folder / "uid_map.csv").stat().st_mode & 0o077 == 0


def test_the_same_export_twice_gives_the_same_bytes(tmp_path: Path, inputs: Path) -> None:
    for name in ("one", "two"):
        job.export(Cohort.of_paths([inputs]), preset("research-modified-dates"), KEY, tmp_path / name)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    logs = [(tmp_path / f"{name}-report" / report.LOG_NAME).read_bytes() for name in ("one", "two")]
    assert logs[0] == logs[1]


def test_an_export_into_a_folder_that_has_it_already_changes_nothing(tmp_path: Path, inputs: Path) -> None:
    out = tmp_path / "out"
    job.export(Cohort.of_paths([inputs]), preset("basic"), KEY, out)
    before = tree(out)
    again = job.export(Cohort.of_paths([inputs]), preset("basic"), KEY, out, tmp_path / "second-report")
    assert (again.exported, tree(out)) == (6, before)
    other = job.export(
        Cohort.of_paths([inputs]), preset("research-modified-dates"), KEY, out, tmp_path / "third-report"
    )
    assert (other.exported, other.reasons["conflict"], tree(out)) == (0, 6, before)
    with pytest.raises(LightboxError, match="another export"):
        job.export(Cohort.of_paths([inputs]), preset("basic"), KEY, out)


def test_an_object_given_twice_is_exported_once(tmp_path: Path, inputs: Path) -> None:
    done = job.export(Cohort.of_paths([inputs, inputs]), preset("basic"), KEY, tmp_path / "out")
    assert (done.exported, done.reasons["duplicate"], done.total) == (6, 6, 14)


def test_a_file_that_fails_verification_never_reaches_the_destination(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightbox.deid.treatment import Treatment

    monkeypatch.setattr(Treatment, "_search_kept", lambda self: None)
    monkeypatch.setattr(
        "lightbox.deid.descriptors.clean", lambda text, lexicon: type("C", (), {"text": text, "removed": 0})
    )
    done = job.export(Cohort.of_paths([inputs]), preset("research-modified-dates"), KEY, tmp_path / "out")
    assert (done.exported, done.reasons["verification"]) == (0, 6)
    assert tree(tmp_path / "out") == {}
    assert all("Müßigbrödt" not in one.reason for one in done.withheld)


def test_an_object_that_the_engine_cannot_handle_costs_only_itself(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightbox.deid.engine import Engine

    whole = Engine.transform

    def transform(self: Engine, data: bytes) -> object:
        if b"77120033" in data:
            raise RuntimeError("Sauerampfer")
        return whole(self, data)

    monkeypatch.setattr(Engine, "transform", transform)
    done = job.export(Cohort.of_paths([inputs]), preset("basic"), KEY, tmp_path / "out")
    assert (done.exported, done.failed, done.quarantined) == (3, 3, 1)
    assert all("Sauerampfer" not in one.reason for one in done.withheld)


@EXPORTS
def test_cancel_keeps_what_was_done_and_its_record(export: Export, tmp_path: Path, inputs: Path) -> None:
    token = CancelToken()

    def progress(done: int, total: int = 0, **_: object) -> None:
        if done >= 9:
            token.cancel()

    with pytest.raises(Cancelled):
        export(Cohort.of_paths([inputs]), preset("basic"), KEY, tmp_path / "out", progress=progress, cancel=token)
    records = list(log.read(tmp_path / "out-report" / report.LOG_NAME))
    assert {r["file"] for r in records if r["outcome"] == "exported"} == set(tree(tmp_path / "out"))
    manifest = json.loads((tmp_path / "out-report" / report.MANIFEST_NAME).read_text())["manifest"]
    assert manifest["exported"] + manifest["quarantined"] + manifest["failed"] < manifest["total"]


@EXPORTS
def test_objects_that_only_the_caller_can_open(export: Export, tmp_path: Path) -> None:
    def refuse() -> io.BytesIO:
        raise PermissionError(13, "Permission denied")

    sources = [OpenerSource(f"object {n}", lambda n=n: io.BytesIO(phi.ct(number=n).data)) for n in (1, 2)]
    done = export([*sources, OpenerSource("locked", refuse)], preset("basic"), KEY, tmp_path / "out")
    assert (done.exported, done.failed) == (2, 1)
    assert [(one.label, one.code, one.reason) for one in done.withheld] == [
        ("locked", "unreadable", "Permission denied")
    ]


@EXPORTS
def test_folders_that_would_mix_are_refused(export: Export, tmp_path: Path, inputs: Path) -> None:
    with pytest.raises(LightboxError, match="report cannot lie inside"):
        export(Cohort.of_paths([inputs]), preset("basic"), KEY, tmp_path / "out", tmp_path / "out" / "report")
    with pytest.raises(LightboxError, match="source lies inside"):
        export(Cohort.of_paths([inputs]), preset("basic"), KEY, tmp_path)


def test_a_cohort_of_paths(tmp_path: Path, inputs: Path) -> None:
    cohort = Cohort.of_paths([inputs, inputs / "readme.txt"])
    assert len(cohort) == 8
    assert all(isinstance(one, PathSource) for one in cohort)
    with pytest.raises(NotFoundError):
        Cohort.of_paths([tmp_path / "nothing"])
    with pytest.raises(UsageError):
        preset("nothing")


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_all_shared_files_go_through(name: str, data: Path, tmp_path: Path) -> None:
    """Every file is exported or withheld with a reason, and what is exported parses and says what was done."""
    cohort = Cohort.of_paths([data])
    done = job.export(cohort, preset(name), KEY, tmp_path / "out", accept_burned_in=True)
    assert done.exported + done.quarantined == done.total == len(cohort)
    assert done.failed == 0
    assert done.reasons["verification"] == 0
    assert done.exported >= 1000 - done.reasons["duplicate"]
    uids = set()
    for path in sorted((tmp_path / "out").rglob("*.dcm")):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        assert ds.PatientIdentityRemoved == "YES"
        assert str(ds.PatientName) == f"{ds.PatientID}^"
        assert ds.PatientBirthDate == "" if "PatientBirthDate" in ds else True
        uids.add(ds.SOPInstanceUID)
    assert len(uids) == done.exported
