"""Modality Performed Procedure Step as SCU (PS3.4 Annex F): what was imported for an order, told to who planned it.

A step is written down before it is sent and after each answer, so that neither a crash nor an unreachable peer loses
it: `Steps.send_waiting` goes on where it ended, and never tells anything twice with another content.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lightbox.core import clock
from lightbox.core.errors import UsageError
from lightbox.dicom import imports
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, own_identity
from lightbox.network.worklist.entries import Code, WorklistEntry
from lightbox.network.worklist.mpps_store import (
    CREATING,
    ENDED,
    ENDING,
    FAILED,
    IN_PROGRESS,
    Step,
    StepStore,
    packed,
    unpacked,
)

if TYPE_CHECKING:
    from lightbox.network.worklist.mpps_items import PerformedInstance

SOP_CLASS = "1.2.840.10008.3.1.2.3.3"
_DUPLICATE, _NO_SUCH_INSTANCE, _PROCESSING, _NO_LONGER = 0x0111, 0x0112, 0x0110, 0xA710
_WARNINGS = (0x0000, 0x0107, 0x0116, 0x0001)
_TRANSIENT = (0x0210, 0x0213)
"""Duplicate invocation and resource limitation (PS3.7 Annex C)."""


class Steps(StepStore):
    """The performed procedure steps of one data folder, and telling them."""

    def begin(
        self,
        peer: Peer,
        identity: LocalIdentity,
        entry: WorklistEntry,
        *,
        modality: str = "",
        study_uid: str = "",
        description: str = "Import",
    ) -> Step:
        """Write down a step that begins now; `send` tells it.

        Raises
        ------
        UsageError
            Neither the entry nor `study_uid` gives a Study Instance UID.
        """
        imports.ready()
        from pydicom.uid import generate_uid

        from lightbox.network.worklist import mpps_items

        if not entry.study_instance_uid and not study_uid:
            raise UsageError("A performed procedure step needs a Study Instance UID", where=entry.source)
        moment = clock.now()
        data = mpps_items.in_progress(
            entry,
            step_id=uuid.uuid4().hex[:16].upper(),
            station_ae=own_identity(peer, identity).ae_title,
            started=moment.astimezone(),
            modality=modality,
            study_uid=study_uid,
            description=description,
        )
        stamp = clock.stamp(moment)
        step = Step(str(generate_uid()), peer.name, create=packed(data), begun_at=stamp, changed_at=stamp)
        self.write(step)
        return step

    def complete(self, uid: str, instances: Sequence[PerformedInstance], *, retrieve_ae: str = "") -> Step:
        """Write down that a step is completed with `instances`.

        Raises
        ------
        UsageError
            There are none (then it is discontinued), or the step ended before.
        """
        if not instances:
            raise UsageError("A completed step has at least one instance", todo="Discontinue it")
        return self._end(uid, "COMPLETED", instances, retrieve_ae, None)

    def discontinue(
        self,
        uid: str,
        instances: Sequence[PerformedInstance] = (),
        *,
        reason: Code | None = None,
        retrieve_ae: str = "",
    ) -> Step:
        """Write down that a step was discontinued, with what was imported until then."""
        from lightbox.network.worklist import mpps_items

        return self._end(uid, "DISCONTINUED", instances, retrieve_ae, reason or mpps_items.UNSPECIFIED)

    def _end(
        self, uid: str, status: str, instances: Iterable[PerformedInstance], retrieve_ae: str, reason: Code | None
    ) -> Step:
        imports.ready()
        from lightbox.network.worklist import mpps_items

        step = self.get(uid)
        if step.end:
            raise UsageError("This procedure step has ended already", where=step.status)
        data = mpps_items.ended(status, clock.now().astimezone(), instances, retrieve_ae, reason)
        state = ENDING if step.state == IN_PROGRESS else step.state
        return self.changed(step, end=packed(data), status=status, state=state)

    def send(self, uid: str, peer: Peer, identity: LocalIdentity) -> Step:
        """Tell `peer` what it does not know of a step, and return it as it is then.

        Raises
        ------
        AssociationError
            The peer cannot be reached; it stays to be sent.
        DimseError
            The peer refused it; for good when the state is ``"failed"`` then.
        """
        imports.ready()
        step = self.get(uid)
        if not step.waits:
            return step
        from lightbox.network.contexts import LITTLE_ENDIAN
        from lightbox.network.wire.client import associated
        from lightbox.network.wire.contexts import Proposal

        try:
            with associated(peer, own_identity(peer, identity), [Proposal(SOP_CLASS, LITTLE_ENDIAN)]) as association:
                if step.state == CREATING:
                    step = self._create(step, peer, association)
                if step.state == ENDING:
                    step = self._set(step, peer, association)
        except AssociationError as error:
            self.changed(self.get(uid), tries=self.get(uid).tries + 1, words=error.sentence())
            raise
        return step

    def send_waiting(self, peers: Iterable[Peer], identity: LocalIdentity) -> list[Step]:
        """Send everything that waits, as far as its peer can be reached; return how each step is then."""
        by_name = {peer.name: peer for peer in peers}
        results: list[Step] = []
        for step in self.all():
            if not step.waits:
                continue
            peer = by_name.get(step.peer)
            if peer is None:
                results.append(self.changed(step, words="The peer is no longer in the list of peers"))
                continue
            try:
                results.append(self.send(step.uid, peer, identity))
            except (AssociationError, DimseError):
                results.append(self.get(step.uid))
        return results

    def _create(self, step: Step, peer: Peer, association: Any) -> Step:
        from lightbox.network.wire import commands

        again = step.create_sent
        step = self.changed(step, create_sent=True, tries=step.tries + 1)
        context = association.context(SOP_CLASS)
        response = association.request(context, commands.n_create(SOP_CLASS, step.uid), unpacked(step.create))
        status = response.status
        if status in _WARNINGS or (status == _DUPLICATE and again):
            given = str(response.command.get("AffectedSOPInstanceUID", "") or "")
            if given and given != step.uid:
                return self._refused(step, peer, response, "It gave the step another UID")
            state = ENDING if step.end else IN_PROGRESS
            return self.changed(step, state=state, words="", notes=_noted(step, response))
        return self._refused(step, peer, response)

    def _set(self, step: Step, peer: Peer, association: Any) -> Step:
        from lightbox.network.wire import commands

        again = step.end_sent
        step = self.changed(step, end_sent=True, tries=step.tries + 1)
        context = association.context(SOP_CLASS)
        response = association.request(context, commands.n_set(SOP_CLASS, step.uid), unpacked(step.end))
        status = response.status
        # The answer to an earlier request was lost: a step that may no longer be changed has been ended by us
        known = again and status == _PROCESSING and response.command.get("ErrorID", _NO_LONGER) == _NO_LONGER
        if status in _WARNINGS or known:
            return self.changed(step, state=ENDED, words="", notes=_noted(step, response))
        if status == _NO_SUCH_INSTANCE and "created anew" not in step.notes:
            # It has forgotten the step; told once more from the beginning
            notes = (*step.notes, "created anew")
            step = self.changed(step, state=CREATING, create_sent=False, end_sent=False, notes=notes)
            step = self._create(step, peer, association)
            return self._set(step, peer, association)
        return self._refused(step, peer, response)

    def _refused(self, step: Step, peer: Peer, response: Any, why: str = "") -> Step:
        from lightbox.network import words

        said = why or words.status_words(response.status, response.comment)
        state = step.state if response.status in _TRANSIENT else FAILED
        self.changed(step, state=state, words=said)
        raise DimseError(
            f"{peer.ae_title} refused the performed procedure step",
            where=peer.name,
            why=said,
            todo="Look at the worklist system" if state == FAILED else "It is sent again later",
            status=response.status,
        )


def _noted(step: Step, response: Any) -> tuple[str, ...]:
    if response.status in (0x0107, 0x0116):
        return (*step.notes, "The peer did not take all attributes")
    return step.notes
