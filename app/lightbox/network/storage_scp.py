"""Our storage SCP: receives what archives and modalities send (PS3.4 Annex B), any storage class, any encoding."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from psygnal import Signal

from lightbox.core.errors import LightboxError
from lightbox.network import contexts
from lightbox.network.identity import LocalIdentity
from lightbox.network.receive import Received, Receiver
from lightbox.network.wire.negotiation import accept_by
from lightbox.network.wire.server import Server

if TYPE_CHECKING:
    from lightbox.library.library import Library

_running: dict[int, StorageScp] = {}
_running_lock = threading.Lock()


class StorageScp:
    """Listens on our port and puts what comes into the library.

    Parameters
    ----------
    library : Library
        Where the objects go.
    identity : LocalIdentity
        AE title, address and port; port 0 takes a free one.
    """

    received = Signal(Received)
    """Emitted on a network thread for each object, once it is durable."""

    ingested = Signal(object)
    """Emitted on the ingest thread with the `ImportReport` of each batch."""

    def __init__(self, library: Library, identity: LocalIdentity) -> None:
        self.library = library
        self.identity = identity
        self.receiver = self._new_receiver()
        self._server: Server | None = None

    def _new_receiver(self) -> Receiver:
        receiver = Receiver(self.library)
        receiver.received.connect(self.received.emit)
        receiver.ingested.connect(self.ingested.emit)
        return receiver

    @property
    def port(self) -> int:
        """The port it listens on, 0 when it does not."""
        return self._server.port if self._server is not None else 0

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def start(self) -> None:
        """Begin to listen; does nothing when it listens already.

        Raises
        ------
        LightboxError
            The port is in use or not allowed.
        """
        if self._server is not None:
            return
        if self.receiver.closed:
            self.receiver = self._new_receiver()
        server = Server(
            (self.identity.host, self.identity.port),
            self.identity,
            negotiate=lambda request: accept_by(request, contexts.accept_storage),
            receiver=self.receiver,
        )
        try:
            server.start()
        except OSError as error:
            raise port_unavailable(self.identity, error) from error
        self._server = server
        with _running_lock:
            _running[self.port] = self

    def stop(self) -> None:
        """Stop listening, end associations, and bring what was acknowledged into the library."""
        server, self._server = self._server, None
        if server is not None:
            with _running_lock:
                _running.pop(server.port, None)
            server.stop()
        self.receiver.close()

    def __enter__(self) -> StorageScp:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def running_on(port: int) -> StorageScp | None:
    """Return the storage SCP of this process that listens on `port`."""
    with _running_lock:
        return _running.get(port)


def port_unavailable(identity: LocalIdentity, error: OSError) -> LightboxError:
    """Return the error for a port that cannot be listened on."""
    return LightboxError(
        f"We cannot listen on port {identity.port}",
        where=identity.ae_title,
        why=error.strerror or type(error).__name__,
        todo="Another program, perhaps another Lightbox, may use it: end that one or choose another port",
    )
