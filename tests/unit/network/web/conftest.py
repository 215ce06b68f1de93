from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from builders import network_objects
from lightbox.core.settings import Settings
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.secrets import Secrets
from lightbox.network.web.service import WebService

IDENTITY = LocalIdentity("LIGHTBOX", 0, "127.0.0.1", connect_timeout=2, dimse_timeout=1)


@pytest.fixture
def connect(home: Path) -> Iterator[Callable[..., WebService]]:
    """Return the service at an address, with settings and secrets of a fresh data folder."""
    with ExitStack() as stack:

        def make(url: str, *, secret: str = "", identity: LocalIdentity = IDENTITY, **web: Any) -> WebService:
            peer = Peer("archive", "ARCHIVE", "127.0.0.1", 104, web=WebSettings(url, **web))
            secrets = Secrets(home)
            if secret:
                secrets.set("archive", secret)
            return stack.enter_context(WebService(peer, identity, settings=Settings(home), secrets=secrets))

        yield make


@pytest.fixture
def images() -> list[Dataset]:
    """Two series of three images each."""
    return [network_objects.ct("web", series, number) for series in ("a", "b") for number in range(3)]
