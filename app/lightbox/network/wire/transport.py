"""A connection: TCP or TLS, read through one large buffer, without delays on the wire."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import Any

from lightbox.core.jobs import CancelToken

logger = logging.getLogger(__name__)

_SMALL, _LARGE = 65_536, 1_048_576
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux only; the kernel clears it again by itself
_CANCEL_POLL_S = 0.05
_MOST_PARTS = 512
Buffer = bytes | bytearray | memoryview


class ConnectionEnded(Exception):
    """The peer closed the connection, or the network cut it."""


class Stalled(Exception):
    """Nothing (more) came, or could be sent, in time."""


class Throttle:
    """Limits bytes a second; several associations may share one.

    Parameters
    ----------
    bytes_per_second : int
        0 for no limit.
    """

    def __init__(self, bytes_per_second: int) -> None:
        self.bytes_per_second = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = 0.0

    def take(self, count: int) -> None:
        """Wait until `count` bytes may be sent."""
        if self.bytes_per_second <= 0:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(self._free_at, now)
            self._free_at = begin + count / self.bytes_per_second
        if begin > now:
            time.sleep(begin - now)


class Connection:
    """A connected socket with a buffer for reading.

    Many peers leave Nagle's algorithm on; with delayed acknowledgements every C-STORE then costs 40 to 50 ms.
    TCP_NODELAY for what we send and acknowledging at once what we receive cure this from our side of the wire.

    Parameters
    ----------
    sock : socket
        Connected; plain TCP or TLS after its handshake.
    timeout : float
        Seconds that the peer may make no progress in the middle of a PDU.
    """

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self.sock = sock
        self.timeout = timeout
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._buffer = memoryview(bytearray(_SMALL))
        self._start = self._end = 0
        self._closed = False
        self._user = threading.get_ident()
        self._send_lock = threading.Lock()
        """Held while something is sent; with TLS also while something is read: one thread at a time may use OpenSSL."""
        self._quick = _QUICKACK is not None and sock.family in (socket.AF_INET, socket.AF_INET6)
        sock.settimeout(timeout)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    @property
    def available(self) -> int:
        """Bytes that were read and not yet taken."""
        return self._end - self._start

    @property
    def closed(self) -> bool:
        """Whether `close` or `shut_down` was called."""
        return self._closed

    def set_timeout(self, seconds: float) -> None:
        """Change `timeout`."""
        if seconds != self.timeout:
            self.timeout = seconds
            self.sock.settimeout(seconds)

    def fill(self, count: int) -> None:
        """Read until at least `count` bytes (at most a few hundred kB) are available.

        Raises
        ------
        ConnectionEnded
            The connection ended before.
        Stalled
            They did not come within the time-out; a peer that sends single bytes does not gain time.
        """
        if self._end - self._start >= count:
            return
        self._make_room(count)
        deadline = time.monotonic() + self.timeout
        while self._end - self._start < count:
            self._receive()
            if self._end - self._start < count and time.monotonic() > deadline:
                raise Stalled

    def fill_some(self) -> None:
        """Read until at least one byte is available."""
        if self._end == self._start:
            self._make_room(1)
            self._receive()

    def _make_room(self, count: int) -> None:
        left = self._end - self._start
        size = len(self._buffer)
        if left == 0:
            grow = self._end == size < _LARGE  # it was filled to the brim: much comes at once
            self._start = self._end = 0
            if grow:
                self._buffer = memoryview(bytearray(min(size * 4, _LARGE)))
        if count > len(self._buffer):
            larger = memoryview(bytearray(count))
            larger[:left] = self._buffer[self._start : self._end]
            self._buffer, self._start, self._end = larger, 0, left
        elif self._start + count > len(self._buffer):
            self._buffer[:left] = bytes(self._buffer[self._start : self._end])
            self._start, self._end = 0, left

    def _receive(self) -> None:
        self._user = threading.get_ident()
        try:
            if self._quick:
                self.sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)  # pyright: ignore[reportArgumentType]
            if self._tls:
                with self._send_lock:
                    count = self.sock.recv_into(self._buffer[self._end :])
            else:
                count = self.sock.recv_into(self._buffer[self._end :])
        except TimeoutError:
            raise Stalled from None
        except (OSError, ValueError) as error:  # ValueError: another thread closed the TLS connection meanwhile
            raise ConnectionEnded from error
        if not count:
            raise ConnectionEnded
        self._end += count

    def peek(self, count: int) -> memoryview:
        """Return `count` available bytes without taking them."""
        return self._buffer[self._start : self._start + count]

    def take(self, count: int) -> memoryview:
        """Take `count` available bytes; they stay valid until the next read."""
        start = self._start
        self._start = start + count
        return self._buffer[start : self._start]

    def ready(self, timeout: float = 0.0, cancel: CancelToken | None = None) -> bool:
        """Whether something can be read within `timeout` seconds; False, too, once `cancel` was cancelled."""
        if self._end > self._start or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            if self._wait(min(left, _CANCEL_POLL_S) if cancel is not None else left):
                return True
            if left == 0.0 or (cancel is not None and cancel.cancelled):
                return False

    def _wait(self, seconds: float) -> bool:
        if self._closed:
            raise ConnectionEnded
        try:
            if self._quick:
                self.sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)  # pyright: ignore[reportArgumentType]
            if hasattr(select, "poll"):
                poll = select.poll()
                poll.register(self.sock, select.POLLIN)
                return bool(poll.poll(seconds * 1000))
            return bool(select.select([self.sock], [], [], seconds)[0])
        except (OSError, ValueError) as error:
            raise ConnectionEnded from error

    def send(self, parts: Sequence[Buffer]) -> None:
        """Send all of `parts`, with as few system calls as possible.

        Raises
        ------
        ConnectionEnded, Stalled
            It could not be sent (in time).
        """
        self._user = threading.get_ident()
        with self._send_lock:
            try:
                if self._tls or len(parts) == 1 or not hasattr(self.sock, "sendmsg"):
                    self._send_whole(memoryview(parts[0] if len(parts) == 1 else b"".join(parts)))
                else:
                    for begin in range(0, len(parts), _MOST_PARTS):
                        self._send_parts(parts[begin : begin + _MOST_PARTS])
            except TimeoutError:
                raise Stalled from None
            except (OSError, ValueError) as error:
                raise ConnectionEnded from error

    def _send_whole(self, data: memoryview) -> None:
        while data:  # not sendall: its time-out is that of the whole, on a slow line too short
            data = data[self.sock.send(data) :]

    def _send_parts(self, parts: Sequence[Buffer]) -> None:
        sent = self.sock.sendmsg(parts)
        total = sum(map(len, parts))
        while sent < total:
            remaining: list[Any] = []
            skipped = 0
            for part in parts:
                size = len(part)
                if skipped + size > sent:
                    remaining.append(memoryview(part)[max(0, sent - skipped) :])
                skipped += size
            parts, total = remaining, total - sent
            sent = self.sock.sendmsg(parts)

    def send_last(self, data: bytes) -> None:
        """Send a last PDU if that is possible at once, from whichever thread; failures do not matter any more."""
        if self._closed or not self._send_lock.acquire(blocking=False):
            return
        try:
            self.sock.settimeout(1.0)
            self.sock.sendall(data)
        except (OSError, ValueError) as error:
            logger.debug("a last PDU could not be sent: %s", type(error).__name__)
        finally:
            self._send_lock.release()

    def linger(self, seconds: float) -> None:
        """Wait until the peer closes, at most `seconds`: closing over unread data would destroy what we sent last."""
        deadline = time.monotonic() + seconds
        try:
            self.sock.settimeout(seconds)
            if not self._tls:
                self.sock.shutdown(socket.SHUT_WR)
            while time.monotonic() < deadline and self.sock.recv(_SMALL):
                pass
        except (OSError, ValueError) as error:
            logger.debug("the peer did not close in time: %s", type(error).__name__)

    def shut_down(self) -> None:
        """End the connection from any thread: whoever reads or writes it wakes up."""
        self._closed = True
        shut_down(self.sock)
        if self._user == threading.get_ident():
            self.close()

    def close(self) -> None:
        """Close it; only for the thread that uses it (another might get a new connection under the old number)."""
        self._closed = True
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.settimeout(0.0)
                self.sock.unwrap()  # says that this is the end, and does not wait for the answer
        except (OSError, ValueError) as error:
            logger.debug("end of TLS: %s", type(error).__name__)
        self.sock.close()


def shut_down(sock: socket.socket) -> None:
    """End a connection that another thread may be using.

    `ssl.SSLSocket.shutdown` would first take TLS off: for a moment the other thread could send in plaintext.
    """
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError as error:
        logger.debug("the connection was closed already: %s", type(error).__name__)
