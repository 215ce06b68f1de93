"""C-STORE as SCU: send stored objects as they are, one status for each (PS3.4 Annex B)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import PROGRESS_INTERVAL_S, CancelToken, Progress
from lightbox.network import contexts, even, words
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.reports import SendReport
from lightbox.network.stored import Description, StoredObject, describe
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import associated
from lightbox.network.wire.commands import Response
from lightbox.network.wire.contexts import Accepted

_NOT_ACCEPTED = "the peer does not accept this kind of object in this encoding"


def send(
    peer: Peer,
    identity: LocalIdentity,
    objects: Sequence[StoredObject],
    *,
    progress: Callable[[Progress], object] | None = None,
    cancel: CancelToken | None = None,
) -> SendReport:
    """Send `objects` to `peer` without decoding or converting them.

    One presentation context is proposed for each pair of SOP class and transfer syntax among the objects. What the peer
    does not accept, or refuses, is in the report with the reason in words.

    Raises
    ------
    AssociationError
        The peer cannot be reached, or refuses the association.
    Cancelled
        `cancel` was cancelled.
    """
    begun = time.monotonic()
    report = SendReport(total=len(objects))
    described = _describe(objects, report)
    last_told = 0.0
    done = len(report.failed)
    for batch in _batches(described):
        for description, outcome in _send_batch(peer, identity, batch, cancel):
            status, comment = outcome
            if status == 0x0000:
                report.sent += 1
            elif words.is_failure(status):
                reason = comment if status == -1 else words.status_words(status, comment, storing=True)
                report.failed.append((description.sop_instance_uid, reason))
            else:
                report.sent += 1
                reason = words.status_words(status, comment, storing=True)
                report.warnings.append((description.sop_instance_uid, reason))
            done += 1
            moment = time.monotonic()
            if progress is not None and (moment - last_told >= PROGRESS_INTERVAL_S or done == report.total):
                last_told = moment
                progress(Progress(done, report.total, "images", "", moment - begun))
    report.seconds = time.monotonic() - begun
    return report


_Described = tuple[Description, StoredObject]


def _describe(objects: Iterable[StoredObject], report: SendReport) -> list[_Described]:
    described: list[_Described] = []
    for item in objects:
        try:
            with item.open() as file:
                described.append((describe(file), item))
        except (OSError, LightboxError) as error:
            reason = error.why if isinstance(error, LightboxError) else type(error).__name__
            report.failed.append((item.sop_instance_uid, reason))
    return described


def _batches(described: list[_Described]) -> list[list[_Described]]:
    """Group objects so that each group needs at most 128 presentation contexts."""
    groups: dict[contexts.Pair, list[_Described]] = {}
    for entry in described:
        groups.setdefault((entry[0].sop_class_uid, entry[0].transfer_syntax_uid), []).append(entry)
    result: list[list[_Described]] = []
    for number, group in enumerate(groups.values()):
        if number % contexts.MAXIMUM_CONTEXTS == 0:
            result.append([])
        result[-1].extend(group)
    return result


def _send_batch(
    peer: Peer, identity: LocalIdentity, batch: list[_Described], cancel: CancelToken | None
) -> Iterable[tuple[Description, tuple[int, str]]]:
    pairs = dict.fromkeys((entry.sop_class_uid, entry.transfer_syntax_uid) for entry, _ in batch)
    try:
        with associated(peer, identity, contexts.build(pairs)) as association:
            accepted = accepted_pairs(association)
            for description, item in batch:
                if cancel is not None:
                    cancel.raise_if_cancelled()
                context = accepted.get((description.sop_class_uid, description.transfer_syntax_uid))
                if context is None:
                    yield description, (-1, _NOT_ACCEPTED)
                    continue
                response = send_one(association, description, item, context)
                yield description, (response.status, response.comment)
    except AssociationError as error:
        if error.code != "association.no-context":
            raise
        for description, _ in batch:
            yield description, (-1, _NOT_ACCEPTED)


def accepted_pairs(association: Association) -> dict[contexts.Pair, Accepted]:
    """Return the context of each (SOP class, transfer syntax) in which we may send on `association`."""
    return {
        (context.abstract_syntax, context.transfer_syntax): context
        for context in reversed(association.accepted)
        if context.as_scu
    }


def send_one(association: Association, description: Description, item: StoredObject, context: Accepted) -> Response:
    """Send one object on an open association and return the response."""
    with item.open() as file:
        data = even.data_set(file, description)
        return association.store(context, description.sop_class_uid, description.sop_instance_uid, data)
