"""SCPs by pynetdicom: an independent implementation, with handlers that may misbehave."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, cast

from pydicom import uid as u
from pynetdicom import _config
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_context

from lightbox.network.peers import Peer

NATIVE = [u.ExplicitVRLittleEndian, u.ImplicitVRLittleEndian, u.ExplicitVRBigEndian]


def quiet() -> None:
    """Keep pynetdicom from printing what it receives."""
    _config.LOG_HANDLER_LEVEL = "none"
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def running(
    models: Sequence[str],
    handlers: Sequence[Any],
    *,
    title: str = "ODD",
    syntaxes: Sequence[str] = (),
    roles: bool | None = None,
    **entity: Any,
) -> Iterator[Peer]:
    """Run an SCP on a free port of loopback and give it as a peer; `entity` are attributes of the AE."""
    quiet()
    ae = ApplicationEntity(title)
    ae.maximum_pdu_size = 131_072
    for name, value in entity.items():
        setattr(ae, name, value)
    contexts = [build_context(model, list(syntaxes or NATIVE)) for model in models]
    for context in contexts:
        context.scu_role = context.scp_role = roles
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=cast(Any, list(handlers)), contexts=contexts, ae_title=title
    )
    assert server is not None
    try:
        yield Peer("odd", title, "127.0.0.1", int(server.server_address[1]))
    finally:
        ae.shutdown()
