"""What was agreed when an association was opened."""

from __future__ import annotations

from dataclasses import dataclass, field

from lightbox.network.wire.contexts import Accepted, Refused


@dataclass(slots=True)
class Terms:
    """What was agreed when an association was opened."""

    own_title: str
    peer_title: str
    accepted: list[Accepted]
    refused: list[Refused] = field(default_factory=list)
    peer_maximum_pdu: int = 0
    implementation_class_uid: str = ""
    implementation_version: str = ""
    extended: dict[str, bytes] = field(default_factory=dict)
    identity_answer: bytes | None = None
    peer_name: str = ""
    """Our name for the peer, for error messages."""
    address: tuple[str, int] = ("", 0)
    """Where the peer is."""
    own_address: str = ""
    """Our address on this connection: where the peer sees us, if nothing between translates it."""
