"""JSON lines between the processes of the receiver, over pipes that end when their writer does."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

_CHUNK = 65_536
_POST_S = 0.05
"""How long posted messages are gathered."""
_MOST_POSTED = 128


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
        self._posted: list[bytes] = []
        self._wake = threading.Event()
        self._poster = threading.Thread(target=self._post_on, name="channel", daemon=True)

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
        """Send one message, after those that were posted.

        Raises
        ------
        Closed
            Nobody reads any more.
        """
        with self._lock:
            self._posted.append(_line(message))
            self._send_posted()

    def post(self, message: dict[str, Any]) -> None:
        """Send one message soon, together with others: the reader is woken less often.

        Raises
        ------
        Closed
            Nobody reads any more.
        """
        line = _line(message)
        with self._lock:
            if self._writing < 0:
                raise Closed
            self._posted.append(line)
            if len(self._posted) == 1:
                self._wake.set()
            elif len(self._posted) >= _MOST_POSTED:
                self._send_posted()
            if not self._poster.is_alive():
                self._poster.start()

    def _post_on(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            time.sleep(_POST_S)
            try:
                with self._lock:
                    self._send_posted()
            except Closed:
                return

    def _send_posted(self) -> None:
        data = b"".join(self._posted)
        self._posted.clear()
        if self._writing < 0:
            raise Closed
        try:
            sent = os.write(self._writing, data) if data else 0
            while sent < len(data):
                sent += os.write(self._writing, data[sent:])
        except OSError as error:
            os.close(self._writing)
            self._writing = -1
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
                with contextlib.suppress(Closed):
                    self._send_posted()
            if self._writing >= 0:
                os.close(self._writing)
                self._writing = -1

    def close(self) -> None:
        """Close both directions; only when no thread reads."""
        self.close_writing()
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
