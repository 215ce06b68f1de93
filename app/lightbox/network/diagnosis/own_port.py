"""Our own ports: who listens there, and whether an association comes through, tried over loopback."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lightbox.network.diagnosis.steps import FAILED, OK, WARNING
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer

NOT_LET_IN = "port.not-let-in"


@dataclass(frozen=True, slots=True)
class PortState:
    """What was found on our port.

    Parameters
    ----------
    state : str
        ``"ok"``, ``"warning"`` or ``"failed"``.
    text, why, todo, code : str
        As in `steps.Step`.
    free : bool
        Whether nobody listens there now.
    """

    state: str
    text: str
    why: str = ""
    todo: str = ""
    code: str = ""
    free: bool = False


def check(identity: LocalIdentity) -> PortState:
    """Say whether our storage SCP listens, or could listen, on our port."""
    title, port = identity.ae_title, identity.port
    family = socket.AF_INET6 if ":" in identity.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((identity.host, port))
        except PermissionError:
            return PortState(
                FAILED,
                f"{title} is not allowed to listen on port {port}",
                todo="Choose a port above 1023: lightbox identity --port N",
                code="port.not-allowed",
            )
        except OSError:
            return _who_listens(identity)
    return PortState(OK, f"{title} can listen on port {port} when archives send to us", free=True)


def _who_listens(identity: LocalIdentity) -> PortState:
    from lightbox.network.echo import echo

    if identity.only_tls:
        from lightbox.network.tls_inspection import inspect

        if inspect((ourselves(identity).host, identity.port), "", 2.0).speaks_tls:
            return PortState(OK, f"A program listens with TLS on port {identity.port}")
    result = echo(ourselves(identity), identity)
    if result.ok and result.implementation.startswith("LIGHTBOX"):
        return PortState(OK, f"Lightbox listens on port {identity.port} as {identity.ae_title}")
    if result.code == "association.rejected":
        return PortState(
            WARNING,
            f"A DICOM service listens on port {identity.port}, but does not let us in",
            why="If it is Lightbox, it receives from listed callers only, and we are not among them",
            todo=f"If it is: allow the echo to {identity.ae_title} from this computer; else choose another port",
            code=NOT_LET_IN,
        )
    return PortState(
        WARNING,
        f"Another program uses port {identity.port}",
        why="Archives cannot send to us",
        todo="End it, or choose another port (lightbox identity --port N) and enter it at the archives, too",
        code="port.in-use",
    )


def ourselves(identity: LocalIdentity, port: int = 0) -> Peer:
    """Return our own storage SCP as a peer, over loopback."""
    host = identity.host if identity.host not in ("", "0.0.0.0", "::") else "127.0.0.1"
    reason = "it is this computer itself"
    return Peer("self", identity.ae_title, host, port or identity.port, plaintext_reason=reason)


class Counter:
    """A receiver that counts objects and keeps nothing of them."""

    def __init__(self) -> None:
        self.received = 0

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Counter:
        """Begin an object."""
        return self

    def write(self, chunk: bytes | memoryview) -> None:
        """Let its bytes go."""

    def abort(self) -> None:
        """Do nothing: there is nothing to forget."""

    def finish(self, incoming: Any) -> int:
        """Count it."""
        self.received += 1
        return 0x0000


@contextlib.contextmanager
def listening(identity: LocalIdentity, counter: Counter) -> Iterator[int]:
    """Receive on our port for a while; yields the port."""
    from lightbox.network.wire.negotiation import AssociationRequest, Decision, accept_by
    from lightbox.network.wire.server import Server

    def negotiate(asked: AssociationRequest) -> Decision:
        return accept_by(asked, lambda proposed: proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else 4)

    context = None
    if identity.only_tls:
        from lightbox.network import tls

        assert identity.tls is not None
        context = tls.server_context(identity.tls)
    server = Server((identity.host, identity.port), identity, negotiate=negotiate, receiver=counter, tls=context)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def loopback(identity: LocalIdentity) -> PortState:
    """Listen on our port for a moment, if nobody does, and call ourselves."""
    found = check(identity)
    if not found.free:
        return found
    from lightbox.network.echo import echo

    try:
        with listening(identity, Counter()) as port:
            if identity.only_tls:
                return _with_tls(identity, port)
            result = echo(ourselves(identity, port), replace(identity, port=port))
    except OSError as error:
        return PortState(
            FAILED,
            f"We cannot listen on port {identity.port}",
            error.strerror or type(error).__name__,
            "Choose another port: lightbox identity --port N",
            "port.failed",
        )
    if not result.ok:
        todo = "A firewall on this computer may block it: allow Lightbox to receive connections"
        return PortState(
            FAILED, f"Our port {identity.port} does not answer ourselves", result.why, todo, "port.blocked"
        )
    return PortState(OK, f"Port {identity.port} is free and answers when we listen on it", free=True)


def _with_tls(identity: LocalIdentity, port: int) -> PortState:
    from lightbox.network.tls_inspection import inspect

    if inspect((ourselves(identity).host, port), "", 2.0).speaks_tls:
        return PortState(OK, f"Port {identity.port} is free and answers with TLS when we listen on it", free=True)
    todo = "A firewall on this computer may block it: allow Lightbox to receive connections"
    return PortState(FAILED, f"Our port {identity.port} does not answer ourselves with TLS", "", todo, "port.blocked")


def tls_port(identity: LocalIdentity) -> PortState | None:
    """Examine our TLS port: files, certificate, and who listens; None when there is none."""
    if not identity.tls_port or identity.tls is None:
        return None
    from lightbox.network import tls
    from lightbox.network.diagnosis.transport_steps import own_certificate
    from lightbox.network.tls_inspection import inspect

    try:
        tls.server_context(identity.tls)
    except AssociationError as error:
        return PortState(FAILED, error.what, f"{error.where}. {error.why}", error.todo, error.code)
    aged = own_certificate(identity.tls)
    if aged is not None:
        return PortState(aged[0], aged[1], aged[2], aged[3], aged[4])
    seen = inspect((ourselves(identity).host, identity.tls_port), "", 2.0)
    text = f"TLS on port {identity.tls_port}"
    return PortState(OK, f"{text} answers" if seen.speaks_tls else f"{text} is set; nobody listens there now")
