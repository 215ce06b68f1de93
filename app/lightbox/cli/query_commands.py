"""Commands on questions to many archives: ``query``, ``priors``."""

from __future__ import annotations

from typing import Any

import click

from lightbox.cli.context import Context, json_option, pass_context, print_json, print_table, say
from lightbox.cli.shapes import study_shape
from lightbox.core.errors import LightboxError
from lightbox.network.peers import Peer
from lightbox.network.querying.saved import SavedQueries, SavedQuery

_COLUMNS = {
    "PatientName": "Patient",
    "PatientID": "ID",
    "StudyDate": "Date",
    "ModalitiesInStudy": "Modality",
    "StudyDescription": "Description",
    "images": "Images",
    "sources": "Sources",
    "StudyInstanceUID": "Study Instance UID",
}


@click.group()
def query() -> None:
    """Ask all archives and the library at once, with questions that are kept."""


@query.command("save")
@click.argument("name")
@click.argument("phrase", nargs=-1)
@click.option("--text", default="", help="Words to look for.")
@click.option("--patient-id", default="")
@click.option("--patient-name", default="")
@click.option("--accession", "accession_number", default="")
@click.option("--dates", default="", help='For example "last 7 days", "this month", 2024-01-01..2024-03-31.')
@click.option("--modality", "modalities", multiple=True, help="Repeatable.")
@click.option("--body-part", "region", default="", help="For example chest.")
@click.option("--peer", "peers", multiple=True, help="Ask only this peer (repeatable).")
@click.option("--fuzzy", is_flag=True, help="Also names that sound alike, where an archive offers it.")
@pass_context
def query_save(context: Context, name: str, phrase: tuple[str, ...], **options: Any) -> None:
    """Keep a query as NAME, from options or a PHRASE: "all chest X-rays of patient 12345, past 6 months"."""
    entry = _query_of(name, " ".join(phrase), options)
    for peer in entry.peers:
        context.workstation.peers.get(peer)
    SavedQueries(context.workstation.home).save(entry)
    say(f"Saved: {entry.name}: {entry.summary()}")


def _query_of(name: str, phrase: str, options: dict[str, Any]) -> SavedQuery:
    from lightbox.network.querying import phrases

    values: dict[str, Any] = phrases.parse(name, phrase).as_json() if phrase else {}
    values |= {key: list(value) if isinstance(value, tuple) else value for key, value in options.items() if value}
    if "modalities" in values:
        values["modalities"] = [word.upper() for word in values["modalities"]]
    return SavedQuery.from_json({**values, "name": name})


@query.command("list")
@json_option
@pass_context
def query_list(context: Context, as_json: bool) -> None:
    """List the saved queries."""
    found = SavedQueries(context.workstation.home).all()
    if as_json:
        print_json([entry.as_json() for entry in found])
    elif found:
        print_table(
            [{"name": entry.name, "asks": entry.summary()} for entry in found], {"name": "Name", "asks": "Asks for"}
        )
    else:
        say('No saved queries yet. Save one: lightbox query save NAME "CT of the last 7 days"')


@query.command("remove")
@click.argument("name")
@pass_context
def query_remove(context: Context, name: str) -> None:
    """Remove the saved query NAME."""
    SavedQueries(context.workstation.home).remove(name)


@query.command("run")
@click.argument("name")
@click.option("--limit", type=click.IntRange(min=1), default=500, show_default=True, help="Studies of each source.")
@json_option
@pass_context
def query_run(context: Context, name: str, limit: int, as_json: bool) -> None:
    """Run the saved query NAME now, at all its archives and the library."""
    _run(context, SavedQueries(context.workstation.home).get(name), limit, as_json)


@query.command("ask")
@click.argument("phrase", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), default=500, show_default=True, help="Studies of each source.")
@json_option
@pass_context
def query_ask(context: Context, phrase: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Ask a PHRASE of all archives without keeping it."""
    from lightbox.network.querying import phrases

    _run(context, phrases.parse("asked", " ".join(phrase)), limit, as_json)


def _run(context: Context, entry: SavedQuery, limit: int, as_json: bool) -> None:
    from lightbox.network.querying import many
    from lightbox.network.secrets import Secrets

    workstation = context.workstation
    peers = [workstation.peers.get(name) for name in entry.peers] or workstation.peers.all()
    answer = many.query(
        peers,
        workstation.library,
        entry.question(),
        identity=workstation.identity,
        limit=limit,
        settings=workstation.settings,
        secrets=Secrets(workstation.home),
    )
    rows = [
        {
            **study_shape(row.record),
            "images": row.presence(),
            "here": row.here,
            "sources": ([] if not row.here else ["here"]) + list(row.announced),
            "announced": row.announced,
            "warning": row.warning,
        }
        for row in answer.sorted()
    ]
    states = [state.as_dict() for state in answer.states.values()]
    if as_json:
        print_json({"studies": rows, "sources": states})
    else:
        print_table(rows, _COLUMNS)
        _say_states(states)
    if all(state["state"] == "failed" for state in states if state["source"] != "library") and len(states) > 1:
        raise LightboxError("No archive answered", todo="See what each of them said")


def _say_states(states: list[dict[str, object]]) -> None:
    for state in states:
        words = f": {state['words']}" if state["words"] else ""
        say(f"{state['source']}: {state['state']}, {state['studies']} studies{words}")
        notes = state["notes"]
        for note in notes if isinstance(notes, list) else []:
            say(f"  {note}")


@click.command()
@click.argument("study_uid")
@click.option("--peer", "names", multiple=True, help="Ask only this peer (repeatable).")
@click.option("--fetch", is_flag=True, help="Retrieve those that are relevant.")
@json_option
@pass_context
def priors(context: Context, study_uid: str, names: tuple[str, ...], fetch: bool, as_json: bool) -> None:
    """List the earlier studies of the patient of STUDY_UID at all archives, the relevant ones first."""
    from lightbox.network.querying import prefetch
    from lightbox.network.querying import priors as finding
    from lightbox.network.secrets import Secrets

    workstation = context.workstation
    study = workstation.study(study_uid)
    peers: list[Peer] = [workstation.peers.get(name) for name in names] or workstation.peers.all()
    secrets = Secrets(workstation.home)
    found = finding.find(
        study,
        peers,
        workstation.library,
        identity=workstation.identity,
        settings=workstation.settings,
        secrets=secrets,
    )
    rows = [
        {
            **study_shape(prior.study.record),
            "images": prior.study.presence(),
            "here": prior.study.here,
            "sources": list(prior.study.announced),
            "match": prior.certainty.value,
            "reason": prior.reason,
            "role": prior.role,
        }
        for prior in found.priors
    ]
    fetched: list[dict[str, object]] = []
    if fetch:
        report = prefetch.fetch(
            found,
            peers,
            workstation.identity,
            workstation.library,
            settings=workstation.settings,
            secrets=secrets,
        )
        fetched = [entry.as_dict() for entry in report]
    states = [state.as_dict() for state in found.states.values()]
    if as_json:
        print_json({"priors": rows, "sources": states, "fetched": fetched})
        return
    columns = {key: word for key, word in _COLUMNS.items() if key != "PatientID"}
    print_table(rows, {**columns, "match": "Match", "role": "Wanted as"})
    _say_states(states)
    for entry in fetched:
        say(f"{entry['outcome']}: {entry['received']} images from {entry['peer'] or 'nowhere'} {entry['words']}")
