"""What the methods share: whom to ask, where objects go, and how several associations divide the work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.network.identity import LocalIdentity
from lightbox.network.operation import Target
from lightbox.network.peers import Peer
from lightbox.network.retrieving.catcher import Catcher
from lightbox.network.retrieving.tally import Tally

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library
    from lightbox.network.secrets import Secrets


@dataclass(frozen=True)
class Work:
    """One retrieve, as its methods see it."""

    peer: Peer
    identity: LocalIdentity
    library: Library
    tally: Tally
    receiver: Catcher
    cancel: CancelToken
    settings: Settings | None = None
    secrets: Secrets | None = None


class Supply:
    """Targets that several workers take one after the other."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._targets = list(targets)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._targets)

    def take(self) -> Target | None:
        """Return the next target, None when there is none left."""
        with self._lock:
            return self._targets.pop(0) if self._targets else None

    def put_back(self, target: Target) -> None:
        """Return a target that could not be asked for."""
        with self._lock:
            self._targets.insert(0, target)


def share(supply: Supply, workers: int, run: Callable[[Supply], None]) -> None:
    """Have up to `workers` threads, the calling one among them, work on `supply`.

    A further worker that fails before anything is left undone (the archive grants fewer associations than we would
    use) does no harm: the first one does its work.

    Raises
    ------
    Exception
        What ended the first worker; else what ended another one while targets are left.
    """
    errors: list[Exception] = []

    def guarded() -> None:
        try:
            run(supply)
        except Exception as error:
            errors.append(error)

    others = [
        threading.Thread(target=guarded, name=f"retrieve-{number}", daemon=True)
        for number in range(1, min(workers, len(supply)))
    ]
    for thread in others:
        thread.start()
    try:
        run(supply)
    finally:
        for thread in others:
            thread.join()
    for error in errors:
        if isinstance(error, Cancelled) or not isinstance(error, LightboxError):
            raise error
    if errors and len(supply):
        raise errors[0]
