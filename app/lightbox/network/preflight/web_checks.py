"""What the DICOMweb service of a peer answers to requests without effect (PS3.18 8, 10)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer

if TYPE_CHECKING:
    from lightbox.network.secrets import Secrets
    from lightbox.network.web.service import WebService

_ABSENT = (404, 405, 501)
_DENIED = (401, 403)
_BOUNDARY = "lightbox-preflight"


def run(
    peer: Peer, identity: LocalIdentity, secrets: Secrets | None = None, cancel: CancelToken | None = None
) -> list[dict[str, Any]]:
    """Ask QIDO-RS for a study that cannot exist, WADO-RS for its metadata, and give STOW-RS nothing to store.

    Returns
    -------
    list of dict
        ``name``, ``state`` (``"works"``, ``"refused"``, ``"denied"`` or ``"unreachable"``), ``text``, ``todo``,
        ``milliseconds`` for each service.
    """
    from lightbox.network.web.service import WebService

    study = f"2.25.{uuid.uuid4().int}"
    try:
        with WebService(peer, identity, secrets=secrets) as service:
            return [
                _timed("QIDO-RS", peer, lambda: _search(service, study, cancel)),
                _timed("WADO-RS", peer, lambda: _metadata(service, study, cancel)),
                _timed("STOW-RS", peer, lambda: _store(service, cancel)),
            ]
    except (AssociationError, LightboxError) as error:
        return [_entry(name, "unreachable", error.sentence(), error.todo) for name in ("QIDO-RS", "WADO-RS", "STOW-RS")]


def _search(service: WebService, study: str, cancel: CancelToken | None) -> tuple[str, str]:
    with service.call("search", cancel):
        url = f"{service.url()}?limit=1&StudyInstanceUID={study}"
        answer = service.session.request("GET", url)
        found = answer.json() if answer.status_code != 204 and answer.content else []
    if found:
        return "works", "Answered, with matches for a study that exists nowhere: it ignores matching keys"
    return "works", "Answered, without match as it should be"


def _metadata(service: WebService, study: str, cancel: CancelToken | None) -> tuple[str, str]:
    with service.call("metadata", cancel):
        service.session.request("GET", f"{service.url(study)}/metadata")
    return "works", "Answered"


def _store(service: WebService, cancel: CancelToken | None) -> tuple[str, str]:
    """Post a multipart body without any part: a service says so, or takes it for zero objects."""
    with service.call("store", cancel):
        answer = service.session.request(
            "POST",
            service.url(),
            headers={"Content-Type": f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'},
            data=lambda: f"--{_BOUNDARY}--\r\n".encode(),
        )
    status = answer.status_code
    if status in _DENIED:
        return "denied", f"Storing is not allowed to us (HTTP {status})"
    if status in _ABSENT:
        return "refused", f"Not offered (HTTP {status})"
    if status >= 500:
        return "denied", f"It failed over a request without objects (HTTP {status})"
    return "works", f"Answered a request without objects (HTTP {status}); nothing was stored"


def _timed(name: str, peer: Peer, ask: Callable[[], tuple[str, str]]) -> dict[str, Any]:
    begun = time.perf_counter()
    todo = ""
    try:
        state, text = ask()
    except LightboxError as error:
        status = getattr(error, "status", 0)
        if status == 404 and name == "WADO-RS":
            state, text = "works", "Answered that there is no such study (HTTP 404)"
        elif status in _ABSENT:
            state, text = "refused", f"Not offered (HTTP {status})"
        else:
            state = "denied" if status else "unreachable"
            text, todo = error.why or error.what, error.todo
    if state == "denied" and not todo:
        todo = f"Allow {name} to us at {peer.name}, or correct user and password"
    return _entry(name, state, text, todo, (time.perf_counter() - begun) * 1000)


def _entry(name: str, state: str, text: str, todo: str = "", milliseconds: float = 0.0) -> dict[str, Any]:
    return {"name": name, "state": state, "text": text, "todo": todo, "milliseconds": round(milliseconds, 1)}
