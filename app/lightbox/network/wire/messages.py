"""Messages read from P-DATA (PS3.8 9.3.5, Annex E): objects go on as they arrive, never whole in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lightbox.network.wire import commands, pdus
from lightbox.network.wire.contexts import Accepted
from lightbox.network.wire.pdus import ProtocolError
from lightbox.network.wire.transport import Connection, Stalled

_NO_PROGRESS = 10_000
_SLOWEST = 1024
"""Bytes a second below which a message does not count as making progress."""


class Ended(Exception):
    """The peer ended the association: A-RELEASE-RQ (``kind``) or A-ABORT with source and reason."""

    def __init__(self, kind: int, source: int = 0, reason: int = 0) -> None:
        super().__init__(kind)
        self.kind = kind
        self.source = source
        self.reason = reason


class TooLarge(Exception):
    """A PDU or message is larger than we take; the text says which."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a peer may send, in bytes. Only `memory` is ever held at once; objects stream."""

    pdu: int = 64 * 1024 * 1024
    command: int = 64 * 1024
    memory: int = 64 * 1024 * 1024
    """A data set that is not streamed: query identifiers, commitment requests."""
    object: int = 0
    """An object of C-STORE; 0 for no limit."""


class Sink(Protocol):
    """Takes the bytes of a data set."""

    def write(self, chunk: memoryview) -> object:
        """Take the next bytes, valid during the call only."""
        ...


class Fragments:
    """The presentation data values of a connection, one after the other (PS3.8 9.3.5.1)."""

    def __init__(self, connection: Connection, largest_pdu: int) -> None:
        self._connection = connection
        self._largest = largest_pdu
        self._pdu_left = 0
        self._idle = 0
        self.left = 0
        """Bytes of the current value that were not taken yet."""
        self.context_id = 0
        self.control = 0

    def next(self) -> None:
        """Go on to the next presentation data value.

        Raises
        ------
        Ended, ProtocolError, TooLarge, ConnectionEnded, Stalled
            Something else came, or nothing.
        """
        connection = self._connection
        while self._pdu_left == 0:
            connection.fill(6)
            kind, length = pdus.HEADER.unpack_from(connection.peek(6))
            if kind != pdus.P_DATA:
                self._other(kind, length)
            if length > self._largest:
                raise TooLarge(f"A P-DATA PDU of {length} bytes was announced; {self._largest} are allowed")
            connection.take(6)
            self._pdu_left = length
            if length == 0:
                self._no_progress()
        if self._pdu_left < 6:
            raise ProtocolError("a presentation data value does not fit into its PDU")
        connection.fill(6)
        length, self.context_id, self.control = pdus.PDV.unpack(connection.take(6))
        if length < 2 or length + 4 > self._pdu_left:
            raise ProtocolError("a presentation data value does not fit into its PDU")
        self._pdu_left -= length + 4
        self.left = length - 2
        if self.left:
            self._idle = 0
        else:
            self._no_progress()

    def _no_progress(self) -> None:
        self._idle += 1
        if self._idle > _NO_PROGRESS:
            raise ProtocolError("nothing but empty fragments")

    def _other(self, kind: int, length: int) -> None:
        connection = self._connection
        if kind in (pdus.RELEASE_RQ, pdus.RELEASE_RP, pdus.ABORT):
            if length > 1024:
                raise ProtocolError("a PDU of fixed length is too long")
            connection.take(6)
            connection.fill(length)
            body = connection.take(length)
            raise Ended(kind, body[2] if length > 2 else 0, body[3] if length > 3 else 0)
        raise ProtocolError(f"a PDU of type 0x{kind:02X} in an established association", 2 if kind < 8 else 1)

    def chunk(self) -> memoryview:
        """Return the next bytes of the current value, at least one."""
        connection = self._connection
        connection.fill_some()
        chunk = connection.take(min(connection.available, self.left))
        self.left -= len(chunk)
        return chunk


class MessageReader:
    """Reads whole messages.

    Parameters
    ----------
    connection : Connection
        Where they come from.
    contexts : dict of int to Accepted
        The accepted presentation contexts by ID.
    sizes : Sizes
        What the peer may send.
    """

    def __init__(self, connection: Connection, contexts: dict[int, Accepted], sizes: Sizes) -> None:
        self._connection = connection
        self._fragments = Fragments(connection, sizes.pdu)
        self._contexts = contexts
        self._sizes = sizes

    def read(
        self, begin_object: Callable[[Accepted, dict[str, Any]], Sink | None]
    ) -> tuple[Accepted, dict[str, Any], bytes | None, Sink | None]:
        """Return context, command set, and the data set: in memory, or in the sink that `begin_object` gave.

        `begin_object` is asked for every message with a data set; a sink it returns is aborted by the caller when this
        raises.
        """
        context, command = self._command()
        if not _has_data_set(command):
            return context, command, None, None
        sink = begin_object(context, command)
        if sink is None:
            memory = bytearray()
            self._data(context, memory.extend, self._sizes.memory)
            return context, command, bytes(memory), None
        self._data(context, sink.write, self._sizes.object)
        return context, command, None, sink

    def _command(self) -> tuple[Accepted, dict[str, Any]]:
        fragments = self._fragments
        data = bytearray()
        context_id = -1
        while True:
            fragments.next()
            if not fragments.control & 1:
                # A data set that its command did not announce: of no use, and of no harm
                while fragments.left:
                    fragments.chunk()
                continue
            if context_id < 0:
                context_id = fragments.context_id
            elif fragments.context_id != context_id:
                raise ProtocolError("a command changes its presentation context")
            if len(data) + fragments.left > self._sizes.command:  # before any of it takes up memory
                raise TooLarge(f"A command of more than {self._sizes.command} bytes was sent")
            while fragments.left:
                data += fragments.chunk()
            if fragments.control & 2:
                break
        context = self._contexts.get(context_id)
        if context is None:
            raise ProtocolError("a message in a presentation context that was not accepted")
        return context, commands.decode(data)

    def _data(self, context: Accepted, write: Callable[[memoryview], object], limit: int) -> None:
        fragments = self._fragments
        size = 0
        # A peer that sends a byte now and then must not hold a thread for ever
        deadline = time.monotonic() + 2 * self._connection.timeout
        while True:
            fragments.next()
            if fragments.control & 1:
                raise ProtocolError("a command where a data set was announced")
            if fragments.context_id != context.id:
                raise ProtocolError("a data set changes its presentation context")
            size += fragments.left
            if limit and size > limit:
                raise TooLarge(f"An object of more than {limit} bytes was sent")
            while fragments.left:
                chunk = fragments.chunk()
                write(chunk)
                deadline += len(chunk) / _SLOWEST
                if time.monotonic() > deadline:
                    raise Stalled
            if fragments.control & 2:
                return


def _has_data_set(command: dict[str, Any]) -> bool:
    told = command.get("CommandDataSetType")
    if told is None:  # required, but a C-STORE request without it has its object all the same
        return command.get("CommandField") == commands.C_STORE
    return told != commands.NO_DATA_SET
