"""Commands on what is sent to archives: ``send`` and ``queue``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lightbox.cli.context import Context, ProgressLine, json_option, pass_context, print_json, print_table, say
from lightbox.cli.quality_commands import look_before_sending
from lightbox.core.errors import LightboxError, NotFoundError, UsageError
from lightbox.network.sending.states import JobRecord, Priority, State

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.network.peers import Peer
    from lightbox.network.sending.queue import SendQueue

_PRIORITIES = {"urgent": Priority.URGENT, "normal": Priority.NORMAL, "low": Priority.LOW}
_SHOWN = 10
_COLUMNS = {
    "job": "Job",
    "peer": "Peer",
    "state": "State",
    "queued": "Objects",
    "sent": "Sent",
    "confirmed": "Confirmed",
    "waiting": "Waiting",
    "failed": "Failed",
    "reason": "Reason",
}


@click.command()
@click.argument("peer")
@click.argument("targets", nargs=-1, required=True)
@click.option("--commit", is_flag=True, help="Have every object confirmed: by storage commitment, else by a query.")
@click.option("--wait", is_flag=True, help="Send now, and wait until everything is sent (with --commit: confirmed).")
@click.option("--timeout", type=click.FloatRange(min=0), help="With --wait: give up waiting after so many seconds.")
@click.option("--strict", is_flag=True, help="Queue nothing when the quality gate finds an error.")
@click.option("--priority", type=click.Choice(list(_PRIORITIES)), default="normal", show_default=True)
@json_option
@pass_context
def send(
    context: Context,
    peer: str,
    targets: tuple[str, ...],
    commit: bool,
    wait: bool,
    timeout: float | None,
    strict: bool,
    priority: str,
    as_json: bool,
) -> None:
    """Queue TARGETS for PEER: study, series or SOP Instance UIDs of the library, files, folders.

    The queue survives the end of the program; a running workstation sends it in the background.
    """
    queue_ = context.workstation.send_queue
    entry = context.workstation.peers.get(peer)
    items = list(_items(context, targets))
    if not items:
        raise LightboxError("There is nothing to send", todo="Name studies of the library, DICOM files or folders")
    look_before_sending(context, items, strict=strict)
    job = queue_.enqueue(entry.name, items, _PRIORITIES[priority], commit)
    if wait:
        _work(context, queue_, job, timeout, listen=entry if commit and entry.commitment != "never" else None)
    record = queue_.job(job)
    if as_json:
        print_json(_result(queue_, record))
    else:
        _report(queue_, record, waited=wait)
    unconfirmed = record.accepted - record.count(State.CONFIRMED) if commit else 0
    left = record.total - record.accepted - record.count(State.FAILED)
    failed = record.count(State.FAILED)
    if failed or (wait and (unconfirmed or left)):
        parts = ((failed, "failed"), (left, "not sent"), (unconfirmed if wait else 0, "not confirmed"))
        why = ", ".join(f"{number} {word}" for number, word in parts if number)
        raise LightboxError("Not everything was sent", where=entry.name, why=why, todo=f"lightbox queue show {job}")


def _items(context: Context, targets: Sequence[str]) -> Iterator[str | Path]:
    """Iterate over the SOP Instance UIDs and files that `targets` name; every target must name something."""
    from lightbox.network.sending.sources import files_under

    for target in targets:
        path = Path(target)
        if path.exists():
            yield from files_under([path])
        else:
            yield from _of_library(context.workstation.library, target)


def _of_library(library: Library, uid: str) -> Iterator[str]:
    if library.study(uid) is not None:
        for series in library.series_of(uid):
            yield from (found.sop_instance_uid for found in library.instances_of(series.series_instance_uid))
    elif library.series(uid) is not None:
        yield from (found.sop_instance_uid for found in library.instances_of(uid))
    elif library.instance(uid) is not None:
        yield uid
    else:
        raise NotFoundError(
            "There is neither such a file nor such an object in the library",
            where=uid,
            todo="Name a file, a folder, or a Study, Series or SOP Instance UID",
        )


def _work(context: Context, queue_: SendQueue, job: int, timeout: float | None, *, listen: Peer | None) -> None:
    """Work the queue until the job is done. Reports of commitment come to the port that `listen` knows of us."""
    if listen is not None:
        try:
            context.workstation.start_receiver(listen)
        except (LightboxError, OSError):
            say("Our port is in use: another program of Lightbox is expected to take the archive's reports")
    line = ProgressLine("objects")

    def told(jobs: list[JobRecord]) -> None:
        record = jobs[0]
        message = f"sent, {record.count(State.CONFIRMED):,} confirmed {record.reason}"
        line(record.accepted + record.count(State.FAILED), record.total, message)

    queue_.start()
    try:
        queue_.wait([job], timeout=timeout, listener=told)
    finally:
        line.end()
        queue_.stop()
        context.workstation.stop_receiver()


def _result(queue_: SendQueue, record: JobRecord) -> dict[str, Any]:
    failed = [
        {"sop_instance_uid": found.sop_instance_uid, "reason": found.reason}
        | ({"path": found.path} if not found.sop_instance_uid else {})
        for found in queue_.objects(record.id, (State.FAILED,))
    ]
    return {
        "job": record.id,
        "queued": record.total,
        "sent": record.accepted,
        "confirmed": record.count(State.CONFIRMED),
        "failed": failed,
    }


def _report(queue_: SendQueue, record: JobRecord, *, waited: bool) -> None:
    if not waited:
        click.echo(f"Job {record.id}: {record.total:,} objects queued for {record.peer}")
        say("A running workstation sends them; or: lightbox queue work")
    else:
        confirmed = f", {record.count(State.CONFIRMED):,} confirmed" if record.commit else ""
        click.echo(f"Job {record.id}: {record.accepted:,} of {record.total:,} sent{confirmed}")
    for found in queue_.objects(record.id, (State.FAILED,), limit=_SHOWN):
        say(f"{found.sop_instance_uid or found.path}: {found.reason}")


@click.group(invoke_without_command=True)
@click.pass_context
def queue(click_context: click.Context) -> None:
    """Look after what is to be sent."""
    if click_context.invoked_subcommand is None:
        click_context.invoke(queue_list)


@queue.command("list")
@json_option
@pass_context
def queue_list(context: Context, as_json: bool = False) -> None:
    """List the jobs."""
    rows = [record.as_dict() for record in context.workstation.send_queue.jobs()]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, _COLUMNS)
    else:
        say("The send queue is empty")


@queue.command("show")
@click.argument("job", type=int)
@json_option
@pass_context
def queue_show(context: Context, job: int, as_json: bool) -> None:
    """Show the objects of JOB, each with its state and the reason."""
    queue_ = context.workstation.send_queue
    record = queue_.job(job)
    rows = [
        {
            "sop_instance_uid": found.sop_instance_uid,
            "state": found.state.value,
            "reason": found.reason,
            "attempts": found.attempts,
            "path": found.path,
        }
        for found in queue_.objects(job)
    ]
    if as_json:
        print_json(record.as_dict() | {"objects": rows})
    else:
        print_table([record.as_dict()], _COLUMNS)
        print_table(rows, {"sop_instance_uid": "SOP Instance UID", "state": "State", "reason": "Reason"})


@queue.command("work")
@click.option("--timeout", type=click.FloatRange(min=0), help="Stop after so many seconds.")
@pass_context
def queue_work(context: Context, timeout: float | None) -> None:
    """Send what is queued, and end when everything is sent and confirmed."""
    queue_ = context.workstation.send_queue
    book = {peer.name: peer for peer in context.workstation.peers.all()}
    for record in queue_.jobs():
        if not record.finished and not record.paused:
            _work(context, queue_, record.id, timeout, listen=book.get(record.peer) if record.commit else None)
    left = sum(1 for record in queue_.jobs() if not record.finished)
    if left:
        raise LightboxError(
            "The queue is not empty yet", why=f"{left} jobs are not finished", todo="lightbox queue list"
        )


@queue.command("retry")
@click.argument("job", type=int, required=False)
@click.option("--peer", default="", help="Everything for this peer.")
@json_option
@pass_context
def queue_retry(context: Context, job: int | None, peer: str, as_json: bool) -> None:
    """Try JOB (or everything) again now: what waits, failed, was cancelled or could not be confirmed."""
    number = context.workstation.send_queue.retry(job, peer=_peer(context, peer))
    if as_json:
        print_json({"objects": number})
    else:
        click.echo(f"{number:,} objects are tried again")


@queue.command("cancel")
@click.argument("job", type=int)
@json_option
@pass_context
def queue_cancel(context: Context, job: int, as_json: bool) -> None:
    """Cancel what of JOB was not sent yet."""
    number = context.workstation.send_queue.cancel(job)
    if as_json:
        print_json({"objects": number})
    else:
        click.echo(f"{number:,} objects were cancelled")


@queue.command("pause")
@click.argument("job", type=int, required=False)
@click.option("--peer", default="", help="Everything for this peer.")
@pass_context
def queue_pause(context: Context, job: int | None, peer: str) -> None:
    """Pause JOB, a peer, or the whole queue."""
    _check(job, peer)
    context.workstation.send_queue.pause(job, peer=_peer(context, peer))


@queue.command("resume")
@click.argument("job", type=int, required=False)
@click.option("--peer", default="", help="Everything for this peer.")
@pass_context
def queue_resume(context: Context, job: int | None, peer: str) -> None:
    """Go on with JOB, a peer, or the whole queue."""
    _check(job, peer)
    context.workstation.send_queue.resume(job, peer=_peer(context, peer))


def _check(job: int | None, peer: str) -> None:
    if job is not None and peer:
        raise UsageError("Name a job or a peer, not both")


def _peer(context: Context, name: str) -> str:
    return context.workstation.peers.get(name).name if name else ""
