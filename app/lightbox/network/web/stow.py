"""STOW-RS: store objects (PS3.18 10.5), streamed from their files, with a result for each of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.network.stored import Description, StoredObject, describe
from lightbox.network.web import answers, errors, stow_answer
from lightbox.network.web.errors import WebError
from lightbox.network.web.service import WebService
from lightbox.network.web.stow_answer import StoreResult

if TYPE_CHECKING:
    from requests import Response

BATCH_BYTES = 64 * 1024 * 1024
BATCH_OBJECTS = 200

_CHUNK = 256 * 1024
_PATIENCE = 4
"""The server writes a whole batch before it answers: how many time-outs it gets."""
_MAY_SPLIT = frozenset({400, 409, 413, 500})
"""Refusals that may be due to one object, or to the size."""


def store(
    service: WebService,
    objects: Iterable[StoredObject],
    *,
    study_uid: str = "",
    batch_bytes: int = BATCH_BYTES,
    batch_objects: int = BATCH_OBJECTS,
    throttle: Callable[[int], object] | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[StoreResult]:
    """Store objects and yield what became of each, batch by batch.

    Parameters
    ----------
    service : WebService
    objects : iterable of StoredObject
        DICOM files, or bare data sets, which get file meta information. They may be of several studies.
    study_uid : str
        Store into this study; the archive then refuses objects of others.
    batch_bytes, batch_objects : int
        Most bytes and objects in one request; an object that is larger goes alone.
    throttle : callable, optional
        Called with the number of bytes before they are sent; it waits as long as the bandwidth limit wants.
    cancel : CancelToken, optional
        Ends the transfer between pieces.

    Yields
    ------
    StoreResult
        Never missing for an object: after a failure of the connection or the service as a whole, the rest of the
        objects gets results with that failure.

    Raises
    ------
    Cancelled
        `cancel` was cancelled. Objects without a result may have been stored.
    """
    sender = _Sender(service, study_uid, throttle, cancel)
    for batch in _batches(objects, batch_bytes, batch_objects):
        yield from batch.unreadable
        yield from sender.send(batch.entries)


class _Entry:
    """One object to store: its file is opened when it is sent."""

    def __init__(self, stored: StoredObject) -> None:
        self._open = stored.open
        with stored.open() as file:
            description = describe(file)
            self.uid = stored.sop_instance_uid or description.sop_instance_uid
            if self.uid.strip() != description.sop_instance_uid.strip():
                raise LightboxError("It is another object than the one that was to be sent", where=self.uid)
            self._skip, self._head = _file_form(file, description)
            self.size = len(self._head) + file.seek(0, os.SEEK_END) - self._skip

    def pieces(self) -> Iterator[bytes]:
        if self._head:
            yield self._head
        left = self.size - len(self._head)
        try:
            with self._open() as file:
                file.seek(self._skip)
                while left:
                    data = file.read(min(_CHUNK, left))
                    if not data:
                        raise LightboxError("It changed while it was sent", where=self.uid, todo="Send it again")
                    left -= len(data)
                    yield data
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise LightboxError("It cannot be read", where=self.uid, why=why) from error


def _file_form(file: BinaryIO, description: Description) -> tuple[int, bytes]:
    """Return how many bytes of the file to skip, and what to send instead: a bare data set gets a file header."""
    from lightbox.network.receive import file_meta

    file.seek(0)
    if file.read(132)[128:] == b"DICM":
        return 0, b""
    head = file_meta(
        description.sop_class_uid, description.sop_instance_uid, description.transfer_syntax_uid, source=""
    )
    return description.offset, head


class _Batch:
    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.unreadable: list[StoreResult] = []
        self.size = 0


def _batches(objects: Iterable[StoredObject], most_bytes: int, most_objects: int) -> Iterator[_Batch]:
    batch = _Batch()
    for stored in objects:
        try:
            entry = _Entry(stored)
        except (LightboxError, OSError) as error:
            why = error.sentence() if isinstance(error, LightboxError) else (error.strerror or type(error).__name__)
            batch.unreadable.append(StoreResult(stored.sop_instance_uid, False, reason=f"it cannot be read: {why}"))
            continue
        if batch.entries and (batch.size + entry.size > most_bytes or len(batch.entries) >= most_objects):
            yield batch
            batch = _Batch()
        batch.entries.append(entry)
        batch.size += entry.size
    if batch.entries or batch.unreadable:
        yield batch


class _Body:
    """The body of one request. It knows its length, because many servers refuse chunked requests."""

    def __init__(
        self, entries: list[_Entry], boundary: str, throttle: Callable[[int], object] | None, cancel: CancelToken | None
    ) -> None:
        self._entries = entries
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        self._end = f"--{boundary}--\r\n".encode("ascii")
        self._throttle = throttle
        self._cancel = cancel

    def __len__(self) -> int:
        return sum(len(self._head) + entry.size + 2 for entry in self._entries) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for entry in self._entries:
            yield self._head
            for piece in entry.pieces():
                if self._cancel is not None:
                    self._cancel.raise_if_cancelled()
                if self._throttle is not None:
                    self._throttle(len(piece))
                yield piece
            yield b"\r\n"
        yield self._end


class _Sender:
    def __init__(
        self,
        service: WebService,
        study_uid: str,
        throttle: Callable[[int], object] | None,
        cancel: CancelToken | None,
    ) -> None:
        self._service = service
        self._url = service.url(study_uid)
        self._throttle = throttle
        self._cancel = cancel
        self._over: WebError | None = None

    def send(self, entries: list[_Entry]) -> Iterator[StoreResult]:
        """Send one batch, in halves where it is refused as a whole."""
        if not entries:
            return
        if self._over is not None:
            yield from (_failed(entry, self._over) for entry in entries)
            return
        try:
            response, answer = self._post(entries)
        except WebError as error:
            if len(entries) > 1 and error.code == "web.cut" and error.status == 0:
                # Servers close the connection on a request that is too large
                yield from self._halves(entries)
                return
            if error.code != "web.cut":  # perhaps this object was too much for it
                self._over = error
            yield from (_failed(entry, error) for entry in entries)
            return
        except Cancelled:
            raise
        except LightboxError as error:  # one of the objects
            if len(entries) > 1:
                yield from self._halves(entries)
            else:
                yield StoreResult(entries[0].uid, False, reason=error.sentence())
            return
        status = response.status_code
        if status == 202 or (answer.says_anything and (status < 300 or status == 409)):
            yield from (_result(entry, answer, status) for entry in entries)
        elif status < 300:
            yield from (StoreResult(entry.uid, True, http_status=status) for entry in entries)
        elif status in _MAY_SPLIT and len(entries) > 1:
            yield from self._halves(entries)
        else:
            said = answers.plain(response.content[:500], response.headers.get("Content-Type", ""))
            error = errors.of_status(
                self._service.peer.name,
                "store",
                status,
                detail="" if answer.says_anything else said,
                retry_after=response.headers.get("Retry-After", ""),
            )
            if status not in _MAY_SPLIT:
                self._over = error
            yield from (_failed(entry, error) for entry in entries)

    def _halves(self, entries: list[_Entry]) -> Iterator[StoreResult]:
        middle = len(entries) // 2
        first = list(self.send(entries[:middle]))
        yield from first
        yield from self.send(entries[middle:])

    def _post(self, entries: list[_Entry]) -> tuple[Response, stow_answer.Answer]:
        boundary = uuid.uuid4().hex
        with self._service.call("store", self._cancel):
            response = self._service.session.request(
                "POST",
                self._url,
                headers={"Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}'},
                data=lambda: _Body(entries, boundary, self._throttle, self._cancel),
                read_timeout=_PATIENCE * self._service.identity.dimse_timeout,
            )
        return response, stow_answer.read(response.content, response.headers.get("Content-Type", ""))


def _failed(entry: _Entry, error: WebError) -> StoreResult:
    why = ": ".join(part for part in (error.what, error.why) if part)
    return StoreResult(
        entry.uid,
        False,
        http_status=error.status,
        reason=why,
        transient=error.transient,
        retry_after=error.retry_after,
        error=error,
    )


def _result(entry: _Entry, answer: stow_answer.Answer, status: int) -> StoreResult:
    if entry.uid in answer.stored:
        code = answer.stored[entry.uid]
        return StoreResult(entry.uid, True, code, status, stow_answer.reason(code) if code else "")
    if entry.uid in answer.failed:
        code = answer.failed[entry.uid]
        why = stow_answer.reason(code) if code else "the archive gave no reason"
        return StoreResult(entry.uid, False, code, status, why, stow_answer.may_succeed_later(code))
    code = answer.other[0] if answer.other else 0
    why = stow_answer.reason(code) if code else "the answer of the archive does not name it"
    return StoreResult(entry.uid, False, code, status, why, transient=not code)
