"""One retrieve at work: the methods one after the other, and second attempts for what is missing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.operation import Target
from lightbox.network.reports import RetrieveReport
from lightbox.network.retrieving import by_get, by_move, order
from lightbox.network.retrieving.tally import by_instance
from lightbox.network.retrieving.work import Work
from lightbox.network.web.errors import WebError

if TYPE_CHECKING:
    from lightbox.network.web.service import WebService

_FAILURES = (AssociationError, DimseError, WebError)


class Retrieval:
    """One retrieve from its first request to its report. Use ``with``: at the end all that came is in the library.

    Parameters
    ----------
    work : Work
    series_uids : tuple of str
        The series asked for, in case the archive told none.
    service : callable
        Returns the DICOMweb service of the peer; called when it is needed.
    """

    def __init__(self, work: Work, series_uids: tuple[str, ...], service: Callable[[], WebService]) -> None:
        self._work = work
        self._series_uids = series_uids
        self._service = service
        self._destination = by_move.Destination(work)
        self._stack = ExitStack()
        self._closed = False
        self.method = ""
        self.lasting = True
        """Whether the methods before the one that worked failed for reasons that last."""

    @cached_property
    def _web(self) -> WebService:
        return self._service()

    def run(self, methods: list[str]) -> None:
        """Retrieve by the first of `methods` that works, then ask again for what is missing.

        Raises
        ------
        AssociationError, DimseError, WebError
            Nothing could be retrieved.
        FullDiskError
            The disk of this computer is full.
        Cancelled
            The token was cancelled.
        """
        work = self._work
        dead: LightboxError | None = None
        last: LightboxError | None = None
        for method in methods:
            if dead is not None and method != "wado-rs":
                continue
            try:
                self._attempt(method, self._targets(), thorough=False)
            except _FAILURES as error:
                last = error
                work.tally.notes.append(f"{method.upper()}: {error.why or error.what}")
                self.lasting = self.lasting and order.is_lasting(error)
                dead = error if order.is_unreachable(error) else dead
                if work.tally.count:
                    self.method = self.method or method
                continue
            self.method = self.method or method
            last = None
            break
        if last is not None and not work.tally.count:
            raise dead or last
        self._list(work.tally.short())
        self._retry([method for method in methods if dead is None or method == "wado-rs"])

    def _retry(self, methods: list[str]) -> None:
        """Ask for what is missing by its UIDs: first by the method that worked, then by the others."""
        work = self._work
        for method in sorted(methods, key=lambda method: method != self.method):
            missing = work.tally.missing()
            if not missing or work.cancel.cancelled:
                return
            targets = [
                target for series_uid, uids in missing.items() for target in self._again(method, series_uid, uids)
            ]
            try:
                self._attempt(method, targets, thorough=True)
            except _FAILURES as error:
                work.tally.notes.append(f"Second attempt by {method.upper()}: {error.why or error.what}")

    def _again(self, method: str, series_uid: str, uids: list[str]) -> list[Target]:
        if method == "c-get":
            return by_get.by_class(self._work, self._work.tally.study_uid, series_uid, uids)
        return by_instance(self._work.tally.study_uid, series_uid, uids)

    def _list(self, series_uids: list[str]) -> None:
        """Ask for the instances of series, where that was put off."""
        announced = self._work.tally.announced
        if announced.fill is None or not series_uids:
            return
        try:
            announced.fill(series_uids)
        except _FAILURES as error:
            self._work.tally.notes.append(f"The archive did not list the instances: {error.why or error.what}")
        self._work.tally.relist()

    def _targets(self) -> list[Target]:
        study_uid = self._work.tally.study_uid
        wanted = list(self._work.tally.announced.series) or list(self._series_uids)
        return [Target(study_uid, uid) for uid in wanted] or [Target(study_uid)]

    def _attempt(self, method: str, targets: list[Target], *, thorough: bool) -> None:
        work = self._work
        work.cancel.raise_if_cancelled()
        if method != "wado-rs":  # contexts and what is left depend on the instances
            self._list(work.tally.announced.put_off())
        if method == "c-get":
            by_get.attempt(work, targets, thorough=thorough)
        elif method == "c-move":
            by_move.attempt(work, self._destination, targets, patient=not thorough)
        else:
            from lightbox.network.retrieving import by_web

            by_web.attempt(work, self._web, targets)

    def close(self) -> None:
        """Bring everything that came into the library and stop what was started."""
        if not self._closed:
            self._closed = True
            self._destination.close()
            self._work.receiver.close()

    def __enter__(self) -> Retrieval:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def report(self) -> RetrieveReport:
        """Compare what came with what was announced; everything must be in the library."""
        receiver = self._work.receiver
        refused = receiver.refused[-1].reason if receiver.refused else self._destination.refused
        if isinstance(receiver.last_error, LightboxError):
            refused = f"{receiver.last_error.what}: {receiver.last_error.why}"
        rejected = {**self._destination.rejected, **receiver.rejected}
        return self._work.tally.report(self.method, rejected, refused)
