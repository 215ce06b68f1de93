"""The command ``retrieve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lightbox.cli.context import Context, ProgressLine, json_option, pass_context, print_json, say
from lightbox.core.errors import LightboxError, UsageError

if TYPE_CHECKING:
    from lightbox.network.reports import RetrieveReport


@click.command()
@click.argument("peer", required=False, default="")
@click.argument("study_uid", required=False, default="")
@click.option("--series", "series_uids", multiple=True, help="Only this Series Instance UID (repeatable).")
@click.option(
    "--method",
    type=click.Choice(["auto", "c-get", "c-move", "wado-rs"]),
    default="auto",
    show_default=True,
    help="auto: WADO-RS where the peer has DICOMweb, then C-GET, then C-MOVE; what works is remembered.",
)
@click.option("--force", is_flag=True, help="Retrieve what is in the library, too.")
@click.option("--resume", is_flag=True, help="Go on with the retrieves of a program that died.")
@json_option
@pass_context
def retrieve(
    context: Context,
    peer: str,
    study_uid: str,
    series_uids: tuple[str, ...],
    method: str,
    force: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Retrieve the study STUDY_UID from PEER into the library; what is there already is not asked for again."""
    if resume:
        if peer:
            raise UsageError("Give either --resume or what to retrieve", where=peer)
        _resume(context, as_json=as_json)
        return
    if not peer or not study_uid:
        raise UsageError("What is to be retrieved?", todo="Write: lightbox retrieve PEER STUDY_UID")
    from lightbox.network.retrieve import retrieve as run_retrieve

    line = ProgressLine("images")
    report = run_retrieve(
        context.workstation.peers.get(peer),
        context.workstation.identity,
        context.workstation.library,
        study_uid,
        series_uids,
        method=method,
        force=force,
        progress=lambda progress: line(progress.done, progress.total),
        settings=context.workstation.settings,
    )
    line.end()
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo(report.summary())
    if not report.complete:
        raise _incomplete(peer, report)


def _incomplete(peer: str, report: RetrieveReport) -> LightboxError:
    why = "; ".join([report.summary(), *report.notes])
    return LightboxError("The retrieve is not complete", where=peer, why=why, todo="Try it again")


def _resume(context: Context, *, as_json: bool) -> None:
    from lightbox.network.retrieving.resume import resume as run_resume

    line = ProgressLine("images")
    workstation = context.workstation
    found = run_resume(
        workstation.peers,
        workstation.identity,
        workstation.library,
        settings=workstation.settings,
        progress=lambda entry, progress: line(progress.done, progress.total),
    )
    line.end()
    shown: list[dict[str, Any]] = []
    failure: LightboxError | None = None
    for item in found:
        if item.report is not None:
            shown.append({"peer": item.entry.peer, **item.report.as_dict()})
            if not item.report.complete:
                failure = failure or _incomplete(item.entry.peer, item.report)
        else:
            failure = failure or item.error
            shown.append({"peer": item.entry.peer, "StudyInstanceUID": item.entry.study_uid, "error": str(item.error)})
    if as_json:
        print_json(shown)
    elif not shown:
        say("No retrieve was interrupted.")
    else:
        for item in found:
            click.echo(f"{item.entry.peer}: {item.report.summary() if item.report is not None else item.error}")
    if failure is not None:
        raise failure
