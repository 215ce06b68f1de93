"""Our side of a round trip: a listener for the time of it, for commitment reports and for objects of C-MOVE."""

from __future__ import annotations

import ssl
import threading
import time
from typing import Any

from lightbox.core.errors import LightboxError
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.preflight import services
from lightbox.network.sending import commitment
from lightbox.network.sending.readback import Catcher, Copy
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import Request
from lightbox.network.wire.negotiation import Accept, AssociationRequest
from lightbox.network.wire.server import Server

_CANNOT_STORE = 0x0110
_SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")


class OwnSide:
    """Listens on our ports, plaintext and TLS, while a ``with`` block lasts; where one is taken, `problem` says so.

    Parameters
    ----------
    identity : LocalIdentity
        Our AE title, address and port as the peer knows them.
    """

    def __init__(self, identity: LocalIdentity) -> None:
        self._identity = identity
        self._servers: list[Server] = []
        self._reports: dict[str, commitment.Report] = {}
        self._arrived = threading.Condition()
        self.catcher: Catcher | None = None
        self.problem = ""

    def __enter__(self) -> OwnSide:
        identity = self._identity
        if not identity.only_tls:
            self._listen(identity.port)
        if identity.tls_port and identity.tls is not None:
            from lightbox.network import tls

            self._listen(identity.tls_port, tls.server_context(identity.tls))
        return self

    def _listen(self, port: int, context: ssl.SSLContext | None = None) -> None:
        server = Server(
            (self._identity.host, port),
            self._identity,
            negotiate=_accept,
            services={commands.N_EVENT_REPORT: self._event},
            receiver=self,
            tls=context,
        )
        try:
            server.start()
        except OSError as error:
            self.problem = f"our port {port} is in use ({error.strerror}): stop the receiver for the round trip"
        else:
            self._servers.append(server)

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.stop()

    def wait_for_commitment(
        self, transaction_uid: str, association: Association, seconds: float
    ) -> commitment.Report | None:
        """Wait for the report of a transaction on `association` or on one that the peer opens; None when none came."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._arrived:
                if transaction_uid in self._reports:
                    return self._reports[transaction_uid]
            try:
                request = association.next_request(0.1) if association.is_open else None
            except AssociationError:  # the peer may close it and report on its own
                request = None
            if request is not None:
                self._event(association, request)
            elif not association.is_open:
                with self._arrived:
                    self._arrived.wait(0.2)
        return self._reports.get(transaction_uid)

    def _event(self, association: Association, request: Request) -> None:
        if request.sop_class_uid != services.COMMITMENT or request.data is None:
            association.respond(request, 0x0112)
            return
        event = request.command.get("EventTypeID")
        report = commitment.read_report(request.dataset(), event if isinstance(event, int) else None)
        association.respond(request, 0x0000, EventTypeID=event if isinstance(event, int) else 1)
        with self._arrived:
            self._reports[report.transaction_uid] = report
            self._arrived.notify_all()

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Copy:
        """Begin an object of C-MOVE; there is nothing to take at other times."""
        if self.catcher is None:
            raise LightboxError("Nothing is expected now")
        return self.catcher.open(sop_class_uid, sop_instance_uid, transfer_syntax_uid, source)

    def finish(self, incoming: Any) -> int:
        """Keep it."""
        return self.catcher.finish(incoming) if self.catcher is not None else _CANNOT_STORE


def _accept(asked: AssociationRequest) -> Accept:
    """Accept uncompressed encodings of everything, with the roles that were proposed: reports come from the SCP."""
    contexts: dict[int, str] = {}
    roles: dict[str, tuple[bool, bool]] = {}
    for context in asked.proposals:
        syntax = next((syntax for syntax in _SYNTAXES if syntax in context.transfer_syntaxes), None)
        if syntax is not None:
            contexts[context.id] = syntax
            roles[context.abstract_syntax] = (context.scu_role, context.scp_role)
    return Accept(contexts, roles=roles)
