"""Going on with the retrieves of a process that died. What came before is in the library and is not asked for again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import PeerBook
from lightbox.network.retrieve import retrieve
from lightbox.network.retrieving import journal, order
from lightbox.network.retrieving.journal import Entry

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library
    from lightbox.network.reports import RetrieveReport
    from lightbox.network.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Resumed:
    """What became of one retrieve that was gone on with: its report, or why it failed."""

    entry: Entry
    report: RetrieveReport | None = None
    error: LightboxError | None = None


def resume(
    peers: PeerBook,
    identity: LocalIdentity,
    library: Library,
    *,
    settings: Settings | None = None,
    secrets: Secrets | None = None,
    progress: Callable[[Entry, Progress], object] | None = None,
    cancel: CancelToken | None = None,
) -> list[Resumed]:
    """Go on with every retrieve that a dead process left in the journal of the library's data folder.

    One that fails for reasons that pass (the archive cannot be reached) stays in the journal; the others leave it.

    Raises
    ------
    Cancelled
        `cancel` was cancelled; what was not finished stays in the journal.
    """
    found: list[Resumed] = []
    with journal.taken(library.home) as waiting:
        for item in waiting:
            entry = item.entry

            def told(step: Progress, entry: Entry = entry) -> None:
                if progress is not None:
                    progress(entry, step)

            try:
                report = retrieve(
                    peers.get(entry.peer),
                    identity,
                    library,
                    entry.study_uid,
                    entry.series_uids,
                    method=entry.method,
                    progress=told,
                    cancel=cancel,
                    settings=settings,
                    secrets=secrets,
                )
            except Cancelled:
                raise
            except LightboxError as error:
                item.done = order.is_lasting(error)
                found.append(Resumed(entry, error=error))
            else:
                item.done = True
                found.append(Resumed(entry, report))
    return found
