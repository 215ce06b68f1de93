"""Reading back what the receiver wrote down: what happened at our port, also before this session."""

from __future__ import annotations

import re
from pathlib import Path

from lightbox.network.receiving.events import ReceiverEvent

FILE = "receiver.log"
_MOST_BYTES = 256 * 1024
_LINE = re.compile(r"(\S+) (\S+) code=(.*?) address=(\S*) calling=(.*?)(?: reason=(\S*))? received=(\d+) count=(\d+)")


def line(event: ReceiverEvent, count: int) -> str:
    """Return an event as a line of the log."""
    return (
        f"{event.at} {event.kind} code={event.code or '-'} address={event.address or '-'} "
        f"calling={event.calling_ae or '-'} reason={event.reason or '-'} received={event.received} count={count}"
    )


def parse(text: str) -> ReceiverEvent | None:
    """Return the event of a line of the log, None when it is none."""
    found = _LINE.fullmatch(text.strip())
    if found is None:
        return None
    at, kind, code, address, calling, reason, received, count = found.groups()
    code, address, calling, reason = ("" if part in ("-", None) else part for part in (code, address, calling, reason))
    return ReceiverEvent(kind, code, address, calling, reason=reason, received=int(received), count=int(count), at=at)


def recent(home: Path, most: int = 200, *, trouble: bool = True) -> list[ReceiverEvent]:
    """Return the last events, newest first.

    Parameters
    ----------
    home : Path
        The data folder.
    most : int
        At most so many.
    trouble : bool
        Only those that somebody may want to look into.
    """
    found: list[ReceiverEvent] = []
    for name in (FILE, f"{FILE}.1"):
        for text in reversed(_tail(home / "network" / name)):
            event = parse(text)
            if event is not None and (event.is_trouble or not trouble):
                found.append(event)
                if len(found) >= most:
                    return found
    return found


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MOST_BYTES))
            lines = file.read().decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return []
    return lines[1:] if size > _MOST_BYTES else lines  # the first one is cut
