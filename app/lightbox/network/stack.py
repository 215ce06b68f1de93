"""Our shape of the pynetdicom protocol stack: the few places where its behaviour is changed, each with its reason.

Nothing here patches pynetdicom from outside: its classes are subclassed, and `Entity` puts the subclasses together.

* `FastSocket`: TCP_NODELAY and TCP_QUICKACK. Many peers leave Nagle's algorithm on; with delayed acknowledgements every
  C-STORE then costs 40 to 50 ms. Acknowledging at once cures this from our side of the wire.
* `Messages.get_msg`: a requestor's reactor thread must never take a response that a ``send_*`` call waits for.
* `Messages.receive_primitive`: data sets of C-STORE requests stream into a receiver while they arrive and never pile
  up in memory; they are never decoded.
* `LightboxAssociation.store_stream`: sends stored bytes as they are, without decoding or converting them.
* Logging: pynetdicom logs query keys, replies and values. Only *that* something happened, and where in pynetdicom,
  reaches our log.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, BinaryIO, Protocol, cast

from pydicom import config as pydicom_config
from pynetdicom import _config, evt
from pynetdicom._globals import MODE_ACCEPTOR, MODE_REQUESTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE, DimseServiceType
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.transport import (
    T_CONNECT,
    AddressInformation,
    AssociationSocket,
    RequestHandler,
    ThreadedAssociationServer,
)

from lightbox.network import implementation
from lightbox.network.identity import LocalIdentity

logger = logging.getLogger(__name__)

_RECEIVE_CHUNK = 262_144
_QUEUED_PDUS = 32


class _Discreet(logging.Handler):
    """Relays that pynetdicom logged something, without its text: that may hold names, identifiers or keys."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        logger.log(
            min(record.levelno, logging.WARNING), "%s line %s %s", record.name, record.lineno, kind or record.levelname
        )


def _lenient_uid(value: str) -> tuple[bool, str]:
    """Accept any UID a peer sends: objects with bad UIDs are refused by the library with a reason, not by an abort."""
    return (0 < len(value) <= 1024, "must have 1 to 1024 characters")


def _configure() -> None:
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"
    _config.VALIDATORS["UI"] = _lenient_uid
    # AE titles and version names beyond ASCII exist; they must not break the association
    _config.CODECS = ("ascii", "utf-8", "latin-1")
    # pydicom's warnings about invalid values print the values
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    parent = logging.getLogger("pynetdicom")
    parent.handlers = [_Discreet()]
    parent.propagate = False
    parent.setLevel(logging.WARNING)


_configure()


class Incoming(Protocol):
    """An object on its way in; see `lightbox.network.receive`."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the encoded data set."""
        ...

    def abort(self) -> None:
        """Forget it."""
        ...


class Receives(Protocol):
    """Who takes objects that arrive; see `lightbox.network.receive.Receiver`."""

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Incoming:
        """Begin an object."""
        ...

    def finish(self, incoming: Any) -> int:
        """Make it durable and return the DIMSE status to answer."""
        ...


