"""Accepting associations: one thread each, and an accept loop that never waits for a client."""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lightbox.core.errors import LightboxError
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.wire.acceptor import Acceptor
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import Request
from lightbox.network.wire.negotiation import AssociationRequest, Decision
from lightbox.network.wire.receives import Receives

logger = logging.getLogger(__name__)

_BACKLOG = 512
_STOP_S = 5.0

Service = Callable[[Association, Request], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may use up.

    Parameters
    ----------
    associations, per_address : int
        Associations open at once, in all and from one address; one more is rejected as "local limit exceeded", so
        that its sender tries again.
    connections : int
        Connections at once that are not (yet) associations; above it the oldest of these is closed.
    negotiation : float
        Seconds for TLS handshake and association request together.
    idle : float
        Seconds that an association may be silent, or stop in the middle of a message.
    pdu, command, memory, object : int
        Bytes: see `messages.Sizes`.
    """

    associations: int = 128
    per_address: int = 64
    connections: int = 256
    negotiation: float = 15.0
    idle: float = 120.0
    pdu: int = 64 * 1024 * 1024
    command: int = 64 * 1024
    memory: int = 16 * 1024 * 1024
    object: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a connection; never holds an identifier of a patient, study or instance.

    Parameters
    ----------
    kind : str
        ``"opened"``, ``"rejected"``, ``"closed"`` (released), ``"aborted"``, ``"lost"`` (the connection ended),
        ``"timeout"``, ``"too-large"``, ``"protocol-error"``, ``"plaintext-on-tls"``, ``"tls-on-plaintext"``,
        ``"tls-failed"``, ``"silent"`` (no association request), ``"crowded"`` (closed to make room) or ``"failed"``
        (a fault of ours).
    code : str
        More exactly, for example the code of an `AssociationError`, or result/source/reason of a rejection.
    address : tuple of (str, int)
        Where the client is.
    calling_ae, called_ae : str
        As it said; empty before its request came.
    received, sent : int
        Objects.
    seconds : float
        Since it connected.
    text : str
        The same in words, where there are any.
    """

    kind: str
    code: str
    address: tuple[str, int]
    calling_ae: str = ""
    called_ae: str = ""
    received: int = 0
    sent: int = 0
    seconds: float = 0.0
    text: str = ""


class Server:
    """Listens and serves associations on threads of their own.

    Parameters
    ----------
    address : tuple of (str, int)
        Where to listen; an empty host means every address, port 0 a free one.
    identity : LocalIdentity
        Who we are (AE title, largest PDU).
    negotiate : callable
        Gets an `AssociationRequest` and decides; runs on the association's thread.
    services : mapping of int to callable
        Command field -> service, which answers by `Association.respond`. C-ECHO is answered without one.
    receiver : Receives, optional
        Takes the objects of C-STORE requests.
    tls : ssl.SSLContext, optional
        Then nothing but TLS is spoken.
    limits : Limits
    log : callable, optional
        Gets every `Event`, on the thread where it happened.
    sock : socket, optional
        A bound (or listening) socket to use in place of `address`; several processes may share it.
    """

    def __init__(
        self,
        address: tuple[str, int],
        identity: LocalIdentity,
        *,
        negotiate: Callable[[AssociationRequest], Decision],
        services: Mapping[int, Service] | None = None,
        receiver: Receives | None = None,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        log: Callable[[Event], None] | None = None,
        sock: socket.socket | None = None,
    ) -> None:
        self.address = address
        self.identity = identity
        self.negotiate = negotiate
        self.services: dict[int, Service] = dict(services or {})
        self.receiver = receiver
        self.tls = tls
        self.limits = limits or Limits()
        self._log = log
        self._given = sock
        self._listener: socket.socket | None = None
        self._wake: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._pending: dict[Acceptor, None] = {}
        self._established: dict[Acceptor, Association] = {}
        self._threads: set[threading.Thread] = set()
        self._stopping = False

    @property
    def port(self) -> int:
        """The port it listens on, 0 when it does not."""
        return int(self._listener.getsockname()[1]) if self._listener is not None else 0

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._listener is not None

    @property
    def associations(self) -> list[Association]:
        """The associations that are open now."""
        with self._lock:
            return list(self._established.values())

    def start(self) -> None:
        """Begin to listen; does nothing when it listens already.

        Raises
        ------
        OSError
            The port is in use or not allowed.
        """
        if self._listener is not None:
            return
        self._stopping = False
        listener = self._given if self._given is not None else listen(self.address)
        listener.setblocking(False)
        awake, self._wake = socket.socketpair()
        self._listener = listener
        self._thread = threading.Thread(
            target=self._accept_loop, args=(listener, awake), name="dicom-listener", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, abort the associations, and wait until their threads have ended."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._stopping = True
        assert self._wake is not None
        self._wake.close()
        if self._thread is not None:
            self._thread.join()
        if self._given is None:
            listener.close()
        with self._lock:
            waiting, open_now, threads = list(self._pending), list(self._established.values()), list(self._threads)
        for acceptor in waiting:
            acceptor.hang_up()
        for association in open_now:
            association.abort()
        deadline = time.monotonic() + _STOP_S
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept_loop(self, listener: socket.socket, awake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, awake:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(awake, selectors.EVENT_READ)
            while not self._stopping:
                selector.select()
                if self._stopping:
                    return
                try:
                    sock, address = listener.accept()
                except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                    continue  # another process took it, or it went away
                except OSError as error:
                    # Out of file descriptors or memory: those in use end by themselves
                    logger.warning("a connection could not be accepted: %s", error.strerror or type(error).__name__)
                    time.sleep(0.05)
                    continue
                self._begin(sock, address[:2])

    def _begin(self, sock: socket.socket, address: tuple[str, int]) -> None:
        acceptor = Acceptor(self, sock, address)
        thread = threading.Thread(target=self._run, args=(acceptor,), name="dicom-association", daemon=True)
        with self._lock:
            crowded = next(iter(self._pending), None) if len(self._pending) >= self.limits.connections else None
            if crowded is not None:
                del self._pending[crowded]
            self._pending[acceptor] = None
            self._threads.add(thread)
        if crowded is not None:
            crowded.crowded = True
            crowded.hang_up()
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads
            logger.warning("a connection could not be served: %s", type(error).__name__)
            self._forget(acceptor, thread)
            sock.close()

    def _run(self, acceptor: Acceptor) -> None:
        try:
            acceptor.run()
        except Exception as error:
            logger.error("serving a connection failed: %s", type(error).__name__)
            acceptor.close()
            self.tell(acceptor.event("failed", type(error).__name__))
        finally:
            self._forget(acceptor, threading.current_thread())

    def _forget(self, acceptor: Acceptor, thread: threading.Thread) -> None:
        with self._lock:
            self._pending.pop(acceptor, None)
            self._established.pop(acceptor, None)
            self._threads.discard(thread)

    def has_room(self, acceptor: Acceptor) -> bool:
        """Whether one more association, from this address, is within the limits."""
        with self._lock:
            taken = Counter(other.address[0] for other in self._established)
            return (
                len(self._established) < self.limits.associations
                and taken[acceptor.address[0]] < self.limits.per_address
            )

    def enter(self, acceptor: Acceptor, association: Association) -> bool:
        """Count `association` as open; False when there is no room any more, or the server stops."""
        with self._lock:
            taken = sum(other.address[0] == acceptor.address[0] for other in self._established)
            if self._stopping or len(self._established) >= self.limits.associations or taken >= self.limits.per_address:
                return False
            self._pending.pop(acceptor, None)
            self._established[acceptor] = association
            return True

    def tell(self, event: Event) -> None:
        """Log an event."""
        if self._log is None:
            return
        try:
            self._log(event)
        except (LightboxError, OSError, AssociationError) as error:
            logger.warning("an event could not be logged: %s", type(error).__name__)


def listen(address: tuple[str, int]) -> socket.socket:
    """Return a listening socket."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return socket.create_server(address, family=family, backlog=_BACKLOG)
