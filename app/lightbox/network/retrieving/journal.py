"""Which retrieves are under way, on disk: what a process that died was retrieving can be gone on with."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lightbox.core import clock
from lightbox.core.file_lock import FileLock
from lightbox.core.settings import write_atomically

_FOLDER = ("network", "retrieves")
_PATIENCE_S, _PAUSE_S = 5.0, 0.02


@dataclass(frozen=True, slots=True)
class Entry:
    """One retrieve: from whom, what, how, and since when (ISO 8601)."""

    peer: str
    study_uid: str
    series_uids: tuple[str, ...] = ()
    method: str = "auto"
    begun: str = ""


@contextlib.contextmanager
def entered(home: Path, entry: Entry) -> Iterator[None]:
    """Keep `entry` in the journal until the block ends, however it ends; only the death of the process leaves it."""
    folder = home.joinpath(*_FOLDER)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = uuid.uuid4().hex
    path, lock = folder / f"{name}.json", FileLock(folder / f"{name}.lock")
    lock.acquire()
    try:
        values = {**asdict(entry), "begun": entry.begun or clock.stamp()}
        write_atomically(path, json.dumps(values).encode("utf-8"))
        yield
    finally:
        _remove(path, lock)


def unfinished(home: Path) -> list[Entry]:
    """Return the retrieves of processes that died, oldest first."""
    found = _abandoned(home)
    for item in found:
        item.lock.release()
    return [item.entry for item in found]


@dataclass(slots=True)
class Taken:
    """A retrieve of a process that died, taken over; one that is not ``done`` at the end stays in the journal."""

    entry: Entry
    path: Path
    lock: FileLock
    done: bool = False


@contextlib.contextmanager
def taken(home: Path) -> Iterator[list[Taken]]:
    """Take over the retrieves of processes that died, oldest first: nobody else does meanwhile."""
    found = _abandoned(home)
    try:
        yield found
    finally:
        for item in found:
            if item.done:
                _remove(item.path, item.lock)
            else:
                item.lock.release()


def forget(home: Path) -> int:
    """Remove the retrieves of processes that died and return how many there were."""
    with taken(home) as found:
        for item in found:
            item.done = True
        return len(found)


def drop(home: Path, entry: Entry) -> bool:
    """Remove one retrieve of a process that died; return whether it was there.

    Others who are just looking at the journal hold it for a moment: then it is tried again for a while.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with taken(home) as found:
            for item in found:
                item.done = item.entry == entry
            if any(item.done for item in found):
                return True
        if time.monotonic() > deadline or not any(_read(path) == entry for path in _files(home)):
            return False
        time.sleep(_PAUSE_S)


def _abandoned(home: Path) -> list[Taken]:
    """Return what nobody works at, each with its lock, which is held."""
    found: list[Taken] = []
    for path in _files(home):
        lock = FileLock(path.with_suffix(".lock"))
        if not lock.acquire():
            continue
        entry = _read(path)
        if entry is None:
            _remove(path, lock)
        else:
            found.append(Taken(entry, path, lock))
    return sorted(found, key=lambda item: item.entry.begun)


def _files(home: Path) -> list[Path]:
    folder = home.joinpath(*_FOLDER)
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _read(path: Path) -> Entry | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        known = {key: value for key, value in values.items() if key in {field.name for field in fields(Entry)}}
        known["series_uids"] = tuple(str(uid) for uid in known.get("series_uids", ()))
        return Entry(**known)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _remove(path: Path, lock: FileLock) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.with_suffix(".lock").unlink(missing_ok=True)
    lock.release()
