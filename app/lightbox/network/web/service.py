"""The DICOMweb service of one peer: where it is, how we sign in, and who speaks for us."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lightbox.core.errors import UsageError
from lightbox.network.identity import LocalIdentity, TlsSettings
from lightbox.network.peers import Peer, WebSettings, is_loopback
from lightbox.network.web import accept
from lightbox.network.web.errors import WebError
from lightbox.network.web.session import Call, WebSession
from lightbox.network.web.transport import Adapter

if TYPE_CHECKING:
    from dicomweb_client.web import DICOMwebClient

    from lightbox.core.jobs import CancelToken
    from lightbox.core.settings import Settings
    from lightbox.network.secrets import Secrets

_PATH_UID = re.compile(r"[0-9A-Za-z._-]{1,128}")


class WebService:
    """Requests to the DICOMweb service of a peer; usable from several threads. Close it, or use ``with``.

    Parameters
    ----------
    peer : Peer
        With `WebSettings`.
    identity : LocalIdentity
        Its time-outs hold: connecting, and waiting for the next bytes (that of DIMSE messages).
    settings : Settings, optional
        Remembers what the service answers to.
    secrets : Secrets, optional
        Where the password or token of the peer is kept.

    Raises
    ------
    UsageError
        The peer has no DICOMweb address, or one that cannot be used.
    WebError
        Plaintext to another computer without a stated reason (code ``"web.plaintext"``), or no password is kept.
    """

    def __init__(
        self, peer: Peer, identity: LocalIdentity, *, settings: Settings | None = None, secrets: Secrets | None = None
    ) -> None:
        web = peer.web
        if web is None:
            raise UsageError(
                "The peer has no DICOMweb address", where=peer.name, todo="Enter it: peers add ... --dicomweb URL"
            )
        self.peer = peer
        self.identity = identity
        self.base_url = web.url.rstrip("/")
        called = _called(peer, web)
        if called.scheme == "http" and not is_loopback(called.host) and not peer.plaintext_reason.strip():
            raise WebError(
                "This DICOMweb address is not encrypted",
                where=peer.name,
                why="Anyone on the way could read and change what is sent",
                todo="Use an address that begins with https, or state why plaintext is acceptable for this peer",
                code="web.plaintext",
            )
        self.memory = accept.Memory(peer.name, settings)
        self.session = WebSession(
            peer.name,
            self.base_url,
            (identity.connect_timeout, identity.dimse_timeout),
            self.memory,
            _authorization(peer, web, secrets),
        )
        adapter = Adapter(replace(peer, host=called.host, port=called.port), web.tls or peer.tls or TlsSettings())
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    @cached_property
    def client(self) -> DICOMwebClient:
        """The client of the dicomweb-client library on our session; use it inside `call`."""
        from dicomweb_client.web import DICOMwebClient

        client = DICOMwebClient(self.base_url, session=self.session, permissive_uid=True)
        client.set_http_retry_params(retry=False)
        return client

    @contextlib.contextmanager
    def call(self, operation: str, cancel: CancelToken | None = None) -> Iterator[Call]:
        """Say what the requests of this thread are for (a key of `accept.ALTERNATIVES`)."""
        with self.session.call(operation, cancel) as current:
            yield current

    def url(self, study_uid: str = "", series_uid: str = "", sop_uid: str = "") -> str:
        """Return the address of a study, a series or an instance.

        Raises
        ------
        UsageError
            A UID has characters that would change the address.
        """
        parts = [self.base_url, "studies"]
        for name, uid in (("", study_uid), ("series", series_uid), ("instances", sop_uid)):
            if uid:
                parts += [name, checked(uid)] if name else [checked(uid)]
        return "/".join(parts)

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def __enter__(self) -> WebService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def checked(uid: str) -> str:
    """Return a UID for use in an address; UIDs of real archives may break the standard, but not the address.

    Raises
    ------
    UsageError
        It cannot be part of an address.
    """
    if not _PATH_UID.fullmatch(uid) or set(uid) == {"."}:
        raise UsageError("This UID cannot be asked for by DICOMweb", where=uid[:64], todo="Use DIMSE for it")
    return uid


class _Called:
    def __init__(self, scheme: str, host: str, port: int) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port


def _called(peer: Peer, web: WebSettings) -> _Called:
    try:
        parts = urlsplit(web.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise UsageError("The DICOMweb address is not valid", where=peer.name, why=str(error)) from error
    if not parts.hostname:
        raise UsageError("The DICOMweb address names no host", where=peer.name)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "The DICOMweb address is not valid",
            where=peer.name,
            todo="Give it without user, password, query and fragment; passwords are kept apart",
        )
    return _Called(parts.scheme, parts.hostname, port)


def _authorization(peer: Peer, web: WebSettings, secrets: Secrets | None) -> str:
    if web.authentication == "none":
        return ""
    secret = secrets.get(peer.name) if secrets is not None else None
    if secret is None:
        raise WebError(
            "No password or token is kept for this peer",
            where=peer.name,
            todo="Enter it with the DICOMweb address of the peer",
            code="web.no-secret",
        )
    secret = secret.strip()
    if not secret.isprintable() or (web.authentication == "bearer" and not secret.isascii()):
        raise WebError(
            "The password or token of this peer cannot be sent",
            where=peer.name,
            why="It has characters that are not allowed",
            todo="Enter it again",
            code="web.no-secret",
        )
    if web.authentication == "bearer":
        return f"Bearer {secret}"
    return "Basic " + base64.b64encode(f"{web.user}:{secret}".encode()).decode("ascii")
