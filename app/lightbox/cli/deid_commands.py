"""Command ``deid``: de-identified copies of files or of studies of the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lightbox.cli.context import Context, ProgressLine, json_option, pass_context, print_json, say
from lightbox.core.errors import LightboxError, NotFoundError

if TYPE_CHECKING:
    from lightbox.deid.source import Source

KEY_NAME = "project.key"
NOT_DICOM = "not-dicom"


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to."
)
@click.option("--preset", default="basic", show_default=True, help="basic or research-modified-dates.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Project key that all pseudonyms derive from; made when missing. Default: {KEY_NAME} of the data folder.",
)
@click.option(
    "--report",
    "report_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for certificate, tag log and summary. Default: OUT-report.",
)
@click.option("--accept-burned-in", is_flag=True, help="Also export images that may show names in their pixels.")
@click.option("--crosswalk", is_flag=True, help="Also write the confidential lists of old and new identifiers.")
@json_option
@pass_context
def deid(
    context: Context,
    inputs: tuple[str, ...],
    out: Path,
    preset: str,
    key_file: Path | None,
    report_dir: Path | None,
    accept_burned_in: bool,
    crosswalk: bool,
    as_json: bool,
) -> None:
    """Write de-identified copies of INPUT: files, folders or Study Instance UIDs of the library.

    The originals are only read. Every output is read again and searched before it is released; what fails is withheld
    with its reason.
    """
    from lightbox.deid.key import ProjectKey
    from lightbox.deid.profile import preset as find_preset
    from lightbox.export.job import export

    profile = find_preset(preset)
    cohort = _cohort(context, inputs)
    key_path = key_file or context.workstation.home / KEY_NAME
    if not key_path.exists():
        say(f"A new project key was made: {key_path}. Keep it: the same key gives the same pseudonyms.")
    key = ProjectKey.load_or_create(key_path)
    line = ProgressLine("objects")
    report = export(
        cohort,
        profile,
        key,
        out,
        report_dir,
        progress=lambda done, total=0, **_: line(done, total),
        accept_burned_in=accept_burned_in,
        crosswalk=crosswalk,
    )
    line.end()
    for item in report.withheld:
        say(f"{item.outcome.value}: {item.label}: {item.reason}")
    if as_json:
        print_json(report.as_dict() | {"out": str(out), "report": str(report.report_dir)})
    else:
        click.echo(
            f"{report.exported} of {report.total} exported, {report.quarantined} quarantined, {report.failed} failed; "
            f"report in {report.report_dir}"
        )
    failed = sum(1 for item in report.withheld if item.outcome.value == "failed" and item.code != NOT_DICOM)
    if failed or not report.exported:
        raise LightboxError(
            "Not everything could be de-identified",
            why=f"{failed} objects failed" if failed else "nothing was exported",
            todo="The reasons are listed above; nothing of these objects was written to the folder",
        )


def _cohort(context: Context, inputs: tuple[str, ...]) -> list[Source]:
    from lightbox.export.cohort import Cohort

    sources: list[Source] = []
    for text in inputs:
        if Path(text).exists():
            sources += Cohort.of_paths([Path(text)]).sources
        elif context.workstation.library.study(text) is not None:
            sources += Cohort.of_studies(context.workstation.library, [text]).sources
        else:
            raise NotFoundError("There is no such file, folder or study", where=text)
    return sources
