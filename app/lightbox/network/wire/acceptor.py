"""One connection to our server: TLS, negotiation, and serving its requests, all on one thread."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import LightboxError
from lightbox.network.errors import AssociationError
from lightbox.network.wire import commands, negotiation, pdus
from lightbox.network.wire.association import Association
from lightbox.network.wire.messages import Sizes
from lightbox.network.wire.negotiation import Accept, AssociationRequest, Reject
from lightbox.network.wire.pdus import Associate, ProtocolError
from lightbox.network.wire.terms import Terms
from lightbox.network.wire.transport import Connection, ConnectionEnded, Stalled, shut_down

if TYPE_CHECKING:
    from lightbox.network.wire.server import Event, Server

logger = logging.getLogger(__name__)

_LARGEST_REQUEST = 1_048_576
_LINGER_S = 2.0
_TLS_HANDSHAKE = 0x16
_NOT_RECOGNISED_CONTEXT = Reject(negotiation.PERMANENT, negotiation.BY_USER, 2)
_WRONG_VERSION = Reject(negotiation.PERMANENT, negotiation.BY_ACSE, 2)
_UNRECOGNISED_OPERATION, _PROCESSING_FAILURE = 0x0211, 0x0110

_KINDS = {
    "operation.aborted": "aborted",
    "operation.closed": "lost",
    "operation.timeout": "timeout",
    "operation.too-large": "too-large",
    "operation.protocol": "protocol-error",
    "operation.released": "closed",
}


class Acceptor:
    """Serves one connection."""

    def __init__(self, server: Server, sock: socket.socket, address: tuple[str, int]) -> None:
        self.address = address
        self.crowded = False
        self._server = server
        self._sock = sock
        self._begun = time.monotonic()
        self._titles = ("", "")
        self._association: Association | None = None

    def run(self) -> None:
        """Serve it to its end."""
        limits = self._server.limits
        connection: Connection | None = None
        try:
            self._sock.settimeout(limits.negotiation)
            certificate, facts = self._secure()
            connection = Connection(self._sock, limits.negotiation)
            asked = self._request(connection)
            association = self._decide(connection, asked, certificate, facts)
        except _Over as over:
            self._server.tell(self.event(over.kind, over.code, over.text))
            self._sock.close()
            return
        except (ConnectionEnded, Stalled, OSError, ValueError) as error:
            kind = "crowded" if self.crowded else "silent" if isinstance(error, Stalled) else "lost"
            self._server.tell(self.event(kind, "before-association"))
            self._sock.close()
            return
        self._serve(association)

    def hang_up(self) -> None:
        """End the connection from another thread."""
        shut_down(self._sock)

    def close(self) -> None:
        """Close the socket after a fault of ours."""
        if self._association is not None:
            self._association.abort(2, 0)
        self._sock.close()

    def event(self, kind: str, code: str = "", text: str = "") -> Event:
        """Return an event about this connection."""
        from lightbox.network.wire.server import Event

        association = self._association
        return Event(
            kind,
            code,
            self.address,
            *self._titles,
            association.received if association is not None else 0,
            association.sent if association is not None else 0,
            time.monotonic() - self._begun,
            text,
        )

    # Negotiation

    def _secure(self) -> tuple[dict[str, Any] | None, Any]:
        if self._server.tls is None:
            return None, None
        from lightbox.network import tls

        try:
            secured = tls.accept(self._sock, self._server.tls)
        except AssociationError as error:
            if self.crowded:
                raise _Over("crowded", "before-association") from error
            kind = "plaintext-on-tls" if error.code == "tls.plaintext" else "tls-failed"
            raise _Over(kind, error.code, error.sentence()) from error
        self._sock = secured
        return secured.getpeercert() or {}, tls.facts(secured)

    def _request(self, connection: Connection) -> Associate:
        connection.fill_some()
        first = connection.peek(1)[0]
        if first != pdus.ASSOCIATE_RQ:
            if first == _TLS_HANDSHAKE and self._server.tls is None:
                text = "The caller speaks TLS on our port without TLS; set it to our TLS port"
                raise _Over("tls-on-plaintext", "association.tls", text)
            connection.send_last(pdus.encode_abort(2, 2 if first < 8 else 1))
            connection.linger(_LINGER_S)
            raise _Over("protocol-error", "association.not-dicom")
        connection.fill(6)
        _, length = pdus.HEADER.unpack(connection.take(6))
        if length > _LARGEST_REQUEST:
            connection.send_last(pdus.encode_abort(2, 6))
            raise _Over("too-large", "association.request")
        self._deadline(connection, length)
        try:
            return pdus.decode_associate(connection.take(length))
        except ProtocolError as error:
            connection.send_last(pdus.encode_abort(2, error.reason))
            connection.linger(_LINGER_S)
            raise _Over("protocol-error", "association.request", str(error)) from error

    def _deadline(self, connection: Connection, length: int) -> None:
        left = self._begun + self._server.limits.negotiation - time.monotonic()
        connection.set_timeout(max(0.01, left))
        connection.fill(length)

    def _decide(
        self, connection: Connection, asked: Associate, certificate: dict[str, Any] | None, facts: Any
    ) -> Association:
        server = self._server
        self._titles = (asked.calling_ae, asked.called_ae)
        if not asked.version & 1:
            self._reject(connection, _WRONG_VERSION)
        if asked.application_context != pdus.APPLICATION_CONTEXT:
            self._reject(connection, _NOT_RECOGNISED_CONTEXT)
        if not server.has_room(self):
            self._reject(connection, negotiation.BUSY)
        request = AssociationRequest(
            asked.calling_ae,
            asked.called_ae,
            self.address,
            negotiation.proposed_contexts(asked),
            certificate,
            asked.user.implementation_class_uid,
            asked.user.implementation_version,
            asked.user.maximum_length,
            asked.user.extended,
            asked.user.common_extended,
            asked.user.identity,
            facts,
        )
        decision = server.negotiate(request)
        if isinstance(decision, Reject):
            self._reject(connection, decision)
        assert isinstance(decision, Accept)
        answer, accepted, refused = negotiation.answer(asked, decision, server.identity.maximum_pdu)
        terms = Terms(
            asked.called_ae,
            asked.calling_ae,
            accepted,
            refused,
            asked.user.maximum_length,
            asked.user.implementation_class_uid,
            asked.user.implementation_version,
            asked.user.extended,
            None,
            asked.calling_ae,
            self.address,
        )
        limits = server.limits
        association = Association(
            connection,
            terms,
            receiver=decision.receiver or server.receiver,
            timeout=limits.idle,
            sizes=Sizes(limits.pdu, limits.command, limits.memory, limits.object),
            tls=facts,
        )
        if not server.enter(self, association):
            self._reject(connection, negotiation.BUSY)
        self._association = association
        connection.set_timeout(limits.idle)
        connection.send([pdus.encode_associate(pdus.ASSOCIATE_AC, answer)])
        server.tell(self.event("opened"))
        return association

    def _reject(self, connection: Connection, decision: Reject) -> None:
        connection.send_last(pdus.encode_reject(decision.result, decision.source, decision.reason))
        connection.linger(_LINGER_S)
        raise _Over("rejected", f"{decision.result}/{decision.source}/{decision.reason}")

    # Serving

    def _serve(self, association: Association) -> None:
        try:
            while association.is_open:
                request = association.next_request()
                if request is None:
                    break
                self._one(association, request)
            kind, code = ("closed", "") if association.ended_by == "released" else ("aborted", association.ended_by)
            text = ""
        except AssociationError as error:
            kind, code, text = _KINDS.get(error.code, "lost"), error.code, error.why
            if association.ended_by == "aborted":
                kind = "aborted"
        self._server.tell(self.event(kind, code, text))

    def _one(self, association: Association, request: commands.Request) -> None:
        service = self._server.services.get(request.field)
        if service is None:
            association.respond(request, _UNRECOGNISED_OPERATION)
            return
        try:
            service(association, request)
        except AssociationError:
            raise
        except (LightboxError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            logger.warning("a %s request failed: %s", request.name, type(error).__name__)
            if association.is_open:
                association.respond(request, _PROCESSING_FAILURE)


class _Over(Exception):
    """The connection ends before it became an association."""

    def __init__(self, kind: str, code: str, text: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.code = code
        self.text = text
