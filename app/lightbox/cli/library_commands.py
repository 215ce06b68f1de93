"""Commands on the local library: ``import``, ``list``, ``rebuild``."""

from __future__ import annotations

from pathlib import Path

import click

from lightbox.cli.context import Context, ProgressLine, json_option, pass_context, print_json, print_table, say
from lightbox.cli.shapes import series_shape, study_shape
from lightbox.core.errors import LightboxError, UsageError
from lightbox.library.records import StudyQuery

_PAGE = 1000


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--link", is_flag=True, help="Index only: leave the files where they are.")
@click.option("--reconcile-with", metavar="PEER:ACCESSION", help="Make them part of this order of a worklist.")
@click.option("--confirm", is_flag=True, help="Confirm that patient and order belong together although they differ.")
@json_option
@pass_context
def import_(
    context: Context, paths: tuple[Path, ...], link: bool, reconcile_with: str | None, confirm: bool, as_json: bool
) -> None:
    """Import files, folders, zip archives and DICOMDIR file-sets."""
    if reconcile_with:
        from lightbox.cli.worklist_commands import run_reconcile

        if link:
            raise UsageError("Reconciled objects are copies", where="--link", todo="Leave one of the options out")
        run_reconcile(context, paths, reconcile_with, confirm=confirm, as_json=as_json)
        return
    line = ProgressLine("files")
    report = context.workstation.library.import_paths(
        list(paths), link=link, progress=lambda progress: line(progress.done, progress.total)
    )
    line.end()
    if as_json:
        print_json(report.as_dict())
    else:
        for refusal in report.refused:
            say(f"refused: {refusal.path}: {refusal.reason}")
        click.echo(
            f"{report.added} added, {report.duplicates} already here, {report.quarantined} quarantined, "
            f"{len(report.refused)} refused"
        )
    if report.refused and not (report.added or report.duplicates or report.quarantined):
        context.exit_code = 1


@click.command("list")
@click.argument("study", required=False)
@click.option("--text", default="", help="Words to look for in patient, study and series attributes.")
@json_option
@pass_context
def list_(context: Context, study: str | None, text: str, as_json: bool) -> None:
    """List the studies of the library, or the series of one STUDY (its Study Instance UID)."""
    library = context.workstation.library
    warnings: list[str] = []
    if study:
        found = context.workstation.study(study)
        warnings += [f"{study}: {found.warning}"] if found.warning else []
        shapes = [series_shape(entry) for entry in library.series_of(study)]
        columns = {
            "SeriesNumber": "No.",
            "Modality": "Modality",
            "SeriesDescription": "Description",
            "NumberOfSeriesRelatedInstances": "Images",
            "SeriesInstanceUID": "Series Instance UID",
        }
    else:
        shapes = []
        query, after = StudyQuery(text=text), None
        while True:
            page = library.page_studies(query, after=after, limit=_PAGE)
            shapes += [study_shape(entry) for entry in page.rows]
            warnings += [f"{entry.study_instance_uid}: {entry.warning}" for entry in page.rows if entry.warning]
            after = page.next
            if after is None:
                break
        columns = {
            "PatientName": "Patient",
            "PatientID": "ID",
            "StudyDate": "Date",
            "ModalitiesInStudy": "Modality",
            "StudyDescription": "Description",
            "NumberOfStudyRelatedSeries": "Series",
            "NumberOfStudyRelatedInstances": "Images",
            "StudyInstanceUID": "Study Instance UID",
        }
    for warning in warnings:
        say(f"warning: {warning}")
    if as_json:
        print_json(shapes)
    elif shapes:
        print_table(shapes, columns)
    else:
        say("No studies yet. Import some: lightbox import PATH...")


@click.command()
@pass_context
def rebuild(context: Context) -> None:
    """Rebuild the index from the stored objects."""
    line = ProgressLine("objects")
    report = context.workstation.library.rebuild(lambda progress: line(progress.done, progress.total))
    line.end()
    for refusal in report.refused:
        say(f"refused: {refusal.path}: {refusal.reason}")
    click.echo(f"{report.added} objects indexed, {len(report.refused)} refused")
    if report.refused:
        raise LightboxError(
            "Some stored objects could not be indexed", why=f"{len(report.refused)} refused, listed above"
        )
