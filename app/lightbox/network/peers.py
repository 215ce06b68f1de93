"""Peers: the archives and workstations that Lightbox talks to, kept in the settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from lightbox.core.errors import LightboxError, NotFoundError, UsageError
from lightbox.core.settings import Settings

_KEY = "network.peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """A DICOM Application Entity.

    ``move_destination`` is the AE title under which the peer knows us (empty: our own AE title).
    """

    name: str
    ae_title: str
    host: str
    port: int
    move_destination: str = ""

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


class PeerBook:
    """The list of peers in the settings of one data folder."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def all(self) -> list[Peer]:
        """Return all peers in the order they were added."""
        return [Peer(**entry) for entry in self._settings.get(_KEY, [])]

    def get(self, name: str) -> Peer:
        """Return the peer called `name` (case does not matter)."""
        for peer in self.all():
            if peer.name.casefold() == name.casefold():
                return peer
        known = ", ".join(peer.name for peer in self.all()) or "none yet"
        raise NotFoundError("There is no such peer", where=name, todo=f"Known peers: {known}")

    def add(self, peer: Peer, *, replace: bool = False) -> None:
        """Add `peer`; an existing one of the same name is only replaced on request."""
        entries = self.all()
        same = [entry for entry in entries if entry.name.casefold() == peer.name.casefold()]
        if same and not replace:
            raise LightboxError(
                "There is already a peer of this name", where=peer.name, todo="Remove it first or choose another name"
            )
        entries = [peer if entry in same else entry for entry in entries] if same else [*entries, peer]
        self._settings.set(_KEY, [asdict(entry) for entry in entries])

    def remove(self, name: str) -> None:
        """Remove the peer called `name`."""
        gone = self.get(name)
        self._settings.set(_KEY, [asdict(entry) for entry in self.all() if entry != gone])
