"""Messages put on the wire: straight from the file, several PDUs with one system call."""

from __future__ import annotations

import struct
from typing import BinaryIO

from lightbox.network.wire import pdus
from lightbox.network.wire.transport import Buffer, Connection, Throttle

_LARGEST_PDU = 1_048_576
"""What we send to a peer without limit; beyond this size larger PDUs gain nothing."""
_SMALLEST_PDU = 128
_BLOCK = 1_048_576
_THROTTLED_S = 0.1
"""With a throttle, so much time's worth of bytes at once."""
_HEAD = struct.Struct(">BxIIBB")
COMMAND, LAST = 1, 2
"""Bits of the message control header (PS3.8 E.2)."""


class Outgoing:
    """Sends messages on a connection.

    Parameters
    ----------
    connection : Connection
        Where to.
    peer_maximum : int
        Largest PDU the peer takes, 0 for no limit (PS3.8 D.1).
    """

    def __init__(self, connection: Connection, peer_maximum: int) -> None:
        self._connection = connection
        # Peers that announce less than a fragment header needs cannot mean it
        limit = max(_SMALLEST_PDU, min(peer_maximum or _LARGEST_PDU, _LARGEST_PDU))
        self._fragment = (limit - 6) // 2 * 2
        self._blocks: list[memoryview] = []
        self._pad = False
        self.incomplete = False
        """Whether a part of a message was sent, but not its end."""

    def message(
        self,
        context_id: int,
        command_set: bytes,
        data: Buffer | BinaryIO | None,
        throttle: Throttle | None = None,
        *,
        pad: bool = False,
    ) -> None:
        """Send a command set and the data set: bytes, or the rest of a file.

        Parameters
        ----------
        pad : bool
            End an odd number of bytes with a zero byte, as a deflated data set asks for (PS3.5 A.5): DCMTK aborts on
            a fragment of odd length (PS3.8 E.2).

        Raises
        ------
        ConnectionEnded, Stalled
            It could not be sent.
        OSError, LightboxError
            The file could not be read.
        """
        parts: list[Buffer] = []
        self._pad = pad
        self._pack(parts, context_id, memoryview(command_set), COMMAND, last=True)
        if data is None:
            self._connection.send([b"".join(parts)])
        elif isinstance(data, bytes | bytearray | memoryview):
            self._pack(parts, context_id, memoryview(data), 0, last=True)
            self._put(parts, len(data), throttle)
        else:
            self._file(parts, context_id, data, throttle)

    def _file(self, parts: list[Buffer], context_id: int, data: BinaryIO, throttle: Throttle | None) -> None:
        if not self._blocks:
            size = max(1, _BLOCK // self._fragment) * self._fragment
            self._blocks = [memoryview(bytearray(size)), memoryview(bytearray(size))]
        here, there = self._blocks
        if throttle is not None and throttle.bytes_per_second > 0:
            pace = int(throttle.bytes_per_second * _THROTTLED_S)
            size = max(1, min(pace, len(here)) // self._fragment) * self._fragment
            here, there = here[:size], there[:size]
        count = _read(data, here)
        while True:
            following = _read(data, there) if count == len(here) else 0
            self._pack(parts, context_id, here[:count], 0, last=not following)
            self.incomplete = True
            self._put(parts, count, throttle)
            if not following:
                self.incomplete = False
                return
            parts = []
            here, there, count = there, here, following

    def _put(self, parts: list[Buffer], count: int, throttle: Throttle | None) -> None:
        if throttle is not None:
            throttle.take(count)
        self._connection.send(parts)

    def _pack(self, parts: list[Buffer], context_id: int, data: memoryview, control: int, *, last: bool) -> None:
        fragment = self._fragment
        size = len(data)
        whole = max(0, (size - 1) // fragment)
        if whole:
            head = _HEAD.pack(pdus.P_DATA, fragment + 6, fragment + 2, context_id, control)
            for begin in range(0, whole * fragment, fragment):
                parts.append(head)
                parts.append(data[begin : begin + fragment])
        rest = data[whole * fragment :]
        flags = control | LAST if last else control
        filler = b"\0" * (len(rest) % 2) if last and self._pad else b""
        length = len(rest) + len(filler)
        parts.append(_HEAD.pack(pdus.P_DATA, length + 6, length + 2, context_id, flags))
        parts.append(rest)
        if filler:
            parts.append(filler)


def _read(data: BinaryIO, into: memoryview) -> int:
    """Fill `into` from a file as far as it goes."""
    count = 0
    while count < len(into):
        got = data.readinto(into[count:])  # pyright: ignore[reportAttributeAccessIssue]
        if not got:
            break
        count += got
    return count
