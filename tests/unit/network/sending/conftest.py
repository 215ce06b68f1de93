"""A send queue that does not wait long, and its home."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.peer_servers import free_port
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, PeerBook
from lightbox.network.sending import queue as queue_module
from lightbox.network.sending.queue import SendQueue
from lightbox.network.sending.states import JobRecord, QueueSettings

IMPATIENT = QueueSettings(first_delay_s=0.05, maximum_delay_s=0.2, tries=4, commitment_wait_s=0.2)


class Bench:
    """A queue, its peers, and how to run jobs to their end."""

    def __init__(self, home: Path, identity: LocalIdentity, library: Library | None = None) -> None:
        self.home = home
        self.identity = identity
        self.book = PeerBook(Settings(home))
        self.library = library
        self.queues: list[SendQueue] = []

    def queue(self, settings: QueueSettings = IMPATIENT) -> SendQueue:
        """Return a queue on the home, as another process would open it."""

        def library() -> Library:
            assert self.library is not None
            return self.library

        made = SendQueue(self.home, library, self.book, self.identity, settings)
        self.queues.append(made)
        return made

    def run(
        self, peer: Peer, items: list[Any], *, settings: QueueSettings = IMPATIENT, timeout: float = 30, **options: Any
    ) -> tuple[SendQueue, JobRecord]:
        """Send `items` to `peer` and wait for the end."""
        if peer not in self.book.all():
            self.book.add(peer, replace=True)
        queue = self.queue(settings)
        job = queue.enqueue(peer.name, items, **options)
        queue.start()
        assert queue.wait([job], timeout=timeout), [(o.state, o.reason) for o in queue.objects(job, limit=5)]
        return queue, queue.job(job)


@pytest.fixture
def identity() -> LocalIdentity:
    """Ourselves, on a free port of loopback, not patient."""
    return LocalIdentity("LIGHTBOX", free_port(), "127.0.0.1", association_timeout=3, dimse_timeout=5)


@pytest.fixture
def bench(home: Path, identity: LocalIdentity, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """See `Bench`; queues are closed at the end."""
    monkeypatch.setattr(queue_module, "_POLL_S", 0.05)
    made = Bench(home, identity)
    yield made
    for queue in made.queues:
        queue.close()


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[Path]]:
    """Write CT images and return their paths: ``files(count, **attributes)``."""
    from builders import network_objects

    def write(count: int, name: str = "a", **attributes: Any) -> list[Path]:
        datasets = [network_objects.ct("study", name, number, **attributes) for number in range(1, count + 1)]
        folder = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        return network_objects.write(folder, datasets)

    return write
