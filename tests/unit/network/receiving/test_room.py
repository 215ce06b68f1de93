"""The disk of the receiver is never filled up, whatever is sent."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightbox.core.errors import LightboxError
from lightbox.network.receiving import notes, worker
from lightbox.network.receiving.channel import Channel
from lightbox.network.receiving.incoming import OUT_OF_RESOURCES, SUCCESS
from lightbox.network.receiving.notes import Inbox
from lightbox.network.receiving.policy import ReceivingPolicy
from lightbox.network.receiving.worker import SpoolReceiver

MB = 1024 * 1024


@pytest.fixture
def channel() -> Any:
    reading, writing = os.pipe()
    made = Channel(reading, writing)
    yield made
    made.close()


@pytest.mark.parametrize(("size", "status"), [(40, SUCCESS), (400, OUT_OF_RESOURCES)])
def test_an_object_without_end(
    home: Path, channel: Channel, monkeypatch: pytest.MonkeyPatch, size: int, status: int
) -> None:
    """One object that is larger than what is free ends before the reserve does, and leaves nothing."""
    spools = home / "library" / "spool"
    written = 0

    def usage(_: object) -> Any:
        return SimpleNamespace(free=300 * MB - written)

    monkeypatch.setattr(worker.shutil, "disk_usage", usage)
    receiver = SpoolReceiver(home, channel, ReceivingPolicy(reserve=200 * MB))
    incoming = receiver.open("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.1", "LORIS")
    chunk = bytes(MB)
    monkeypatch.setattr(incoming, "_file", _Measured(incoming._file))
    for _ in range(size):
        incoming.write(chunk)
        written = _Measured.written
        assert written < 150 * MB
    assert receiver.finish(incoming) == status
    assert bool(list(spools.rglob("*.ready"))) == (status == SUCCESS)
    assert not list(spools.rglob("*.part"))


class _Measured:
    """A file of the spool that only counts what is written."""

    written = 0

    def __init__(self, file: Any) -> None:
        _Measured.written = 0
        self._file = file

    def write(self, chunk: bytes) -> None:
        _Measured.written += len(chunk)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_notes_have_a_limit_in_all(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many large requests that nobody fetches fill neither the disk nor the memory of who reads them."""
    monkeypatch.setattr(notes, "MAXIMUM_TOTAL_BYTES", 10_000)
    inbox = Inbox(home)
    kept = 0
    with pytest.raises(LightboxError, match="Too many"):
        for _ in range(20):
            inbox.keep(
                notes.N_CREATE,
                notes.INSTANCE_AVAILABILITY,
                "1.2.3",
                bytes(3000),
                transfer_syntax_uid="1.2.840.10008.1.2",
                calling_ae="A",
                called_ae="B",
                address="127.0.0.1",
            )
            kept += 1
    assert kept == len(inbox.waiting()) == 2
