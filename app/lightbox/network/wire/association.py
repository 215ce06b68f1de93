"""An association (PS3.8) and the DIMSE messages on it (PS3.7): synchronous, on the thread of whoever uses it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.network.errors import AssociationError
from lightbox.network.wire import commands, datasets, failures, pdus
from lightbox.network.wire.commands import RESPONSE, Command, Request, Response, Value
from lightbox.network.wire.contexts import Accepted, Refused
from lightbox.network.wire.messages import Ended, MessageReader, Sizes, TooLarge
from lightbox.network.wire.outgoing import Outgoing
from lightbox.network.wire.pdus import ProtocolError
from lightbox.network.wire.receives import Incoming, Receives
from lightbox.network.wire.transport import Connection, ConnectionEnded, Stalled, Throttle

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.network.tls import TlsFacts

logger = logging.getLogger(__name__)

CANCEL_GRACE_S = 5.0
"""How long a peer may take to end an operation after C-CANCEL before the association is aborted."""
RELEASE_S = 10.0
"""How long a peer may take to answer A-RELEASE-RQ, or to close after it (ARTIM timer, PS3.8 9.1.5)."""

_NO_DATA_SET, _CANNOT_STORE, _NO_SUCH_OPERATION = 0xC000, 0x0110, 0x0211
_MOST_WAITING = 64


@dataclass(slots=True)
class Terms:
    """What was agreed when the association was opened."""

    own_title: str
    peer_title: str
    accepted: list[Accepted]
    refused: list[Refused] = field(default_factory=list)
    peer_maximum_pdu: int = 0
    implementation_class_uid: str = ""
    implementation_version: str = ""
    extended: dict[str, bytes] = field(default_factory=dict)
    identity_answer: bytes | None = None
    peer_name: str = ""
    """Our name for the peer, for error messages."""
    address: tuple[str, int] = ("", 0)
    """Where the peer is."""


class Association:
    """An open association. One thread uses it at a time; `abort` may be called from any.

    Parameters
    ----------
    connection : Connection
        After the negotiation.
    terms : Terms
        What was agreed.
    receiver : Receives, optional
        Takes the objects of C-STORE requests.
    timeout : float
        Seconds to wait for each message.
    sizes : Sizes
        What the peer may send.
    tls : TlsFacts, optional
        What was negotiated below it.
    """

    def __init__(
        self,
        connection: Connection,
        terms: Terms,
        *,
        receiver: Receives | None = None,
        timeout: float = 30.0,
        sizes: Sizes | None = None,
        tls: TlsFacts | None = None,
    ) -> None:
        self._connection = connection
        self.terms = terms
        self.receiver = receiver
        self.timeout = timeout
        self.tls = tls
        self.received = self.sent = 0
        """Objects that were received and sent."""
        self._by_id = {context.id: context for context in terms.accepted}
        self._reader = MessageReader(connection, self._by_id, sizes or Sizes())
        self._outgoing = Outgoing(connection, terms.peer_maximum_pdu)
        self._message_id = 0
        self._waiting: deque[Request] = deque()
        self._cancelled: set[int] = set()
        self._incoming: Incoming | None = None
        self._open = True
        self._operation = "operation"
        self.ended_by = ""
        """How it ended: ``"released"``, ``"aborted"`` (by us), or the code of the error."""

    # What was agreed

    @property
    def own_title(self) -> str:
        """Our AE title."""
        return self.terms.own_title

    @property
    def peer_title(self) -> str:
        """AE title of the other side."""
        return self.terms.peer_title

    @property
    def accepted(self) -> list[Accepted]:
        """The accepted presentation contexts."""
        return self.terms.accepted

    @property
    def refused(self) -> list[Refused]:
        """What was proposed and refused."""
        return self.terms.refused

    @property
    def peer_maximum_pdu(self) -> int:
        """Largest PDU that the peer takes; 0 for no limit."""
        return self.terms.peer_maximum_pdu

    @property
    def implementation_class_uid(self) -> str:
        """Of the peer."""
        return self.terms.implementation_class_uid

    @property
    def implementation_version(self) -> str:
        """Of the peer."""
        return self.terms.implementation_version

    @property
    def extended(self) -> dict[str, bytes]:
        """SOP Class Extended Negotiation of the other side, by SOP class (PS3.7 D.3.3.5)."""
        return self.terms.extended

    @property
    def is_open(self) -> bool:
        """Whether it was neither released nor aborted, as far as we know."""
        return self._open

    def context(self, abstract_syntax: str, *, transfer_syntax: str = "", scp: bool = False) -> Accepted | None:
        """Return the first accepted context of `abstract_syntax` in which we may act as SCU (or SCP)."""
        for context in self.terms.accepted:
            if (
                context.abstract_syntax == abstract_syntax
                and (not transfer_syntax or context.transfer_syntax == transfer_syntax)
                and (context.as_scp if scp else context.as_scu)
            ):
                return context
        return None

    # Requests that we make

    def request(
        self,
        context: Accepted,
        command: Command,
        data: bytes | Dataset | BinaryIO | None = None,
        *,
        timeout: float | None = None,
    ) -> Response:
        """Send a request and return its one response.

        Parameters
        ----------
        data : bytes, Dataset or file, optional
            The data set: encoded as `context` says, to be encoded, or a file that stands at an encoded one.
        timeout : float, optional
            Seconds to wait for the response; that of the association when None.

        Raises
        ------
        AssociationError
            The association ended, or no response came in time (then it is aborted).
        """
        message_id = self._send(context, command, data)
        response = self._response(command, message_id, timeout)
        assert response is not None
        return response

    def requests(
        self,
        context: Accepted,
        command: Command,
        data: bytes | Dataset | BinaryIO | None = None,
        *,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> Generator[Response, None, None]:
        """Send a request and yield its responses, the last one (that is not pending) included.

        Objects of C-STORE sub-operations that arrive between them go to the receiver. Where the caller stops early, or
        cancels, C-CANCEL is sent and what still comes is read; a peer that does not end is aborted.

        Raises
        ------
        AssociationError
            As `request`.
        Cancelled
            `cancel` was cancelled; after the last response, or when the peer did not end in time.
        """
        if cancel is not None:
            cancel.raise_if_cancelled()
        message_id = self._send(context, command, data)
        cancelled = over = False
        deadline = 0.0
        try:
            while True:
                if not cancelled and cancel is not None and cancel.cancelled:
                    cancelled = True
                    deadline = time.monotonic() + CANCEL_GRACE_S
                    self._send_cancel(context, message_id)
                if cancelled:
                    response = self._response(command, message_id, max(0.0, deadline - time.monotonic()), grace=True)
                    if response is None:
                        over = True
                        self.abort()
                        raise Cancelled
                else:
                    response = self._response(command, message_id, timeout, cancel=cancel)
                    if response is None:  # cancelled while waiting
                        continue
                if not response.is_pending:
                    over = True
                yield response
                if over:
                    break
        finally:
            if not over and self._open:
                self._end_early(context, command, message_id)
        if cancel is not None and cancel.cancelled:
            raise Cancelled

    def store(
        self,
        context: Accepted,
        sop_class_uid: str,
        sop_instance_uid: str,
        data: BinaryIO,
        *,
        originator: tuple[str, int] | None = None,
        throttle: Throttle | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Send the rest of `data`, a data set encoded as `context` says, by C-STORE (PS3.7 9.1.1).

        The bytes go as they are, in pieces of the peer's PDU size; they are never looked into.

        Raises
        ------
        AssociationError
            As `request`.
        OSError, LightboxError
            `data` could not be read; the association is aborted when the peer has got a part of it.
        """
        command = commands.c_store(sop_class_uid, sop_instance_uid, originator=originator)
        message_id = self._send(context, command, data, throttle=throttle)
        response = self._response(command, message_id, timeout)
        assert response is not None
        self.sent += 1
        return response

    def _send(
        self,
        context: Accepted,
        command: Command,
        data: bytes | Dataset | BinaryIO | None,
        *,
        throttle: Throttle | None = None,
    ) -> int:
        self._operation = command.name
        if not self._open:
            raise failures.not_open(self.peer_title, self._operation, self.terms.peer_name)
        self._message_id = self._message_id % 65_535 + 1
        attributes: dict[str, Value] = {**command.attributes, "MessageID": self._message_id}
        self._put(context, command.field, attributes, data, throttle)
        return self._message_id

    def _put(
        self,
        context: Accepted,
        command_field: int,
        attributes: dict[str, Value],
        data: bytes | Dataset | BinaryIO | None,
        throttle: Throttle | None = None,
    ) -> None:
        if data is not None and not isinstance(data, bytes | bytearray | memoryview) and not hasattr(data, "read"):
            data = datasets.encode(cast("Dataset", data), context.transfer_syntax)
        command_set = commands.encode(command_field, attributes, data is not None)
        try:
            self._outgoing.message(context.id, command_set, cast("bytes | BinaryIO | None", data), throttle)
        except (ConnectionEnded, Stalled) as error:
            self._fail(error)
        except BaseException:
            if self._outgoing.incomplete:  # the data could not be read to its end
                self.abort()
            raise

    def _send_cancel(self, context: Accepted, message_id: int) -> None:
        command = commands.c_cancel(message_id)
        self._put(context, command.field, command.attributes, None)

    def _end_early(self, context: Accepted, command: Command, message_id: int) -> None:
        """End an operation whose responses are not wanted any more."""
        deadline = time.monotonic() + CANCEL_GRACE_S
        try:
            self._send_cancel(context, message_id)
            while True:
                left = max(0.0, deadline - time.monotonic())
                response = self._response(command, message_id, left, grace=True)
                if response is None:
                    self.abort()
                    return
                if not response.is_pending:
                    return
        except AssociationError as error:
            logger.info("an association ended while an operation was cancelled: %s", error.code)

    def _response(
        self,
        command: Command,
        message_id: int,
        timeout: float | None,
        *,
        cancel: CancelToken | None = None,
        grace: bool = False,
    ) -> Response | None:
        """Return the next response to our request; None when cancelled, or late while in `grace`."""
        seconds = self.timeout if timeout is None else timeout
        while True:
            message = self._next(seconds, cancel, grace)
            if message is None:
                return None
            if isinstance(message, Request):
                if len(self._waiting) >= _MOST_WAITING:
                    self._fail(ProtocolError("too many requests while it owes a response", 2))
                self._waiting.append(message)
                continue
            if self._is_stale(message, message_id, command):
                logger.info("a response to an earlier request was ignored")
                continue
            if message.field != command.field | RESPONSE:
                self._fail(ProtocolError(f"a response to {message.name} where one to {command.name} was due", 2))
            return message

    def _is_stale(self, response: Response, message_id: int, command: Command) -> bool:
        """Whether a response belongs to a request that was answered before: it must not count for this one."""
        told = response.command.get("MessageIDBeingRespondedTo")
        if told == message_id:
            return False
        if told and told < message_id:
            return True
        # A wrong or missing number: what else it says decides
        instance = response.command.get("AffectedSOPInstanceUID")
        wanted = command.attributes.get("AffectedSOPInstanceUID")
        return bool(instance and wanted and instance != wanted)

    # Requests that the peer makes

    def next_request(self, timeout: float | None = None) -> Request | None:
        """Return the next request of the peer, None when none came within `timeout` or the peer released.

        C-STORE requests are answered here when there is a receiver, and C-ECHO always.

        Raises
        ------
        AssociationError
            The association ended otherwise.
        """
        if self._waiting:
            return self._waiting.popleft()
        if not self._open:
            return None
        self._operation = "wait for a request"
        deadline = time.monotonic() + timeout if timeout is not None else None
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and not self._readable(max(0.0, left)):
                return None
            try:
                message = self._next(self.timeout)
            except AssociationError:
                if self.ended_by == "released":
                    return None
                raise
            if isinstance(message, Request):
                return message
            logger.info("a response that nobody waits for was ignored")

    def respond(
        self,
        request: Request,
        status: int,
        data: bytes | Dataset | None = None,
        *,
        comment: str = "",
        **attributes: Value,
    ) -> None:
        """Answer a request; `attributes` by DICOM keyword are added to those that every response has.

        Raises
        ------
        AssociationError
            The association ended.
        """
        if not self._open:
            raise failures.not_open(self.peer_title, request.name, self.terms.peer_name)
        answer: dict[str, Value] = {"MessageIDBeingRespondedTo": request.message_id, "Status": status}
        if request.sop_class_uid:
            answer["AffectedSOPClassUID"] = request.sop_class_uid
        if request.sop_instance_uid:
            answer["AffectedSOPInstanceUID"] = request.sop_instance_uid
        if comment:
            answer["ErrorComment"] = comment[:64]
        answer.update(attributes)
        self._put(request.context, request.field | RESPONSE, answer, data)

    def cancelled(self, request: Request) -> bool:
        """Whether the peer sent C-CANCEL for `request` (looks at what has arrived, never waits).

        Raises
        ------
        AssociationError
            The association ended.
        """
        while request.message_id not in self._cancelled and self._readable(0.0):
            message = self._next(self.timeout, only_one=True)
            if isinstance(message, Request):
                if len(self._waiting) >= _MOST_WAITING:
                    self._fail(ProtocolError("too many requests at once", 2))
                self._waiting.append(message)
        return request.message_id in self._cancelled

    # How it ends

    def release(self) -> None:
        """Release the association (PS3.8 7.2); what still arrives before the peer agrees is read and dropped."""
        if not self._open:
            return
        self._operation = "release"
        deadline = time.monotonic() + RELEASE_S
        try:
            self._connection.set_timeout(RELEASE_S)
            self._connection.send([pdus.encode_release(pdus.RELEASE_RQ)])
            while time.monotonic() < deadline:
                self._reader.read(_into_nothing)
        except Ended as end:
            if end.kind == pdus.RELEASE_RQ:  # collision: both sides want it
                self._answer_release()
            logger.debug("released")
        except (ConnectionEnded, Stalled, ProtocolError, TooLarge) as error:
            logger.info("a peer did not answer the release: %s", type(error).__name__)
            self._connection.send_last(pdus.encode_abort())
        self._finish("released")

    def _answer_release(self) -> None:
        try:
            self._connection.send([pdus.encode_release(pdus.RELEASE_RP)])
        except (ConnectionEnded, Stalled) as error:
            logger.debug("the release could not be answered: %s", type(error).__name__)

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Abort the association (PS3.8 7.3); may be called from any thread."""
        if self._open:
            self.ended_by = self.ended_by or "aborted"
            self._open = False
            self._connection.send_last(pdus.encode_abort(source, reason))
            self._connection.shut_down()

    def _finish(self, how: str) -> None:
        self.ended_by = self.ended_by or how
        self._open = False
        self._connection.close()

    def _fail(self, error: Exception, seconds: float = 0.0) -> None:
        """End the association after `error` and raise it in words."""
        title, operation, where = self.peer_title, self._operation, self.terms.peer_name
        by_us = not self._open and self.ended_by == "aborted"
        if by_us:
            failure = failures.not_open(title, operation, where)
        elif isinstance(error, Ended) and error.kind == pdus.ABORT:
            failure = failures.aborted(title, operation, where, error.source, error.reason)
        elif isinstance(error, Ended) and error.kind == pdus.RELEASE_RQ:
            self._answer_release()
            if operation == "wait for a request":
                self._connection.linger(1.0)
                self.ended_by = "released"
            failure = failures.released(title, operation, where)
        elif isinstance(error, Ended):
            failure = failures.protocol(title, operation, where, "it agreed to a release that nobody asked for")
            self._connection.send_last(pdus.encode_abort(2, 2))
        elif isinstance(error, Stalled):
            failure = failures.timed_out(title, operation, where, seconds or self._connection.timeout)
            self._connection.send_last(pdus.encode_abort())
        elif isinstance(error, TooLarge):
            failure = failures.too_large(title, operation, where, str(error))
            self._connection.send_last(pdus.encode_abort(2, 6))
        elif isinstance(error, ProtocolError):
            failure = failures.protocol(title, operation, where, str(error))
            self._connection.send_last(pdus.encode_abort(2, error.reason))
        else:
            failure = failures.closed(title, operation, where)
        self._finish(failure.code)
        raise failure from error

    # Reading

    def _readable(self, seconds: float) -> bool:
        try:
            return self._connection.ready(seconds)
        except ConnectionEnded as error:
            self._fail(error)
            raise

    def _next(
        self, seconds: float, cancel: CancelToken | None = None, grace: bool = False, *, only_one: bool = False
    ) -> Response | Request | None:
        """Return the next message that is not dealt with here; None when cancelled, late in `grace` or `only_one`."""
        connection = self._connection
        while True:
            waits = cancel is not None or grace or seconds != connection.timeout
            self._incoming = None
            try:
                if waits and not connection.ready(seconds, cancel):
                    if grace or (cancel is not None and cancel.cancelled):
                        return None
                    raise Stalled
                context, command, data, sink = self._reader.read(self._begin_object)
            except (Ended, ConnectionEnded, Stalled, ProtocolError, TooLarge) as error:
                if self._incoming is not None:
                    self._incoming.abort()
                self._fail(error, seconds)
                raise
            number = int(command.get("CommandField", 0))
            if number == commands.C_CANCEL:
                self._note_cancel(command)
            elif number & RESPONSE:
                return Response(context, command, data)
            elif number == 0:
                self._fail(ProtocolError("a message without command field"))
            else:
                request = Request(context, command, data)
                if number == commands.C_STORE and self.receiver is not None:
                    self._store(request, sink)
                elif number == commands.C_ECHO:
                    self.respond(request, 0x0000)
                else:
                    return request
            if only_one:
                return None

    def _note_cancel(self, command: dict[str, Any]) -> None:
        if len(self._cancelled) >= 1024:
            self._cancelled.clear()
        self._cancelled.add(int(command.get("MessageIDBeingRespondedTo", 0)))

    def _begin_object(self, context: Accepted, command: dict[str, Any]) -> Any:
        if command.get("CommandField") != commands.C_STORE or self.receiver is None:
            return None
        try:
            incoming = self.receiver.open(
                str(command.get("AffectedSOPClassUID") or context.abstract_syntax),
                str(command.get("AffectedSOPInstanceUID", "")),
                context.transfer_syntax,
                self.peer_title,
            )
        except (OSError, LightboxError) as error:
            logger.warning("an object could not be received: %s", type(error).__name__)
            return _Nowhere()
        self._incoming = incoming
        return incoming

    def _store(self, request: Request, incoming: Any) -> None:
        assert self.receiver is not None
        if incoming is None:
            status = _NO_DATA_SET
        elif isinstance(incoming, _Nowhere):
            status = _CANNOT_STORE
        else:
            status = self.receiver.finish(incoming)
            self.received += 1
        self.respond(request, status)


class _Nowhere:
    """Where the bytes of an object go that could not be begun."""

    def write(self, chunk: memoryview) -> None:
        pass

    def abort(self) -> None:
        pass


def _into_nothing(context: Accepted, command: dict[str, Any]) -> _Nowhere:
    return _Nowhere()
