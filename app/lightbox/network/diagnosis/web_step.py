"""The DICOMweb service of a peer: one search that matches nothing."""

from __future__ import annotations

import uuid
from pathlib import Path

from lightbox.core.errors import LightboxError
from lightbox.network.diagnosis.steps import FAILED
from lightbox.network.diagnosis.transport_steps import Found, ok, warning
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.secrets import Secrets


def invented_uid() -> str:
    """Return a UID that no archive holds (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def search(peer: Peer, identity: LocalIdentity, home: Path | None) -> Found:
    """Ask for a study that does not exist, at most one row (QIDO-RS, PS3.18 10.6)."""
    from lightbox.network.web.qido import WebFinder
    from lightbox.network.web.service import WebService

    assert peer.web is not None
    secrets = Secrets(home) if home is not None else None
    try:
        with WebService(peer, identity, secrets=secrets) as service:
            rows = list(WebFinder(service).find("study", {"StudyInstanceUID": invented_uid()}, limit=1))
    except LightboxError as error:
        return FAILED, error.what, error.why, error.todo, str(getattr(error, "code", "")), {}
    if rows:
        return warning(
            f"{peer.web.url} answers, but ignores what it is asked for",
            "It returned a study for a Study Instance UID that does not exist",
            "Use C-FIND with this peer, or report this to its maker",
            "web.ignores-keys",
        )
    return ok(f"{peer.web.url} answers a search")
