"""A TCP proxy in front of a server under test that delays, cuts, throttles, drops or encrypts.

How to use it::

    with FaultProxy(server.port) as proxy:                     # plain forwarding
        proxy.cut_after = 100_000                              # for connections that begin now: cut after so many bytes
        peer = Peer("far", "ORTHANC", "127.0.0.1", proxy.port)

    with FaultProxy(http_port, tls=proxy_context(issued, ca))  # terminates TLS: for servers that have none
    with FaultProxy(port, tls=..., maximum="1.1")              # an old server

Every fault can be changed while it runs and holds for new connections; `cut_now` ends those that there are.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
import warnings
from pathlib import Path
from types import TracebackType

_CHUNK = 65_536


def proxy_context(
    certificate: Path, key: Path, *, authority: Path | None = None, maximum: str = "1.3", ask: str = "required"
) -> ssl.SSLContext:
    """Return a server context.

    Parameters
    ----------
    certificate, key : Path
        Of the server.
    authority : Path, optional
        Whose client certificates are accepted; None asks for none.
    maximum : str
        The newest TLS version: ``"1.0"`` to ``"1.3"``; one below 1.2 is then also the only one.
    ask : str
        ``"required"`` or ``"optional"``, when there is an `authority`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if authority is not None:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED if ask == "required" else ssl.CERT_OPTIONAL
    version = {
        "1.0": ssl.TLSVersion.TLSv1,
        "1.1": ssl.TLSVersion.TLSv1_1,
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }[maximum]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if maximum in ("1.0", "1.1"):
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = version
        context.maximum_version = version
    return context


class FaultProxy:
    """Forward 127.0.0.1:``port`` to 127.0.0.1:`target`, with faults.

    Parameters
    ----------
    target : int
        Port of the server.
    tls : ssl.SSLContext, optional
        Terminate TLS with this context before forwarding.
    delay : float
        Seconds before the first byte of each connection is forwarded.
    lag : float
        Seconds by which each chunk from the server is held back.
    cut_after : int, optional
        Break a connection after so many bytes from the client.
    cut_reply_after : int, optional
        Break a connection after so many bytes from the server.
    bytes_per_second : int
        Limit in each direction of each connection; 0 without.
    reset : bool
        Break with a TCP reset rather than an orderly close.
    """

    def __init__(
        self,
        target: int,
        *,
        tls: ssl.SSLContext | None = None,
        delay: float = 0,
        lag: float = 0,
        cut_after: int | None = None,
        cut_reply_after: int | None = None,
        bytes_per_second: int = 0,
        reset: bool = True,
    ) -> None:
        self.target, self.tls = target, tls
        self.delay, self.lag = delay, lag
        self.cut_after, self.cut_reply_after = cut_after, cut_reply_after
        self.bytes_per_second, self.reset = bytes_per_second, reset
        self.refuse = False
        """Break each new connection at once, as if the server were down."""
        self.swallow = False
        """Forward nothing any more on any connection, and close none: a network that is gone."""
        self.connections = 0
        self.failed_handshakes: list[str] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="fault-proxy", daemon=True).start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and end all connections."""
        self._over.set()
        # A thread that waits in accept does not notice that the socket is closed
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_now()

    def cut_now(self) -> None:
        """Break all connections that there are."""
        with self._lock:
            sockets, self._open = self._open, set()
        for sock in sockets:
            self._break(sock)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuse:
                self._break(client)
                continue
            threading.Thread(target=self._serve, args=(client,), name="fault-proxy-client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._keep(client)
        if self.tls is not None:
            client.settimeout(10)
            secured = self.tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
            try:
                secured.do_handshake()
            except OSError as error:
                self.failed_handshakes.append(str(error))
                # Closing over what the client has sent already would destroy the alert on its way to it
                with contextlib.suppress(OSError), socket.socket(fileno=secured.detach()) as plain:
                    plain.shutdown(socket.SHUT_WR)
                    plain.settimeout(1)
                    while plain.recv(_CHUNK):
                        pass
                return
            self._keep(secured)
            secured.settimeout(None)
            client = secured
        self._over.wait(self.delay)
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            self._break(client)
            return
        for sock in (client, server):
            with contextlib.suppress(OSError):  # it may be closed already
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._keep(server)
        pair = (client, server)
        back = threading.Thread(
            target=self._pump, args=(server, client, pair, self.cut_reply_after, self.lag), daemon=True
        )
        back.start()
        self._pump(client, server, pair, self.cut_after, 0)
        back.join()

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        pair: tuple[socket.socket, socket.socket],
        limit: int | None,
        lag: float,
    ) -> None:
        passed = 0
        try:
            while data := source.recv(_CHUNK):
                while self.swallow and not self._over.wait(0.02):
                    pass
                if lag:
                    self._over.wait(lag)
                if limit is not None and passed + len(data) >= limit:
                    sink.sendall(data[: limit - passed])
                    for sock in pair:
                        self._break(sock)
                    return
                sink.sendall(data)
                passed += len(data)
                if self.bytes_per_second:
                    time.sleep(len(data) / self.bytes_per_second)
        except (OSError, ValueError):
            for sock in pair:
                self._break(sock)
            return
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _keep(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.add(sock)

    def _break(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                sock.shutdown(socket.SHUT_RDWR)
        # shutdown wakes a thread that reads; close then sends the reset
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RD)
        with contextlib.suppress(OSError):
            sock.close()
