"""Fetching the relevant priors before somebody asks for them: quietly, one at a time, within a bandwidth."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.querying import sources
from lightbox.network.querying.persons import Certainty
from lightbox.network.querying.priors import Found, Prior, Rules
from lightbox.network.querying.rows import number_of

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library
    from lightbox.network.secrets import Secrets

logger = logging.getLogger(__name__)

_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one prior: ``"fetched"``, ``"already here"``, ``"partly"`` or ``"failed"``."""

    study_instance_uid: str
    role: str
    outcome: str
    peer: str = ""
    received: int = 0
    words: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {
            "StudyInstanceUID": self.study_instance_uid,
            "role": self.role,
            "outcome": self.outcome,
            "peer": self.peer,
            "received": self.received,
            "words": self.words,
        }


def fetch(
    found: Found,
    peers: Sequence[Peer],
    identity: LocalIdentity,
    library: Library,
    *,
    settings: Settings | None = None,
    secrets: Secrets | None = None,
    home: Path | None = None,
    rules: Rules | None = None,
    cancel: CancelToken | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> list[Fetched]:
    """Retrieve the priors of `found` that are wanted and not here; possible matches are never fetched.

    A prior that one archive cannot give is asked of the next one that holds it. With a bandwidth in the rules, series
    are fetched one by one with pauses between them, so that on average no more is used.

    Raises
    ------
    Cancelled
        `cancel` was cancelled; what has come stays in the library.
    """
    rules = rules or Rules.of(settings)
    token = cancel or CancelToken()
    work = _Work(peers, identity, library, settings, secrets, home, rules, token, progress)
    return [work.one(prior) for prior in found.wanted if prior.certainty is Certainty.SAME]


class _Work:
    """One run of fetching."""

    def __init__(
        self,
        peers: Sequence[Peer],
        identity: LocalIdentity,
        library: Library,
        settings: Settings | None,
        secrets: Secrets | None,
        home: Path | None,
        rules: Rules,
        cancel: CancelToken,
        progress: Callable[[Progress], object] | None,
    ) -> None:
        self._peers = {peer.name: peer for peer in peers}
        self._services = sources.Services(identity, settings, secrets)
        self._library = library
        self._home = home
        self._rules = rules
        self._cancel = cancel
        self._progress = progress

    def one(self, prior: Prior) -> Fetched:
        """Fetch one prior."""
        self._cancel.raise_if_cancelled()
        study = prior.study
        if study.here and not study.partial and not prior.modalities:
            return Fetched(study.uid, prior.role, "already here")
        holders = sorted(study.announced, key=lambda name: study.announced[name], reverse=True)
        words = "No archive that is asked holds it"
        partly = Fetched(study.uid, prior.role, "failed", words=words)
        for name in holders:
            peer = self._peers.get(name)
            if peer is None:
                continue
            try:
                result = self._from(peer, prior)
            except Cancelled:
                raise
            except LightboxError as error:
                logger.info("a prior could not be fetched from a peer: %s", type(error).__name__)
                if not partly.received:
                    partly = Fetched(study.uid, prior.role, "failed", name, words=error.sentence())
                continue
            if result.outcome in ("fetched", "already here"):
                return result
            partly = result
        return partly

    def _from(self, peer: Peer, prior: Prior) -> Fetched:
        uid = prior.study.uid
        wanted: list[tuple[str, ...]] = [()]
        if prior.modalities or self._rules.bandwidth:
            series = self._series(peer, prior)
            if not series:
                return Fetched(uid, prior.role, "already here", peer.name)
            wanted = [(entry,) for entry in series] if self._rules.bandwidth else [tuple(series)]
        received, complete, words = 0, True, ""
        for part in wanted:
            begun = time.monotonic()
            report = self._retrieve(peer, uid, part)
            received += report.received
            complete = complete and report.complete
            words = words if report.complete else report.summary()
            self._rest(part, time.monotonic() - begun)
        return Fetched(uid, prior.role, "fetched" if complete else "partly", peer.name, received, words)

    def _retrieve(self, peer: Peer, study_uid: str, series: tuple[str, ...]) -> Any:
        from lightbox.network.retrieve import retrieve

        return retrieve(
            peer,
            self._services.identity,
            self._library,
            study_uid,
            series,
            progress=self._progress,
            cancel=self._cancel,
            settings=self._services.settings,
            secrets=self._services.secrets,
            home=self._home,
        )

    def _series(self, peer: Peer, prior: Prior) -> list[str]:
        """Return the series of a prior that are wanted and not here, as an archive lists them."""
        found: list[str] = []
        keys = {"StudyInstanceUID": prior.study.uid, "Modality": "", "NumberOfSeriesRelatedInstances": ""}
        way = sources.ways(peer, self._services.settings)[0]
        with sources.finder(peer, self._services, [], way=way, cancel=self._cancel) as session:
            for row in session.find("series", keys, cancel=self._cancel):
                if prior.modalities and row.get("Modality", "") not in prior.modalities:
                    continue
                here = self._library.series(row["SeriesInstanceUID"])
                announced = number_of(row.get("NumberOfSeriesRelatedInstances", ""))
                if here is None or announced < 0 or here.number_of_instances < announced:
                    found.append(row["SeriesInstanceUID"])
        return found

    def _rest(self, series: tuple[str, ...], seconds: float) -> None:
        """Pause as long as the bytes of what came would have taken at the bandwidth that is allowed."""
        if not self._rules.bandwidth:
            return
        size = sum(entry.size for uid in series for entry in self._library.instances_of(uid))
        until = time.monotonic() + size / self._rules.bandwidth - seconds
        while (left := until - time.monotonic()) > 0:
            self._cancel.raise_if_cancelled()
            time.sleep(min(_PAUSE_S, left))
