"""Which methods to try, in which order: by what the peer offers and what worked before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError, UsageError
from lightbox.network.announce import UNREACHABLE
from lightbox.network.errors import AssociationError
from lightbox.network.peers import Peer
from lightbox.network.web.errors import WebError

if TYPE_CHECKING:
    from lightbox.core.settings import Settings

METHODS = ("auto", "c-get", "c-move", "wado-rs")

_MEMORY = "network.retrieve_methods"


def order(method: str, peer: Peer, settings: Settings | None) -> list[str]:
    """Return the methods to try: WADO-RS, which is the fastest, C-GET, which no firewall stops, and C-MOVE.

    Raises
    ------
    UsageError
        There is no such method, or the peer has no DICOMweb address.
    """
    if method not in METHODS:
        raise UsageError("There is no such method", where=method, todo=f"Use {', '.join(METHODS)}")
    if method == "wado-rs" and peer.web is None:
        raise UsageError(
            "The peer has no DICOMweb address", where=peer.name, todo="Enter it: peers add ... --dicomweb URL"
        )
    if method != "auto":
        return [method]
    known = ["wado-rs"] if peer.web is not None else []
    known += ["c-get", "c-move"]
    remembered = settings.get(_MEMORY, {}).get(_key(peer)) if settings is not None else None
    return sorted(known, key=lambda entry: entry != remembered)


def remember(settings: Settings, peer: Peer, method: str) -> None:
    """Keep which method works with a peer."""
    settings.set(_MEMORY, {**settings.get(_MEMORY, {}), _key(peer): method})


def _key(peer: Peer) -> str:
    # A new DICOMweb address makes what is known about the methods worthless
    return peer.name if peer.web is None else f"{peer.name} {peer.web.url}"


def is_lasting(error: LightboxError) -> bool:
    """Whether a method that failed like this will fail the next time, too."""
    if isinstance(error, WebError):
        return not error.transient
    return not (isinstance(error, AssociationError) and is_unreachable(error))


def is_unreachable(error: LightboxError) -> bool:
    """Whether no other DIMSE method can work either."""
    return isinstance(error, AssociationError) and error.code.startswith(UNREACHABLE)
