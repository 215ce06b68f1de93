from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightbox.cli.main import run
from lightbox.core.settings import Settings
from lightbox.network.archive import Archive
from lightbox.network.peers import Peer, PeerBook


def test_save_run_and_remove(
    archive: Archive, home: Path, studies: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = PeerBook(Settings(home))
    book.add(archive.peer("main"))
    book.add(Peer("gone", "GONE", "127.0.0.1", 1))
    lightbox = ["--home", str(home), "query"]
    assert run([*lightbox, "save", "Smiths", "--patient-name", "Smith", "--dates", "2023-01-01..2023-12-31"]) == 0
    assert run([*lightbox, "save", "Chest", "all chest X-rays of patient 12345, past 6 months"]) == 0
    assert run([*lightbox, "save", "Wrong", "whatever you like"]) == 2
    assert run([*lightbox, "save", "Wrong", "--peer", "nobody"]) == 1
    capsys.readouterr()
    assert run([*lightbox, "list", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in kept] == ["Smiths", "Chest"]
    assert kept[1]["dates"] == "past 6 months"
    assert run([*lightbox, "run", "smiths", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["StudyInstanceUID"] for row in answer["studies"]] == [str(studies["three"][0].StudyInstanceUID)]
    assert answer["studies"][0]["announced"] == {"main": 2}
    assert {state["source"]: state["state"] for state in answer["sources"]} == {
        "library": "done",
        "main": "done",
        "gone": "failed",
    }
    assert run([*lightbox, "ask", "CT", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["studies"]) == 3
    assert run([*lightbox, "remove", "Chest"]) == 0
    assert run([*lightbox, "run", "Chest"]) == 1
    assert run([*lightbox, "save", "Lost", "CT", "--peer", "gone"]) == 0
    assert run([*lightbox, "run", "Lost"]) == 1
    assert "No archive answered" in capsys.readouterr().err


def test_priors(
    archive: Archive, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], studies: dict
) -> None:
    PeerBook(Settings(home)).add(archive.peer("main"))
    lightbox = ["--home", str(home)]
    assert run([*lightbox, "import", str(tmp_path / "source" / "three")]) == 0
    capsys.readouterr()
    assert run([*lightbox, "priors", str(studies["three"][0].StudyInstanceUID), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["priors"] == []
    assert {state["source"] for state in values["sources"]} == {"library", "main"}
