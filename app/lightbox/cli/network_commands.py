"""The command ``find``."""

from __future__ import annotations

import difflib

import click

from lightbox.cli.context import Context, json_option, print_json, print_table, say
from lightbox.cli.shapes import reply_shape
from lightbox.core.errors import Problem, UsageError

_COLUMNS = {
    "patient": {"PatientName": "Patient", "PatientID": "ID", "PatientBirthDate": "Born", "PatientSex": "Sex"},
    "study": {
        "PatientName": "Patient",
        "PatientID": "ID",
        "StudyDate": "Date",
        "ModalitiesInStudy": "Modality",
        "StudyDescription": "Description",
        "NumberOfStudyRelatedInstances": "Images",
        "StudyInstanceUID": "Study Instance UID",
    },
    "series": {
        "SeriesNumber": "No.",
        "Modality": "Modality",
        "SeriesDescription": "Description",
        "NumberOfSeriesRelatedInstances": "Images",
        "SeriesInstanceUID": "Series Instance UID",
    },
    "image": {"InstanceNumber": "No.", "SOPClassUID": "SOP Class UID", "SOPInstanceUID": "SOP Instance UID"},
}


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    epilog="Keys are DICOM keywords: --PatientName 'DOE*' --StudyDate 20240101-20240131 --ModalitiesInStudy CT",
)
@click.argument("peer")
@click.option("--level", type=click.Choice(["patient", "study", "series", "image"]), default="study", show_default=True)
@click.option("--root", type=click.Choice(["study", "patient"]), default="study", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after this many answers.")
@click.option("--fuzzy", is_flag=True, help="Also names that sound alike, where the peer offers it.")
@json_option
@click.pass_context
def find(
    click_context: click.Context, peer: str, level: str, root: str, limit: int | None, fuzzy: bool, as_json: bool
) -> None:
    """Query PEER. Every attribute can be a key: --KEY VALUE."""
    from lightbox.network.find import find as run_find

    context: Context = click_context.obj
    keys = parse_keys(click_context.args)
    entry = context.workstation.peers.get(peer)
    if level == "patient":
        root = "patient"
    problems: list[Problem] = []
    found = run_find(
        entry, context.workstation.identity, level, keys, root=root, limit=limit, problems=problems, fuzzy=fuzzy
    )
    rows = [reply_shape(reply) for reply in found]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS[level])
        say(f"{len(rows)} answers")
    for problem in problems:
        say(problem.sentence())


def parse_keys(arguments: list[str]) -> dict[str, str]:
    """Return the query keys of ``--Keyword value`` and ``--Keyword=value``; case and dashes do not matter.

    Raises
    ------
    UsageError
        An argument is no DICOM keyword or lacks its value.
    """
    from pydicom.datadict import keyword_dict

    known = {keyword.casefold(): keyword for keyword in keyword_dict if keyword}
    keys: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name = rest.pop(0)
        if not name.startswith("--"):
            raise UsageError("Unexpected argument", where=name, todo="Keys are given as --Keyword value")
        name, separator, value = name[2:].partition("=")
        keyword = known.get(name.replace("-", "").casefold())
        if keyword is None:
            near = difflib.get_close_matches(name.replace("-", "").casefold(), known, n=1)
            hint = f"Did you mean --{known[near[0]]}?" if near else "Use the keyword of PS3.6, for example --PatientID"
            raise UsageError("No such DICOM attribute", where=f"--{name}", todo=hint)
        if not separator:
            if not rest:
                raise UsageError("The key has no value", where=f"--{name}")
            value = rest.pop(0)
        keys[keyword] = value
    return keys
