"""Listening sockets that several processes share, and how they get from one to the other."""

from __future__ import annotations

import base64
import errno
import os
import socket
from collections.abc import Sequence
from typing import Any

_BACKLOG = 512


def listen(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for a port; an empty host means every address of this computer.

    Raises
    ------
    OSError
        The port is in use or not allowed.
    """
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [socket.create_server((host, port), family=family, backlog=_BACKLOG)]
    if socket.has_dualstack_ipv6():
        try:
            return [socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)]
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise
    return [socket.create_server(("", port), backlog=_BACKLOG)]


def inheritable(listeners: Sequence[socket.socket]) -> tuple[int, ...]:
    """Return the descriptors that a child must inherit (none on Windows, where sockets are copied instead)."""
    return () if os.name == "nt" else tuple(listener.fileno() for listener in listeners)


def share(listener: socket.socket, process: int) -> Any:
    """Return, as JSON value, what the child `process` needs to open its own handle of a listening socket."""
    if os.name == "nt":
        return base64.b64encode(listener.share(process)).decode("ascii")  # pyright: ignore[reportAttributeAccessIssue]
    return listener.fileno()


def receive(shared: Sequence[tuple[Any, bool]]) -> list[tuple[socket.socket, bool]]:
    """Open what `share` gave: pairs of listening socket and whether TLS is spoken on it."""
    found = []
    for handle, secure in shared:
        if os.name == "nt":
            raw = base64.b64decode(handle)
            listener = socket.fromshare(raw)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            listener = socket.socket(fileno=handle)
        found.append((listener, secure))
    return found
