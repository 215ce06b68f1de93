"""Peers made of our own server, with any acceptance matrix and any misbehaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import Request
from lightbox.network.wire.negotiation import Accept, AssociationRequest, Decision
from lightbox.network.wire.server import Server

Matrix = Mapping[str, tuple[str, ...]]


@pytest.fixture
def identity() -> LocalIdentity:
    """Ourselves, not patient."""
    return LocalIdentity("LIGHTBOX", 0, "127.0.0.1", association_timeout=3, dimse_timeout=3)


def answer_nothing(association: Association, request: Request) -> None:
    """Answer a query or retrieve without any match."""
    association.respond(request, 0x0000)


@pytest.fixture
def start() -> Iterator[Callable[..., Peer]]:
    """Start a peer: ``start(matrix, roles=True, decide=None, services={...})``."""
    running: list[Server] = []

    def begin(
        matrix: Matrix,
        *,
        roles: bool = True,
        decide: Callable[[AssociationRequest], Decision | None] | None = None,
        services: Mapping[int, Any] | None = None,
        name: str = "peer",
    ) -> Peer:
        def negotiate(asked: AssociationRequest) -> Decision:
            special = decide(asked) if decide is not None else None
            if special is not None:
                return special
            chosen = {
                context.id: syntax
                for context in asked.proposals
                for syntax in context.transfer_syntaxes
                if syntax in matrix.get(context.abstract_syntax, ())
            }
            granted = {p.abstract_syntax: (p.scu_role, p.scp_role) for p in asked.proposals if p.id in chosen}
            return Accept(chosen, roles=granted if roles else {})

        handlers = dict.fromkeys((commands.C_FIND, commands.C_GET, commands.C_MOVE), answer_nothing)
        server = Server(
            ("127.0.0.1", 0),
            LocalIdentity("PEER", 0),
            negotiate=negotiate,
            services={**handlers, **(services or {})},
        )
        server.start()
        running.append(server)
        return Peer(name, "PEER", "127.0.0.1", server.port)

    yield begin
    for server in running:
        server.stop()
