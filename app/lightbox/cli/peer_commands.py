"""Commands about whom we talk to and who we are: ``peers``, ``identity``, ``echo``, ``diagnose``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from lightbox.cli.context import Context, json_option, pass_context, print_json, print_table, say
from lightbox.cli.peer_options import changed, check_files, peer_options, tls_values
from lightbox.core.errors import LightboxError, UsageError
from lightbox.network.identity import TlsSettings
from lightbox.network.peers import Peer

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)


@click.group()
def peers() -> None:
    """Manage the archives that Lightbox talks to."""


@peers.command("add")
@click.argument("name")
@click.argument("ae_title", required=False)
@click.argument("address", metavar="[HOST]", required=False)
@click.argument("port_number", metavar="[PORT]", type=int, required=False)
@peer_options
@click.option("--replace", "replace_peer", is_flag=True, help="Replace a peer of the same name.")
@pass_context
def peers_add(
    context: Context,
    name: str,
    ae_title: str | None,
    address: str | None,
    port_number: int | None,
    replace_peer: bool,
    **given: Any,
) -> None:
    """Add the peer NAME with its AE title, host and port (as options or in this order)."""
    for option, value in (("ae", ae_title), ("host", address), ("port", port_number)):
        if value is not None and given[option] is not None:
            raise UsageError("This is given twice", where=f"--{option}")
        given[option] = value if given[option] is None else given[option]
        if given[option] is None:
            raise UsageError("The peer is not complete", where=f"--{option}", todo="Give --ae, --host and --port")
    peer = changed(Peer(name, given["ae"], given["host"], given["port"]), given)
    check_files(peer)
    context.workstation.peers.add(peer, replace=replace_peer)
    _keep_secret(context, peer, given)


@peers.command("edit")
@click.argument("name")
@click.option("--name", "new_name", help="Call it differently.")
@peer_options
@pass_context
def peers_edit(context: Context, name: str, new_name: str | None, **given: Any) -> None:
    """Change what is given of the peer NAME, and leave the rest as it is."""
    before = context.workstation.peers.get(name)
    peer = changed(before, given)
    if new_name is not None:
        peer = replace(peer, name=new_name)
    check_files(peer)
    context.workstation.peers.change(name, peer)
    _rename(context, before.name, peer.name)
    _keep_secret(context, peer, given)


def _rename(context: Context, before: str, after: str) -> None:
    if before.casefold() == after.casefold():
        return
    from lightbox.network.diagnosis import facts
    from lightbox.network.secrets import Secrets

    secrets = Secrets(context.workstation.home)
    secret = secrets.get(before)
    if secret is not None:
        secrets.set(after, secret)
        secrets.forget(before)
    facts.forget(context.workstation.settings, before)


def _keep_secret(context: Context, peer: Peer, given: dict[str, Any]) -> None:
    """Keep the password or token: from standard input, or asked for where a person sits at a terminal."""
    from lightbox.network.secrets import Secrets

    secrets = Secrets(context.workstation.home)
    if peer.web is None or peer.web.authentication == "none":
        secrets.forget(peer.name)
        return
    kind = "password" if peer.web.authentication == "basic" else "token"
    if given["web_secret_stdin"]:
        secret = sys.stdin.readline().rstrip("\r\n")
        if not secret:
            raise UsageError(f"There was no {kind} on standard input")
        secrets.set(peer.name, secret)
    elif given["web_auth"] is not None or not secrets.has(peer.name):
        if sys.stdin.isatty() and sys.stderr.isatty():
            secrets.set(peer.name, click.prompt(kind.capitalize(), hide_input=True, err=True))
        elif not secrets.has(peer.name):
            say(f"No {kind} is kept for {peer.name} yet: lightbox peers edit {peer.name} --web-secret-stdin")


@peers.command("list")
@json_option
@pass_context
def peers_list(context: Context, as_json: bool) -> None:
    """List the peers with everything that is set, passwords excepted."""
    from lightbox.network.diagnosis import facts

    found = context.workstation.peers.all()
    known = {peer.name: facts.of(context.workstation.settings, peer.name) for peer in found}
    if as_json:
        print_json([_values(context, peer, known[peer.name]) for peer in found])
        return
    if not found:
        say("No peers yet. Add one: lightbox peers add NAME --ae AE_TITLE --host HOST --port PORT")
        return
    rows = [
        {
            "name": peer.name,
            "ae_title": peer.ae_title,
            "host": peer.host,
            "port": peer.port,
            "tls": _security(peer),
            "web": peer.web.url if peer.web else "",
            "checked": entry.words() if (entry := known[peer.name]) else "never",
        }
        for peer in found
    ]
    columns = {"name": "Name", "ae_title": "AE title", "host": "Host", "port": "Port", "tls": "Security"}
    columns |= {"web": "DICOMweb"} if any(row["web"] for row in rows) else {}
    print_table(rows, columns | {"checked": "Last check"})
    for peer in found:
        if peer.needs_reason:
            say(f"{peer.name} has neither TLS nor a stated reason for doing without: it is not called until it has one")


def _security(peer: Peer) -> str:
    if peer.tls is not None:
        return f"TLS {peer.tls.minimum_version}+" + (", pinned" if peer.tls.pin_sha256 else "")
    return f"none ({peer.plaintext_reason})" if peer.plaintext_reason else "none"


def _values(context: Context, peer: Peer, entry: Any) -> dict[str, Any]:
    values = peer.as_json()
    if peer.web is not None:
        from lightbox.network.secrets import Secrets

        values["web"]["secret"] = Secrets(context.workstation.home).has(peer.name)
    if entry is not None:
        values["facts"] = entry.as_dict()
    return values


@peers.command("remove")
@click.argument("name")
@pass_context
def peers_remove(context: Context, name: str) -> None:
    """Remove the peer NAME, with its password and what is known about it."""
    from lightbox.network.diagnosis import facts
    from lightbox.network.secrets import Secrets

    peer = context.workstation.peers.get(name)
    context.workstation.peers.remove(name)
    Secrets(context.workstation.home).forget(peer.name)
    facts.forget(context.workstation.settings, peer.name)


@click.command()
@click.option("--ae-title", help="AE title under which this workstation is known.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of our storage SCP (C-MOVE sends there).")
@click.option("--tls-port", type=click.IntRange(0, 65535), help="A second port on which only TLS is spoken; 0: none.")
@click.option("--tls-cert", type=_FILE, help="PEM file of our certificate.")
@click.option("--tls-key", type=_FILE, help="PEM file of its private key.")
@click.option("--tls-ca", type=_FILE, help="PEM file of the authorities whose client certificates we accept.")
@click.option("--client-certificate", type=click.Choice(["required", "optional"]), help="Of those who call us.")
@click.option("--tls-min", type=click.Choice(["1.2", "1.3"]), help="Oldest TLS version.")
@click.option("--tls-profile", type=click.Choice(["bcp195", "bcp195-modified"]), help="PS3.15 B.12 or B.13.")
@json_option
@pass_context
def identity(
    context: Context, ae_title: str | None, port: int | None, tls_port: int | None, as_json: bool, **given: Any
) -> None:
    """Show or change how this workstation presents itself to archives."""
    found = before = context.workstation.identity
    plain = {"ae_title": ae_title, "port": port, "tls_port": tls_port}
    found = replace(found, **{name: value for name, value in plain.items() if value is not None})
    names = {
        "tls_cert": "certificate_file",
        "tls_key": "key_file",
        "tls_ca": "ca_file",
        "client_certificate": "client_certificate",
        "tls_min": "minimum_version",
        "tls_profile": "profile",
    }
    tls = {names[option]: value for option, value in given.items() if value is not None}
    if tls:
        if "certificate_file" in tls:
            tls.setdefault("key_file", tls["certificate_file"])
        found = replace(found, tls=replace(found.tls or TlsSettings(), **tls))
    if found.tls_port and found.tls_port == found.port:
        raise UsageError("The TLS port must be another one than the plain port", where=str(found.tls_port))
    if found.tls_port and found != before:
        from lightbox.network.tls import server_context

        server_context(found.tls or TlsSettings())
    if found != before:
        found.save(context.workstation.settings)
    if as_json:
        values: dict[str, Any] = {"ae_title": found.ae_title, "port": found.port}
        print_json(values | {"tls_port": found.tls_port, "tls": tls_values(found.tls)})
    else:
        click.echo(
            f"{found.ae_title} on port {found.port}"
            + (f" and with TLS on port {found.tls_port}" if found.tls_port else "")
        )


@click.command()
@click.argument("peer")
@json_option
@pass_context
def echo(context: Context, peer: str, as_json: bool) -> None:
    """Test the connection to PEER, step by step."""
    from lightbox.network.echo import echo as run_echo

    result = run_echo(context.workstation.peers.get(peer), context.workstation.identity)
    if as_json:
        print_json(result.as_dict())
    else:
        for step in result.steps:
            click.echo(f"{'ok' if step.ok else 'failed':7} {step.name:20} {step.milliseconds:6.0f} ms  {step.text}")
    if not result.ok:
        raise LightboxError("The peer does not answer an echo", where=peer, why=result.why, todo=result.todo)


@click.command()
@click.argument("peer")
@click.option("--move", "move_study", metavar="STUDY_UID", default="", help="Have one image of this study sent to us.")
@json_option
@pass_context
def diagnose(context: Context, peer: str, move_study: str, as_json: bool) -> None:
    """Examine the connection to PEER from its name to a C-MOVE to us, and say what to change."""
    from lightbox.network.diagnosis.doctor import diagnose as run_diagnosis
    from lightbox.network.diagnosis.steps import Step

    def tell(step: Step) -> None:
        if not as_json:
            click.echo(f"{step.state:8} {step.name:12} {step.milliseconds:6.0f} ms  {step.text}")
            for line in (step.why, step.todo):
                if line:
                    click.echo(f"{'':31}{line}")

    workstation = context.workstation
    found = run_diagnosis(
        workstation.peers.get(peer),
        workstation.identity,
        settings=workstation.settings,
        home=workstation.home,
        move_study=move_study,
        progress=tell,
    )
    if as_json:
        print_json(found.as_dict())
    if not found.ok:
        failed = next(step for step in found.steps if step.state == "failed")
        raise LightboxError(failed.text, where=peer, why=failed.why, todo=failed.todo)
