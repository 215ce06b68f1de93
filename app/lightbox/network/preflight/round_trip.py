"""The round trip: invented objects are stored at a peer, confirmed, found, fetched, and compared tag by tag."""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.dicom import reading
from lightbox.network import find, words
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.preflight import services, tag_compare, vocabulary
from lightbox.network.preflight.invented import Invention
from lightbox.network.preflight.own_side import OwnSide
from lightbox.network.preflight.pairs import SCP
from lightbox.network.preflight.report import Report
from lightbox.network.preflight.trips import Outcome, Trip
from lightbox.network.sending.readback import Catcher
from lightbox.network.wire import commands, datasets
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import Proposal

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_SYNTAXES = (vocabulary.EXPLICIT_LE, vocabulary.IMPLICIT_LE)
_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
_COMMITMENT_WAIT_S = 15.0


def run(peer: Peer, identity: LocalIdentity, report: Report, *, cancel: CancelToken | None = None) -> Outcome:
    """Send invented objects of the needed SOP classes to a peer and see what comes back.

    Parameters
    ----------
    peer, identity : Peer, LocalIdentity
        Whom to send to, and who we are towards it; for commitment and C-MOVE the port of `identity` must be free.
    report : Report
        Of the pre-flight: what is needed, and which services answered.
    cancel : CancelToken, optional
        Stops between the steps.

    Raises
    ------
    AssociationError
        The peer cannot be reached any more.
    Cancelled
        `cancel` was cancelled; what was stored stays at the peer.
    """
    invention = Invention()
    needed = [
        row.pair.sop_class
        for row in report.rows
        if row.needed and row.pair.role == SCP and row.pair.sop_class not in services.BY_CLASS
    ]
    made, missing = invention.objects(needed)
    outcome = Outcome(peer, invention.patient_id, invention.study_uid, [Trip(entry) for entry in made], missing)
    works = {check.sop_class for check in report.observation.services if check.state in ("works", "negotiated")}
    with OwnSide(identity) as own:
        for step in (_store, _commit, _find, _fetch):
            if cancel is not None:
                cancel.raise_if_cancelled()
            step(peer, identity, outcome, works, own)
    return outcome


def _store(peer: Peer, identity: LocalIdentity, outcome: Outcome, works: set[str], own: OwnSide) -> None:
    kinds = dict.fromkeys(trip.sop_class for trip in outcome.trips)
    proposals = [Proposal(sop_class, (syntax,)) for sop_class in kinds for syntax in _SYNTAXES]
    with associated(peer, identity, [Proposal(services.VERIFICATION), *proposals]) as association:
        for trip in outcome.trips:
            context = next(
                (c for s in _SYNTAXES if (c := association.context(trip.sop_class, transfer_syntax=s)) is not None),
                None,
            )
            if context is None:
                trip.steps["store"] = "not sent: refused in every uncompressed encoding"  # its row says so already
                continue
            data = io.BytesIO(datasets.encode(trip.dataset, context.transfer_syntax))
            response = association.store(context, trip.sop_class, trip.uid, data)
            syntax = vocabulary.short(context.transfer_syntax)
            if words.is_failure(response.status):
                trip.failed = True
                trip.steps["store"] = words.status_words(response.status, response.comment, storing=True)
                continue
            outcome.stored += 1
            warning = (
                f", {words.status_words(response.status, response.comment, storing=True)}" if response.status else ""
            )
            trip.steps["store"] = f"taken in {syntax}{warning}"


def _stored(outcome: Outcome) -> list[Trip]:
    return [trip for trip in outcome.trips if not trip.failed and trip.steps.get("store", "").startswith("taken")]


def _commit(peer: Peer, identity: LocalIdentity, outcome: Outcome, works: set[str], own: OwnSide) -> None:
    trips = _stored(outcome)
    if not trips or services.COMMITMENT not in works or peer.commitment == "never":
        return
    transaction = f"2.25.{uuid.uuid4().int}"
    information = reading.Dataset()
    information.TransactionUID = transaction
    information.ReferencedSOPSequence = [_reference(trip) for trip in trips]
    report = None
    try:
        with associated(peer, identity, [Proposal(services.COMMITMENT)]) as association:
            context = association.context(services.COMMITMENT)
            if context is None:
                return
            command = commands.n_action(services.COMMITMENT, _COMMITMENT_INSTANCE, 1)
            response = association.request(context, command, information)
            if words.is_failure(response.status):
                outcome.notes.append(f"Storage commitment was refused: {words.status_words(response.status)}")
                return
            report = own.wait_for_commitment(transaction, association, _COMMITMENT_WAIT_S)
    except AssociationError as error:
        outcome.notes.append(f"Storage commitment failed: {error.sentence()}")
        return
    if report is None:
        why = own.problem or f"no report within {_COMMITMENT_WAIT_S:g} s: enter our host and port {identity.port} there"
        outcome.notes.append(f"Storage commitment was asked for, but not answered: {why}")
        return
    for trip in trips:
        if trip.uid in report.failed:
            trip.steps["commit"], trip.failed = f"not committed (reason 0x{report.failed[trip.uid]:04X})", True
        elif report.everything or trip.uid in report.committed:
            trip.steps["commit"] = "committed"
        else:
            trip.steps["commit"] = "left out of the report"


