"""Retrieve a study or series into the library, and compare what came with what the archive announced."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lightbox.core.errors import NotFoundError, UsageError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.network import announce
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.reports import RetrieveReport, SeriesReport
from lightbox.network.retrieval import Retrieval

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library

logger = logging.getLogger(__name__)

METHODS = ("auto", "c-get", "c-move")
_MEMORY = "network.retrieve_methods"


def retrieve(
    peer: Peer,
    identity: LocalIdentity,
    library: Library,
    study_uid: str,
    series_uids: Sequence[str] = (),
    *,
    method: str = "auto",
    progress: Callable[[Progress], object] | None = None,
    series_progress: Callable[[SeriesReport], object] | None = None,
    cancel: CancelToken | None = None,
    settings: Settings | None = None,
) -> RetrieveReport:
    """Retrieve a study, or some of its series, from `peer` into `library`.

    Each object is durable in the library's spool before it is acknowledged to the archive. What did not come is asked
    for once more: by the other method when `method` is ``"auto"``, else again by its SOP Instance UID.

    Parameters
    ----------
    study_uid : str
        Study Instance UID.
    series_uids : sequence of str
        Only these series; all when empty.
    method : str
        ``"c-get"``, ``"c-move"``, or ``"auto"``: C-GET and, where that does not work, C-MOVE.
    progress : callable, optional
        Called with a `Progress` in images, at most ten times a second.
    series_progress : callable, optional
        Called with the `SeriesReport` of the series that has grown, at most ten times a second.
    cancel : CancelToken, optional
        Ends the transfer (C-CANCEL, then abort); what has come stays in the library.
    settings : Settings, optional
        Remembers for each peer which method works.

    Returns
    -------
    RetrieveReport

    Raises
    ------
    NotFoundError
        The archive has no such study or series.
    AssociationError, DimseError
        Nothing could be retrieved.
    Cancelled
        `cancel` was cancelled.
    """
    if method not in METHODS:
        raise UsageError("There is no such method", where=method, todo=f"Use {', '.join(METHODS)}")
    begun = time.monotonic()
    token = cancel or CancelToken()
    announced = announce.ask(peer, identity, study_uid, series_uids, token)
    if not announced.series and not announced.notes:
        raise NotFoundError("The archive has no such study or series", where=peer.name, todo="Query it again")
    work = Retrieval(
        peer, identity, library, study_uid, tuple(series_uids), announced, progress, series_progress, token
    )
    try:
        order = _order(method, peer, settings)
        work.run(order)
    finally:
        work.finish()
    report = work.report()
    report.seconds = time.monotonic() - begun
    if method == "auto" and settings is not None and report.received:
        _remember(settings, peer, report.method)
    return report


def _order(method: str, peer: Peer, settings: Settings | None) -> list[str]:
    if method != "auto":
        return [method]
    remembered = settings.get(_MEMORY, {}).get(peer.name) if settings is not None else None
    return ["c-move", "c-get"] if remembered == "c-move" else ["c-get", "c-move"]


def _remember(settings: Settings, peer: Peer, method: str) -> None:
    settings.set(_MEMORY, {**settings.get(_MEMORY, {}), peer.name: method})
