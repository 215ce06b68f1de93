"""Run an import in a process of its own, so that a user interface in this one never stutters."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightbox.core import log
from lightbox.core.errors import LightboxError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.library.records import ImportReport, InstancesAdded

_POLL_S = 0.05
_NICENESS = 5


def run_import(
    home: Path,
    paths: Sequence[Path | str],
    *,
    link: bool = False,
    progress: Callable[[Progress], None] | None = None,
    cancel: CancelToken | None = None,
    added: Callable[[InstancesAdded], None] | None = None,
    source: str = "file",
) -> ImportReport:
    """Import in a child process; blocks the calling thread (a worker), not the interpreter.

    Parameters and result are those of `Library.import_paths`; `added` is called after each committed batch.

    Raises
    ------
    ImportCancelled
        It was cancelled.
    LightboxError
        The import failed, or its process died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = (str(home), [str(path) for path in paths], link, source, theirs)
    process = context.Process(target=_child, args=arguments, name="lightbox-import", daemon=True)
    process.start()
    theirs.close()
    try:
        return _listen(ours, process, progress, cancel, added)
    finally:
        ours.close()
        process.join(10)
        if process.is_alive():
            process.terminate()
            process.join()


def _listen(
    connection: Any,
    process: Any,
    progress: Callable[[Progress], None] | None,
    cancel: CancelToken | None,
    added: Callable[[InstancesAdded], None] | None,
) -> ImportReport:
    from lightbox.library.import_ import ImportCancelled

    asked = False
    while True:
        if cancel is not None and cancel.cancelled and not asked:
            asked = True
            connection.send("cancel")
        if not connection.poll(_POLL_S):
            if process.is_alive() or connection.poll():
                continue
            raise _died(process.exitcode)
        try:
            kind, value = connection.recv()
        except (EOFError, ConnectionError):
            process.join(5)
            raise _died(process.exitcode) from None
        if kind == "progress" and progress is not None:
            progress(value)
        elif kind == "added" and added is not None:
            added(value)
        elif kind == "done":
            return value
        elif kind == "cancelled":
            raise ImportCancelled(value)
        elif kind == "failed":
            what, where, why, todo = value
            raise LightboxError(what, where=where, why=why, todo=todo)


def _died(exit_code: int | None) -> LightboxError:
    return LightboxError(
        "The import ended before its time",
        why=f"its process stopped with code {exit_code}",
        todo="What was imported so far is kept; start the import again",
    )


def _child(home: str, paths: list[str], link: bool, source: str, connection: Any) -> None:
    """Run in the child: import, and tell the parent."""
    log.set_up()
    from lightbox.library.import_ import ImportCancelled
    from lightbox.library.library import Library

    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    token = CancelToken()

    def tell(value: Progress) -> None:
        if connection.poll():
            connection.recv()
            token.cancel()
        connection.send(("progress", value))

    try:
        with Library.open(Path(home)) as library:
            library.instances_added.connect(lambda event: connection.send(("added", event)))
            report = library.import_paths(paths, link=link, progress=tell, cancel=token, source=source)
        connection.send(("done", report))
    except ImportCancelled as error:
        connection.send(("cancelled", error.report))
    except LightboxError as error:
        connection.send(("failed", (error.what, error.where, error.why, error.todo)))
    except (EOFError, BrokenPipeError, ConnectionError):
        token.cancel()  # nobody listens any more
    except Exception as error:
        connection.send(("failed", ("The import failed", "", f"{type(error).__name__}: {error}", "")))
