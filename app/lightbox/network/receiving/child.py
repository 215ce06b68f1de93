"""A child process that speaks JSON lines over its standard input and output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from lightbox.network.receiving.channel import Channel, Closed


class Child:
    """One child. Use `start`."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        self._process = process
        self._channel = channel

    @classmethod
    def start(cls, module: str, descriptors: Sequence[int] = ()) -> Child:
        """Start ``python -m module``.

        Parameters
        ----------
        module : str
            What to run.
        descriptors : sequence of int
            File descriptors that it inherits (not on Windows).

        Raises
        ------
        OSError
            The system starts no more processes.
        """
        windows = os.name == "nt"
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=() if windows else tuple(descriptors),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        channel = Channel(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))
        process.stdin.close()
        process.stdout.close()
        return cls(process, channel)

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self._process.pid

    def send(self, message: dict[str, Any]) -> None:
        """Send one message.

        Raises
        ------
        Closed
            It is gone.
        """
        self._channel.send(message)

    def try_send(self, message: dict[str, Any]) -> bool:
        """Send one message; False when it is gone."""
        try:
            self._channel.send(message)
        except Closed:
            return False
        return True

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what it sends until it ends."""
        return self._channel.messages()

    def end(self) -> None:
        """Ask it to end."""
        self._channel.close_writing()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self, timeout: float | None = 5.0) -> int | None:
        """Wait until it has ended and return its code, or kill it when it does not."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._channel.close()
        return code
