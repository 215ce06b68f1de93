"""Asking a peer which objects of a series it holds (C-FIND at image level, PS3.4 C.6.2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from lightbox.core.jobs import CancelToken
from lightbox.network import words
from lightbox.network.errors import DimseError
from lightbox.network.peers import Peer
from lightbox.network.sending.states import ObjectRecord
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.contexts import Proposal

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
"""Study Root Query/Retrieve Information Model - FIND."""

MAXIMUM_ROWS = 200_000
"""An answer that goes on beyond this is ended: no series is that large."""
_LIST = 64
"""So many UIDs are asked for at once (list of UID matching, PS3.4 C.2.2.2.2)."""


def proposals() -> list[Proposal]:
    """Return what to propose for these queries."""
    return [Proposal(FIND)]


def held(
    association: Association,
    peer: Peer,
    records: Iterable[ObjectRecord],
    *,
    thorough: bool,
    cancel: CancelToken | None = None,
) -> set[str]:
    """Return the SOP Instance UIDs of `records` that the peer lists.

    Parameters
    ----------
    thorough : bool
        Where an object is not found by its UID, list its whole series, too: some archives do not match lists of UIDs.

    Raises
    ------
    AssociationError, DimseError
        The peer could not be asked.
    """  # fmt: skip
    found: set[str] = set()
    for (study, series), group in groupby(sorted(records, key=_series), key=_series):
        wanted = sorted({record.sop_instance_uid for record in group})
        sought = frozenset(wanted)
        listed: set[str] = set()
        for begin in range(0, len(wanted), _LIST):
            listed |= _query(association, peer, study, series, wanted[begin : begin + _LIST], sought, cancel)
        if thorough and len(listed) < len(wanted):
            listed |= _query(association, peer, study, series, (), sought, cancel)
        found |= listed
    return found


def _series(record: ObjectRecord) -> tuple[str, str]:
    return record.study_instance_uid, record.series_instance_uid


def _query(
    association: Association,
    peer: Peer,
    study: str,
    series: str,
    uids: Sequence[str],
    sought: frozenset[str],
    cancel: CancelToken | None,
) -> set[str]:
    context = association.context(FIND)
    assert context is not None
    identifier = keys("IMAGE", study, series, uids)
    found: set[str] = set()
    rows = 0
    responses = association.requests(context, commands.c_find(FIND), identifier, cancel=cancel)
    for response in responses:
        if response.is_pending:
            rows += 1
            uid = text(response.dataset(), "SOPInstanceUID")
            if uid in sought:
                found.add(uid)
            if rows > MAXIMUM_ROWS:
                responses.close()
                break
        elif words.is_failure(response.status):
            raise DimseError(
                f"{peer.ae_title} refused the query",
                where=peer.name,
                why=words.status_words(response.status, response.comment),
                status=response.status,
            )
    return found


def keys(level: str, study: str, series: str, uids: Sequence[str] = ()) -> Dataset:
    """Return an identifier; UIDs go as they are, valid or not."""
    from pydicom import config
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in (
        ("StudyInstanceUID", study),
        ("SeriesInstanceUID", series),
        ("SOPInstanceUID", list(uids) if len(uids) > 1 else "".join(uids)),
    ):
        identifier[keyword] = DataElement(keyword, "UI", value, validation_mode=config.IGNORE)
    return identifier


def text(dataset: Dataset, keyword: str) -> str:
    """Return a UID of a reply that may hold anything."""
    element = dataset.get_item(keyword)
    if element is None or not element.value:
        return ""
    value = element.value
    plain = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return plain.strip(" \x00")
