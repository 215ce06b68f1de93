"""The command ``preflight``: output, files, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import network_objects
from builders.peer_servers import free_port
from lightbox.cli.main import run
from lightbox.core.settings import Settings
from lightbox.network.peers import Peer, PeerBook
from lightbox.network.preflight import needs, services, vocabulary

CT = "1.2.840.10008.5.1.4.1.1.2"
BOTH = (vocabulary.IMPLICIT_LE, vocabulary.EXPLICIT_LE)
FULL = {
    services.VERIFICATION: BOTH,
    services.STUDY_FIND: BOTH,
    services.STUDY_GET: BOTH,
    services.STUDY_MOVE: BOTH,
    CT: BOTH,
    **dict.fromkeys(needs.PRODUCED, BOTH),
}


@pytest.fixture
def add(home: Path, start: Callable[..., Peer]) -> Callable[..., Peer]:
    """Start a peer and add it to the peers."""

    def begin(matrix: dict[str, tuple[str, ...]] | None = None, name: str = "peer") -> Peer:
        peer = start(FULL if matrix is None else matrix, name=name)
        PeerBook(Settings(home)).add(peer, replace=True)
        return peer

    return begin


def test_json_has_the_contract(add: Callable[..., Peer], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network_objects.study(tmp_path / "files", "one", 2)
    assert run(["import", str(tmp_path / "files")]) == 0
    capsys.readouterr()
    add()
    assert run(["preflight", "peer", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["peer"] == "peer"
    for row in found["rows"]:
        assert row["role"] in ("scp", "scu")
        assert row["observed"] in ("accepted", "refused", "untested")
        assert isinstance(row["declared"], bool)
        assert isinstance(row["needed"], bool)
        assert row["sop_class"].replace(".", "").isdigit()
    held = [row for row in found["rows"] if row["instances"]]
    assert [(row["sop_class"], row["role"], row["instances"], row["verdict"]) for row in held] == [
        (CT, "scp", 2, "ok"),
        (CT, "scu", 2, "ok"),
    ]


def test_text_and_page_and_exit_codes(
    add: Callable[..., Peer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add({services.VERIFICATION: BOTH, CT: BOTH})
    page = tmp_path / "report.html"
    assert run(["preflight", "peer", "--html", str(page)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("peer: not ready")
    assert "7 SOP classes are refused in every encoding" in out
    assert "preflight PEER --use store" in out
    assert "<!doctype html>" in page.read_text(encoding="utf-8")
    assert run(["preflight", "peer", "--use", "coffee"]) == 2
    assert run(["preflight", "nobody"]) == 1
    assert run(["preflight", "peer", "--trust-probe", "--round-trip"]) == 2
    assert run(["preflight"]) == 2


def test_a_peer_that_is_down_is_told_in_words(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    PeerBook(Settings(home)).add(Peer("down", "DOWN", "127.0.0.1", port))
    page = tmp_path / "report.html"
    assert run(["preflight", "down", "--json", "--html", str(page)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"Nothing listens on 127.0.0.1:{port}" in captured.err
    assert not page.exists()


def test_declaration_trust_and_history(
    add: Callable[..., Peer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add()
    table = tmp_path / "brochure.csv"
    table.write_text("SOP class;Transfer syntax\nCT Image Storage;LittleEndianImplicit\nMR Image Storage;ELE\nX;Y\n")
    assert run(["preflight", "peer", "--declaration", str(table), "--json"]) == 1
    captured = capsys.readouterr()
    assert "Not understood in brochure.csv: line 4" in captured.err
    verdicts = {
        (row["sop_class"], row["transfer_syntax"]): row["verdict"]
        for row in json.loads(captured.out)["rows"]
        if row["declared"]
    }
    assert verdicts == {
        (CT, BOTH[0]): "ok",
        ("1.2.840.10008.5.1.4.1.1.4", BOTH[1]): "declared but refused",
    }
    assert run(["preflight", "peer", "--trust-probe"]) == 0
    capsys.readouterr()
    assert run(["preflight", "peer", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["declaration"]["source"] == "probe"
    assert {row["verdict"] for row in found["rows"] if row["declared"]} == {"ok"}
    # The peer loses something: the trusted probe is a promise now
    add({**FULL, CT: BOTH[:1]})
    assert run(["preflight", "peer"]) == 1
    out = capsys.readouterr().out
    assert "CT Image in Explicit LE: accepted → refused" in out
    assert "declared but refused: CT Image" in out
    assert run(["preflight", "peer", "--history"]) == 0
    assert capsys.readouterr().out.count("LIGHTBOX_") == 3


def test_purposes_are_kept(add: Callable[..., Peer], capsys: pytest.CaptureFixture[str]) -> None:
    add({k: v for k, v in FULL.items() if k not in (services.STUDY_FIND, services.STUDY_GET, services.STUDY_MOVE)})
    assert run(["preflight", "peer"]) == 1
    assert run(["preflight", "peer", "--use", "store"]) == 0
    assert run(["preflight", "peer"]) == 0
    capsys.readouterr()
    assert run(["preflight", "peer", "--use", "store", "--use", "worklist", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["purposes"] == ["store", "worklist"]
    failing = [row for row in found["rows"] if row["verdict"] == "blocked"]
    assert [row["sop_class"] for row in failing] == [services.WORKLIST]
