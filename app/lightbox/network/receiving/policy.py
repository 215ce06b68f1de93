"""Who may call us and what for, and how much a caller may use up: kept in the settings of the data folder."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import UsageError
from lightbox.core.settings import Settings

if TYPE_CHECKING:
    from lightbox.network.peers import Peer

KEY = "network.receiving"

ECHO, STORE, NOTIFY, FIND, GET, MOVE = "echo", "store", "notify", "find", "get", "move"
OPERATIONS = (ECHO, STORE, NOTIFY, FIND, GET, MOVE)
"""What a caller may be allowed. ``notify``: reports of storage commitment and instance availability. ``find``, ``get``
and ``move`` concern the embedded archive; the receiver offers none of them."""
ANYONE = (ECHO, STORE, NOTIFY)
"""What callers that are not listed may do unless only those that are known are let in."""

_FINGERPRINT = re.compile(r"[0-9a-f]{64}").fullmatch


@dataclass(frozen=True, slots=True)
class Caller:
    """A rule for callers: every field that is not empty must match.

    Parameters
    ----------
    ae_title : str
        Calling AE title; case counts (PS3.5 6.2).
    host : str
        IP address or network (``"10.1.2.3"``, ``"10.1.0.0/16"``, ``"fd00::/8"``). Host names are not resolved: whoever
        answers for names could let himself in.
    fingerprint : str
        SHA-256 of the client certificate in hexadecimal; then only TLS with this certificate matches.
    operations : tuple of str
        Of `OPERATIONS`: exactly what such callers may do.
    """

    ae_title: str = ""
    host: str = ""
    fingerprint: str = ""
    operations: tuple[str, ...] = ANYONE

    def __post_init__(self) -> None:
        """Check the values."""
        if not (self.ae_title or self.host or self.fingerprint):
            raise UsageError(
                "A rule for callers names nobody",
                todo="Give an AE title, an address, or the fingerprint of a certificate",
            )
        if len(self.ae_title.strip()) > 16 or "\\" in self.ae_title:
            raise UsageError("An AE title is not valid", where=self.ae_title, todo="Use 1 to 16 characters")
        if self.host:
            _network(self.host)
        if self.fingerprint and not _FINGERPRINT(plain_fingerprint(self.fingerprint)):
            raise UsageError(
                "A fingerprint is not valid",
                where=self.fingerprint,
                todo="Use the SHA-256 of the certificate: 64 digits",
            )
        unknown = [name for name in self.operations if name not in OPERATIONS]
        if unknown:
            raise UsageError("There is no such operation", where=unknown[0], todo=f"Use {', '.join(OPERATIONS)}")

    def matches(self, ae_title: str, address: str, fingerprint: str) -> bool:
        """Whether a caller falls under this rule; `fingerprint` is empty without client certificate."""
        if self.ae_title and self.ae_title.strip() != ae_title.strip():
            return False
        if self.fingerprint and plain_fingerprint(self.fingerprint) != fingerprint:
            return False
        return not self.host or _within(address, self.host)


def plain_fingerprint(text: str) -> str:
    """Return a fingerprint as 64 lower-case digits."""
    return text.replace(":", "").replace(" ", "").lower()


def _network(host: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(host.strip(), strict=False)
    except ValueError:
        raise UsageError(
            "This is no IP address or network", where=host, todo="Use for example 10.1.2.3 or 10.1.0.0/16"
        ) from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _within(address: str, host: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)  # an IPv4 caller on an IPv6 socket
    return (mapped or found) in _network(host)


@dataclass(frozen=True, slots=True)
class ReceivingPolicy:
    """What our receiver lets in.

    Parameters
    ----------
    only_known : bool
        Whether callers that no rule matches are rejected; otherwise they may do `ANYONE`.
    check_called : bool
        Whether callers that call us by another AE title than ours are rejected.
    callers : tuple of Caller
        The first rule that matches counts.
    associations, per_address : int
        Open at once, in all and from one address.
    negotiation, idle : float
        Seconds: for TLS and association request together; without a byte during an association.
    slowest : int
        Bytes a second, averaged over ``idle`` seconds, below which an object is given up; 0 for never.
    largest_object : int
        Bytes; 0 for no limit.
    reserve : int
        Bytes that stay free on the disk: above, objects are answered as "out of resources".
    workers : int
        Processes that receive; 0 for as many as there are cores, two at least and four at most.
    """

    only_known: bool = False
    check_called: bool = False
    callers: tuple[Caller, ...] = ()
    associations: int = 512
    per_address: int = 256
    negotiation: float = 15.0
    idle: float = 60.0
    slowest: int = 256
    largest_object: int = 0
    reserve: int = 256 * 1024 * 1024
    workers: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("associations", "per_address", "negotiation", "idle"):
            if getattr(self, name) <= 0:
                raise UsageError("A limit of receiving must be above zero", where=name)
        for name in ("slowest", "largest_object", "reserve", "workers"):
            if getattr(self, name) < 0:
                raise UsageError("A limit of receiving is negative", where=name)

    def operations(self, ae_title: str, address: str, fingerprint: str = "") -> frozenset[str] | None:
        """Return what a caller may do; None when it is not to be let in at all."""
        for caller in self.callers:
            if caller.matches(ae_title, address, fingerprint):
                return frozenset(caller.operations)
        return None if self.only_known else frozenset(ANYONE)

    def knowing(self, peers: Iterable[Peer]) -> ReceivingPolicy:
        """Return this policy with the peers of the address book among those that are known; rules come before them.

        A peer whose host is an IP address must call from there.
        """
        known = tuple(Caller(peer.ae_title, peer.host if _is_address(peer.host) else "") for peer in peers)
        return replace(self, callers=(*self.callers, *known))

    def lacks_certificate(self, ae_title: str, address: str) -> bool:
        """Whether a rule would match this caller if it showed the right certificate: then that is what must be told."""
        return any(
            caller.fingerprint and caller.matches(ae_title, address, plain_fingerprint(caller.fingerprint))
            for caller in self.callers
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ReceivingPolicy:
        """Return the policy kept as JSON; keys of other versions are ignored."""
        known = _known(cls, values)
        callers = tuple(
            Caller(**{**_known(Caller, entry), "operations": tuple(entry.get("operations", ANYONE))})
            for entry in known.pop("callers", ())
        )
        return cls(**known, callers=callers)

    @classmethod
    def of(cls, settings: Settings) -> ReceivingPolicy:
        """Return the policy kept in `settings`, or the default one."""
        return cls.from_json(settings.get(KEY, {}))

    def save(self, settings: Settings) -> None:
        """Keep this policy in `settings`."""
        values = self.as_dict()
        values["callers"] = [{**entry, "operations": list(entry["operations"])} for entry in values["callers"]]
        settings.set(KEY, values)


def _known(kind: Any, values: dict[str, Any]) -> dict[str, Any]:
    names: Iterable[str] = (entry.name for entry in fields(kind))
    return {name: values[name] for name in names if name in values}
