"""Retrieving by WADO-RS: series by series, streamed into the spool part by part, several at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from lightbox.core.errors import LightboxError
from lightbox.network.operation import Target
from lightbox.network.receive import Received
from lightbox.network.receiving.incoming import is_out_of_space
from lightbox.network.retrieving.identify import HEAD, identify
from lightbox.network.retrieving.work import Supply, Work, share
from lightbox.network.web import wado
from lightbox.network.web.errors import WebError
from lightbox.network.web.multipart import Part
from lightbox.network.web.service import WebService

_NOT_SERVICE = frozenset({404, 410})
"""Refusals that concern one series or instance, not the service."""


class FullDiskError(LightboxError):
    """The objects cannot be kept: it makes no sense to let more come."""


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
    fetch = _Fetch(work, service)
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
    def __init__(self, work: Work, service: WebService) -> None:
        self._work = work
        self._service = service
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
        sop_uid = target.sop_uids[0] if target.sop_uids else ""
        cancel = self._work.cancel
        for part in wado.objects(self._service, target.study_uid, target.series_uid, sop_uid, cancel=cancel):
            self._take(part, target, sop_uid)

    def _take(self, part: Part, target: Target, asked: str) -> None:
        """Write one part into the spool as it comes."""
        work = self._work
        pieces = iter(part.pieces)
        begun: list[memoryview] = []
        while sum(map(len, begun)) < HEAD and (piece := next(pieces, None)) is not None:
            begun.append(piece)
        head = b"".join(piece[:HEAD] for piece in begun)[:HEAD]
        event = _event(head, asked, work.peer.ae_title)
        work.tally.belongs(event.sop_instance_uid, target.series_uid)
        incoming = work.receiver.open_file(event)
        try:
            for piece in chain(begun, pieces):
                incoming.write(piece)
        except BaseException:
            incoming.abort()
            raise
        work.receiver.finish(incoming)
        if incoming.failure is not None and is_out_of_space(incoming.failure):
            raise FullDiskError(
                "The objects cannot be kept",
                why="the disk of this computer is full",
                todo="Free some space on the disk of the data folder",
            )


def _event(head: bytes, asked: str, source: str) -> Received:
    """Return what the object is; one that cannot be told is taken for the one that was asked for."""
    found = identify(head)
    if found is None:
        return Received(asked, "", "", source)
    return Received(found.sop_instance_uid or asked, found.sop_class_uid, found.transfer_syntax_uid, source)
