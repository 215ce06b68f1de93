from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from builders import network_objects
from lightbox.cli.receive_commands import rule_of
from lightbox.core.errors import UsageError
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network.echo import echo
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receiving.policy import Caller, ReceivingPolicy
from lightbox.network.send import send
from lightbox.network.stored import of_files

SENDER = LocalIdentity("CT1", 0, "127.0.0.1")


@contextmanager
def receiving(home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    command = [sys.executable, "-m", "lightbox", "--home", str(home), "receive", "--host", "127.0.0.1", "--port", "0"]
    # Programs that a shell starts in the background are born with Ctrl-C ignored: it must end this one all the same
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    try:
        yield process, iter(process.stdout)
    finally:
        process.kill()
        process.communicate()


def test_it_says_what_arrives_and_ends_after_it(home: Path, tmp_path: Path) -> None:
    paths = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", n) for n in range(5)])
    with receiving(home, "--until", "5", "--json") as (process, lines):
        first = json.loads(next(lines))
        assert first["event"] == "listening"
        assert send(Peer("us", "LIGHTBOX", "127.0.0.1", first["port"]), SENDER, of_files(paths)).complete
        rest = [json.loads(line) for line in lines]
        assert process.wait(30) == 0
    assert rest[-1] == {
        "event": "ended",
        "received": 5,
        "senders": {"CT1": 5},
        "added": 5,
        "duplicates": 0,
        "quarantined": 0,
        "refused": 0,
    }
    assert sum(line["count"] for line in rest if line["event"] == "received") == 5
    assert "Test^Person" not in json.dumps(rest)
    with Library.open(home) as library:
        assert [study.number_of_instances for study in library.page_studies().rows] == [5]


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_only_those_that_are_known(home: Path, request_to_end: signal.Signals) -> None:
    with receiving(home, "--only-known", "--allow", "CT1@127.0.0.0/8=echo", "--remember", "--json") as (process, lines):
        us = Peer("us", "LIGHTBOX", "127.0.0.1", json.loads(next(lines))["port"])
        assert echo(us, SENDER).ok
        assert echo(us, LocalIdentity("MR1", 0, "127.0.0.1")).code == "association.rejected"
        process.send_signal(request_to_end)
        told = [json.loads(line) for line in lines]
        assert process.wait(30) == 0
    rejected = [line for line in told if line["event"] == "rejected"]
    assert [(line["calling_ae"], line["reason"]) for line in rejected] == [("MR1", "caller-not-allowed")]
    kept = ReceivingPolicy.of(Settings(home))
    assert kept.only_known
    assert kept.callers == (Caller("CT1", "127.0.0.0/8", "", ("echo",)),)


def test_words_for_people(home: Path) -> None:
    with receiving(home, "--duration", "0.5") as (process, lines):
        text, errors = "".join(lines), process.stderr.read() if process.stderr else ""
        assert process.wait(30) == 0
    assert text == "0 objects received\n"
    assert "Receiving as LIGHTBOX on port" in errors
    assert "anyone may send" in errors


@pytest.mark.parametrize("text", ["", "=echo", "CT1=fly", "CT1@host.example", "sha256:12"])
def test_rules_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError):
        rule_of(text)


def test_rules() -> None:
    assert rule_of("@10.0.0.0/8") == Caller(host="10.0.0.0/8")
    assert rule_of("sha256:" + "ab" * 32 + "=echo,store") == Caller(fingerprint="ab" * 32, operations=("echo", "store"))
    assert rule_of("CT1=") == Caller("CT1", operations=())
