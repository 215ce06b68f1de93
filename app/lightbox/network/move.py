"""C-MOVE: ask the archive to send to our storage SCP (PS3.4 C.4.2)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lightbox.core.jobs import CancelToken
from lightbox.network import contexts, operation
from lightbox.network.errors import DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.operation import Outcome, Target
from lightbox.network.peers import Peer, own_identity
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import Proposal

MODEL = "1.2.840.10008.5.1.4.1.2.2.2"
"""Study Root Query/Retrieve Information Model - MOVE."""


class MoveSession:
    """C-MOVE requests on one association, all to one destination."""

    def __init__(self, association: Association, peer: Peer, identity: LocalIdentity, destination: str) -> None:
        self._association = association
        self._peer = peer
        self._identity = identity
        self._destination = destination

    def retrieve(self, target: Target, cancel: CancelToken | None = None) -> Outcome:
        """Have `target` sent to the destination."""
        command = commands.c_move(MODEL, self._destination)
        try:
            return operation.run(self._association, self._peer, MODEL, command, target, cancel)
        except DimseError as error:
            error.todo = self.advice(error.status)
            error.args = (error.sentence(),)
            raise

    def advice(self, status: int) -> str:
        """Return what to enter at the archive, or to check, after a C-MOVE that ended with `status`."""
        tls = " with TLS" if self._identity.only_tls else ""
        address = self._association.terms.own_address
        seen = f" (its address on the way to the archive is {address})" if address else ""
        if status == 0xA801:
            return (
                f"Enter us as a destination at the archive: AE title {self._destination}, the address of this "
                f"computer, port {self._identity.port}{tls}{seen}"
            )
        return (
            f"The archive must be able to reach AE title {self._destination} on port {self._identity.port}{tls} of "
            f"this computer{seen}: check the destination at the archive, and firewalls; or use C-GET"
        )


@contextlib.contextmanager
def session(peer: Peer, identity: LocalIdentity) -> Iterator[MoveSession]:
    """Open an association for C-MOVE to ourselves; the storage SCP must run already."""
    identity = own_identity(peer, identity)
    with associated(peer, identity, [Proposal(MODEL, contexts.LITTLE_ENDIAN)]) as association:
        yield MoveSession(association, peer, identity, peer.move_destination or identity.ae_title)
