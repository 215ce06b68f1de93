"""Retrieve a study or series into the library, and compare what came with what the archive announced."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core.errors import NotFoundError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.network import announce
from lightbox.network.announce import Announced
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, own_identity
from lightbox.network.reports import RetrieveReport, SeriesReport
from lightbox.network.retrieving import journal, order
from lightbox.network.retrieving.catcher import Catcher
from lightbox.network.retrieving.order import METHODS as METHODS
from lightbox.network.retrieving.retrieval import Retrieval
from lightbox.network.retrieving.tally import Tally
from lightbox.network.retrieving.work import Work
from lightbox.network.web.errors import WebError

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library
    from lightbox.network.secrets import Secrets
    from lightbox.network.web.service import WebService

logger = logging.getLogger(__name__)


def retrieve(
    peer: Peer,
    identity: LocalIdentity,
    library: Library,
    study_uid: str,
    series_uids: Sequence[str] = (),
    *,
    method: str = "auto",
    force: bool = False,
    progress: Callable[[Progress], object] | None = None,
    series_progress: Callable[[SeriesReport], object] | None = None,
    cancel: CancelToken | None = None,
    settings: Settings | None = None,
    secrets: Secrets | None = None,
    home: Path | None = None,
) -> RetrieveReport:
    """Retrieve a study, or some of its series, from `peer` into `library`.

    What the library holds is not asked for again. What the report counts is durable and in the index. What did not
    come is asked for once more: by all methods in turn when `method` is ``"auto"``, by its SOP Instance UID and with
    every encoding of its SOP class.

    Parameters
    ----------
    study_uid : str
        Study Instance UID.
    series_uids : sequence of str
        Only these series; all when empty.
    method : str
        ``"wado-rs"``, ``"c-get"``, ``"c-move"``, or ``"auto"``: in this order, what the peer offers and what works.
    force : bool
        Ask for what the library holds, too; other content under a known UID goes to quarantine.
    progress : callable, optional
        Called with a `Progress` in images, at most ten times a second.
    series_progress : callable, optional
        Called with the `SeriesReport` of the series that has grown, at most ten times a second.
    cancel : CancelToken, optional
        Ends the transfer (C-CANCEL, then abort); what has come stays in the library.
    settings : Settings, optional
        Remembers for each peer which method and which media types work.
    secrets : Secrets, optional
        The password or token of the peer's DICOMweb service; default: those kept in the data folder of the library.
    home : Path, optional
        Data folder whose journal lists the retrieve while it runs, so that it can be gone on with after a crash;
        default: that of the library.

    Returns
    -------
    RetrieveReport
        Its method is ``"none"`` when all was here already.

    Raises
    ------
    NotFoundError
        The archive has no such study or series.
    AssociationError, DimseError, WebError
        Nothing could be retrieved.
    Cancelled
        `cancel` was cancelled.
    """
    methods = order.order(method, peer, settings)
    begun = time.monotonic()
    token = cancel or CancelToken()
    identity = own_identity(peer, identity)
    folder = home or library.home
    with ExitStack() as stack:
        stack.enter_context(journal.entered(folder, journal.Entry(peer.name, study_uid, tuple(series_uids), method)))
        service = stack.enter_context(_web(peer, identity, settings, secrets, folder))
        announced = _announced(methods, peer, identity, library, study_uid, series_uids, token, service)
        if not announced.series and not announced.notes:
            raise NotFoundError("The archive has no such study or series", where=peer.name, todo="Query it again")
        here = () if force else _already_here(library, announced)
        tally = Tally(library, study_uid, announced, here, progress, series_progress, token)
        receiver = Catcher(library)
        receiver.received.connect(tally.received)
        work = Work(peer, identity, library, tally, receiver, token)
        with Retrieval(work, tuple(series_uids), service) as retrieval:
            if tally.missing() or not tally.expects:
                retrieval.run(methods)
        report = retrieval.report()
    if not report.method:
        report.method = "none"  # all of it was here
    report.seconds = time.monotonic() - begun
    if method == "auto" and settings is not None and tally.count and retrieval.lasting:
        order.remember(settings, peer, report.method)
    return report


@contextlib.contextmanager
def _web(
    peer: Peer, identity: LocalIdentity, settings: Settings | None, secrets: Secrets | None, home: Path
) -> Iterator[Callable[[], WebService]]:
    """Give the DICOMweb service of the peer when it is first asked for."""
    made: list[WebService] = []

    def make() -> WebService:
        if not made:
            from lightbox.network.secrets import Secrets
            from lightbox.network.web.service import WebService

            made.append(WebService(peer, identity, settings=settings, secrets=secrets or Secrets(home)))
        return made[0]

    try:
        yield make
    finally:
        for service in made:
            service.close()


def _announced(
    methods: list[str],
    peer: Peer,
    identity: LocalIdentity,
    library: Library,
    study_uid: str,
    series_uids: Sequence[str],
    cancel: CancelToken,
    service: Callable[[], WebService],
) -> Announced:
    """Ask what there is by the protocol that is used first, else by the other one."""
    failure: AssociationError | WebError | None = None
    nothing: Announced | None = None
    for protocol in dict.fromkeys("web" if method == "wado-rs" else "dimse" for method in methods):
        try:
            if protocol == "web":
                # A series of which nothing is here is asked for as a whole: its number is enough
                held = {entry.series_instance_uid for entry in library.series_of(study_uid)}
                found = announce.ask_web(service(), study_uid, series_uids, cancel, lists=held.__contains__)
            else:
                found = announce.ask(peer, identity, study_uid, series_uids, cancel)
        except (AssociationError, WebError) as error:
            failure = failure or error
            continue
        if found.series:
            return found
        nothing = nothing or found
    if nothing is not None:
        return nothing
    assert failure is not None
    if isinstance(failure, AssociationError) or failure.code.startswith(announce.UNREACHABLE) or methods != ["wado-rs"]:
        raise failure
    return Announced(notes=[f"The archive did not tell what the study holds: {failure.why or failure.what}"])


def _already_here(library: Library, announced: Announced) -> set[str]:
    """Return which of the announced objects the library holds."""
    return {
        record.sop_instance_uid
        for entry in announced.series.values()
        for record in library.instances_of(entry.series_uid)
        if record.sop_instance_uid in entry.instances
    }
