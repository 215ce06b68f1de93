"""Our storage SCP within this process: for commands that end soon, and for tests (PS3.4 Annex B).

The workstation receives in processes of its own (`receiving.process.ReceiverProcess`); both look alike to their users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from lightbox.network.identity import LocalIdentity
from lightbox.network.receive import Receiver
from lightbox.network.receiving import accepting, answering, running
from lightbox.network.receiving.configuration import port_unavailable
from lightbox.network.receiving.notes import Inbox, Note
from lightbox.network.receiving.policy import ReceivingPolicy
from lightbox.network.receiving.received import Received
from lightbox.network.wire.server import Server

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.network.receiving.running import AnyReceiver


class StorageScp:
    """Listens on our port and puts what comes into the library.

    Parameters
    ----------
    library : Library
        Where the objects go.
    identity : LocalIdentity
        AE title, address and port; port 0 takes a free one. With `LocalIdentity.only_tls` TLS is spoken on it.
    policy : ReceivingPolicy, optional
        Whom to let in.
    """

    received = Signal(Received)
    """Emitted on a network thread for each object, once it is durable."""

    ingested = Signal(object)
    """Emitted on the ingest thread with the `ImportReport` of each batch."""

    notes = Signal(Note)
    """A request for a service was kept; see `receiving.notes.Inbox`."""

    def __init__(self, library: Library, identity: LocalIdentity, policy: ReceivingPolicy | None = None) -> None:
        self.library = library
        self.identity = identity
        self.policy = policy or ReceivingPolicy()
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
        context = None
        if self.identity.only_tls:
            from lightbox.network import tls

            assert self.identity.tls is not None
            context = tls.server_context(self.identity.tls)
        server = Server(
            (self.identity.host, self.identity.port),
            self.identity,
            tls=context,
            negotiate=lambda request: accepting.decide(self.policy, self.identity.ae_title, request)[0],
            services=answering.services(Inbox(self.library.spool().library_root.parent), self.notes.emit),
            receiver=self.receiver,
            limits=accepting.limits(self.policy),
        )
        try:
            server.start()
        except OSError as error:
            raise port_unavailable(self.identity, error.strerror or type(error).__name__) from error
        self._server = server
        running.enter(self.port, self)

    def stop(self) -> None:
        """Stop listening, end associations, and bring what was acknowledged into the library."""
        server, self._server = self._server, None
        if server is not None:
            running.leave(server.port)
            server.stop()
        self.receiver.close()

    def __enter__(self) -> StorageScp:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def running_on(port: int) -> AnyReceiver | None:
    """Return the receiver of this process, or in processes of its own, that listens on `port`."""
    return running.on(port)
