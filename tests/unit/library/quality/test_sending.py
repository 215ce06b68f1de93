"""The gate before sending."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from builders.quality_objects import good_ct, part10
from lightbox.cli.main import run
from lightbox.library.library import Library
from lightbox.library.quality import doubts


def write(folder: Path, count: int, **attributes: object) -> list[Path]:
    common = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), **attributes}
    paths = [folder / f"{number}.dcm" for number in range(count)]
    for path in paths:
        path.write_bytes(part10(good_ct(**common)))
    return paths


def test_the_same_fault_is_told_once(library: Library, tmp_path: Path) -> None:
    files = write(tmp_path, 4, Rows=None)
    found = doubts(files, lambda: library)
    assert [(doubt.issue.code, doubt.count) for doubt in found] == [("type1.missing", 4)]
    library.import_paths(files)
    uids = [row.sop_instance_uid for page in library.page_studies().rows for row in _instances(library, page)]
    before = doubts(uids, lambda: library)
    library.check_quality()
    assert [(d.issue.code, d.count) for d in doubts(uids, lambda: library)] == [("type1.missing", 4)]
    assert [(d.issue.code, d.count) for d in before] == [("type1.missing", 4)]


def _instances(library: Library, study) -> list:
    series = library.series_of(study.study_instance_uid)
    return [item for entry in series for item in library.instances_of(entry.series_instance_uid)]


def test_what_is_good_or_cannot_be_opened_raises_no_doubt(library: Library, tmp_path: Path) -> None:
    assert doubts([*write(tmp_path, 1), tmp_path / "missing.dcm", "1.2.3"], lambda: library) == []


def test_the_command_says_it_and_strict_holds_it_back(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["peers", "add", "PACS", "--ae", "PACS", "--host", "127.0.0.1", "--port", "1"])
    (file,) = write(tmp_path, 1, Rows=None)
    capsys.readouterr()
    assert run(["send", "PACS", str(file), "--strict"]) == 1
    told = capsys.readouterr().err
    assert "type1.missing: (0028,0010) Rows" in told
    assert "Nothing was queued" in told
    assert run(["send", "PACS", str(file), "--json"]) == 0
    shown = capsys.readouterr()
    assert '"queued": 1' in shown.out
    assert "type1.missing" in shown.err
