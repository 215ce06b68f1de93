"""The body of an answer, read with limits: it must go on, it must not grow without end, and it can be cancelled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError, ReadTimeoutError

from lightbox.network.web import errors

if TYPE_CHECKING:
    from requests import Response

    from lightbox.core.jobs import CancelToken

CHUNK = 1024 * 1024
LEAST = 1024
"""Bytes that must come within one time-out: a body that drips is given up."""


class Body:
    """The body of one answer.

    Parameters
    ----------
    response : requests.Response
        Made with ``stream=True``.
    where : str
        Our name for the peer.
    timeout : float
        Seconds within which at least `LEAST` bytes must come.
    limit : int
        Most bytes (decoded) that are read, 0 without.
    cancel : CancelToken, optional
        Ends reading with `Cancelled`.
    """

    def __init__(
        self, response: Response, where: str, *, timeout: float, limit: int = 0, cancel: CancelToken | None = None
    ) -> None:
        self._response = response
        self._raw: Any = response.raw
        self._where = where
        self._timeout = timeout
        self._limit = limit
        self._cancel = cancel
        self._window = time.monotonic()
        self._in_window = 0
        self.received = 0
        self.framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
        """Whether the end of the body can be told from a connection that was cut."""

    def read(self) -> bytes:
        """Return the next bytes as they come, b"" at the end.

        Raises
        ------
        WebError
            The connection was cut, the server stalls, or it sends too much.
        Cancelled
            The token was cancelled.
        """
        if self._cancel is not None:
            self._cancel.raise_if_cancelled()
        try:
            data = self._raw.read1(CHUNK, decode_content=True)
        except (ReadTimeoutError, TimeoutError) as error:
            raise errors.stalled(self._where, self._timeout) from error
        except (HTTPError, RequestException, OSError) as error:
            raise errors.cut(self._where) from error
        self.received += len(data)
        if self._limit and self.received > self._limit:
            raise errors.unusable(self._where, "It is larger than any such answer can be", code="web.too-large")
        self._watch(len(data))
        return data

    def _watch(self, count: int) -> None:
        self._in_window += count
        if self._in_window >= LEAST:
            self._window, self._in_window = time.monotonic(), 0
        elif count and time.monotonic() - self._window > self._timeout:
            raise errors.stalled(self._where, self._timeout)

    def read_all(self) -> bytes:
        """Return the whole body."""
        parts = []
        while data := self.read():
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        """Give the connection back; one with unread bytes is closed."""
        try:
            self._response.close()
        except (HTTPError, RequestsConnectionError, OSError):
            return
