"""JSON lines between the processes of the receiver, over pipes that end when their writer does."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from typing import Any

_CHUNK = 65_536


class Closed(Exception):
    """The other process is gone."""


class Channel:
    """A pair of pipes. Any thread may send; one thread reads.

    Parameters
    ----------
    reading, writing : int
        File descriptors, owned by the channel from now on.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._lock = threading.Lock()

    @classmethod
    def of_standard_streams(cls) -> Channel:
        """Take over standard input and output of this process; what is printed goes to standard error from now on."""
        reading, writing = os.dup(0), os.dup(1)
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        return cls(reading, writing)

    def send(self, message: dict[str, Any]) -> None:
        """Send one message.

        Raises
        ------
        Closed
            Nobody reads any more.
        """
        data = json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
        with self._lock:
            if self._writing < 0:
                raise Closed
            try:
                sent = os.write(self._writing, data)
                while sent < len(data):
                    sent += os.write(self._writing, data[sent:])
            except OSError as error:
                raise Closed from error

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield messages until the other side ends; a line that was cut off is dropped."""
        rest = b""
        while True:
            try:
                block = os.read(self._reading, _CHUNK)
            except OSError:
                return
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield json.loads(line)

    def close_writing(self) -> None:
        """Tell the other side that nothing more comes."""
        with self._lock:
            if self._writing >= 0:
                os.close(self._writing)
                self._writing = -1

    def close(self) -> None:
        """Close both directions; only when no thread reads."""
        self.close_writing()
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1
