"""An association (PS3.8) and the DIMSE messages on it (PS3.7): synchronous, on the thread of whoever uses it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, BinaryIO

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.network.errors import AssociationError
from lightbox.network.wire import commands
from lightbox.network.wire.channel import IDLE, Channel
from lightbox.network.wire.commands import RESPONSE, Command, Request, Response, Value
from lightbox.network.wire.contexts import Accepted, Refused
from lightbox.network.wire.messages import Sizes
from lightbox.network.wire.pdus import ProtocolError
from lightbox.network.wire.receives import Receives
from lightbox.network.wire.terms import Terms
from lightbox.network.wire.transport import Connection, Throttle

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.network.tls import TlsFacts

logger = logging.getLogger(__name__)

CANCEL_GRACE_S = 5.0
"""How long a peer may take to end an operation after C-CANCEL before the association is aborted."""

_MOST_WAITING = 64
_COMMENT_LENGTH = 64


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
        self._channel = Channel(connection, terms, receiver, sizes or Sizes())
        self.terms = terms
        self.timeout = timeout
        self.tls = tls
        self.sent = 0
        """Objects that were sent and answered."""
        self._message_id = 0
        self._waiting: deque[Request] = deque()

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
    def receiver(self) -> Receives | None:
        """Who takes the objects of C-STORE requests."""
        return self._channel.receiver

    @property
    def received(self) -> int:
        """Objects that were received and answered."""
        return self._channel.received

    @property
    def is_open(self) -> bool:
        """Whether it was neither released nor aborted, as far as we know."""
        return self._channel.is_open

    @property
    def ended_by(self) -> str:
        """How it ended: ``"released"``, ``"aborted"`` (by us), or the code of the error; empty while it is open."""
        return self._channel.ended_by

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

        Objects of C-STORE sub-operations that arrive between them go to the receiver. Where the caller stops early
        (closes the generator), or cancels, C-CANCEL is sent and what still comes is read; a peer that does not end is
        aborted.

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
        over = False
        deadline = 0.0
        try:
            while not over:
                if deadline:  # cancelled
                    response = self._response(command, message_id, timeout, until=deadline)
                    if response is None:
                        self.abort()
                        raise Cancelled
                elif cancel is not None and cancel.cancelled:
                    deadline = time.monotonic() + CANCEL_GRACE_S
                    self._send_cancel(context, message_id)
                    continue
                else:
                    response = self._response(command, message_id, timeout, cancel=cancel)
                    if response is None:  # cancelled while waiting
                        continue
                over = not response.is_pending
                yield response
        finally:
            if not over and self.is_open:
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
        self._channel.operation = command.name
        self._message_id = self._message_id % 65_535 + 1
        attributes: dict[str, Value] = {**command.attributes, "MessageID": self._message_id}
        self._channel.put(context, command.field, attributes, data, throttle)
        return self._message_id

    def _send_cancel(self, context: Accepted, message_id: int) -> None:
        command = commands.c_cancel(message_id)
        self._channel.put(context, command.field, command.attributes)

    def _end_early(self, context: Accepted, command: Command, message_id: int) -> None:
        """End an operation whose responses are not wanted any more."""
        deadline = time.monotonic() + CANCEL_GRACE_S
        try:
            self._send_cancel(context, message_id)
            while True:
                response = self._response(command, message_id, None, until=deadline)
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
        until: float | None = None,
    ) -> Response | None:
        """Return the next response to our request; None when cancelled, or none came `until` a monotonic time."""
        seconds = self.timeout if timeout is None else timeout
        while True:
            message = self._channel.next(seconds, cancel, until=until)
            if message is None:
                return None
            if isinstance(message, Request):
                self._keep(message)
            elif _is_stale(message, message_id, command):
                logger.info("a response to an earlier request was ignored")
            elif message.field != command.field | RESPONSE:
                text = f"a response to {message.name} where one to {command.name} was due"
                self._channel.fail(ProtocolError(text, 2))
            else:
                return message

    def _keep(self, request: Request) -> None:
        """Keep a request of the peer for `next_request`."""
        if len(self._waiting) >= _MOST_WAITING:
            self._channel.fail(ProtocolError("too many requests at once", 2))
        self._waiting.append(request)

    # Requests that the peer makes

    def next_request(self, timeout: float | None = None) -> Request | None:
        """Return the next request of the peer, None when none came within `timeout` or the peer released.

        C-STORE requests are answered here when there is a receiver, and C-ECHO always. Without `timeout`, a peer that
        is silent for the time-out of the association is aborted.

        Raises
        ------
        AssociationError
            The association ended otherwise.
        """
        if self._waiting:
            return self._waiting.popleft()
        if not self.is_open:
            return None
        self._channel.operation = IDLE
        deadline = time.monotonic() + timeout if timeout is not None else None
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and not self._channel.readable(max(0.0, left)):
                return None
            try:
                message = self._channel.next(self.timeout, only_one=deadline is not None)
            except AssociationError:
                if self.ended_by == "released":
                    return None
                raise
            if isinstance(message, Request):
                self._channel.forget_cancel(message.message_id)
                self._channel.operation = message.name
                return message
            if message is not None:
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
        if comment:
            attributes["ErrorComment"] = comment[:_COMMENT_LENGTH]
        self._channel.answer(request, status, data, attributes)

    def cancelled(self, request: Request) -> bool:
        """Whether the peer sent C-CANCEL for `request` (looks at what has arrived, never waits).

        Raises
        ------
        AssociationError
            The association ended.
        """
        channel = self._channel
        while not channel.is_cancelled(request.message_id) and channel.readable(0.0):
            message = channel.next(self.timeout, only_one=True)
            if isinstance(message, Request):
                self._keep(message)
        return channel.is_cancelled(request.message_id)

    # How it ends

    def release(self) -> None:
        """Release the association (PS3.8 7.2); what still arrives before the peer agrees is read and dropped."""
        self._channel.release()

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Abort the association (PS3.8 7.3); may be called from any thread."""
        self._channel.abort(source, reason)


def _is_stale(response: Response, message_id: int, command: Command) -> bool:
    """Whether a response belongs to a request that was answered before: it must not count for this one."""
    told = response.command.get("MessageIDBeingRespondedTo")
    if told == message_id:
        return False
    # A wrong number: what else it says decides
    instance = response.command.get("AffectedSOPInstanceUID")
    wanted = command.attributes.get("AffectedSOPInstanceUID")
    if instance and wanted:
        return instance != wanted
    return bool(told) and told < message_id and command.field != commands.C_ECHO
