"""``lightbox send`` and ``lightbox queue``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builders import network_objects
from builders.faulty_peers import FaultyArchive
from lightbox.cli.main import run
from lightbox.library.library import Library
from lightbox.network.peers import Peer
from lightbox.workstation import Workstation


@pytest.fixture
def archive(home: Path) -> Any:
    with FaultyArchive() as running:
        workstation = Workstation(home)
        workstation.peers.add(running.peer("pacs", commitment="never"))
        workstation.peers.add(Peer("down", "DOWN", "127.0.0.1", 1))
        workstation.close()
        yield running


@pytest.fixture
def studies(home: Path, tmp_path: Path) -> list[Any]:
    made = network_objects.study(tmp_path / "in", "one", 3, series=2)
    with Library.open(home) as library:
        library.import_paths([tmp_path / "in"])
    return made


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    code = run([*arguments])
    output = capsys.readouterr()
    return code, json.loads(output.out) if output.out.startswith(("{", "[")) else output.out, output.err


def test_a_study_of_the_library(archive: FaultyArchive, studies: list[Any], capsys: Any) -> None:
    uid = str(studies[0].StudyInstanceUID)
    code, told, _ = command(capsys, "send", "pacs", uid, "--commit", "--wait", "--json")
    assert code == 0
    assert told == {"job": 1, "queued": 6, "sent": 6, "confirmed": 6, "failed": []}
    assert set(archive.kept) == {str(dataset.SOPInstanceUID) for dataset in studies}


def test_series_object_file_and_folder(archive: FaultyArchive, studies: list[Any], tmp_path: Path, capsys: Any) -> None:
    network_objects.study(tmp_path / "more", "two", 2)
    single = network_objects.write(tmp_path / "single", [network_objects.ct("three", "x", 1)])[0]
    series = str(studies[0].SeriesInstanceUID)
    targets = [series, str(studies[5].SOPInstanceUID), str(tmp_path / "more"), str(single)]
    code, told, _ = command(capsys, "send", "pacs", *targets, "--wait", "--json")
    assert (code, told["queued"], told["sent"], told["confirmed"]) == (0, 7, 7, 0)
    assert len(archive.kept) == 7


def test_queued_now_and_sent_later(archive: FaultyArchive, studies: list[Any], capsys: Any) -> None:
    uid = str(studies[0].StudyInstanceUID)
    code, told, error = command(capsys, "send", "pacs", uid, "--commit", "--priority", "urgent")
    assert (code, told) == (0, "Job 1: 6 objects queued for pacs\n")
    assert "queue work" in error
    assert not archive.came
    code, told, _ = command(capsys, "queue", "list", "--json")
    assert [(job["state"], job["queued"], job["sent"]) for job in told] == [("queued", 6, 0)]
    assert command(capsys, "queue", "pause", "1")[0] == 0
    assert command(capsys, "queue", "list", "--json")[1][0]["state"] == "paused"
    assert command(capsys, "queue", "resume", "1")[0] == 0
    assert command(capsys, "queue", "work", "--timeout", "30")[0] == 0
    code, told, _ = command(capsys, "queue", "show", "1", "--json")
    assert {entry["state"] for entry in told["objects"]} == {"confirmed"}
    assert "confirmed" in command(capsys, "queue")[1]


def test_what_failed_is_in_the_report_and_the_exit_code(
    archive: FaultyArchive, studies: list[Any], capsys: Any
) -> None:
    archive.answers = [0xA900]
    uid = str(studies[0].StudyInstanceUID)
    code, told, error = command(capsys, "send", "pacs", uid, "--wait", "--json")
    assert code == 1
    (failed,) = told["failed"]
    assert failed["sop_instance_uid"] in {str(dataset.SOPInstanceUID) for dataset in studies}
    assert "0xA900" in failed["reason"]
    assert "1 failed" in error
    code, told, _ = command(capsys, "queue", "retry", "1", "--json")
    assert (code, told) == (0, {"objects": 1})
    assert command(capsys, "queue", "work", "--timeout", "30")[0] == 0


def test_not_confirmed_is_a_failure_when_it_was_asked_for(
    archive: FaultyArchive, studies: list[Any], capsys: Any
) -> None:
    archive.stop()
    archive.query = False
    archive.start()
    uid = str(studies[0].SOPInstanceUID)
    code, told, error = command(capsys, "send", "pacs", uid, "--wait", "--commit", "--json")
    assert (code, told["sent"], told["confirmed"]) == (1, 1, 0)
    assert "1 not confirmed" in error
    assert command(capsys, "send", "pacs", uid, "--wait", "--json")[0] == 0


def test_a_peer_that_is_down(archive: FaultyArchive, studies: list[Any], capsys: Any) -> None:
    uid = str(studies[0].SOPInstanceUID)
    code, told, error = command(capsys, "send", "down", uid, "--wait", "--timeout", "1.5", "--json")
    assert (code, told["sent"]) == (1, 0)
    assert "1 not sent" in error
    code, told, _ = command(capsys, "queue", "list", "--json")
    assert told[0]["state"] == "waiting"
    assert "Nothing listens on 127.0.0.1:1" in told[0]["reason"]
    assert command(capsys, "queue", "cancel", "1", "--json")[1] == {"objects": 1}
    assert command(capsys, "queue", "list", "--json")[1][0]["state"] == "cancelled"


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "pacs"),
        ("send", "pacs", "1.2.3.4"),
        ("send", "nobody", "1.2.3"),
        ("queue", "show", "9"),
        ("queue", "cancel", "9"),
        ("queue", "retry", "--peer", "nobody"),
        ("queue", "pause", "1", "--peer", "pacs"),
    ],
)
def test_what_makes_no_sense(archive: FaultyArchive, arguments: tuple[str, ...], capsys: Any) -> None:
    code, _, error = command(capsys, *arguments)
    assert code != 0
    assert error.startswith("lightbox: ")
    assert command(capsys, "queue", "list", "--json")[1] == []
