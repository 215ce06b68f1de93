"""DIMSE messages: streamed on their way in, and out of the reactor's reach while a call waits for its response."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol, cast

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

if TYPE_CHECKING:
    from lightbox.network.stack import LightboxAssociation


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


class DataSetStream(BytesIO):
    """Where pynetdicom writes the data set of a message: through to the receiver for C-STORE, else into memory."""

    def __init__(self, message: DIMSEMessage, association: LightboxAssociation) -> None:
        super().__init__()
        self._message = message
        self._association = association
        self.incoming: Incoming | None = None

    def write(self, chunk: Any) -> int:
        """Pass the next bytes on."""
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
    if not isinstance(stream, DataSetStream):
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
        """Take a P-DATA primitive; see `DataSetStream`."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = DataSetStream(self.message, cast("LightboxAssociation", self.assoc))
        super().receive_primitive(primitive)

    def discard(self) -> None:
        """Forget objects that had not arrived completely, or were not served, when the association ended."""
        streams = [self.message.data_set] if self.message is not None else []
        with self.msg_queue.mutex:
            streams += [getattr(message, "DataSet", None) for _, message in self.msg_queue.queue]
        for stream in streams:
            if isinstance(stream, DataSetStream) and stream.incoming is not None:
                stream.incoming.abort()
                stream.incoming = None
