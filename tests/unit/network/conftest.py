"""An archive with a few small studies, and SCPs that misbehave."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt

from builders import network_objects, pynetdicom_peer
from builders.peer_servers import free_port
from lightbox.library.library import Library
from lightbox.network.archive import Archive
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer

FIND = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture
def identity() -> LocalIdentity:
    """Ourselves, on a free port of loopback, not patient."""
    return LocalIdentity("LIGHTBOX", free_port(), "127.0.0.1", association_timeout=3, dimse_timeout=5)


@pytest.fixture
def studies(tmp_path: Path) -> dict[str, list[Dataset]]:
    """Files of three studies in ``tmp_path / "source"``, by name."""
    source = tmp_path / "source"
    return {
        "one": network_objects.study(source / "one", "one", 4, series=2, patient="Müller^Jörg", StudyDate="20240110"),
        "two": network_objects.study(source / "two", "two", 3, patient="Yamada^Tarou=山田^太郎", StudyDate="20240220"),
        "three": network_objects.study(source / "three", "three", 2, patient="Smith^Ann", StudyDate="20230301"),
    }


@pytest.fixture
def archive(studies: dict[str, list[Dataset]], tmp_path: Path, identity: LocalIdentity) -> Iterator[Archive]:
    """Our embedded archive over the files of `studies`; it knows us as a destination."""
    destinations = {"LIGHTBOX": ("127.0.0.1", identity.port)}
    with Archive(tmp_path / "source", destinations=destinations) as running:
        yield running


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    """An empty library."""
    with Library.open(home) as opened:
        yield opened


@pytest.fixture
def scp() -> Iterator[Callable[..., Peer]]:
    """Start an SCP of pynetdicom with given contexts and handlers; returns it as a peer."""
    with contextlib.ExitStack() as stack:

        def start(models: list[str], handlers: list[Any], **options: Any) -> Peer:
            return stack.enter_context(pynetdicom_peer.running(models, handlers, **options))

        yield start


@pytest.fixture
def answering(scp: Callable[..., Peer]) -> Callable[..., Peer]:
    """Start a C-FIND SCP that gives the (status, identifier) pairs it was made with."""

    def start(*answers: tuple[int | Dataset, Dataset | None]) -> Peer:
        return scp([FIND], [(evt.EVT_C_FIND, lambda event: iter(answers))])

    return start
