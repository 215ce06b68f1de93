"""The live probe: what a peer accepts, found out by negotiation alone (PS3.8 9.3.3.2). No data set is sent.

One transfer syntax a context: with several in one, only the peer's favourite shows, and it may be a lossy one. Each
association also proposes Verification, because some peers end an association in which they accept nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from lightbox.core.jobs import CancelToken
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.preflight import service_checks, services, vocabulary
from lightbox.network.preflight.observation import Observation, Observed
from lightbox.network.preflight.pairs import SCP, SCU, Pair
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import Accepted, Proposal, Refused

BATCH = 126
"""Pairs probed on one association: of its 128 contexts (PS3.8 9.3.2.2), one is Verification and one C-GET."""
_BUSY_WAITS_S = (0.5, 2.0)
_FAILURES = 12
"""Associations that may break one after the other before the rest is given up."""
_UNREACHABLE = ("dns.", "tcp.", "tls.", "association.rejected", "association.plaintext")

Report = Callable[[int, int], None]


def probe(
    peer: Peer,
    identity: LocalIdentity,
    pairs: Iterable[Pair],
    *,
    cancel: CancelToken | None = None,
    progress: Report | None = None,
) -> Observation:
    """Find out which of `pairs` a peer accepts, and whether its services answer.

    Parameters
    ----------
    peer, identity : Peer, LocalIdentity
        Whom to call, and who we are towards it.
    pairs : iterable of Pair
        What to ask about.
    cancel : CancelToken, optional
        Stops between associations.
    progress : callable, optional
        Gets the number of pairs done and the number of all.

    Raises
    ------
    AssociationError
        The peer cannot be reached, or rejects every association.
    Cancelled
        `cancel` was cancelled.
    """
    begun = time.perf_counter()
    runner = _Probe(peer, identity, cancel, progress, list(dict.fromkeys(pairs)))
    runner.storage()
    runner.roles()
    runner.seen.services = service_checks.run(peer, identity, runner.seen, cancel)
    runner.seen.seconds = time.perf_counter() - begun
    return runner.seen


class _Probe:
    def __init__(
        self,
        peer: Peer,
        identity: LocalIdentity,
        cancel: CancelToken | None,
        progress: Report | None,
        pairs: list[Pair],
    ) -> None:
        self._peer, self._identity, self._cancel, self._progress = peer, identity, cancel, progress
        self._pairs = pairs
        self._reached = False
        self._failures = 0
        self._waits: tuple[float, ...] = _BUSY_WAITS_S
        self.seen = Observation()

    def storage(self) -> None:
        """Ask for every pair in which the peer is SCP; at least for Verification, to see whether it is there."""
        pairs = [pair for pair in self._pairs if pair.role == SCP] or [
            Pair(services.VERIFICATION, vocabulary.IMPLICIT_LE)
        ]
        for batch in _batches(pairs):
            self._ask(batch, SCP)

    def roles(self) -> None:
        """Ask for every pair in which the peer would send to us on our association (C-GET, role selection)."""
        pairs = [pair for pair in self._pairs if pair.role == SCU]
        if not pairs:
            return
        model = next((m for m in (services.STUDY_GET, services.PATIENT_GET) if self._offers(m)), None)
        if model is None:
            why = (
                f"{self._peer.name} offers no C-GET, so its sending cannot be probed by negotiation: it would send by"
                " C-MOVE on an association of its own. A retrieve, or --round-trip, shows it."
            )
            self.seen.pairs.update((pair, Observed("untested", why)) for pair in pairs)
            return
        self._failures = 0
        for batch in _batches(pairs):
            self._ask(batch, SCU, model)

    def _offers(self, sop_class: str) -> bool:
        if not any(pair.sop_class == sop_class for pair in self.seen.pairs):
            self._ask([Pair(sop_class, vocabulary.IMPLICIT_LE)], SCP)
        return bool(self.seen.accepted(sop_class, SCP))

    def _ask(self, pairs: Sequence[Pair], role: str, model: str = "") -> None:
        """Negotiate `pairs` on one association; one that breaks is tried again in halves."""
        if self._cancel is not None:
            self._cancel.raise_if_cancelled()
        proposals = [Proposal(pair.sop_class, (pair.transfer_syntax,), role == SCU) for pair in pairs]
        for sop_class in (services.VERIFICATION, model):
            known = any(p.abstract_syntax == sop_class for p in proposals)
            if sop_class and not known:
                proposals.append(Proposal(sop_class, (vocabulary.IMPLICIT_LE,)))
        try:
            accepted, refused = self._negotiate(proposals)
        except AssociationError as error:
            if not self._reached and (error.code.startswith(_UNREACHABLE) or not self._alive(error)):
                raise
            self._failures += 1
            hopeless = error.code.startswith((*_UNREACHABLE, "association.busy")) or self._failures > _FAILURES
            if len(pairs) > 1 and not hopeless:
                middle = len(pairs) // 2
                self._ask(pairs[:middle], role, model)
                self._ask(pairs[middle:], role, model)
                return
            self._give_up(pairs, error)
        else:
            self._failures = 0
            self._note(pairs, role, accepted, refused)
        self._report()

    def _alive(self, first: AssociationError) -> bool:
        """Whether the peer opens an association for Verification alone, after `first` went wrong."""
        try:
            self._negotiate([Proposal(services.VERIFICATION, (vocabulary.IMPLICIT_LE,))])
        except AssociationError as error:
            raise first from error
        return True

    def _negotiate(self, proposals: Sequence[Proposal]) -> tuple[list[Accepted], list[Refused]]:
        for wait in (*self._waits, None):
            self.seen.associations += 1
            try:
                with associated(self._peer, self._identity, proposals, cancel=self._cancel) as association:
                    self._introduce(association)
                    return association.accepted, association.refused
            except AssociationError as error:
                if error.code == "association.no-context":  # it answered, and refused everything
                    self._reached = True
                    return [], []
                if error.code == "association.busy" and wait is None:
                    self._waits = ()  # it had its chance
                if error.code != "association.busy" or wait is None:
                    raise
            if self._cancel is not None:
                self._cancel.raise_if_cancelled()
            time.sleep(wait)
        raise AssertionError("not reached")

    def _introduce(self, association: Association) -> None:
        self._reached = True
        seen = self.seen
        seen.implementation_class_uid = association.implementation_class_uid or seen.implementation_class_uid
        seen.implementation_version = association.implementation_version or seen.implementation_version
        seen.maximum_pdu = association.peer_maximum_pdu
        if association.tls is not None:
            seen.tls = association.tls.as_dict() | {"ends_soon": association.tls.ends_soon}

    def _note(self, pairs: Sequence[Pair], role: str, accepted: list[Accepted], refused: list[Refused]) -> None:
        yes = {(context.abstract_syntax, context.transfer_syntax): context for context in accepted}
        no = {
            (context.abstract_syntax, syntax): context.result
            for context in refused
            for syntax in context.transfer_syntaxes
        }
        for pair in pairs:
            key = (pair.sop_class, pair.transfer_syntax)
            context = yes.get(key)
            if context is None:
                observed = Observed("refused", result=no.get(key))
            elif role == SCP:
                observed = Observed("accepted") if context.as_scu else Observed("refused", "It does not act as SCP")
            elif context.as_scp:
                observed = Observed("accepted")
            else:
                observed = Observed("refused", "Accepted, but not with the role that C-GET needs", role_refused=True)
            self.seen.pairs[pair] = observed

    def _give_up(self, pairs: Sequence[Pair], error: AssociationError) -> None:
        why = f"The association for it failed: {error.why or error.what}"
        self.seen.pairs.update((pair, Observed("untested", why)) for pair in pairs)
        note = f"{len(pairs)} pairs could not be probed: {error.sentence()}" if len(pairs) > 1 else why
        if note not in self.seen.notes:
            self.seen.notes.append(note)

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(len(self.seen.pairs), len(self._pairs))


def _batches(pairs: Sequence[Pair]) -> Iterable[Sequence[Pair]]:
    for start in range(0, len(pairs), BATCH):
        yield pairs[start : start + BATCH]
