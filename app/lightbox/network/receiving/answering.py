"""Answer requests other than storage: they become notes, durable before they are answered (PS3.4 J.3.3, R.2)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from lightbox.core.errors import LightboxError
from lightbox.network.receiving.channel import Closed
from lightbox.network.receiving.notes import CLASSES, INSTANCE_AVAILABILITY, STORAGE_COMMITMENT, Inbox, Note
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import N_CREATE, N_EVENT_REPORT, Request, Value
from lightbox.network.wire.server import Service

logger = logging.getLogger(__name__)

_SUCCESS, _NO_SUCH_CLASS, _RESOURCE_LIMIT, _MISTYPED = 0x0000, 0x0118, 0x0213, 0x0212
_FIELDS = {N_EVENT_REPORT: (STORAGE_COMMITMENT,), N_CREATE: (INSTANCE_AVAILABILITY,)}


def services(inbox: Inbox, announce: Callable[[Note], None]) -> dict[int, Service]:
    """Return the services of a `Server` that keep notes in `inbox` and announce each before it is answered."""

    def keep(association: Association, request: Request) -> None:
        sop_class = request.sop_class_uid or request.context.abstract_syntax
        if sop_class not in CLASSES:
            association.respond(request, _NO_SUCH_CLASS)
            return
        if sop_class not in _FIELDS[request.field]:
            association.respond(request, _MISTYPED)
            return
        command = request.command
        # The instance of a notification may be left to us to name (PS3.7 10.1.5.1.4)
        instance = request.sop_instance_uid or f"2.25.{uuid.uuid4().int}"
        try:
            note = inbox.keep(
                request.field,
                sop_class,
                instance,
                bytes(request.data or b""),
                transfer_syntax_uid=request.context.transfer_syntax,
                calling_ae=association.peer_title,
                called_ae=association.own_title,
                address=association.terms.address[0],
                event_type_id=command.get("EventTypeID"),
                action_type_id=command.get("ActionTypeID"),
            )
        except (OSError, LightboxError) as error:
            logger.warning("a request could not be kept: %s", type(error).__name__)
            association.respond(request, _RESOURCE_LIMIT)
            return
        try:
            announce(note)
        except Closed:
            logger.warning("a request was kept but could not be announced")
        told: dict[str, Value] = {"AffectedSOPInstanceUID": instance}
        if note.event_type_id is not None:
            told["EventTypeID"] = note.event_type_id
        association.respond(request, _SUCCESS, None, comment="", **told)

    return dict.fromkeys(_FIELDS, keep)
