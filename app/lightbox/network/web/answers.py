"""Reading the signs of an answer: its type, what it says about a failure, what is behind an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response


def plain(content: bytes, content_type: str) -> str:
    """Return what the body of a failure says, "" when it is no plain text (a web page, JSON of another kind, XML)."""
    kind = content_type.casefold()
    if "html" in kind:
        return ""
    text = content.decode("utf-8", "replace").strip()
    if text.startswith(("{", "[", "<")):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(found, dict):
            return ""
        keys = ("Details", "errorMessage", "message", "Message")
        return next((str(found[key]) for key in keys if isinstance(found.get(key), str) and found[key]), "")
    return text if "json" not in kind and "xml" not in kind else ""


def causes(error: BaseException) -> list[BaseException]:
    """Return an error and all that is behind it, however the libraries packed it."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or cause in found:
            continue
        found.append(cause)
        waiting += [cause.__cause__, cause.__context__]
        waiting += [part for part in cause.args if isinstance(part, BaseException)]
        reason = getattr(cause, "reason", None)
        waiting.append(reason if isinstance(reason, BaseException) else None)
    return found


def wrong_type(response: Response, operation: str) -> str:
    """Return why the answer is not of a type that was asked for, "" when it may be."""
    if response.status_code == 204:
        return ""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().casefold()
    if kind in ("text/html", "application/xhtml+xml"):
        return "It is a web page: perhaps one to sign in, or the address is not that of the DICOMweb service"
    if operation in ("search", "metadata") and (kind.endswith("xml") or kind.startswith("multipart/")):
        return f"It is {kind}, not JSON"
    if operation in ("objects", "frames") and kind.endswith(("json", "xml")):
        return f"It is {kind}, not {operation}"
    if operation == "rendered" and kind and not kind.startswith(("image/", "video/")):
        return f"It is {kind}, not a picture"
    return ""
