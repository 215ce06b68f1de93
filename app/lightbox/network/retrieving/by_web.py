"""Retrieving by WADO-RS: series by series, streamed into the spool part by part, several at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.network.operation import Target
from lightbox.network.receive import Received
from lightbox.network.receiving.incoming import IncomingObject, is_out_of_space
from lightbox.network.retrieving.identify import HEAD, identify
from lightbox.network.retrieving.work import Supply, Work, share
from lightbox.network.web import wado
from lightbox.network.web.errors import WebError
from lightbox.network.web.multipart import Part
from lightbox.network.web.service import WebService

if TYPE_CHECKING:
    from lightbox.library.spool_file import SpoolFile

_COMMITTERS = 2
_AHEAD = 8
"""Objects that may wait to be made durable while the next ones come."""
_NOT_SERVICE = frozenset({404, 410})
"""Refusals that concern one series or instance, not the service."""


class FullDiskError(LightboxError):
    """The objects cannot be kept: it makes no sense to let more come."""


class _File(IncomingObject):
    """An object that comes as a DICOM file, with its file meta information."""

    def _start(self, start: Callable[[], SpoolFile]) -> None:
        self._file = start()


def attempt(work: Work, service: WebService, targets: list[Target]) -> None:
    """Fetch what is lacking of `targets`: whole series at once, or single instances.

    Raises
    ------
    WebError
        The service refused, or broke off; what came before stays.
    FullDiskError
        The disk of this computer is full.
    Cancelled
        The token was cancelled.
    """
    lacking = [part for target in targets for part in _parts(work, target)]
    with ThreadPoolExecutor(_COMMITTERS, "retrieve-commit") as pool:
        fetch = _Fetch(work, service, pool)
        share(Supply(lacking), work.peer.associations, fetch.run)
    if fetch.first_refusal is not None and not work.tally.count:
        raise fetch.first_refusal


def _parts(work: Work, target: Target) -> Iterator[Target]:
    for part in work.tally.outstanding(target):
        if part.sop_uids:
            series_uid = part.series_uid
            for uid in part.sop_uids:
                yield replace(part, sop_uids=(uid,), series_uid=series_uid or work.tally.series_of(uid))
        else:
            yield part


class _Fetch:
    def __init__(self, work: Work, service: WebService, pool: ThreadPoolExecutor) -> None:
        self._work = work
        self._service = service
        self._pool = pool
        self._room = threading.Semaphore(_AHEAD)
        self._full = threading.Event()
        self.first_refusal: WebError | None = None

    def run(self, supply: Supply) -> None:
        while (target := supply.take()) is not None:
            self._work.cancel.raise_if_cancelled()
            try:
                self._one(target)
            except WebError as error:
                why = ": ".join(part for part in (error.what, error.why) if part)
                self._work.tally.failed(target, why)
                if error.status not in _NOT_SERVICE:
                    raise
                self.first_refusal = self.first_refusal or error

    def _one(self, target: Target) -> None:
        work = self._work
        sop_uid = target.sop_uids[0] if target.sop_uids else ""
        waiting: list[Future[None]] = []
        try:
            for part in wado.objects(self._service, target.study_uid, target.series_uid, sop_uid, cancel=work.cancel):
                waiting.append(self._take(part, target, sop_uid))
                if self._full.is_set():
                    raise FullDiskError(
                        "The objects cannot be kept",
                        why="the disk of this computer is full",
                        todo="Free some space on the disk of the data folder",
                    )
        finally:
            for future in waiting:
                future.result()

    def _take(self, part: Part, target: Target, asked: str) -> Future[None]:
        """Write one part into the spool and have it made durable while the next one comes."""
        pieces = iter(part.pieces)
        head = b""
        while len(head) < HEAD and (piece := next(pieces, None)) is not None:
            head += piece
        event = _event(head, asked, self._work.peer.ae_title)
        self._work.tally.belongs(event.sop_instance_uid, target.series_uid)
        incoming = _File(event, lambda: self._work.library.spool().writer(event.source))
        self._room.acquire()
        try:
            incoming.write(head)
            for piece in pieces:
                incoming.write(piece)
        except BaseException:
            incoming.abort()
            self._room.release()
            raise
        return self._pool.submit(self._finish, incoming)

    def _finish(self, incoming: IncomingObject) -> None:
        try:
            self._work.receiver.finish(incoming)
            if incoming.failure is not None and is_out_of_space(incoming.failure):
                self._full.set()
        finally:
            self._room.release()


def _event(head: bytes, asked: str, source: str) -> Received:
    """Return what the object is; one that cannot be told is taken for the one that was asked for."""
    found = identify(head)
    if found is None:
        return Received(asked, "", "", source)
    return Received(found.sop_instance_uid or asked, found.sop_class_uid, found.transfer_syntax_uid, source)