class FastSocket(AssociationSocket):
    """A socket that neither waits to fill segments (TCP_NODELAY) nor delays acknowledgements (TCP_QUICKACK)."""

    def __init__(
        self,
        assoc: Association,
        *,
        connected: socket.socket | None = None,
        accepted: socket.socket | None = None,
    ) -> None:
        # Outgoing connections are made before (see association.connect), so that each way to fail has its own words
        self._connected_before = connected
        if connected is not None:
            super().__init__(assoc, address=AddressInformation("127.0.0.1", 0))
        else:
            super().__init__(assoc, client_socket=accepted)
        sock = connected or accepted
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A peer that stops in the middle of a PDU must not hold the thread for ever
            sock.settimeout(assoc.network_timeout)

    def _create_socket(self, address: AddressInformation) -> socket.socket:
        assert self._connected_before is not None
        self._is_connected = False
        return self._connected_before

    def connect(self, primitive: T_CONNECT) -> None:
        """Confirm the connection that exists already (PS3.8 9.2, Evt2)."""
        sock = cast(socket.socket, self.socket)
        host, port = sock.getsockname()[:2]
        self.assoc.requestor.address_info = AddressInformation(host, port)
        self._is_connected = True
        evt.trigger(self.assoc, evt.EVT_CONN_OPEN, {"address": primitive.address_info.as_tuple})
        primitive.result = "Evt2"
        self.provider_queue.put(primitive)
        self._ready.set()

    def _acknowledge_at_once(self) -> None:
        option = getattr(socket, "TCP_QUICKACK", None)  # Linux only; the kernel clears it again by itself
        if option is not None and self.socket is not None:
            try:
                self.socket.setsockopt(socket.IPPROTO_TCP, option, 1)
            except OSError:
                logger.debug("the connection closed before it could be acknowledged")

    def recv(self, nr_bytes: int) -> bytearray:
        """Read `nr_bytes`, or fewer when the connection closes, in large pieces."""
        sock = cast(socket.socket, self.socket)
        buffer = bytearray(nr_bytes)
        view = memoryview(buffer)
        position = 0
        while position < nr_bytes:
            self._acknowledge_at_once()
            count = sock.recv_into(view[position:], min(nr_bytes - position, _RECEIVE_CHUNK))
            if not count:
                break
            position += count
        view.release()
        del buffer[position:]
        return buffer

    def send(self, bytestream: bytes) -> None:
        """Send all of `bytestream`."""
        super().send(bytestream)
        self._acknowledge_at_once()


class _DataSetStream(BytesIO):
    """Where pynetdicom writes the data set of a message: through to the receiver for C-STORE, else into memory."""

    def __init__(self, message: DIMSEMessage, association: LightboxAssociation) -> None:
        super().__init__()
        self._message = message
        self._association = association
        self.incoming: Incoming | None = None

    def write(self, chunk: Any) -> int:
        receiver = self._association.receiver
        if receiver is None or not isinstance(self._message, C_STORE_RQ):
            return super().write(chunk)
        if self.incoming is None:
            command = self._message.command_set
            context = self._association._accepted_cx.get(self._message.context_id or 0)
            if context is None:  # pynetdicom aborts such an association; keep nothing
                return len(chunk)
            self.incoming = receiver.open(
                str(command.AffectedSOPClassUID),
                str(command.AffectedSOPInstanceUID),
                str(context.transfer_syntax[0]),
                self._association.peer_title,
            )
        self.incoming.write(chunk)
        return len(chunk)


def incoming_of(request: C_STORE) -> Incoming | None:
    """Return the object that came with a C-STORE request (None: it came without a data set) and let go of it."""
    stream = request.DataSet
    if not isinstance(stream, _DataSetStream):
        return None
    incoming, stream.incoming = stream.incoming, None
    return incoming


class Messages(DIMSEServiceProvider):
    """DIMSE messages, streamed, and out of the reactor's reach while a call waits for its response."""

    def get_msg(self, block: bool = False) -> Any:
        """Return the next message.

        pynetdicom's reactor thread polls this without blocking. Between its check that it may run and this call, a
        ``send_*`` call on another thread may have started; the reactor then took the response, logged it as
        unexpected, and the caller ran into its timeout. ``send_*`` clears the checkpoint before it sends, so a
        cleared checkpoint here means: what is in the queue belongs to the caller.
        """
        if not block and self.assoc.is_requestor and not self.assoc._reactor_checkpoint.is_set():
            return None, None
        return super().get_msg(block)

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take a P-DATA primitive; see `_DataSetStream`."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = _DataSetStream(self.message, cast("LightboxAssociation", self.assoc))
        super().receive_primitive(primitive)

    def discard(self) -> None:
        """Forget objects that had not arrived completely, or were not served, when the association ended."""
        streams = [self.message.data_set] if self.message is not None else []
        with self.msg_queue.mutex:
            streams += [getattr(message, "DataSet", None) for _, message in self.msg_queue.queue]
        for stream in streams:
            if isinstance(stream, _DataSetStream) and stream.incoming is not None:
                stream.incoming.abort()
                stream.incoming = None


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