def _reference(trip: Trip) -> Dataset:
    item = reading.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = trip.sop_class, trip.uid
    return item


def _find(peer: Peer, identity: LocalIdentity, outcome: Outcome, works: set[str], own: OwnSide) -> None:
    trips = _stored(outcome)
    if not trips or services.STUDY_FIND not in works:
        return
    try:
        with find.session(peer, identity) as finder:
            for trip in trips:
                keys = {
                    "StudyInstanceUID": outcome.study_uid,
                    "SeriesInstanceUID": str(trip.dataset.SeriesInstanceUID),
                    "SOPInstanceUID": trip.uid,
                }
                found = any(row.get("SOPInstanceUID") == trip.uid for row in finder.find("image", keys))
                trip.steps["find"] = "found" if found else "not found"
                trip.failed = trip.failed or not found
    except LightboxError as error:
        outcome.notes.append(f"The query for what was stored failed: {error.sentence()}")


def _fetch(peer: Peer, identity: LocalIdentity, outcome: Outcome, works: set[str], own: OwnSide) -> None:
    trips = [trip for trip in outcome.trips if trip.steps.get("store", "").startswith("taken")]
    if not trips:
        return
    catcher = Catcher()
    try:
        if services.STUDY_GET in works:
            _get(peer, identity, outcome, trips, catcher)
        back = {copy.sop_instance_uid: copy for copy in catcher.copies}
        if services.STUDY_MOVE in works and len(back) < len(trips):
            own.catcher = catcher
            _move(peer, identity, outcome, own)
    except AssociationError as error:
        outcome.notes.append(f"Fetching back broke off: {error.sentence()}")
    back = {copy.sop_instance_uid: copy for copy in catcher.copies}
    fetchable = bool({services.STUDY_GET, services.STUDY_MOVE} & works)
    for trip in trips:
        copy = back.get(trip.uid)
        if copy is None:
            trip.steps["fetch"] = "did not come back" if fetchable else "cannot be fetched: neither C-GET nor C-MOVE"
            trip.failed = trip.failed or fetchable
            continue
        with copy.opened() as file:
            got = reading.read_dataset(file)
        found = list(tag_compare.compare(trip.dataset, got))
        trip.differences = [difference.text() for difference in found]
        trip.compared = True
        lost = [difference for difference in found if difference.kind != "added"]
        trip.failed = trip.failed or bool(lost)
        trip.steps["compare"] = (
            "every tag is as it was sent"
            if not found
            else f"{len(lost)} tags changed or missing, {len(found) - len(lost)} added"
        )


def _get(peer: Peer, identity: LocalIdentity, outcome: Outcome, trips: list[Trip], catcher: Catcher) -> None:
    kinds = dict.fromkeys(trip.sop_class for trip in trips)
    storage = [Proposal(sop_class, (syntax,), scp_role=True) for sop_class in kinds for syntax in _SYNTAXES]
    with associated(peer, identity, [Proposal(services.STUDY_GET), *storage], receiver=catcher) as association:
        context = association.context(services.STUDY_GET)
        if context is None:
            return
        answers = list(association.requests(context, commands.c_get(services.STUDY_GET), _study(outcome)))
        _note_failure(outcome, "C-GET", answers[-1].status, answers[-1].comment)


def _move(peer: Peer, identity: LocalIdentity, outcome: Outcome, own: OwnSide) -> None:
    if own.problem:
        outcome.notes.append(f"C-MOVE was not tried: {own.problem}")
        return
    with associated(peer, identity, [Proposal(services.STUDY_MOVE)]) as association:
        context = association.context(services.STUDY_MOVE)
        if context is None:
            return
        command = commands.c_move(services.STUDY_MOVE, peer.move_destination or identity.ae_title)
        answers = list(association.requests(context, command, _study(outcome)))
        _note_failure(outcome, "C-MOVE", answers[-1].status, answers[-1].comment)


def _note_failure(outcome: Outcome, operation: str, status: int, comment: str) -> None:
    if status:
        outcome.notes.append(f"{operation} ended with: {words.status_words(status, comment)}")


def _study(outcome: Outcome) -> Dataset:
    identifier = reading.Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyInstanceUID = "STUDY", outcome.study_uid
    return identifier
