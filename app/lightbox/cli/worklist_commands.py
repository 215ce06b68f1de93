"""Commands on worklists: ``worklist``, ``reconcile``, ``mpps``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lightbox.cli.context import Context, ProgressLine, json_option, pass_context, print_json, print_table, say
from lightbox.core.errors import LightboxError, Problem, UsageError


@click.command()
@click.argument("peer")
@click.option("--date", "dates", default="today", show_default=True, help='"today", 20240131, "last 7 days" or "any".')
@click.option("--modality", default="")
@click.option("--station", default="", help="AE title of the scheduled station.")
@click.option("--patient-name", default="")
@click.option("--patient-id", default="")
@click.option("--accession", default="", help="Accession number.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True)
@json_option
@pass_context
def worklist(
    context: Context,
    peer: str,
    dates: str,
    modality: str,
    station: str,
    patient_name: str,
    patient_id: str,
    accession: str,
    limit: int,
    as_json: bool,
) -> None:
    """Show what the modality worklist of PEER plans."""
    from lightbox.network.worklist import mwl

    problems: list[Problem] = []
    entries = mwl.query(
        context.workstation.peers.get(peer),
        context.workstation.identity,
        mwl.WorklistQuery(dates, modality, station, patient_name, patient_id, accession),
        limit=limit,
        problems=problems,
    )
    if as_json:
        print_json([entry.as_dict() for entry in entries])
    else:
        print_table(
            [
                {
                    "when": " ".join(part for part in entry.when if part),
                    "modality": entry.step.modality,
                    "station": entry.step.station_ae,
                    "name": entry.patient_name,
                    "id": entry.patient_id,
                    "accession": entry.accession_number,
                    "what": entry.step.description or entry.requested_procedure_description,
                }
                for entry in entries
            ],
            {
                "when": "Planned",
                "modality": "Modality",
                "station": "Station",
                "name": "Patient",
                "id": "ID",
                "accession": "Accession",
                "what": "What",
            },
        )
        say(f"{len(entries)} entries")
    for problem in problems:
        say(problem.sentence())


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--with", "order", required=True, metavar="PEER:ACCESSION", help="The worklist entry they belong to.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--confirm", is_flag=True, help="Confirm that patient and order belong together although they differ.")
@click.option("--map-study-uid", is_flag=True, help="Put them into the study of the order (default: keep their own).")
@click.option("--new-uids", is_flag=True, help="Give study, series and instances new UIDs (default: keep them).")
@click.option("--source-name", default="", help="Who made the files; default is their institution.")
@click.option("--mpps", "mpps_peer", default="", metavar="PEER", help="Tell PEER what was performed (MPPS).")
@json_option
@pass_context
def reconcile(
    context: Context,
    paths: tuple[Path, ...],
    order: str,
    dry_run: bool,
    confirm: bool,
    map_study_uid: bool,
    new_uids: bool,
    source_name: str,
    mpps_peer: str,
    as_json: bool,
) -> None:
    """Import outside files PATHS as part of an order: its patient and accession number, the former values kept."""
    run_reconcile(
        context,
        paths,
        order,
        dry_run=dry_run,
        confirm=confirm,
        map_study_uid=map_study_uid,
        new_uids=new_uids,
        source_name=source_name,
        mpps_peer=mpps_peer,
        as_json=as_json,
    )


def run_reconcile(
    context: Context,
    paths: tuple[Path, ...],
    order: str,
    *,
    dry_run: bool = False,
    confirm: bool = False,
    map_study_uid: bool = False,
    new_uids: bool = False,
    source_name: str = "",
    mpps_peer: str = "",
    as_json: bool = False,
) -> None:
    """Plan, show, and carry out; also behind ``import --reconcile-with``."""
    from lightbox.network.peers import own_identity
    from lightbox.network.worklist import importing, mwl

    name, colon, accession = order.partition(":")
    if not colon or not accession.strip():
        raise UsageError("The order is not complete", where=order, todo="Write PEER:ACCESSION")
    workstation = context.workstation
    peer = workstation.peers.get(name)
    told = workstation.peers.get(mpps_peer) if mpps_peer else None
    entry = mwl.one(peer, workstation.identity, accession)
    sources = importing.gather(paths, own=workstation.home)
    plan = importing.plan(sources, entry, library=workstation.library, map_study_uid=map_study_uid, new_uids=new_uids)
    values: dict[str, Any] = {"plan": plan.as_dict()}
    if not as_json:
        for change in plan.changes:
            if change.effective:
                old = ", ".join(value or "(empty)" for value in change.old)
                click.echo(f"{change.keyword}: {old} -> {'(removed)' if change.new is None else change.new}")
        for problem in plan.problems:
            say(f"{problem.severity.value}: {problem.sentence()}")
    if dry_run:
        if as_json:
            print_json(values)
        return
    if plan.needs_confirmation and not confirm and as_json:
        print_json(values)
    line = ProgressLine("images")
    result = importing.carry_out(
        sources,
        plan,
        workstation.library,
        workstation.home,
        system=own_identity(peer, workstation.identity).ae_title,
        confirmed=confirm,
        origin=source_name,
        progress=lambda progress: line(progress.done, progress.total),
    )
    line.end()
    values["import"] = result.as_dict()
    if told is not None:
        values["mpps"] = _perform(context, told, entry, result)
    report = result.report
    if as_json:
        print_json(values)
    else:
        for refusal in report.refused:
            say(f"refused: {refusal.path}: {refusal.reason}")
        for note in result.notes:
            say(note)
        click.echo(
            f"{report.added} added, {report.duplicates} already here, {report.quarantined} quarantined, "
            f"{len(report.refused)} refused"
        )
    if not (report.added or report.duplicates):
        context.exit_code = 1


def _perform(context: Context, peer: Any, entry: Any, result: Any) -> dict[str, Any]:
    """Tell what was imported; what the peer cannot be told now is told by ``lightbox mpps send``."""
    from lightbox.network.worklist.mpps import Steps

    workstation = context.workstation
    steps = Steps(workstation.home)
    study_uid = next(iter(result.report.study_uids), "")
    modality = next((instance.modality for instance in result.instances if instance.modality), "")
    step = steps.begin(peer, workstation.identity, entry, modality=modality, study_uid=study_uid)
    if result.instances:
        steps.complete(step.uid, result.instances, retrieve_ae=workstation.identity.ae_title)
    else:
        steps.discontinue(step.uid)
    try:
        steps.send(step.uid, peer, workstation.identity)
    except LightboxError as error:
        say(f"MPPS: {error.sentence()}")
    return steps.get(step.uid).as_dict()


@click.group()
def mpps() -> None:
    """Tell who planned it what was imported: performed procedure steps."""


@mpps.command("list")
@json_option
@pass_context
def mpps_list(context: Context, as_json: bool) -> None:
    """List the performed procedure steps and what their peers know."""
    from lightbox.network.worklist.mpps import Steps

    _show([step.as_dict() for step in Steps(context.workstation.home).all()], as_json)


@mpps.command("send")
@json_option
@pass_context
def mpps_send(context: Context, as_json: bool) -> None:
    """Send what waits."""
    from lightbox.network.worklist.mpps import Steps

    workstation = context.workstation
    results = Steps(workstation.home).send_waiting(workstation.peers.all(), workstation.identity)
    _show([step.as_dict() for step in results], as_json)
    if any(step.waits or step.state == "failed" for step in results):
        context.exit_code = 1


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        columns = {"begun_at": "Begun", "peer": "Peer", "state": "State", "status": "Status", "words": "Words"}
        print_table(rows, {**columns, "uid": "SOP Instance UID"})
