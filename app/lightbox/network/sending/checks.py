"""What a peer holds of the objects we sent: by C-FIND and C-GET, or by DICOMweb where it has no DIMSE query."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightbox.core.errors import LightboxError
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.sending import images, readback, retry
from lightbox.network.sending.readback import Catcher, Copy
from lightbox.network.sending.retry import Verdict
from lightbox.network.sending.states import ObjectRecord
from lightbox.network.wire.client import associated

logger = logging.getLogger(__name__)

_ABORTS = 2
"""Some archives accept the context and abort when the query comes: so often it is tried before it counts as refused."""
_BATCH = 40
"""Objects fetched on one association."""


class Impossible(LightboxError):
    """The peer does not offer, or does not allow us, what is needed to check what it holds."""


class Checker:
    """Asks one peer; remembers what it refused.

    Parameters
    ----------
    peer : Peer
    identity : LocalIdentity
        As which we talk to it.
    home : Path
        The data folder: passwords of DICOMweb services are kept in it.
    """

    def __init__(self, peer: Peer, identity: LocalIdentity, home: Path) -> None:
        self.peer = peer
        self.identity = identity
        self._home = home
        self._no_query = self._no_fetch = ""
        self._aborts = 0

    @property
    def _by_web_first(self) -> bool:
        return self.peer.web is not None and self.peer.web.store

    def held(self, records: Sequence[ObjectRecord], *, thorough: bool) -> set[str]:
        """Return the SOP Instance UIDs of `records` that the peer lists (see `images.held`).

        Raises
        ------
        Impossible
            It cannot be asked.
        LightboxError
            It could not be asked now.
        """
        known = [record for record in records if record.study_instance_uid and record.series_instance_uid]
        if not known:
            return set()
        if not self._by_web_first and not self._no_query:
            try:
                with associated(self.peer, self.identity, images.proposals()) as association:
                    found = images.held(association, self.peer, known, thorough=thorough)
                self._aborts = 0
                return found
            except (AssociationError, DimseError) as error:
                self._no_query = self._refusal(error, "a query")
                if not self._no_query:
                    raise
        if self.peer.web is not None:
            from lightbox.network.sending import by_web

            return by_web.held(self.peer, self.identity, self._home, known)
        raise Impossible("The peer cannot be asked what it holds", where=self.peer.name, why=self._no_query)

    def fetch(self, records: Sequence[ObjectRecord]) -> Iterator[tuple[ObjectRecord, Copy | None]]:
        """Fetch objects back one by one; None for one that the peer does not have.

        Raises
        ------
        Impossible
            It gives nothing back.
        LightboxError
            It could not be asked now.
        """
        for begin in range(0, len(records), _BATCH):
            yield from self._fetch(records[begin : begin + _BATCH])

    def _fetch(self, records: Sequence[ObjectRecord]) -> Iterator[tuple[ObjectRecord, Copy | None]]:
        if not self._by_web_first and not self._no_fetch:
            catcher = Catcher()
            left = list(records)
            try:
                with associated(self.peer, self.identity, readback.proposals(records), receiver=catcher) as association:
                    if association.context(readback.GET) is None:
                        self._no_fetch = "it does not offer C-GET"
                    elif not any(context.as_scp for context in association.accepted):
                        self._no_fetch = "it does not send on the association that we opened (no SCP role)"
                    else:
                        while left:
                            yield left[0], readback.fetch(association, catcher, self.peer, left[0])
                            left.pop(0)
                        return
            except (AssociationError, DimseError) as error:
                self._no_fetch = self._refusal(error, "a retrieve")
                if not self._no_fetch:
                    raise
            records = left
        if self.peer.web is not None:
            from lightbox.network.sending import by_web

            yield from by_web.fetch(self.peer, self.identity, self._home, records)
            return
        raise Impossible("The peer gives nothing back to compare", where=self.peer.name, why=self._no_fetch)

    def _refusal(self, error: AssociationError | DimseError, what: str) -> str:
        """Return why the peer will not do it at all, or nothing when it may do it later."""
        if isinstance(error, AssociationError):
            if error.code == "association.no-context":
                return f"it does not offer {what}"
            if error.code == "operation.aborted":
                self._aborts += 1
                if self._aborts >= _ABORTS:
                    return f"it aborts when {what} comes: our AE title may not be allowed to do this"
            return ""
        return error.why if retry.of_status(error.status) is Verdict.PERMANENT else ""
