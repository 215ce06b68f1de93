"""C-STORE sub-operations of the embedded archive, and the responses of C-GET and C-MOVE (PS3.4 C.4.2.3, C.4.3.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, BinaryIO

from psygnal import SignalInstance
from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_GET, C_MOVE
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext

from lightbox.core.errors import LightboxError
from lightbox.network import contexts, query_keys, words
from lightbox.network.archive_index import Entry
from lightbox.network.send import accepted_pairs
from lightbox.network.stack import LightboxAssociation

logger = logging.getLogger(__name__)

PENDING, SUCCESS, CANCELLED = 0xFF00, 0x0000, 0xFE00
SUBOPERATIONS_FAILED, ALL_FAILED = 0xB000, 0xA702


def serve(
    association: LightboxAssociation,
    request: Any,
    context: PresentationContext,
    kind: type[C_GET] | type[C_MOVE],
    entries: list[Entry],
    outgoing: LightboxAssociation | None,
    originator: tuple[str, int] | None = None,
    *,
    told: SignalInstance | None = None,
) -> None:
    """Send `entries` as C-STORE sub-operations on `outgoing` and report on `association` (PS3.4 C.4.2.3, C.4.3.3)."""
    remaining, completed, warned = len(entries), 0, 0
    failed: list[Entry] = []
    accepted = accepted_pairs(outgoing) if outgoing is not None else {}
    for number, entry in enumerate(entries):
        if request.MessageID in association.dimse.cancel_req:
            counts = [completed, warned, len(failed), remaining]
            answer(association, request, context, kind, CANCELLED, counts, failed)
            return
        assert outgoing is not None
        status = send_entry(outgoing, entry, accepted, number % 60_000 + 1, originator)
        if status is not None and not words.is_failure(status) and told is not None:
            told.emit(entry.description.sop_instance_uid)
        if not association.is_established:
            return
        remaining -= 1
        if status == SUCCESS:
            completed += 1
        elif words.is_failure(status):
            failed.append(entry)
        else:
            warned += 1
        if remaining:
            counts = [completed, warned, len(failed), remaining]
            answer(association, request, context, kind, PENDING, counts)
    status = SUCCESS if not failed else SUBOPERATIONS_FAILED if completed + warned else ALL_FAILED
    answer(association, request, context, kind, status, [completed, warned, len(failed), None], failed)


def send_entry(
    outgoing: LightboxAssociation,
    entry: Entry,
    accepted: dict[contexts.Pair, int],
    message_id: int,
    originator: tuple[str, int] | None,
) -> int | None:
    """Send one instance as it is stored; re-encode it only between uncompressed little-endian encodings."""
    if not outgoing.is_established:
        return None
    sop_class, syntax = entry.description.sop_class_uid, entry.description.transfer_syntax_uid
    context_id = accepted.get((sop_class, syntax))
    open_data: Callable[[], BinaryIO] = entry.stored.open
    offset = entry.description.offset
    if context_id is None:
        usable = [other for other in contexts.LITTLE_ENDIAN if (sop_class, other) in accepted]
        if syntax not in contexts.LITTLE_ENDIAN or not usable:
            return None
        context_id = accepted[(sop_class, usable[0])]
        open_data, offset = (lambda: _reencoded(entry, usable[0])), 0
    try:
        with open_data() as data:
            data.seek(offset)
            status, _ = outgoing.store_stream(
                sop_class,
                entry.description.sop_instance_uid,
                context_id,
                data,
                message_id=message_id,
                originator=originator,
            )
            return status
    except (OSError, LightboxError) as error:
        logger.warning("a stored object could not be read: %s", type(error).__name__)
        return None


def _reencoded(entry: Entry, syntax: str) -> BinaryIO:
    from lightbox.dicom.reading import read_dataset

    with entry.stored.open() as file:
        dataset = read_dataset(file)
    implicit = syntax == contexts.LITTLE_ENDIAN[1]
    return BytesIO(encode(dataset, implicit, True) or b"")


def answer(
    association: LightboxAssociation,
    request: Any,
    context: PresentationContext,
    kind: type[C_GET] | type[C_MOVE],
    status: int,
    counts: list[int | None] | list[int] | None = None,
    failed: Iterable[Entry] = (),
) -> None:
    """Send a response; `counts` are completed, with warnings, failed and remaining sub-operations."""
    response = kind()
    response.MessageIDBeingRespondedTo = request.MessageID
    response.AffectedSOPClassUID = request.AffectedSOPClassUID
    response.Status = status
    if counts is not None:
        response.NumberOfCompletedSuboperations = counts[0]
        response.NumberOfWarningSuboperations = counts[1]
        response.NumberOfFailedSuboperations = counts[2]
        response.NumberOfRemainingSuboperations = counts[3]
    uids = [entry.description.sop_instance_uid for entry in failed]
    if uids and status != PENDING:
        identifier = Dataset()
        query_keys.put(identifier, "FailedSOPInstanceUIDList", "\\".join(uids))
        syntax = context.transfer_syntax[0]
        response.Identifier = BytesIO(encode(identifier, syntax.is_implicit_VR, True) or b"")
    association.dimse.send_msg(response, context.context_id or 0)
