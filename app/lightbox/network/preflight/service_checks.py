"""One harmless request to each service that a peer accepted: negotiation alone does not prove permission.

Some archives accept the context of a query and abort when the query comes. The requests here ask for a study, patient
or worklist entry whose identifier was made up a moment before: nothing can match, nothing is sent, nothing changes.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from lightbox.core.jobs import CancelToken
from lightbox.network import words
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.preflight import services, vocabulary
from lightbox.network.preflight.observation import Observation, ServiceCheck
from lightbox.network.preflight.pairs import SCP
from lightbox.network.preflight.services import Service
from lightbox.network.wire import commands
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import Proposal

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_FINDS = (services.STUDY_FIND, services.PATIENT_FIND, services.WORKLIST)
_GETS = (services.STUDY_GET, services.PATIENT_GET)
_MOVES = (services.STUDY_MOVE, services.PATIENT_MOVE)
_CT = "1.2.840.10008.5.1.4.1.1.2"
_NOT_ALLOWED = (0x0122, 0x0124, 0x0211)
_UNKNOWN_DESTINATION = 0xA801


def run(peer: Peer, identity: LocalIdentity, seen: Observation, cancel: CancelToken | None) -> list[ServiceCheck]:
    """Check every service of `services.SERVICES` that was probed."""
    checks = []
    for service in services.SERVICES:
        if cancel is not None:
            cancel.raise_if_cancelled()
        states = [observed for pair, observed in seen.pairs.items() if pair.sop_class == service.sop_class]
        if any(observed.state == "accepted" for observed in states):
            checks.append(_try(peer, identity, service, seen.accepted(service.sop_class, SCP)[0], cancel))
        elif any(observed.state == "refused" for observed in states):
            checks.append(ServiceCheck(service.sop_class, service.name, "refused", "Not offered to us"))
        elif states:
            checks.append(ServiceCheck(service.sop_class, service.name, "untested", states[0].why))
    return checks


def _try(
    peer: Peer, identity: LocalIdentity, service: Service, syntax: str, cancel: CancelToken | None
) -> ServiceCheck:
    begun = time.perf_counter()
    command, data = _request(peer, identity, service.sop_class)
    if command is None:
        text = "Accepted; it has no request without effect, so that only use shows whether it works"
        return ServiceCheck(service.sop_class, service.name, "negotiated", text)
    proposals = [Proposal(service.sop_class, (syntax,))]
    if service.sop_class in _GETS:  # a retrieve without any storage context is refused by some archives
        proposals.append(Proposal(_CT, (vocabulary.IMPLICIT_LE,), scp_role=True))
    try:
        with associated(peer, identity, proposals, cancel=cancel) as association:
            context = association.context(service.sop_class)
            if context is None:
                state, text, todo = "denied", "Accepted at first, refused a moment later", "Run the pre-flight again"
            else:
                answers = list(association.requests(context, command, data, cancel=cancel))
                state, text, todo = _judge(
                    peer, identity, service, answers[-1].status, answers[-1].comment, len(answers)
                )
    except AssociationError as error:
        state, text = "denied", f"Accepted in the negotiation, but the request failed: {error.why or error.what}"
        todo = f"Allow {service.name} to AE {identity.ae_title} at {peer.name}"
    return ServiceCheck(service.sop_class, service.name, state, text, todo, (time.perf_counter() - begun) * 1000)


def _judge(
    peer: Peer, identity: LocalIdentity, service: Service, status: int, comment: str, answers: int
) -> tuple[str, str, str]:
    told = words.status_words(status, comment)
    if status == 0x0000:
        text = "Answered"
        if service.sop_class in _FINDS:
            text = (
                "Answered, without match as it should be"
                if answers == 1
                else (f"Answered, with {answers - 1} matches for an identifier that exists nowhere: it ignores keys")
            )
        elif service.sop_class in _MOVES:
            text = "Answered; whether it knows us as a destination shows only with a study"
        return "works", text, ""
    if service.sop_class in _MOVES and status == _UNKNOWN_DESTINATION:
        title = peer.move_destination or identity.ae_title
        return (
            "denied",
            f"It does not know {title} as a destination",
            f"At {peer.name}, enter AE {title} with the address of this computer and port {identity.port}",
        )
    if status in _NOT_ALLOWED or service.sop_class in _FINDS or service.sop_class == services.VERIFICATION:
        return "denied", f"Refused: {told}", f"Allow {service.name} to AE {identity.ae_title} at {peer.name}"
    # An archive may call a study that it does not have a failure
    return "works", f"Answered that there is no such study: {told}", ""


def _request(peer: Peer, identity: LocalIdentity, sop_class: str) -> tuple[commands.Command | None, Dataset | None]:
    """Return a request that can have no effect, None for a service that has none."""
    if sop_class == services.VERIFICATION:
        return commands.c_echo(), None
    from pydicom.dataset import Dataset

    identifier = Dataset()
    if sop_class == services.WORKLIST:
        step = Dataset()
        step.ScheduledStationAETitle = ""
        step.ScheduledProcedureStepStartDate = ""
        step.Modality = ""
        identifier.PatientName = ""
        identifier.PatientID = _nobody()
        identifier.ScheduledProcedureStepSequence = [step]
        return commands.c_find(sop_class), identifier
    if sop_class in (services.PATIENT_FIND, services.PATIENT_GET, services.PATIENT_MOVE):
        identifier.QueryRetrieveLevel = "PATIENT"
        identifier.PatientID = _nobody()
    else:
        identifier.QueryRetrieveLevel = "STUDY"
        identifier.StudyInstanceUID = f"2.25.{uuid.uuid4().int}"
    if sop_class in _FINDS:
        return commands.c_find(sop_class), identifier
    if sop_class in _GETS:
        return commands.c_get(sop_class), identifier
    if sop_class in _MOVES:
        return commands.c_move(sop_class, peer.move_destination or identity.ae_title), identifier
    return None, None


def _nobody() -> str:
    """Return a Patient ID that nobody has."""
    return f"LIGHTBOX-NOBODY-{uuid.uuid4().hex[:16]}"
