"""Peers: the archives and workstations that Lightbox talks to, kept in the settings."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from urllib.parse import urlsplit

from lightbox.core.errors import LightboxError, NotFoundError, UsageError
from lightbox.core.settings import Settings
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity, TlsSettings

_KEY = "network.peers"
_READABLE = "Without TLS, patients' data would travel readable for everyone on the network"
WEB_AUTHENTICATIONS = ("none", "basic", "bearer")
COMMITMENTS = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The DICOMweb side of a peer (PS3.18).

    Parameters
    ----------
    url : str
        Base of the service, for example ``https://pacs.example.org/dicom-web``.
    authentication : str
        ``"none"``, ``"basic"`` or ``"bearer"``; mutual TLS comes from ``tls``. The secret is kept by `secrets`.
    user : str
        User name for ``"basic"``.
    tls : TlsSettings, optional
        For ``https``; None uses the settings of the peer, or the certificate authorities of the system.
    store : bool
        Objects are sent by STOW-RS. Otherwise only those that the peer refuses by C-STORE.
    """

    url: str
    authentication: str = "none"
    user: str = ""
    tls: TlsSettings | None = None
    store: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.url.startswith(("http://", "https://")):
            raise UsageError("The DICOMweb address is not valid", where=self.url, todo="It begins with https://")
        if self.authentication not in WEB_AUTHENTICATIONS:
            raise UsageError(
                "There is no such authentication",
                where=self.authentication,
                todo=f"Use {', '.join(WEB_AUTHENTICATIONS)}",
            )


@dataclass(frozen=True, slots=True)
class Peer:
    """A DICOM Application Entity, with how we talk to it.

    Parameters
    ----------
    name, ae_title, host, port : str, str, str, int
        Our name for it, and where it is.
    move_destination : str
        The AE title under which the peer knows us as destination of C-MOVE (empty: the title we call with).
    own_ae : str
        The AE title we call with (empty: that of the workstation).
    own_port : int
        The port at which this peer reaches our storage SCP (0: that of the workstation).
    tls : TlsSettings, optional
        Present: every association with this peer is encrypted; never a fall-back to plaintext.
    plaintext_reason : str
        Why this peer may be talked to without TLS; needed unless it is on this computer.
    web : WebSettings, optional
        Its DICOMweb service.
    associations : int
        How many associations at once a send or a retrieve may use.
    bandwidth_limit : int
        Bytes a second that sending may use, 0 without limit.
    commitment : str
        Whether what was sent is confirmed by storage commitment: ``"auto"`` where the peer offers it, ``"always"``, or
        ``"never"`` (then by a query).
    """

    name: str
    ae_title: str
    host: str
    port: int
    move_destination: str = ""
    own_ae: str = ""
    own_port: int = 0
    tls: TlsSettings | None = None
    plaintext_reason: str = ""
    web: WebSettings | None = None
    associations: int = 2
    bandwidth_limit: int = 0
    commitment: str = "auto"

    def __post_init__(self) -> None:
        """Check the values (PS3.5 6.2: AE is at most 16 characters, no backslash, no control characters)."""
        if not self.name.strip():
            raise UsageError("A peer needs a name")
        if not 1 <= len(self.ae_title.strip()) <= 16 or "\\" in self.ae_title or not self.ae_title.isprintable():
            raise UsageError(
                "The AE title is not valid",
                where=self.ae_title,
                todo="Use 1 to 16 printable characters without backslash",
            )
        if not self.host.strip():
            raise UsageError("A peer needs a host name or address")
        if not 1 <= self.port <= 65535:
            raise UsageError("The port is not valid", where=str(self.port), todo="Use a number from 1 to 65535")
        if self.commitment not in COMMITMENTS:
            raise UsageError(
                "There is no such commitment setting", where=self.commitment, todo="Use auto, always, never"
            )
        if self.own_ae:
            LocalIdentity(self.own_ae)
        if not 0 <= self.own_port <= 65535:
            raise UsageError("Our port is not valid", where=str(self.own_port), todo="Use a number from 1 to 65535")
        if not 1 <= self.associations <= 16:
            raise UsageError(
                "The number of associations is not valid", where=str(self.associations), todo="Use 1 to 16"
            )
        if self.bandwidth_limit < 0:
            raise UsageError("The bandwidth limit is not valid", where=str(self.bandwidth_limit), todo="0 is no limit")

    @property
    def needs_reason(self) -> bool:
        """Whether plaintext is used towards another computer without a stated reason."""
        return not self.plaintext_reason.strip() and any(self.plaintext_hosts)

    @property
    def plaintext_hosts(self) -> tuple[str, ...]:
        """Hosts of other computers that are talked to without TLS, by DICOM or by DICOMweb."""
        hosts = [self.host] if self.tls is None else []
        if self.web is not None and self.web.url.lower().startswith("http://"):
            hosts.append(urlsplit(self.web.url).hostname or "")
        return tuple(dict.fromkeys(host for host in hosts if not is_loopback(host)))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, without what is at its default."""
        values = asdict(self)
        defaults = {field.name: field.default for field in fields(self)}
        return {key: value for key, value in values.items() if value != defaults[key]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Peer:
        """Return the peer of `as_json`; keys of other versions are ignored."""
        known = {key: value for key, value in values.items() if key in {field.name for field in fields(cls)}}
        if known.get("tls"):
            known["tls"] = TlsSettings.from_json(known["tls"])
        if known.get("web"):
            web = {key: value for key, value in known["web"].items() if key in {f.name for f in fields(WebSettings)}}
            if web.get("tls"):
                web["tls"] = TlsSettings.from_json(web["tls"])
            known["web"] = WebSettings(**web)
        return cls(**known)


def is_loopback(host: str) -> bool:
    """Whether `host` names this computer itself."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def check_plaintext(peer: Peer) -> None:
    """Refuse to talk without TLS to another computer unless it is stated why.

    Raises
    ------
    AssociationError
        The peer has neither TLS nor a stated reason (step ``"settings"``, code ``"peer.plaintext"``).
    """
    if peer.needs_reason:
        raise AssociationError(
            _READABLE,
            where=f"{peer.name}, {', '.join(peer.plaintext_hosts)}",
            why="The peer has neither TLS nor a stated reason for doing without",
            todo=f"Set TLS up for it (lightbox peers edit {peer.name} --tls --ca FILE), or state why it has none "
            f'(lightbox peers edit {peer.name} --plaintext-reason "...")',
            step="settings",
            code="peer.plaintext",
        )


