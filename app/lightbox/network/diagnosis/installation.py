"""The network part of ``lightbox doctor``: our own ports and certificates, and an echo to each peer, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lightbox.network.diagnosis import own_port
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, own_identity


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """The outcome of one check; ``state`` is ``ok``, ``warning`` or ``failed``."""

    name: str
    state: str
    text: str


def checks(identity: LocalIdentity, peers: Iterable[Peer]) -> Iterator[NetworkCheck]:
    """Check our ports, then each peer. An unreachable peer is a warning: the installation itself is fine."""
    yield _check("port", own_port.check(identity))
    encrypted = own_port.tls_port(identity)
    if encrypted is not None:
        yield _check("TLS port", encrypted)
    from lightbox.network.echo import echo

    for peer in peers:
        result = echo(peer, own_identity(peer, identity))
        yield NetworkCheck(f"peer {peer.name}", "ok" if result.ok else "warning", result.summary())


def _check(name: str, found: own_port.PortState) -> NetworkCheck:
    return NetworkCheck(name, found.state, ". ".join(part for part in (found.text, found.why, found.todo) if part))
