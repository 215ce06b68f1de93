"""Our shape of the pynetdicom protocol stack: the few places where its behaviour is changed, each with its reason.

Nothing here patches pynetdicom from outside: its classes are subclassed, and `Entity` puts the subclasses together.

* `fast_socket.FastSocket`: no delays on the wire.
* `messages.Messages`: C-STORE data sets stream into a receiver while they arrive, never decoded and never piled up in
  memory; and pynetdicom's reactor thread cannot take a response that a ``send_*`` call waits for.
* `LightboxAssociation.store_stream`: sends stored bytes as they are, without decoding or converting them.
* `LightboxAssociation._serve_request`: serves C-STORE of private and unknown SOP classes, too.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, cast

from pynetdicom._globals import MODE_ACCEPTOR, MODE_REQUESTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE, DimseServiceType
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.transport import AddressInformation, RequestHandler, ThreadedAssociationServer

from lightbox.network import implementation, pynetdicom_setup
from lightbox.network.fast_socket import FastSocket
from lightbox.network.identity import LocalIdentity
from lightbox.network.messages import Messages, Receives

logger = logging.getLogger(__name__)

pynetdicom_setup.configure()

_QUEUED_PDUS = 32


class LightboxAssociation(Association):
    """An association with streamed objects in both directions.

    ``receiver`` takes the objects of C-STORE requests; None keeps pynetdicom's own handling.
    """

    def __init__(self, ae: ApplicationEntity, mode: str) -> None:
        super().__init__(ae, mode)
        self.dimse = Messages(self)
        self.receiver: Receives | None = None
        self.services: dict[type, Callable[[LightboxAssociation, Any, PresentationContext], None]] = {}

    @property
    def peer_title(self) -> str:
        """AE title of the other side."""
        return (self.acceptor if self.is_requestor else self.requestor).ae_title.strip()

    def run_reactor(self) -> None:
        """Run until the association ends, then forget what is incomplete."""
        try:
            super().run_reactor()
        finally:
            cast(Messages, self.dimse).discard()

    def _serve_request(self, msg: DimseServiceType, context_id: int) -> None:
        # Storage requests of private and unknown SOP classes, too: what was negotiated is served (PS3.4 Annex B).
        # pynetdicom knows a service only for the SOP classes in its tables.
        service = StorageServiceClass.SCP if isinstance(msg, C_STORE) else None
        context = self._accepted_cx.get(context_id)
        if context is not None and msg.is_valid_request and not self._sent_release:
            own = self.services.get(type(msg))
            if own is not None or service is not None:
                self.dimse.cancel_req = {}
                self._is_paused = True
                try:
                    if own is not None:
                        own(self, msg, context)
                    else:
                        StorageServiceClass(self).SCP(msg, context)  # type: ignore[arg-type]
                except Exception as error:
                    logger.warning("a %s request failed: %s", type(msg).__name__, type(error).__name__)
                    self.abort()
                finally:
                    self._is_paused = False
                    self.dimse.cancel_req = {}
                return
        super()._serve_request(msg, context_id)

    def store_stream(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        context_id: int,
        data: BinaryIO,
        *,
        message_id: int = 1,
        originator: tuple[str, int] | None = None,
    ) -> tuple[int | None, str]:
        """Send the rest of `data`, an encoded data set, by C-STORE (PS3.7 9.1.1) without looking into it.

        Returns
        -------
        tuple of (int or None, str)
            Status of the response and its error comment; None when no response came.
        """
        request = C_STORE()
        request.MessageID = message_id
        request.AffectedSOPClassUID = sop_class_uid
        request.AffectedSOPInstanceUID = sop_instance_uid
        request.Priority = 2
        if originator is not None:
            request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID = originator
        command = C_STORE_RQ()
        command.primitive_to_message(request)
        command.command_set.CommandDataSetType = 0x0001
        command.context_id = context_id

        within_reactor = threading.current_thread() is self
        if not within_reactor:
            self._reactor_checkpoint.clear()
            while not self._is_paused:
                time.sleep(0.0001)
        try:
            for pdu in command.encode_msg(context_id, self.dimse.maximum_pdu_size):
                self.dul.send_pdu(pdu)
            self._send_data_set(context_id, data)
            _, response = self.dimse.get_msg(block=True)
        finally:
            if not within_reactor:
                self._reactor_checkpoint.set()
        if response is None or not isinstance(response, C_STORE):
            self._handle_no_response()
            return None, ""
        return response.Status, response.ErrorComment or ""

    def _send_data_set(self, context_id: int, data: BinaryIO) -> None:
        size = (self.dimse.maximum_pdu_size or 1_048_576) - 6
        chunk = data.read(size)
        while True:
            following = data.read(size)
            pdu = P_DATA()
            # PS3.8 Annex E.2: bit 0 command, bit 1 last fragment
            pdu.presentation_data_value_list.append((context_id, (b"\x00" if following else b"\x02") + chunk))
            while self.dul.to_provider_queue.qsize() > _QUEUED_PDUS and self.dul.is_alive():
                time.sleep(0.0005)  # the wire is slower than the disk: do not read the whole object into memory
            self.dul.send_pdu(pdu)
            if not following:
                return
            chunk = following


class _Handler(RequestHandler):
    """Gives accepted connections our association and socket."""

    def _create_association(self) -> Association:
        server = cast(EntityServer, self.server)
        association = LightboxAssociation(self.ae, MODE_ACCEPTOR)
        association._server = server
        association.name = f"AcceptorThread@{time.time():.0f}"
        association.receiver = server.receiver
        association.services = server.services
        association.set_socket(FastSocket(association, accepted=cast(socket.socket, self.request)))
        association.acceptor.maximum_length = self.ae.maximum_pdu_size
        association.acceptor.ae_title = server.ae_title
        association.acceptor.address_info = self.local
        association.acceptor.implementation_class_uid = self.ae.implementation_class_uid
        association.acceptor.implementation_version_name = self.ae.implementation_version_name
        association.acceptor.supported_contexts = list(server.contexts)
        association.requestor.address_info = self.remote
        for event, handlers in server._handlers.items():
            if event.is_intervention:
                association.bind(event, *cast(Any, handlers))
            else:
                for handler in cast(Iterable[Any], handlers):
                    association.bind(event, handler[0], handler[1])
        return association


class EntityServer(ThreadedAssociationServer):
    """A listener whose associations stream into ``receiver`` and answer by ``services``."""

    request_queue_size = 64
    daemon_threads = True
    receiver: Receives | None = None
    services: dict[type, Callable[[LightboxAssociation, Any, PresentationContext], None]] = {}


class Entity(ApplicationEntity):
    """A pynetdicom AE with our identity, timeouts, association and server."""

    def __init__(self, identity: LocalIdentity) -> None:
        super().__init__(identity.ae_title)
        self.implementation_class_uid = implementation.CLASS_UID
        self.implementation_version_name = implementation.VERSION_NAME
        self.acse_timeout = identity.association_timeout
        self.dimse_timeout = identity.dimse_timeout
        self.connection_timeout = identity.connect_timeout
        # The reactor aborts associations that stay idle longer; responses of slow archives come within dimse_timeout
        self.network_timeout = max(60.0, 2 * identity.dimse_timeout)
        self.maximum_pdu_size = identity.maximum_pdu
        self.maximum_associations = 64

    def request(
        self,
        connected: socket.socket,
        address: tuple[str, int],
        called_title: str,
        contexts: list[PresentationContext],
        negotiation: Iterable[Any] = (),
        handlers: Iterable[Any] = (),
        receiver: Receives | None = None,
    ) -> LightboxAssociation:
        """Negotiate an association over a TCP connection that exists already and return it, established or not."""
        association = LightboxAssociation(self, MODE_REQUESTOR)
        association.name = f"RequestorThread@{time.time():.0f}"
        association.receiver = receiver
        association.set_socket(FastSocket(association, connected=connected))
        association.acceptor.ae_title = called_title
        association.acceptor.address_info = AddressInformation(*address)
        association.requestor.address_info = AddressInformation(*connected.getsockname()[:2])
        association.requestor.ae_title = self.ae_title
        association.requestor.maximum_length = self.maximum_pdu_size
        association.requestor.implementation_class_uid = self.implementation_class_uid
        association.requestor.implementation_version_name = self.implementation_version_name
        for item in negotiation:
            association.requestor.add_negotiation_item(item)
        for number, context in enumerate(contexts):
            context.context_id = 2 * number + 1
        association.requestor.requested_contexts = contexts
        for handler in handlers:
            association.bind(*handler)
        association.request()
        if association.is_established:
            association.start()
        return association

    def listen(
        self,
        address: tuple[str, int],
        contexts: list[PresentationContext],
        handlers: list[Any],
        *,
        receiver: Receives | None = None,
        services: dict[type, Callable[[LightboxAssociation, Any, PresentationContext], None]] | None = None,
    ) -> EntityServer:
        """Listen on `address` and serve on threads of their own until ``shutdown()``."""
        server = cast(
            EntityServer,
            self.make_server(
                address,
                ae_title=self.ae_title,
                contexts=contexts,
                evt_handlers=handlers,
                server_class=cast(Any, EntityServer),
                request_handler=_Handler,
            ),
        )
        server.receiver = receiver
        server.services = services or {}
        self._servers.append(server)  # shutdown() removes it from this list
        threading.Thread(target=server.serve_forever, args=(0.1,), name="dicom-listener", daemon=True).start()
        return server