def own_identity(peer: Peer, identity: LocalIdentity) -> LocalIdentity:
    """Return the identity under which we talk to `peer`, and where it reaches us.

    A peer that is talked to with TLS reaches us with TLS, too: at our TLS port, or at its own one with our certificate
    for this peer. Then ``port`` and ``tls_port`` are the same (`LocalIdentity.only_tls`).
    """
    title = peer.own_ae or identity.ae_title
    if peer.tls is not None:
        port, settings = peer.own_port or identity.tls_port, identity.tls
        if settings is None and peer.tls.certificate_file:
            settings = replace(peer.tls, pin_sha256="", client_certificate="required")
        if port and settings is not None:
            return replace(identity, ae_title=title, port=port, tls_port=port, tls=settings)
    return replace(identity, ae_title=title, port=peer.own_port or identity.port)


class PeerBook:
    """The list of peers in the settings of one data folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def all(self) -> list[Peer]:
        """Return all peers in the order they were added."""
        return [Peer.from_json(entry) for entry in self._settings.get(_KEY, [])]

    def get(self, name: str) -> Peer:
        """Return the peer called `name` (case does not matter)."""
        for peer in self.all():
            if peer.name.casefold() == name.casefold():
                return peer
        known = ", ".join(peer.name for peer in self.all()) or "none yet"
        raise NotFoundError("There is no such peer", where=name, todo=f"Known peers: {known}")

    def add(self, peer: Peer, *, replace: bool = False) -> None:
        """Add `peer`; an existing one of the same name is only replaced on request.

        Raises
        ------
        UsageError
            It is another computer without TLS, and no reason is stated.
        LightboxError
            There is one of this name.
        """
        if peer.needs_reason:
            raise UsageError(
                _READABLE,
                where=", ".join(peer.plaintext_hosts),
                todo="Set TLS up for this peer, or state why it has none (--plaintext-reason)",
            )
        entries = self.all()
        same = [entry for entry in entries if entry.name.casefold() == peer.name.casefold()]
        if same and not replace:
            raise LightboxError(
                "There is already a peer of this name", where=peer.name, todo="Remove it first or choose another name"
            )
        entries = [peer if entry in same else entry for entry in entries] if same else [*entries, peer]
        self._settings.set(_KEY, [entry.as_json() for entry in entries])

    def change(self, name: str, peer: Peer) -> None:
        """Put `peer` in the place of the one called `name`, which it may rename."""
        before = self.get(name)
        if before.name.casefold() == peer.name.casefold():
            self.add(peer, replace=True)
            return
        self.add(peer)  # refused where that name is taken
        entries = [peer if entry == before else entry for entry in self.all() if entry != peer]
        self._settings.set(_KEY, [entry.as_json() for entry in entries])

    def remove(self, name: str) -> None:
        """Remove the peer called `name`."""
        gone = self.get(name)
        self._settings.set(_KEY, [entry.as_json() for entry in self.all() if entry != gone])
