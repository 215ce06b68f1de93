"""Which presentation contexts a batch of objects needs, and in which of them an object goes (PS3.8 9.3.2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lightbox.network.sending.states import ObjectRecord
from lightbox.network.wire.association import Association
from lightbox.network.wire.contexts import MAXIMUM_CONTEXTS, Accepted, Proposal

TARGETS = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Explicit, then Implicit VR Little Endian: what objects are converted to when their own syntax is refused."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """How an object goes: the context, and whether it has to be converted first."""

    context: Accepted
    convert: bool


def proposals(pairs: Iterable[Pair]) -> list[Proposal]:
    """Return what to propose for (SOP class, transfer syntax) pairs.

    One transfer syntax a context: with several the peer would choose, and some choose a lossy one. Besides the syntax
    of the objects, each SOP class is proposed uncompressed, so that what is refused can be converted at once.
    """
    wanted: dict[Pair, None] = dict.fromkeys(pairs)
    for sop_class in dict.fromkeys(pair[0] for pair in list(wanted)):
        for target in TARGETS:
            wanted.setdefault((sop_class, target))
    return [Proposal(sop_class, (syntax,)) for sop_class, syntax in wanted]


def batches(records: Sequence[ObjectRecord]) -> list[list[ObjectRecord]]:
    """Split objects into groups that need at most 128 presentation contexts each, in the order of the queue."""
    result: list[list[ObjectRecord]] = []
    used: set[Pair] = set()
    for record in records:
        needed = {(record.sop_class_uid, syntax) for syntax in (record.transfer_syntax_uid, *TARGETS)}
        if not result or len(used | needed) > MAXIMUM_CONTEXTS:
            result.append([])
            used = set()
        used |= needed
        result[-1].append(record)
    return result


def way(association: Association, sop_class: str, syntax: str) -> Way | None:
    """Return how an object goes: as it is where the peer takes that, else converted; None: not at all."""
    context = association.context(sop_class, transfer_syntax=syntax)
    if context is not None:
        return Way(context, False)
    for target in TARGETS:
        context = association.context(sop_class, transfer_syntax=target)
        if context is not None:
            return Way(context, True)
    return None
