"""Retrieving by C-GET, on several associations where the peer grants them."""

from __future__ import annotations

from collections.abc import Iterator

from lightbox.network import contexts, get
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.operation import Outcome, Target
from lightbox.network.retrieving.tally import by_instance
from lightbox.network.retrieving.work import Supply, Work, share

GENERAL = (0xA801, 0x0122, 0x0124, 0x0211)
"""Refusals that hold for every series alike: unknown destination, no such service, not allowed."""


def attempt(work: Work, targets: list[Target], *, thorough: bool) -> None:
    """Ask for `targets` with presentation contexts for what the archive says it holds.

    Parameters
    ----------
    thorough : bool
        Propose every transfer syntax of the SOP classes, and further SOP classes where the archive told none: for
        what failed before.

    Raises
    ------
    AssociationError, DimseError
        The peer does not offer C-GET, does not let us receive, or refused everything.
    Cancelled
        The token was cancelled.
    """
    refusal: AssociationError | None = None
    worked = False
    for batch, pairs in _batches(work, targets, thorough):
        left = [part for target in batch for part in work.tally.outstanding(target)]
        if not left:
            continue
        try:
            share(Supply(left), work.peer.associations, lambda supply, pairs=pairs: _work(work, supply, pairs))
            worked = True
        except AssociationError as error:
            if error.code != "get.no-role":  # none of these classes; others may be accepted
                raise
            refusal = error
    if refusal is not None and not worked:
        raise refusal


def _work(work: Work, supply: Supply, pairs: list[contexts.Pair]) -> None:
    refusals: list[DimseError] = []
    with get.session(work.peer, work.identity, work.receiver, pairs) as session:
        while (target := supply.take()) is not None:
            work.cancel.raise_if_cancelled()
            try:
                outcome = session.retrieve(target, work.cancel)
            except DimseError as error:
                if error.status in GENERAL:
                    supply.put_back(target)
                    raise
                refusals.append(error)
                outcome = Outcome(error.status)
            except AssociationError:
                supply.put_back(target)
                raise
            work.tally.ended(target, outcome)
    if refusals and not work.tally.count:
        raise refusals[0]


def _batches(work: Work, targets: list[Target], thorough: bool) -> Iterator[tuple[list[Target], list[contexts.Pair]]]:
    """Group targets so that the contexts for each group fit into one association.

    A target that needs more contexts than fit comes several times, with other contexts.
    """
    group: list[Target] = []
    pairs: dict[contexts.Pair, None] = {}
    for target in targets:
        own = dict.fromkeys(work.tally.announced.pairs(target.series_uid, target.sop_uids, thorough=thorough))
        if group and len(pairs | own) > get.ROOM:
            yield group, list(pairs)
            group, pairs = [], {}
        if len(own) <= get.ROOM:
            group.append(target)
            pairs |= own
            continue
        ordered = list(own)
        for start in range(0, len(ordered), get.ROOM):
            yield [target], ordered[start : start + get.ROOM]
    if group:
        yield group, list(pairs)


def by_class(work: Work, study_uid: str, series_uid: str, sop_uids: list[str]) -> list[Target]:
    """Return targets at image level, each of one SOP class, so that exactly its contexts are proposed."""
    entry = work.tally.announced.series.get(series_uid)
    groups: dict[str, list[str]] = {}
    for uid in sop_uids:
        groups.setdefault(entry.instances.get(uid, "") if entry is not None else "", []).append(uid)
    return [target for uids in groups.values() for target in by_instance(study_uid, series_uid, uids)]
