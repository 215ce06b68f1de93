"""The command ``preflight``: declared, needed and observed, before a peer is relied on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lightbox.cli.context import Context, ProgressLine, json_option, pass_context, print_json, print_table, say
from lightbox.core.errors import UsageError

if TYPE_CHECKING:
    from lightbox.network.preflight.report import Report
    from lightbox.network.preflight.store import PeerFiles


@click.command(epilog="Exit code: 0 ready, 1 something is blocked or the peer cannot be reached, 2 wrong use.")
@click.argument("peer")
@json_option
@click.option("--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as HTML.")
@click.option(
    "--declaration",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Read what the vendor declares (CSV or JSON) and keep it for this peer.",
)
@click.option("--who", default="", help="Who made the declaration, for the record.")
@click.option("--trust-probe", is_flag=True, help="Take what the last probe saw as the declaration; no new probe.")
@click.option("--use", "uses", multiple=True, help="What this peer is for (repeatable): store, query, retrieve, ...")
@click.option("--all", "everything", is_flag=True, help="Probe every storage class in every usual transfer syntax.")
@click.option("--round-trip", is_flag=True, help="Also store invented objects there, fetch and compare them.")
@click.option("--history", is_flag=True, help="List the earlier pre-flights of this peer; no new probe.")
@pass_context
def preflight(
    context: Context,
    peer: str,
    as_json: bool,
    html_file: Path | None,
    declaration: Path | None,
    who: str,
    trust_probe: bool,
    uses: tuple[str, ...],
    everything: bool,
    round_trip: bool,
    history: bool,
) -> None:
    """Check PEER before you rely on it: what it declares, what we need, what it accepts. No data is sent.

    With --round-trip, objects of an invented patient are stored at the peer; they cannot be deleted from here.
    """
    from lightbox.network.preflight import services, store

    workstation = context.workstation
    entry = workstation.peers.get(peer)
    files = store.PeerFiles(workstation.home, entry)
    if trust_probe and declaration is not None:
        raise UsageError("Give either a declaration or trust the probe")
    if (trust_probe or history) and (round_trip or html_file is not None):
        raise UsageError("There is no new probe with --trust-probe and --history")
    if uses:
        files.keep_purposes(services.purposes(uses))
    if declaration is not None:
        read = store.read_declaration(declaration, entry, who=who)
        files.keep_declaration(read)
        for problem in read.problems:
            say(f"Not understood in {declaration.name}: {problem}")
        say(f"Declaration kept: {len(read.pairs)} pairs")
    if trust_probe:
        trusted = files.trust_last_probe()
        say(f"Declaration of {entry.name} taken from its last probe: {len(trusted.pairs)} pairs")
        return
    if history:
        _history(files, as_json)
        return
    report = _run(context, entry.name, everything, round_trip)
    if html_file is not None:
        from lightbox.core.settings import write_atomically
        from lightbox.network.preflight import html_report

        write_atomically(html_file, html_report.render(report).encode("utf-8"))
    if as_json:
        print_json(report.as_json())
    else:
        _print(report)
    if not report.ok:
        context.exit_code = 1


def _run(context: Context, name: str, everything: bool, round_trip: bool) -> Report:
    from lightbox.network.preflight.run import preflight as run
    from lightbox.network.secrets import Secrets

    workstation = context.workstation
    line = ProgressLine("pairs")
    try:
        return run(
            workstation.peers.get(name),
            workstation.identity,
            workstation.home,
            workstation.library.encodings(),
            everything=everything,
            round_trip=round_trip,
            secrets=Secrets(workstation.home),
            progress=line,
        )
    finally:
        line.end()


def _history(files: PeerFiles, as_json: bool) -> None:
    reports = files.reports()
    if as_json:
        print_json(reports)
        return
    if not reports:
        say("No pre-flight of this peer yet")
        return
    print_table(
        [
            {
                "at": str(report["at"])[:16].replace("T", " "),
                "result": report["result"],
                "implementation": report.get("implementation_version", ""),
                "pairs": report.get("pairs", ""),
                "changes": "; ".join((report.get("changed_since") or {}).get("changes", [])) or "-",
            }
            for report in reports
        ],
        {"at": "When (UTC)", "result": "Result", "implementation": "Peer", "pairs": "Pairs", "changes": "Changed"},
    )


def _print(report: Report) -> None:
    from lightbox.network.preflight import changes, services

    click.echo(report.summary())
    seen = report.observation
    implementation = seen.implementation_version or "no version"
    click.echo(f"{implementation}; {len(seen.pairs)} pairs in {seen.associations} associations, {seen.seconds:.2f} s")
    click.echo(changes.words(report.changed_since))
    for change in (report.changed_since or {}).get("changes", ()):
        click.echo(f"  {change}")
    click.echo("")
    for check in seen.services:
        click.echo(f"{check.state:11} {check.name:36} {check.text}")
        if check.todo:
            click.echo(f"{'':12}{check.todo}")
    for finding in report.findings:
        click.echo(f"{finding.state:11} {finding.text}" + (f" - {finding.todo}" if finding.todo else ""))
    for note in seen.notes:
        click.echo(f"note        {note}")
    click.echo("")
    untested = 0
    for task in report.tasks():
        if task.verdict == "untested" and not task.failing:
            untested += task.rows
            continue
        click.echo(f"{task.verdict}: {task.title}" + (f" ({task.reason})" if task.reason else ""))
        for item in task.items:
            click.echo(f"    - {item}")
        for advice in task.advice:
            click.echo(f"    {advice}")
    if untested:
        click.echo(f"untested: {untested} pairs; --json says why")
    if any(row.failing and row.pair.sop_class in services.BY_CLASS for row in report.rows):
        click.echo("What a peer is for is told by: preflight PEER --use store --use query ...")
