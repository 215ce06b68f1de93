"""C-GET: retrieve over the association we opened ourselves, which no firewall between stops (PS3.4 C.4.3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from lightbox.core.jobs import CancelToken
from lightbox.network import contexts, operation
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.operation import Outcome, Target
from lightbox.network.peers import Peer
from lightbox.network.receive import Receiver
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import Proposal

MODEL = "1.2.840.10008.5.1.4.1.2.2.3"
"""Study Root Query/Retrieve Information Model - GET."""

ROOM = contexts.MAXIMUM_CONTEXTS - 1
"""Contexts left for storage beside that of C-GET itself."""


class GetSession:
    """C-GET requests on one association."""

    def __init__(self, association: Association, peer: Peer) -> None:
        self._association = association
        self._peer = peer

    def retrieve(self, target: Target, cancel: CancelToken | None = None) -> Outcome:
        """Retrieve `target`; the objects arrive in the receiver of the association."""
        return operation.run(self._association, self._peer, MODEL, commands.c_get(MODEL), target, cancel)


@contextlib.contextmanager
def session(
    peer: Peer, identity: LocalIdentity, receiver: Receiver, pairs: Sequence[contexts.Pair]
) -> Iterator[GetSession]:
    """Open an association for C-GET that can receive `pairs` of (SOP class, transfer syntax).

    Raises
    ------
    AssociationError
        With code ``"get.not-offered"`` when the peer does not offer C-GET, and ``"get.no-role"`` when it does not let
        us act as storage SCP on our own association (PS3.7 D.3.3.4).
    """
    proposed = [
        Proposal(MODEL, contexts.LITTLE_ENDIAN),
        *contexts.build(pairs[:ROOM], scp_role=True),
    ]
    with associated(peer, identity, proposed, receiver=receiver) as association:
        if association.context(MODEL) is None:
            raise AssociationError(
                f"{peer.ae_title} does not offer C-GET",
                where=peer.name,
                todo="Use C-MOVE",
                step="association",
                code="get.not-offered",
            )
        if not any(context.as_scp for context in association.accepted):
            raise AssociationError(
                f"{peer.ae_title} does not let us receive objects on our own association",
                where=peer.name,
                why="It refused the storage role that C-GET needs",
                todo="Use C-MOVE",
                step="association",
                code="get.no-role",
            )
        yield GetSession(association, peer)
