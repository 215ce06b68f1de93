"""HTTP servers on loopback that answer as they are told, good or bad, and remember what they were asked.

How to use it::

    with web_server.serving(lambda request: web_server.json_reply([])) as server:
        ...                      # server.url, server.requests

    with web_server.serving(web_server.DicomWeb(datasets)) as server:   # QIDO-RS, WADO-RS and STOW-RS over data sets
        ...
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydicom.dataset import Dataset

QIDO = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Modality",
    "PatientName",
    "PatientID",
)


@dataclass
class Request:
    """One request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")

    def value(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.query if key == name), default)


@dataclass
class Reply:
    """One answer. A body that is iterable is sent chunk by chunk; ``length`` may lie; ``cut`` closes the connection."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    chunked: bool = False
    cut: bool = False
    delay: float = 0.0


Answer = Callable[[Request], Reply]


def json_reply(rows: Any, status: int = 200, **headers: str) -> Reply:
    """Return rows as DICOM JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(rows).encode(), {"Content-Type": "application/dicom+json", **named})


def multipart(
    parts: Iterable[bytes], *, boundary: str = "", kind: str = "application/dicom", outer: str = ""
) -> tuple[bytes, str]:
    """Return a multipart body and its Content-Type."""
    mark = boundary or uuid.uuid4().hex
    body = (
        b"".join(f"--{mark}\r\nContent-Type: {kind}\r\n\r\n".encode() + part + b"\r\n" for part in parts)
        + f"--{mark}--\r\n".encode()
    )
    return body, outer or f'multipart/related; type="{kind}"; boundary={mark}'


def dicom_file(dataset: Dataset) -> bytes:
    """Return a data set as DICOM file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """A server and what it was asked."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.context = context
        self.connections = 0
        super().__init__((host, 0), _Handler)

    @property
    def url(self) -> str:
        scheme = "https" if self.context is not None else "http"
        return f"{scheme}://127.0.0.1:{self.server_address[1]}/dicom-web"

    def get_request(self) -> tuple[Any, Any]:
        sock, address = super().get_request()
        self.connections += 1
        return sock, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is not None:
            request.settimeout(5)
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError):
                return
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that go away are part of the tests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0") or 0))
        request = Request(
            self.command,
            unquote(parts.path),
            parse_qsl(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )
        self.server.requests.append(request)
        reply = self.server.answer(request)
        if reply.delay:
            time.sleep(reply.delay)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        pieces = [reply.body] if isinstance(reply.body, bytes) else reply.body
        if reply.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif isinstance(reply.body, bytes) or reply.length is not None:
            self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        for piece in pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if reply.chunked else piece)
            self.wfile.flush()
        if reply.chunked and not reply.cut:
            self.wfile.write(b"0\r\n\r\n")
        if reply.cut:
            self.wfile.flush()
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_HEAD = _serve

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server until the end of the block."""
    server = Server(answer, context)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class DicomWeb:
    """A small DICOMweb service over data sets. Subclass it, or set `before`, to make it misbehave."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        self.files = {str(ds.SOPInstanceUID): dicom_file(ds) for ds in self.datasets}
        self.stored: list[bytes] = []
        self.counts = False
        """Whether it tells the numbers of instances of series."""
        self.before: Callable[[Request], Reply | None] = lambda request: None

    def __call__(self, request: Request) -> Reply:
        early = self.before(request)
        if early is not None:
            return early
        path = request.path.removeprefix("/dicom-web")
        if request.method == "POST":
            return self.store(request)
        found = re.fullmatch(r"(?:/studies(?:/([^/]+))?)?(?:/series(?:/([^/]+))?)?(?:/instances(?:/([^/]+))?)?", path)
        if found is None:
            return Reply(404)
        study, series, sop = (value or "" for value in found.groups())
        chosen = [ds for ds in self.datasets if self._fits(ds, study, series, sop)]
        if path.endswith(("/studies", "/series", "/instances")):
            return self.search(request, chosen, path.rpartition("/")[2])
        return self.retrieve(request, chosen)

    @staticmethod
    def _fits(ds: Dataset, study: str, series: str, sop: str) -> bool:
        wanted = ((study, ds.StudyInstanceUID), (series, ds.SeriesInstanceUID), (sop, ds.SOPInstanceUID))
        return all(not uid or uid == own for uid, own in wanted)

    def search(self, request: Request, chosen: list[Dataset], level: str) -> Reply:
        unique = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}[level]
        rows: dict[str, Any] = {}
        for ds in chosen:
            if all(str(ds.get(key, "")) == value for key, value in request.query if key in QIDO):
                kept = Dataset()
                for keyword in QIDO[:1] + QIDO[5:] if level == "studies" else QIDO:
                    if keyword in ds:
                        kept[keyword] = ds[keyword]
                if level == "series" and self.counts:
                    same = [d for d in self.datasets if d.SeriesInstanceUID == ds.SeriesInstanceUID]
                    kept.NumberOfSeriesRelatedInstances = len(same)
                rows.setdefault(str(ds[unique].value), kept.to_json_dict())
        offset, limit = int(request.value("offset", "0")), int(request.value("limit", "100000"))
        return json_reply(list(rows.values())[offset : offset + limit])

    def retrieve(self, request: Request, chosen: list[Dataset]) -> Reply:
        if not chosen:
            return Reply(404)
        body, kind = multipart(self.files[str(ds.SOPInstanceUID)] for ds in chosen)
        return Reply(200, body, {"Content-Type": kind})

    def store(self, request: Request) -> Reply:
        kept = split(request.body, request.headers["content-type"])
        self.stored += kept
        rows = [
            {
                "00081150": {"vr": "UI", "Value": [str(ds.SOPClassUID)]},
                "00081155": {"vr": "UI", "Value": [str(ds.SOPInstanceUID)]},
            }
            for ds in map(read, kept)
        ]
        return json_reply({"00081199": {"vr": "SQ", "Value": rows}})


def read(data: bytes) -> Dataset:
    """Read a DICOM file from memory."""
    import pydicom

    return pydicom.dcmread(io.BytesIO(data))


def split(body: bytes, content_type: str) -> list[bytes]:
    """Return the parts of a multipart body."""
    mark = b"--" + content_type.rpartition("boundary=")[2].strip('"').encode()
    pieces = body.split(mark)[1:-1]
    return [piece.partition(b"\r\n\r\n")[2][:-2] for piece in pieces]
