"""Servers for tests of TLS: a plain one that answers in a fixed way, and callers of our own port.

`plain_server` answers each connection with fixed bytes; `call` makes a TLS client with chosen properties.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from builders.certificates import Issued


@contextlib.contextmanager
def plain_server(reply: bytes | None, *, echo: bool = False) -> Iterator[int]:
    """Answer what comes with `reply` and close; None: say nothing and stay. With `echo` send back what comes."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if echo:
                while data := connection.recv(65536):
                    connection.sendall(data)
                connection.close()
            elif reply is not None:
                connection.recv(65536)
                connection.sendall(reply)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(65536)
                connection.close()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in kept:
            connection.close()


def client_context(
    authority: Path, own: Issued | None = None, *, maximum: str = "1.3", ciphers: str = ""
) -> ssl.SSLContext:
    """Return the context of a caller, made without any code of Lightbox; one below 1.2 can do no more than that."""
    context = ssl.create_default_context(cafile=str(authority))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        version = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[maximum]
        if maximum == "1.1":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context
