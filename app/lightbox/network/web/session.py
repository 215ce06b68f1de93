"""Requests to one DICOMweb service: media types negotiated, credentials kept to its own origin, failures in words."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from lightbox.network.errors import AssociationError
from lightbox.network.web import accept, answers, dicom_json, errors
from lightbox.network.web.body import Body
from lightbox.network.web.errors import WebError
from lightbox.network.web.transport import Adapter

if TYPE_CHECKING:
    from lightbox.core.jobs import CancelToken

MAX_TEXT = 256 * 1024 * 1024
"""Bytes (decoded) that a JSON or XML answer may have."""

_MAX_DETAIL = 16 * 1024
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Other refusals of a store are about the objects
_STORE_REFUSALS = frozenset({406})
_NAMES = {
    "search": "search",
    "metadata": "request for metadata",
    "objects": "retrieve",
    "frames": "request for frames",
    "rendered": "request for a picture",
    "store": "store",
}


@dataclass(slots=True)
class Call:
    """One operation of one thread: what it is, and what came of it."""

    operation: str
    cancel: CancelToken | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields of the last answer."""
    unreadable: int = 0
    """Data sets of the last JSON answer that could not be read."""


class WebSession(requests.Session):
    """A session that dicomweb-client can use, too.

    Parameters
    ----------
    where : str
        Our name for the peer.
    base_url : str
        Address of the service; requests go to its origin only.
    timeouts : tuple of float
        Seconds for connecting and between bytes.
    memory : accept.Memory
        Which media types worked.
    authorization : str
        Value of the Authorization header, "" for none.
    """

    def __init__(
        self, where: str, base_url: str, timeouts: tuple[float, float], memory: accept.Memory, authorization: str = ""
    ) -> None:
        super().__init__()
        self.trust_env = False  # else proxies, .netrc and authorities of the environment would be used
        self.where = where
        self.memory = memory
        self._origin = origin(base_url)
        self._timeouts = timeouts
        self._authorization = authorization
        self._local = threading.local()
        self.headers["User-Agent"] = "Lightbox"

    @contextlib.contextmanager
    def call(self, operation: str, cancel: CancelToken | None = None) -> Iterator[Call]:
        """Say what the requests of this thread are for, until the end of the block."""
        before = getattr(self._local, "call", None)
        self._local.call = current = Call(operation, cancel)
        try:
            yield current
        finally:
            self._local.call = before

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirection behind our back."""
        return

    def request(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Callable[[], Any] | None = None,
        stream: bool = False,
        read_timeout: float | None = None,
        **_: Any,
    ) -> requests.Response:
        """Send a request, trying the media types of the current operation one after the other.

        Parameters
        ----------
        data : callable, optional
            Makes the body anew for each attempt.
        stream : bool
            Whether the caller reads the body; else it is read here, within limits.

        Raises
        ------
        WebError
            The service cannot be reached, or refused every alternative.
        Cancelled
            The token of the call was cancelled.
        """
        call: Call = self._local.call
        # dicomweb-client writes spaces as plus signs, which only forms mean so
        address, mark, query = url.partition("?")
        query = query.replace("+", "%20")
        if call.operation == "rendered":  # servers want the commas of its parameters as they are
            query = query.replace("%2C", ",")
        url = f"{address}{mark}{query}"
        given = {key: value for key, value in (headers or {}).items() if key.casefold() not in ("host", "accept")}
        tried: list[str] = []
        refusal: WebError | None = None
        for alternative in self.memory.order(call.operation):
            if call.cancel is not None:
                call.cancel.raise_if_cancelled()
            tried.append(alternative)
            sent = {**given, "Accept": alternative}
            sent["Accept-Encoding"] = "identity" if call.operation == "objects" else "gzip, deflate"
            response = self._exchange(method, url, sent, data, read_timeout)
            call.headers = response.headers
            if response.status_code in (_STORE_REFUSALS if call.operation == "store" else accept.REFUSALS):
                refusal = refusal or self._failure(response, call, ())
                response.close()
                continue
            if response.status_code >= 400 and call.operation != "store":
                raise self._failure(response, call, tuple(tried))
            problem = "" if response.status_code >= 400 else answers.wrong_type(response, call.operation)
            if problem:
                refusal = errors.unusable(self.where, problem)
                response.close()
                if call.operation == "store":  # what it kept of the objects, it kept
                    raise refusal
                continue
            if response.status_code < 400 or response.status_code == 409:
                self.memory.worked(call.operation, alternative)
            if not stream:
                self._load(response, call)
            return response
        assert refusal is not None
        if len(tried) > 1 and refusal.status:
            raise errors.of_status(
                self.where,
                _NAMES[call.operation],
                refusal.status,
                tried=tuple(tried),
                detail=refusal.detail,
                retry_after="" if refusal.retry_after is None else f"{refusal.retry_after:.0f}",
            )
        raise refusal

    def body(self, response: requests.Response, *, limit: int = 0, cancel: CancelToken | None = None) -> Body:
        """Return the body of a streamed answer."""
        return Body(response, self.where, timeout=self._timeouts[1], limit=limit, cancel=cancel)

    def _load(self, response: requests.Response, call: Call) -> None:
        body = self.body(response, limit=MAX_TEXT, cancel=call.cancel)
        try:
            content = body.read_all()
        finally:
            body.close()
        response._content = content
        response._content_consumed = True  # pyright: ignore[reportAttributeAccessIssue]
        if call.operation in ("search", "metadata"):
            try:
                rows, call.unreadable = dicom_json.rows(content)
            except dicom_json.NotJsonError as error:
                raise errors.unusable(self.where, "It is not JSON", code="web.not-json") from error
            response.json = lambda **_: rows

    def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        data: Callable[[], Any] | None,
        read_timeout: float | None,
    ) -> requests.Response:
        for _ in range(_MAX_REDIRECTS):
            if origin(url) != self._origin:
                raise WebError(
                    "The archive sends us to another address",
                    where=self.where,
                    why=f"It is {'://'.join(map(str, origin(url)[:2]))}, port {origin(url)[2]}; "
                    "nothing of a patient and no password goes there",
                    todo="If that address is right, enter it as DICOMweb address of the peer",
                    code="web.redirected",
                )
            if self._authorization:
                headers = {**headers, "Authorization": self._authorization}
            response = self._once(method, url, headers, data, read_timeout)
            target = response.headers.get("Location", "")
            if response.status_code not in _REDIRECTS or not target:
                return response
            response.close()
            url = urljoin(url, target)
        raise errors.unusable(self.where, "It sends us round in a circle", code="web.redirected")

    def _once(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        data: Callable[[], Any] | None,
        read_timeout: float | None,
        *,
        again: bool = True,
    ) -> requests.Response:
        timeouts = (self._timeouts[0], read_timeout or self._timeouts[1])
        try:
            return super().request(
                method,
                url,
                headers=headers,
                data=data() if data is not None else None,
                stream=True,
                timeout=timeouts,
                allow_redirects=False,
            )
        except AssociationError as error:  # from our connections: the name, TCP, TLS
            raise of_connection(error) from error
        except requests.RequestException as error:
            causes = answers.causes(error)
            if any(isinstance(cause, requests.Timeout | ReadTimeoutError | TimeoutError) for cause in causes):
                raise WebError(
                    "The archive does not answer",
                    where=self.where,
                    why=f"Nothing came in {timeouts[1]:.0f} seconds",
                    todo="Try again later",
                    code="web.timeout",
                    transient=True,
                ) from error
            adapter = self.get_adapter(url)
            refusal = adapter.refusal(causes) if isinstance(adapter, Adapter) else None
            if refusal is not None:
                raise of_connection(refusal) from error
            # A connection that was kept open may have been closed by the server meanwhile
            if again and method == "GET" and any(isinstance(c, RemoteDisconnected | ConnectionError) for c in causes):
                return self._once(method, url, headers, data, read_timeout, again=False)
            if any(isinstance(cause, OSError | ProtocolError) for cause in causes):
                why = "It closed the connection without an answer: is this an HTTP service, or does it require TLS?"
                raise errors.cut(self.where, why) from error
            raise errors.unusable(self.where, type(error).__name__, code="web.protocol") from error

    def _failure(self, response: requests.Response, call: Call, tried: tuple[str, ...]) -> WebError:
        return errors.of_status(
            self.where,
            _NAMES[call.operation],
            response.status_code,
            detail=self._detail(response),
            tried=tried if len(tried) > 1 else (),
            retry_after=response.headers.get("Retry-After", ""),
        )

    def _detail(self, response: requests.Response) -> str:
        """Return what a server says in the body of a failure, "" when it is no plain text."""
        body = self.body(response, limit=_MAX_DETAIL)
        try:
            return answers.plain(body.read_all(), response.headers.get("Content-Type", ""))
        except WebError:
            return ""
        finally:
            body.close()


def of_connection(error: AssociationError) -> WebError:
    """Return the error of making a connection as `WebError`, in the same words."""
    return WebError(
        error.what,
        where=error.where,
        why=error.why,
        todo=error.todo,
        code=error.code,
        step=error.step,
        transient=error.code.startswith("tcp."),
    )


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, (parts.hostname or "").rstrip("."), port or (443 if parts.scheme == "https" else 80)
