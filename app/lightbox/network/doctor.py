"""The network part of ``lightbox doctor``: our own port, and an echo to each peer, in words."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """The outcome of one check; ``state`` is ``ok``, ``warning`` or ``failed``."""

    name: str
    state: str
    text: str


def checks(identity: LocalIdentity, peers: Iterable[Peer]) -> Iterator[NetworkCheck]:
    """Check our port, then each peer. An unreachable peer is a warning: the installation itself is fine."""
    yield check_port(identity)
    from lightbox.network.echo import echo

    for peer in peers:
        result = echo(peer, identity)
        yield NetworkCheck(f"peer {peer.name}", "ok" if result.ok else "warning", result.summary())


def check_port(identity: LocalIdentity) -> NetworkCheck:
    """Check whether our storage SCP listens, or could listen, on our port."""
    title, port = identity.ae_title, identity.port
    family = socket.AF_INET6 if ":" in identity.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((identity.host, port))
        except PermissionError:
            text = f"{title} is not allowed to listen on port {port}: choose a port above 1023"
            return NetworkCheck("port", "failed", text)
        except OSError:
            return _who_listens(identity)
    return NetworkCheck("port", "ok", f"{title} can listen on port {port} when archives send to us")


def _who_listens(identity: LocalIdentity) -> NetworkCheck:
    from lightbox.network.echo import echo

    host = identity.host if identity.host not in ("", "0.0.0.0", "::") else "127.0.0.1"
    result = echo(Peer("self", identity.ae_title, host, identity.port), identity)
    if result.ok and result.implementation.startswith("LIGHTBOX"):
        return NetworkCheck("port", "ok", f"Lightbox listens on port {identity.port} as {identity.ae_title}")
    text = f"another program uses port {identity.port}: archives cannot send to us; choose another port or end it"
    return NetworkCheck("port", "warning", text)
