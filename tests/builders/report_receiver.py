"""Our port for storage commitment reports: keeps them in the inbox of a data folder, as the receiver does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightbox.network.identity import LocalIdentity
from lightbox.network.receiving.notes import Inbox
from lightbox.network.wire import commands
from lightbox.network.wire.negotiation import Accept
from lightbox.network.wire.server import Server


def report_receiver(home: Path, identity: LocalIdentity) -> Server:
    """Return a server, to be used with ``with``, on the port of `identity`."""
    inbox = Inbox(home)

    def negotiate(request: Any) -> Accept:
        contexts = {proposed.id: proposed.transfer_syntaxes[0] for proposed in request.proposals}
        return Accept(contexts, roles={proposed.abstract_syntax: (False, True) for proposed in request.proposals})

    def report(association: Any, request: Any) -> None:
        event = request.command.get("EventTypeID")
        inbox.keep(
            0x0100,
            request.sop_class_uid,
            request.sop_instance_uid,
            request.data or b"",
            transfer_syntax_uid=request.context.transfer_syntax,
            calling_ae=association.peer_title,
            called_ae=association.own_title,
            address="127.0.0.1",
            event_type_id=int(event) if event else None,
        )
        association.respond(request, 0x0000)

    address = ("127.0.0.1", identity.port)
    return Server(address, identity, negotiate=negotiate, services={commands.N_EVENT_REPORT: report})
