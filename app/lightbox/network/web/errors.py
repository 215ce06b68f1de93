"""What goes wrong with a DICOMweb service, in words that name the setting to change. Loads no network library."""

from __future__ import annotations

from lightbox.core.errors import LightboxError

TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
"""HTTP status codes after which the same request may succeed later."""

_WORDS: dict[int, tuple[str, str]] = {
    400: ("It does not understand the request", "Check the DICOMweb address of the peer"),
    401: ("It asks us to sign in", "Check how we sign in to this peer, and the user name, password or token"),
    403: ("We are not allowed to do this", "Ask the administrator of the archive to allow it to our user"),
    404: ("There is nothing at this address", "Check the DICOMweb address of the peer"),
    405: ("It does not offer this service", "Use DIMSE with this peer"),
    406: ("It offers none of the media types that we can read", "Report this: it names what the archive refused"),
    407: ("A proxy asks us to sign in", "Use an address that reaches the archive without a proxy"),
    408: ("It waited too long for us", "Try again later"),
    409: ("It has other content under the same identifiers", "Look at the reason given for each object"),
    410: ("It no longer has this", "Query it again"),
    411: ("It wants to know the length beforehand", "Report this: the server is not a usual DICOMweb service"),
    413: ("It does not take this much at once", "Send less at once"),
    415: ("It refuses the media type", "Report this: it names what the archive refused"),
    421: ("It does not serve this host name", "Check the host name in the DICOMweb address of the peer"),
    429: ("We ask too often", "Try again later"),
    500: ("It has an error of its own", "Ask the administrator of the archive to look at its log"),
    501: ("It does not offer this service", "Use DIMSE with this peer"),
    502: ("The server behind it does not answer", "Try again later"),
    503: ("It is busy or under maintenance", "Try again later"),
    504: ("The server behind it does not answer in time", "Try again later"),
    507: ("It is full", "Ask the administrator of the archive to make room"),
}

_SHOWN = 200


class WebError(LightboxError):
    """A DICOMweb service could not be reached, refused a request or gave an answer that cannot be used.

    Parameters
    ----------
    what, where, why, todo : str
        As `LightboxError`.
    status : int
        The HTTP status code; 0 when there was no (usable) answer.
    code : str
        Stable and machine readable: ``"tcp.refused"``, ``"web.status"``, ``"web.cut"``, ...
    step : str
        How far it came: ``"name resolution"``, ``"TCP connection"``, ``"TLS"`` or ``"operation"``.
    transient : bool
        Whether the same request may succeed later.
    retry_after : float, optional
        Seconds the server asked us to wait.
    detail : str
        What the server itself said.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        todo: str = "",
        status: int = 0,
        code: str = "",
        step: str = "operation",
        transient: bool = False,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(what, where=where, why=why, todo=todo)
        self.status = status
        self.code = code
        self.step = step
        self.transient = transient
        self.retry_after = retry_after
        self.detail = detail


def of_status(
    where: str, service: str, status: int, *, detail: str = "", tried: tuple[str, ...] = (), retry_after: str = ""
) -> WebError:
    """Return the error for an HTTP status code.

    Parameters
    ----------
    where : str
        Our name for the peer.
    service : str
        What we asked for, as in "refused the search".
    detail : str
        What the server said about it.
    tried : tuple of str
        The media types that were tried.
    """
    why, todo = _WORDS.get(status, ("", ""))
    if not why:
        kind = "It refuses the request" if 400 <= status < 500 else "It has an error of its own"
        why, todo = kind, "Ask the administrator of the archive"
    why = f"{why} (HTTP {status})"
    if tried and status in (400, 406, 415, 500):
        why += f"; tried {', '.join(tried)}"
    if detail:
        why += f": {clean(detail)}"
    return WebError(
        f"The archive refused the {service}",
        where=where,
        why=why,
        todo=todo,
        status=status,
        code="web.status",
        transient=status in TRANSIENT,
        retry_after=float(retry_after) if retry_after.isdecimal() else None,
        detail=detail,
    )


def clean(text: str) -> str:
    """Return what a server said as one short, printable line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


def cut(where: str, why: str = "The connection ended before the answer was complete") -> WebError:
    """Return the error for an answer that was cut off."""
    return WebError(
        "The archive broke off its answer", where=where, why=why, todo="Try again", code="web.cut", transient=True
    )


def stalled(where: str, seconds: float) -> WebError:
    """Return the error for an answer that does not go on."""
    return WebError(
        "The archive does not go on with its answer",
        where=where,
        why=f"Hardly anything came in {seconds:.0f} seconds",
        todo="Try again later",
        code="web.stalled",
        transient=True,
    )


def unusable(where: str, why: str, *, code: str = "web.wrong-type") -> WebError:
    """Return the error for an answer that is not what was asked for."""
    return WebError(
        "The answer of the archive cannot be used",
        where=where,
        why=why,
        todo="Check the DICOMweb address of the peer",
        code=code,
    )
