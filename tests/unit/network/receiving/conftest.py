"""A receiver in processes of its own, and ways to send to it."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from builders import network_objects
from lightbox.library.library import Library
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receiving.policy import ReceivingPolicy
from lightbox.network.receiving.process import ReceiverProcess


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    """An empty library."""
    with Library.open(home) as opened:
        yield opened


@pytest.fixture
def receiver(home: Path, library: Library) -> Iterator[ReceiverProcess]:
    """A running receiver with two workers, on a free port of loopback."""
    policy = ReceivingPolicy(workers=2, reserve=0)
    with ReceiverProcess(home, LocalIdentity("LIGHTBOX", 0, "127.0.0.1"), policy, library=library) as running:
        yield running


@pytest.fixture
def peer(receiver: ReceiverProcess) -> Peer:
    """The receiver, as others see it."""
    return Peer("us", "LIGHTBOX", "127.0.0.1", receiver.port)


@pytest.fixture
def sender() -> LocalIdentity:
    """Somebody who sends."""
    return LocalIdentity("SENDER", 0, "127.0.0.1", association_timeout=5, dimse_timeout=10)


@pytest.fixture
def encoded() -> bytes:
    """A small CT image as it goes over the wire: Explicit VR Little Endian, without file meta information."""
    dataset = network_objects.ct("study", "series", 1)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    from lightbox.network.stored import describe

    return buffer.getvalue()[describe(buffer).offset :]
