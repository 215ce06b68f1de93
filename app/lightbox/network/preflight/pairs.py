"""One cell of the matrix: SOP class, transfer syntax, and the role of the peer."""

from __future__ import annotations

from typing import NamedTuple

SCP = "scp"
SCU = "scu"
Role = str
"""`SCP` or `SCU`: what the peer is."""


class Pair(NamedTuple):
    """A SOP class in a transfer syntax, with the role of the peer.

    ``"scp"``: the peer stores or serves what we send or ask; ``"scu"``: the peer would send to us on an association
    that we opened (C-GET, by role selection of PS3.7 D.3.3.4).
    """

    sop_class: str
    transfer_syntax: str
    role: Role = "scp"
