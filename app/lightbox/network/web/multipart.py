"""multipart/related (RFC 2387, PS3.18 8.6.1.2): read part by part as the bytes come, and written from open files.

No part is ever held in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Protocol

from lightbox.network.web import errors

_MAX_HEADERS = 64 * 1024
_MAX_EPILOGUE = 64 * 1024
_MAX_BOUNDARY = 256


class Bytes(Protocol):
    """Where the bytes of an answer come from."""

    framed: bool

    def read(self) -> bytes:
        """Return the next bytes, b"" at the end."""
        ...


@dataclass(slots=True)
class Part:
    """One part: its header fields (names in lower case), and its content in pieces, to be read once."""

    headers: dict[str, str]
    pieces: Iterator[memoryview] = field(repr=False)

    @property
    def media_type(self) -> str:
        """Media type in lower case, "" when the part does not say."""
        return parse_type(self.headers.get("content-type", ""))[0]

    @property
    def transfer_syntax_uid(self) -> str:
        """Transfer syntax that the part says it has, "" when it does not."""
        return parse_type(self.headers.get("content-type", ""))[1].get("transfer-syntax", "")

    def read(self) -> bytes:
        """Return the whole content, for parts that are small."""
        return b"".join(self.pieces)


def parse_type(value: str) -> tuple[str, dict[str, str]]:
    """Return media type and parameters of a Content-Type header field."""
    message = Message()
    message["Content-Type"] = value.replace("\r", " ").replace("\n", " ")
    found = message.get_params([], unquote=True)
    if not found or not value.strip():
        return "", {}
    return found[0][0].casefold(), {str(name).casefold(): str(text) for name, text in found[1:]}


class Reader:
    """Reads the parts of one answer.

    Parameters
    ----------
    source : Bytes
        The body.
    content_type : str
        Content-Type of the answer. What is not multipart counts as one part; where the type is missing or has no
        boundary, the first line tells.
    where : str
        Our name for the peer.
    """

    def __init__(self, source: Bytes, content_type: str, where: str) -> None:
        self._source = source
        self._where = where
        self._content_type = content_type
        self._data = b""
        self._position = 0
        self._delimiter = b""
        self._ended = False

    def __iter__(self) -> Iterator[Part]:
        """Yield the parts; what was not read of one is skipped.

        Raises
        ------
        WebError
            The answer was cut off, or is not what its header says.
        """
        media_type, parameters = parse_type(self._content_type)
        boundary = parameters.get("boundary", "").encode("latin-1", "replace")
        if not boundary and (media_type.startswith("multipart/") or not media_type or media_type.endswith("stream")):
            boundary = self._sniff()
        if not boundary:
            if media_type.startswith("multipart/"):
                raise errors.unusable(self._where, "It is multipart but names no boundary")
            yield from self._single()
            return
        self._delimiter = b"\r\n--" + boundary
        self._data = b"\r\n" + self._data
        for _ in self._until_delimiter(preamble=True):  # what comes before the first part is no part
            pass
        while not self._ended:
            part = Part(self._headers(), self._until_delimiter())
            yield part
            for _ in part.pieces:
                pass
        self._drain()

    def _single(self) -> Iterator[Part]:
        if not self._data:
            self._data = self._source.read()
        if self._data:
            part = Part({"content-type": self._content_type}, self._rest())
            yield part
            for _ in part.pieces:
                pass

    def _rest(self) -> Iterator[memoryview]:
        yield memoryview(self._data)
        while data := self._source.read():
            yield memoryview(data)

    def _sniff(self) -> bytes:
        while b"\n" not in self._data and len(self._data) <= _MAX_BOUNDARY and (more := self._source.read()):
            self._data += more
        line = self._data.lstrip(b"\r\n").split(b"\n", 1)[0].rstrip()
        return line[2:] if line.startswith(b"--") and 2 < len(line) <= _MAX_BOUNDARY else b""

    def _fill(self) -> bool:
        more = self._source.read()
        self._data = self._data[self._position :] + more
        self._position = 0
        return bool(more)

    def _until_delimiter(self, *, preamble: bool = False) -> Iterator[memoryview]:
        """Yield what comes before the next delimiter, and leave the position behind that line's marks."""
        delimiter = self._delimiter
        # The two bytes after a delimiter tell whether it is one
        keep = len(delimiter) + 1
        while True:
            found = self._data.find(delimiter, self._position)
            end = found + len(delimiter)
            if found >= 0 and len(self._data) >= end + 2:
                follows = self._data[end : end + 2]
                if follows == b"--" or follows[:1] in (b"\r", b"\n", b" ", b"\t"):
                    if found > self._position:
                        yield memoryview(self._data)[self._position : found]
                    self._position = end
                    self._ended = follows == b"--"
                    return
                yield memoryview(self._data)[self._position : end]
                self._position = end
                continue
            safe = found if found >= 0 else len(self._data) - keep
            if safe > self._position:
                yield memoryview(self._data)[self._position : safe]
                self._position = safe
            rest = self._data[self._position :]
            more = self._source.read()
            self._position = 0
            # The bytes that came are not copied, unless a delimiter may begin in the few that are left
            if len(rest) <= keep < len(more) and delimiter not in rest + more[:keep]:
                if rest:
                    yield memoryview(rest)
                self._data = more
            else:
                self._data = rest + more
            if not more:
                break
        # The end, without the closing delimiter
        self._ended = True
        if preamble and not self._data.strip():
            return
        if preamble or not self._source.framed:
            raise errors.cut(self._where)
        if self._data and not self._data.startswith(delimiter):
            yield memoryview(self._data)

    def _headers(self) -> dict[str, str]:
        """Read the header fields of a part; the position is at the end of the delimiter."""
        while True:
            end = self._data.find(b"\r\n\r\n", self._position)
            if end >= 0:
                break
            if len(self._data) - self._position > _MAX_HEADERS:
                raise errors.unusable(self._where, "A part of it has no end of its header")
            if not self._fill():
                raise errors.cut(self._where)
        lines = self._data[self._position : end].decode("latin-1").split("\r\n")
        self._position = end + 4
        found: dict[str, str] = {}
        for line in lines[1:]:  # the first is the rest of the delimiter's line
            name, colon, value = line.partition(":")
            if colon:
                found[name.strip().casefold()] = value.strip()
        return found

    def _drain(self) -> None:
        """Read the little that may follow, so that the connection can be used again."""
        read = 0
        while read < _MAX_EPILOGUE and (more := self._source.read()):
            read += len(more)
