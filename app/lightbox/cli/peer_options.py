"""The options by which ``peers add`` and ``peers edit`` describe a peer, and the peer that they make."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import click

from lightbox.core.errors import UsageError
from lightbox.network.identity import TlsSettings
from lightbox.network.peers import COMMITMENTS, WEB_AUTHENTICATIONS, Peer, WebSettings

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)
_UNITS = {"": 1, "b": 1, "k": 1_000, "kb": 1_000, "m": 1_000_000, "mb": 1_000_000, "g": 10**9, "gb": 10**9}

_OPTIONS = (
    click.option("--ae", help="AE title of the peer; upper and lower case matter."),
    click.option("--host", help="Host name or address of the peer."),
    click.option("--port", type=int, help="DICOM port of the peer."),
    click.option("--own-ae", help="AE title we call this peer with (default: that of the workstation)."),
    click.option("--own-port", type=int, help="Port at which this peer reaches us (default: that of the workstation)."),
    click.option("--move-destination", help="AE title under which the peer knows this workstation."),
    click.option("--tls/--no-tls", default=None, help="Encrypt every association with this peer."),
    click.option("--ca", type=_FILE, help="PEM file of the authorities trusted for this peer, and no others."),
    click.option("--cert", type=_FILE, help="PEM file of our certificate for this peer."),
    click.option("--key", type=_FILE, help="PEM file of its private key."),
    click.option("--tls-min", type=click.Choice(["1.2", "1.3"]), help="Oldest TLS version."),
    click.option("--tls-profile", type=click.Choice(["bcp195", "bcp195-modified"]), help="PS3.15 B.12 or B.13."),
    click.option("--pin", help="SHA-256 of the one certificate accepted from this peer (empty: any trusted one)."),
    click.option("--host-check/--no-host-check", default=None, help="The certificate must name the host (default)."),
    click.option("--plaintext-reason", help="Why this peer may be talked to without TLS."),
    click.option("--dicomweb", metavar="URL", help="Base address of its DICOMweb service (empty: none)."),
    click.option("--web-auth", type=click.Choice(WEB_AUTHENTICATIONS), help="How we sign in there."),
    click.option("--web-user", help="User name for basic authentication."),
    click.option("--web-ca", type=_FILE, help="PEM file of the authorities trusted there (default: as --ca)."),
    click.option("--web-cert", type=_FILE, help="PEM file of our certificate there (default: as --cert)."),
    click.option("--web-key", type=_FILE, help="PEM file of its private key."),
    click.option("--web-secret-stdin", is_flag=True, help="Read its password or token from standard input."),
    click.option("--web-store/--no-web-store", default=None, help="Send by STOW-RS rather than by C-STORE."),
    click.option("--associations", type=int, help="How many associations at once a transfer may use."),
    click.option("--bandwidth", metavar="RATE", help="Limit of sending, a second: 500kB, 10MB; 0 is none."),
    click.option("--commitment", type=click.Choice(COMMITMENTS), help="Storage commitment of what we send."),
)


def peer_options(command: Command) -> Command:
    """Add the options of a peer to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def rate(text: str) -> int:
    """Return bytes a second of ``"500kB"``, ``"10 MB/s"`` or a plain number."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)(?:/s)?\s*", text)
    unit = _UNITS.get(found[2].casefold()) if found else None
    if found is None or unit is None:
        raise UsageError("The bandwidth is not valid", where=text, todo="Write it as 500kB or 10MB")
    return int(float(found[1]) * unit)


def changed(peer: Peer, given: dict[str, Any]) -> Peer:
    """Return `peer` with the options that were given (not None)."""
    plain = {
        "ae_title": given["ae"],
        "host": given["host"],
        "port": given["port"],
        "own_ae": given["own_ae"],
        "own_port": given["own_port"],
        "move_destination": given["move_destination"],
        "plaintext_reason": given["plaintext_reason"],
        "associations": given["associations"],
        "bandwidth_limit": None if given["bandwidth"] is None else rate(given["bandwidth"]),
        "commitment": given["commitment"],
    }
    values = {name: value for name, value in plain.items() if value is not None}
    return replace(peer, **values, tls=_tls(peer.tls, given), web=_web(peer.web, given))


def _tls(before: TlsSettings | None, given: dict[str, Any]) -> TlsSettings | None:
    options = {
        "ca_file": given["ca"],
        "certificate_file": given["cert"],
        "key_file": given["key"],
        "minimum_version": given["tls_min"],
        "profile": given["tls_profile"],
        "check_host": given["host_check"],
        "pin_sha256": None if given["pin"] is None else _pin(given["pin"]),
    }
    values = {name: value for name, value in options.items() if value is not None}
    if given["tls"] is False:
        if values:
            raise UsageError("TLS is switched off, but options of TLS are given", todo="Leave out --no-tls")
        return None
    if before is None and not values and not given["tls"]:
        return None
    if given["cert"] and not given["key"]:
        values["key_file"] = given["cert"]
    return replace(before or TlsSettings(), **values)


def _pin(text: str) -> str:
    plain = text.replace(":", "").strip().lower()
    if plain and not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise UsageError("The pinned certificate is not valid", where=text, todo="Give its SHA-256 in hexadecimal")
    return plain


def _web(before: WebSettings | None, given: dict[str, Any]) -> WebSettings | None:
    if given["dicomweb"] == "":
        return None
    options = {"url": given["dicomweb"], "authentication": given["web_auth"], "user": given["web_user"]}
    options["store"] = given["web_store"]
    options["tls"] = _web_tls(before.tls if before else None, given)
    values = {name: value for name, value in options.items() if value is not None}
    if not values:
        if given["web_secret_stdin"] and before is None:
            raise UsageError("This peer has no DICOMweb service", todo="Give its address with --dicomweb URL")
        return before
    if before is None and "url" not in values:
        raise UsageError("This peer has no DICOMweb service", todo="Give its address with --dicomweb URL")
    if "url" in values:
        values["url"] = values["url"].rstrip("/")
    web = WebSettings(**values) if before is None else replace(before, **values)
    if web.authentication == "basic" and not web.user:
        raise UsageError("Basic authentication needs a user name", todo="Give it with --web-user USER")
    return web


def _web_tls(before: TlsSettings | None, given: dict[str, Any]) -> TlsSettings | None:
    options = {
        "ca_file": given["web_ca"],
        "certificate_file": given["web_cert"],
        "key_file": given["web_key"] or given["web_cert"],
    }
    values = {name: value for name, value in options.items() if value is not None}
    return replace(before or TlsSettings(), **values) if values else None


def check_files(peer: Peer) -> None:
    """Make sure that the files of the TLS settings can be used, now rather than with the first patient.

    Raises
    ------
    AssociationError
        One of them cannot.
    """
    settings = [peer.tls, peer.web.tls if peer.web else None]
    if not any(settings):
        return
    from lightbox.network.tls import client_context

    for entry in settings:
        if entry is not None:
            client_context(entry)


def tls_values(settings: TlsSettings | None) -> dict[str, Any] | None:
    """Return TLS settings as JSON values: paths of files, never what is in them."""
    if settings is None:
        return None
    return {field.name: getattr(settings, field.name) for field in fields(settings)}
