"""An export in a process of its own: the screen stays smooth, and a crash costs the export only."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

from lightbox.core import log
from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import Profile
from lightbox.deid.source import PathSource, ProgressCallback, Source
from lightbox.export.job import ExportReport
from lightbox.export.job import export as export_here

POLL_S = 0.1
GRACE_S = 30.0


def export(
    sources: Iterable[Source],
    profile: Profile,
    key: ProjectKey,
    out: Path,
    report_dir: Path | None = None,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    accept_burned_in: bool = False,
    crosswalk: bool = False,
) -> ExportReport:
    """Do what `lightbox.export.job.export` does, in a process of its own.

    Files are opened by that process; objects from elsewhere (the library) are opened here and their bytes handed over.

    Raises
    ------
    LightboxError
        As `lightbox.export.job.export`, and when the process dies.
    """
    everything = list(sources)
    described = [
        source if isinstance(source, PathSource) else _Remote(number, source.label)
        for number, source in enumerate(everything)
    ]
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    arguments = (described, profile, key, out, report_dir, accept_burned_in, crosswalk)
    process = context.Process(target=_work, args=(there, arguments), name="lightbox-export", daemon=True)
    process.start()
    there.close()
    try:
        return _serve(here, process, everything, progress, cancel)
    finally:
        process.join(GRACE_S)
        if process.is_alive():
            process.terminate()
            process.join()
        here.close()


def _serve(
    here: Any, process: Any, sources: list[Source], progress: ProgressCallback | None, cancel: CancelToken | None
) -> ExportReport:
    """Answer the process until it is done; pass progress on and cancellation in."""
    asked = False
    while True:
        if cancel is not None and cancel.cancelled and not asked:
            here.send(("cancel", None))
            asked = True
        try:
            if not here.poll(POLL_S):
                continue
            kind, content = here.recv()
        except (EOFError, ConnectionError) as error:
            process.join(GRACE_S)
            raise LightboxError(
                "The export stopped",
                why=f"its process ended unexpectedly (exit code {process.exitcode})",
                todo="What was exported until then was verified; start again with an empty folder",
            ) from error
        if kind == "open":
            here.send(_content(sources[content]))
        elif kind == "progress" and progress is not None:
            done, total, unit, message = content
            try:
                progress(done, total, unit=unit, message=message)
            except Cancelled:
                if not asked:
                    here.send(("cancel", None))
                    asked = True
        elif kind == "done":
            return content
        elif kind == "error":
            raise content


def _content(source: Source) -> tuple[str, Any]:
    try:
        with source.open() as file:
            return "content", file.read()
    except (OSError, LightboxError) as error:
        return "refused", getattr(error, "strerror", "") or getattr(error, "why", "") or type(error).__name__


@dataclass(slots=True)
class _Remote:
    """An object that the parent opens; `channel` is set in the process."""

    number: int
    label: str
    channel: _Channel | None = None

    def open(self) -> BinaryIO:
        if self.channel is None:
            raise LightboxError("The object cannot be opened", why="the process has no connection")
        return io.BytesIO(self.channel.fetch(self.number))


class _Channel(CancelToken):
    """The process's end of the connection: fetches objects, tells progress, hears of cancellation."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def __reduce__(self) -> Any:
        raise TypeError("a channel belongs to one process")

    def raise_if_cancelled(self) -> None:
        while self._connection.poll():
            kind, _ = self._connection.recv()
            if kind == "cancel":
                self.cancel()
        super().raise_if_cancelled()

    def fetch(self, number: int) -> bytes:
        self._connection.send(("open", number))
        while True:
            kind, content = self._connection.recv()
            if kind == "cancel":
                self.cancel()
            elif kind == "refused":
                raise LightboxError("The object cannot be opened", why=content)
            else:
                return content

    def progress(self, done: int, total: int = 0, *, unit: str = "", message: str = "") -> None:
        self._connection.send(("progress", (done, total, unit, message)))


def _work(connection: Connection, arguments: tuple[Any, ...]) -> None:
    """Run in the process."""
    log.set_up()
    sources, profile, key, out, report_dir, accept_burned_in, crosswalk = arguments
    channel = _Channel(connection)
    for source in sources:
        if isinstance(source, _Remote):
            source.channel = channel
    try:
        report = export_here(
            sources, profile, key, out, report_dir,
            progress=channel.progress, cancel=channel, accept_burned_in=accept_burned_in, crosswalk=crosswalk,
        )  # fmt: skip
        connection.send(("done", report))
    except Cancelled:
        connection.send(("error", Cancelled()))
    except LightboxError as error:
        plain = LightboxError(error.what, where=error.where, why=error.why, todo=error.todo)
        connection.send(("error", plain))
    except Exception as error:
        connection.send(
            ("error", LightboxError("The export failed", why=f"{type(error).__name__}", todo="Report this"))
        )
    finally:
        connection.close()
