"""Command line: keys, shapes, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightbox.cli.main import COMMANDS, run
from lightbox.cli.network_commands import parse_keys
from lightbox.cli.shapes import reply_shape
from lightbox.core.errors import UsageError
from lightbox.network.reports import RetrieveReport


def test_keys_in_any_spelling() -> None:
    keys = parse_keys(["--PatientName", "DOE*", "--study-date=20240101-", "--modalitiesinstudy", "CT"])
    assert keys == {"PatientName": "DOE*", "StudyDate": "20240101-", "ModalitiesInStudy": "CT"}


@pytest.mark.parametrize("arguments", [["--NoSuchKeyword", "x"], ["loose"], ["--PatientID"]])
def test_wrong_keys_are_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_keys(arguments)


def test_a_near_keyword_is_suggested() -> None:
    with pytest.raises(UsageError, match="--PatientName"):
        parse_keys(["--PatientNam", "x"])


def test_reply_shape_has_numbers_and_lists() -> None:
    shape = reply_shape({"ModalitiesInStudy": "CT\\SEG", "NumberOfStudyRelatedInstances": "12 ", "PatientID": "P1"})
    assert shape == {"ModalitiesInStudy": ["CT", "SEG"], "NumberOfStudyRelatedInstances": 12, "PatientID": "P1"}
    assert reply_shape({"NumberOfStudyRelatedSeries": ""}) == {"NumberOfStudyRelatedSeries": None}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no-such-command"], 2),
        (["echo"], 2),
        (["echo", "nobody"], 1),
        (["peers", "add", "x", "AE TITLE TOO LONG FOR DICOM", "localhost", "104"], 2),
        (["peers", "add", "x", "AE", "localhost", "104"], 0),
        (["peers", "remove", "nobody"], 1),
        (["render", "image.dcm", "-o", "image.png", "--window", "nan", "nan"], 2),
        (["render", "image.dcm", "-o", "image.png", "--window", "40", "inf"], 2),
        (["--help"], 0),
        (["--version"], 0),
    ],
)
def test_exit_codes(home: Path, arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == code
    error = capsys.readouterr().err
    assert (error == "") == (code == 0)
    assert error.count("\n") <= 1
    assert "Traceback" not in error


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "Usage: lightbox" in capsys.readouterr().out


def test_peers_round_trip(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["peers", "add", "main", "ORTHANC", "localhost", "4242"]) == 0
    assert run(["peers", "add", "main", "OTHER", "localhost", "4242"]) == 1
    capsys.readouterr()
    assert run(["peers", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"name": "main", "ae_title": "ORTHANC", "host": "localhost", "port": 4242}
    ]
    assert run(["peers", "remove", "MAIN"]) == 0
    capsys.readouterr()
    assert run(["peers", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_incomplete_retrieve_says_what_was_noticed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "We cannot listen on port 104"
    report = RetrieveReport("1.2", announced=1, failed=[("1.2.3", "the archive could not send it")], notes=[note])
    monkeypatch.setattr("lightbox.network.retrieve.retrieve", lambda *_, **__: report)
    assert run(["peers", "add", "main", "ORTHANC", "localhost", "4242"]) == 0
    assert run(["retrieve", "main", "1.2"]) == 1
    error = capsys.readouterr().err
    assert "0 of 1, 1 failed: the archive could not send it" in error
    assert note in error
