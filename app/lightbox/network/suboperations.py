"""C-STORE sub-operations of the embedded archive, and the responses of C-GET and C-MOVE (PS3.4 C.4.2.3, C.4.3.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import BinaryIO

from psygnal import SignalInstance
from pydicom.dataset import Dataset

from lightbox.core.errors import LightboxError
from lightbox.network import contexts, even, query_keys, words
from lightbox.network.archive_index import Entry
from lightbox.network.errors import AssociationError
from lightbox.network.send import accepted_pairs
from lightbox.network.stored import Description
from lightbox.network.wire import datasets
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import Request
from lightbox.network.wire.contexts import Accepted

logger = logging.getLogger(__name__)

PENDING, SUCCESS, CANCELLED = 0xFF00, 0x0000, 0xFE00
SUBOPERATIONS_FAILED, ALL_FAILED = 0xB000, 0xA702


def serve(
    association: Association,
    request: Request,
    entries: list[Entry],
    outgoing: Association | None,
    originator: tuple[str, int] | None = None,
    *,
    told: SignalInstance | None = None,
) -> None:
    """Send `entries` as C-STORE sub-operations on `outgoing` and report on `association` (PS3.4 C.4.2.3, C.4.3.3)."""
    remaining, completed, warned = len(entries), 0, 0
    failed: list[Entry] = []
    accepted = accepted_pairs(outgoing) if outgoing is not None else {}
    for entry in entries:
        if association.cancelled(request):
            counts = [completed, warned, len(failed), remaining]
            answer(association, request, CANCELLED, counts, failed)
            return
        assert outgoing is not None
        status = send_entry(outgoing, entry, accepted, originator)
        if status is not None and not words.is_failure(status) and told is not None:
            told.emit(entry.description.sop_instance_uid)
        remaining -= 1
        if status == SUCCESS:
            completed += 1
        elif words.is_failure(status):
            failed.append(entry)
        else:
            warned += 1
        if remaining:
            counts = [completed, warned, len(failed), remaining]
            answer(association, request, PENDING, counts)
    status = SUCCESS if not failed else SUBOPERATIONS_FAILED if completed + warned else ALL_FAILED
    answer(association, request, status, [completed, warned, len(failed), None], failed)


def send_entry(
    outgoing: Association,
    entry: Entry,
    accepted: dict[contexts.Pair, Accepted],
    originator: tuple[str, int] | None,
) -> int | None:
    """Send one instance as it is stored; re-encode it only between uncompressed little-endian encodings."""
    if not outgoing.is_open:
        return None
    sop_class, syntax = entry.description.sop_class_uid, entry.description.transfer_syntax_uid
    context = accepted.get((sop_class, syntax))
    open_data: Callable[[], BinaryIO] = entry.stored.open
    description: Description | None = entry.description
    if context is None:
        usable = [other for other in contexts.LITTLE_ENDIAN if (sop_class, other) in accepted]
        if syntax not in contexts.LITTLE_ENDIAN or not usable:
            return None
        context = accepted[(sop_class, usable[0])]
        open_data, description = (lambda: _reencoded(entry, usable[0])), None
    try:
        with open_data() as file:
            data = file if description is None else even.data_set(file, description)
            response = outgoing.store(
                context, sop_class, entry.description.sop_instance_uid, data, originator=originator
            )
            return response.status
    except AssociationError as error:
        logger.warning("a sub-operation failed: %s", error.code)
        return None
    except (OSError, LightboxError) as error:
        logger.warning("a stored object could not be read: %s", type(error).__name__)
        return None


def _reencoded(entry: Entry, syntax: str) -> BinaryIO:
    from lightbox.dicom.reading import read_dataset

    with entry.stored.open() as file:
        dataset = read_dataset(file)
    return BytesIO(datasets.encode(dataset, syntax))


def answer(
    association: Association,
    request: Request,
    status: int,
    counts: list[int | None] | list[int] | None = None,
    failed: Iterable[Entry] = (),
) -> None:
    """Send a response; `counts` are completed, with warnings, failed and remaining sub-operations."""
    attributes: dict[str, int] = {}
    if counts is not None:
        names = ("Completed", "Warning", "Failed", "Remaining")
        attributes = {f"NumberOf{name}Suboperations": count for name, count in zip(names, counts) if count is not None}
    uids = [entry.description.sop_instance_uid for entry in failed]
    identifier: Dataset | None = None
    if uids and status != PENDING:
        identifier = Dataset()
        query_keys.put(identifier, "FailedSOPInstanceUIDList", "\\".join(uids))
    association.respond(request, status, identifier, **attributes)  # pyright: ignore[reportArgumentType]
