"""Messages both ways on an open association, and every way in which it ends (PS3.8 7.2-7.4)."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.network.wire import commands, datasets, failures, pdus
from lightbox.network.wire.commands import RESPONSE, Request, Response, Value
from lightbox.network.wire.contexts import Accepted
from lightbox.network.wire.messages import Ended, MessageReader, Sizes, TooLarge
from lightbox.network.wire.outgoing import Outgoing
from lightbox.network.wire.pdus import ProtocolError
from lightbox.network.wire.receives import Incoming, Receives
from lightbox.network.wire.terms import Terms
from lightbox.network.wire.transport import Connection, ConnectionEnded, Stalled, Throttle

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

logger = logging.getLogger(__name__)

RELEASE_S = 10.0
"""How long a peer may take to answer A-RELEASE-RQ, or to close after it (ARTIM timer, PS3.8 9.1.5)."""

IDLE = "wait for a request"
"""The operation of an acceptor between requests: a release is then no failure."""

_NO_DATA_SET, _CANNOT_STORE = 0xC000, 0x0110
_LINGER_S = 1.0
_MOST_CANCELS = 1024


class Channel:
    """Sends and receives whole messages; deals itself with what needs no decision: objects, echoes, C-CANCEL.

    Parameters
    ----------
    connection : Connection
        After the negotiation.
    terms : Terms
        What was agreed.
    receiver : Receives, optional
        Takes the objects of C-STORE requests.
    sizes : Sizes
        What the peer may send.
    """

    def __init__(self, connection: Connection, terms: Terms, receiver: Receives | None, sizes: Sizes) -> None:
        self._connection = connection
        self._terms = terms
        self._reader = MessageReader(connection, {context.id: context for context in terms.accepted}, sizes)
        self._outgoing = Outgoing(connection, terms.peer_maximum_pdu)
        self._incoming: Incoming | None = None
        self._cancelled: set[int] = set()
        self.receiver = receiver
        self.received = 0
        self.is_open = True
        self.ended_by = ""
        """``"released"``, ``"aborted"`` (by us), or the code of the error that ended it."""
        self.operation = "operation"
        """What is going on, for the words of errors."""

    # Sending

    def put(
        self,
        context: Accepted,
        command_field: int,
        attributes: dict[str, Value],
        data: bytes | Dataset | BinaryIO | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        """Send a message.

        Raises
        ------
        AssociationError
            It could not be sent.
        OSError, LightboxError
            `data` could not be read or encoded; the association is aborted when the peer has got a part of it.
        """
        self.check_open()
        if data is not None and not isinstance(data, bytes | bytearray | memoryview) and not hasattr(data, "read"):
            data = datasets.encode(cast("Dataset", data), context.transfer_syntax)
        command_set = commands.encode(command_field, attributes, data is not None)
        pad = context.transfer_syntax == datasets.DEFLATED
        try:
            self._outgoing.message(context.id, command_set, cast("bytes | BinaryIO | None", data), throttle, pad=pad)
        except (ConnectionEnded, Stalled) as error:
            self.fail(self._last_words(error))
        except BaseException:
            if self._outgoing.incomplete:  # the data could not be read to its end
                self.abort()
            raise

    def answer(self, request: Request, status: int, data: bytes | Dataset | None, more: dict[str, Value]) -> None:
        """Send the response to `request`; `more` are further attributes.

        Raises
        ------
        AssociationError
            The association ended.
        """
        attributes: dict[str, Value] = {"MessageIDBeingRespondedTo": request.message_id, "Status": status}
        if request.sop_class_uid:
            attributes["AffectedSOPClassUID"] = request.sop_class_uid
        if request.sop_instance_uid:
            attributes["AffectedSOPInstanceUID"] = request.sop_instance_uid
        self.put(request.context, request.field | RESPONSE, {**attributes, **more}, data)

    def _last_words(self, error: Exception) -> Exception:
        """Return why the peer does not take what we send: it may have told, before it closed."""
        try:
            if self._connection.ready(0.0):
                self._reader.read(into_nothing)
        except (Ended, ProtocolError, TooLarge) as told:
            return told
        except (ConnectionEnded, Stalled):
            return error
        return error

    # Receiving

    def readable(self, seconds: float) -> bool:
        """Whether something of the peer is there within `seconds`."""
        try:
            return self._connection.ready(seconds)
        except ConnectionEnded as error:
            self.fail(error)

    def next(
        self,
        seconds: float,
        cancel: CancelToken | None = None,
        *,
        until: float | None = None,
        only_one: bool = False,
    ) -> Response | Request | None:
        """Return the next message that is not dealt with here.

        Parameters
        ----------
        seconds : float
            How long to wait for each message.
        cancel : CancelToken, optional
            Ends the wait with None.
        until : float, optional
            Monotonic time after which None is returned, whatever else the peer sends.
        only_one : bool
            Return None after one message that was dealt with here.

        Raises
        ------
        AssociationError
            The association ended.
        """
        connection = self._connection
        while True:
            if cancel is not None and cancel.cancelled:
                return None
            left = seconds if until is None else until - time.monotonic()
            waits = cancel is not None or left != connection.timeout
            self._incoming = None
            try:
                if left < 0 or (waits and not connection.ready(left, cancel)):
                    if until is not None or (cancel is not None and cancel.cancelled):
                        return None
                    raise Stalled
                context, command, data, sink = self._reader.read(self._begin_object)
            except (Ended, ConnectionEnded, Stalled, ProtocolError, TooLarge) as error:
                self._forget_object()
                self.fail(error, seconds)
            except BaseException:  # a fault of the receiver: what it has is not the object
                self._forget_object()
                self.abort()
                raise
            number = int(command.get("CommandField", 0))
            if number == commands.C_CANCEL:
                self._note_cancel(command)
            elif number == 0:
                self.fail(ProtocolError("a message without command field"))
            elif number & RESPONSE:
                return Response(context, command, data)
            else:
                request = Request(context, command, data)
                if number == commands.C_STORE and self.receiver is not None:
                    self._store(request, sink)
                elif number == commands.C_ECHO:
                    self.answer(request, 0x0000, None, {})
                else:
                    return request
            if only_one:
                return None

    def is_cancelled(self, message_id: int) -> bool:
        """Whether C-CANCEL for the request `message_id` was read."""
        return message_id in self._cancelled

    def forget_cancel(self, message_id: int) -> None:
        """Forget a C-CANCEL: its number may be used again."""
        self._cancelled.discard(message_id)

    def _note_cancel(self, command: dict[str, Any]) -> None:
        if len(self._cancelled) >= _MOST_CANCELS:
            self._cancelled.clear()
        self._cancelled.add(int(command.get("MessageIDBeingRespondedTo", 0)))

    def _begin_object(self, context: Accepted, command: dict[str, Any]) -> Any:
        if command.get("CommandField") != commands.C_STORE or self.receiver is None:
            return None
        try:
            self._incoming = self.receiver.open(
                str(command.get("AffectedSOPClassUID") or context.abstract_syntax),
                str(command.get("AffectedSOPInstanceUID", "")),
                context.transfer_syntax,
                self._terms.peer_title,
            )
        except (OSError, LightboxError) as error:
            logger.warning("an object could not be received: %s", type(error).__name__)
            return Nowhere()
        return self._incoming

    def _forget_object(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.abort()

    def _store(self, request: Request, incoming: Any) -> None:
        assert self.receiver is not None
        if incoming is None:
            status = _NO_DATA_SET
        elif isinstance(incoming, Nowhere):
            status = _CANNOT_STORE
        else:
            self._incoming = None
            status = self.receiver.finish(incoming)
            self.received += 1
        self.answer(request, status, None, {})

    # Ending

    def check_open(self) -> None:
        """Raise unless the association is open."""
        if not self.is_open:
            raise failures.not_open(self._terms.peer_title, self.operation, self._terms.peer_name)

    def release(self) -> None:
        """Release the association (PS3.8 7.2); what still arrives before the peer agrees is read and dropped."""
        if not self.is_open:
            return
        self.operation = "release"
        deadline = time.monotonic() + RELEASE_S
        try:
            self._connection.set_timeout(RELEASE_S)
            self._connection.send([pdus.encode_release(pdus.RELEASE_RQ)])
            while time.monotonic() < deadline:
                self._reader.read(into_nothing)
            self._connection.send_last(pdus.encode_abort())
        except Ended as end:
            if end.kind == pdus.RELEASE_RQ:
                self._collision()
        except (ConnectionEnded, Stalled, ProtocolError, TooLarge) as error:
            logger.info("a peer did not answer the release: %s", type(error).__name__)
            self._connection.send_last(pdus.encode_abort())
        self.finish("released")

    def _collision(self) -> None:
        """Both sides asked for the release: each answers, the requestor first (PS3.8 9.2.3, AR-8 to AR-10)."""
        self._answer_release()
        try:
            self._reader.read(into_nothing)
        except (Ended, ConnectionEnded, Stalled, ProtocolError, TooLarge) as error:
            logger.debug("release collision: %s", type(error).__name__)

    def _answer_release(self) -> None:
        try:
            self._connection.send([pdus.encode_release(pdus.RELEASE_RP)])
        except (ConnectionEnded, Stalled) as error:
            logger.debug("the release could not be answered: %s", type(error).__name__)

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Abort the association (PS3.8 7.3); may be called from any thread."""
        if self.is_open:
            self.ended_by = self.ended_by or "aborted"
            self.is_open = False
            self._connection.send_last(pdus.encode_abort(source, reason))
            self._connection.shut_down()

    def finish(self, how: str) -> None:
        """Close the connection; `how` is kept in `ended_by`."""
        self.ended_by = self.ended_by or how
        self.is_open = False
        self._connection.close()

    def fail(self, error: Exception, seconds: float = 0.0) -> NoReturn:
        """End the association after `error` and raise it in words."""
        title, operation, where = self._terms.peer_title, self.operation, self._terms.peer_name
        last: bytes | None = None
        if self.ended_by == "aborted":
            failure = failures.not_open(title, operation, where)
        elif isinstance(error, Ended) and error.kind == pdus.ABORT:
            failure = failures.aborted(title, operation, where, error.source, error.reason)
        elif isinstance(error, Ended) and error.kind == pdus.RELEASE_RQ:
            self._answer_release()
            if operation == IDLE:
                self._connection.linger(_LINGER_S)
                self.ended_by = "released"
            failure = failures.released(title, operation, where)
        elif isinstance(error, Ended):
            failure = failures.protocol(title, operation, where, "it agreed to a release that nobody asked for")
            last = pdus.encode_abort(2, 2)
        elif isinstance(error, Stalled):
            failure = failures.timed_out(title, operation, where, seconds or self._connection.timeout)
            last = pdus.encode_abort()
        elif isinstance(error, TooLarge):
            failure = failures.too_large(title, operation, where, str(error))
            last = pdus.encode_abort(2, 6)
        elif isinstance(error, ProtocolError):
            failure = failures.protocol(title, operation, where, str(error))
            last = pdus.encode_abort(2, error.reason)
        else:
            failure = failures.closed(title, operation, where)
        if last is not None:
            self._connection.send_last(last)
            self._connection.linger(_LINGER_S)
        self.finish(failure.code)
        raise failure from error


class Nowhere:
    """Where bytes go that nobody wants."""

    def write(self, chunk: memoryview) -> None:
        """Drop them."""

    def abort(self) -> None:
        """Do nothing."""


def into_nothing(context: Accepted, command: dict[str, Any]) -> Nowhere:
    """Say of any message that its data set is not wanted."""
    return Nowhere()
