"""Modality worklist query: what is planned (PS3.4 Annex K)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError, Problem, Severity
from lightbox.core.jobs import CancelToken
from lightbox.dicom import imports
from lightbox.network import words
from lightbox.network.errors import DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, own_identity
from lightbox.network.querying import relative
from lightbox.network.wire import commands
from lightbox.network.wire.client import associated
from lightbox.network.wire.commands import Response
from lightbox.network.wire.contexts import Proposal
from lightbox.network.worklist.entries import WorklistEntry

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MODEL = "1.2.840.10008.5.1.4.31"
"""Modality Worklist Information Model - FIND."""
LIMIT = 1000

_TOP = (
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "RequestingPhysician",
    "RequestingService",
    "RequestedProcedureDescription",
    "AdmissionID",
    "RequestedProcedureID",
    "RequestedProcedurePriority",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
)
_STEP = (
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledStationName",
    "ScheduledProcedureStepLocation",
    "ScheduledProcedureStepID",
    "ScheduledProcedureStepStatus",
)
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """What to look for; empty fields do not restrict.

    Parameters
    ----------
    dates : str
        When it is scheduled, as `relative.resolve` understands it: ``today``, ``20240131``, ``2024-01-01..2024-01-31``.
    modality : str
    station_ae : str
        AE title of the scheduled station.
    patient_name, patient_id, accession_number, requested_procedure_id : str
        Wildcards ``*`` and ``?`` work in the name and, at most archives, in the others.
    """

    dates: str = ""
    modality: str = ""
    station_ae: str = ""
    patient_name: str = ""
    patient_id: str = ""
    accession_number: str = ""
    requested_procedure_id: str = ""


def query(
    peer: Peer,
    identity: LocalIdentity,
    wanted: WorklistQuery | None = None,
    *,
    cancel: CancelToken | None = None,
    limit: int = LIMIT,
    problems: list[Problem] | None = None,
) -> list[WorklistEntry]:
    """Return the entries of the worklist of `peer`, in order of time.

    Entries that cannot be read are left out, and `problems` says how many; entries that do not fit although the
    archive sent them are left out silently, since many archives ignore keys.

    Raises
    ------
    AssociationError, DimseError, UsageError, Cancelled
        As `lightbox.network.find.find`.
    """
    imports.ready()
    from lightbox.network.contexts import LITTLE_ENDIAN
    from lightbox.network.worklist.entry_reading import entry_of

    wanted = wanted or WorklistQuery()
    first, last = relative.resolve(wanted.dates)
    identifier = _identifier(wanted, first, last)
    found: list[WorklistEntry] = []
    unreadable = 0
    problems = problems if problems is not None else []
    with associated(peer, own_identity(peer, identity), [Proposal(MODEL, LITTLE_ENDIAN)], cancel=cancel) as association:
        context = association.context(MODEL)
        assert context is not None
        responses = association.requests(context, commands.c_find(MODEL), identifier, cancel=cancel)
        try:
            for response in responses:
                if not response.is_pending:
                    _end(response, peer, problems, len(found))
                    continue
                try:
                    entry = entry_of(response.dataset(), peer.name)
                except (LightboxError, ValueError, KeyError, TypeError, AttributeError, struct.error):
                    unreadable += 1
                    continue
                if not _fits(entry, wanted, first, last):
                    continue
                if len(found) >= limit:
                    _note(problems, peer, "worklist.truncated", f"There are more than the {limit} entries wanted")
                    break
                found.append(entry)
        finally:
            responses.close()
    if unreadable:
        _note(problems, peer, "worklist.entry-unreadable", f"{unreadable} entries could not be read and were left out")
    return sorted(found, key=lambda entry: (entry.when, entry.accession_number))


def one(
    peer: Peer, identity: LocalIdentity, accession_number: str, *, cancel: CancelToken | None = None
) -> WorklistEntry:
    """Return the one entry with an accession number.

    Raises
    ------
    NotFoundError
        There is none.
    LightboxError
        Several requested procedures have this accession number.
    """
    from lightbox.core.errors import NotFoundError

    found = query(peer, identity, WorklistQuery(accession_number=accession_number), cancel=cancel)
    exact = [entry for entry in found if entry.accession_number == accession_number.strip()]
    if not exact:
        raise NotFoundError(
            "The worklist has no entry with this accession number", where=peer.name, todo="Look at the worklist first"
        )
    orders = {(entry.patient_id, entry.issuer_of_patient_id, entry.study_instance_uid) for entry in exact}
    if len(orders) > 1:
        raise LightboxError(
            "Several orders have this accession number",
            where=peer.name,
            why=f"{len(orders)} entries of the worklist differ in patient or study",
            todo="Ask whoever keeps the worklist to correct it",
        )
    return exact[0]


def _identifier(wanted: WorklistQuery, first: str, last: str) -> Dataset:
    from pydicom import config
    from pydicom.datadict import dictionary_VR
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    def put(dataset: Dataset, keyword: str, value: str) -> None:
        dataset[keyword] = DataElement(keyword, dictionary_VR(keyword), value, validation_mode=config.IGNORE)

    def codes() -> Sequence:
        item = Dataset()
        for keyword in _CODE:
            put(item, keyword, "")
        return Sequence([item])

    step = Dataset()
    for keyword in _STEP:
        put(step, keyword, "")
    put(step, "Modality", wanted.modality.upper())
    put(step, "ScheduledStationAETitle", wanted.station_ae)
    if first or last:
        put(step, "ScheduledProcedureStepStartDate", first if first == last else f"{first}-{last}")
    step.ScheduledProtocolCodeSequence = codes()
    dataset = Dataset()
    text = wanted.patient_name + wanted.patient_id + wanted.accession_number
    if not text.isascii():  # many worklists fail over a character set that they need not know
        put(dataset, "SpecificCharacterSet", "ISO_IR 192")
    for keyword in _TOP:
        put(dataset, keyword, "")
    put(dataset, "PatientName", wanted.patient_name)
    put(dataset, "PatientID", wanted.patient_id)
    put(dataset, "AccessionNumber", wanted.accession_number)
    put(dataset, "RequestedProcedureID", wanted.requested_procedure_id)
    dataset.RequestedProcedureCodeSequence = codes()
    reference = Dataset()
    put(reference, "ReferencedSOPClassUID", "")
    put(reference, "ReferencedSOPInstanceUID", "")
    dataset.ReferencedStudySequence = Sequence([reference])
    dataset.ScheduledProcedureStepSequence = Sequence([step])
    return dataset


def _fits(entry: WorklistEntry, wanted: WorklistQuery, first: str, last: str) -> bool:
    """Whether an entry does not contradict what was asked; what it leaves out does not."""
    for asked, told in (
        (wanted.accession_number, entry.accession_number),
        (wanted.patient_id, entry.patient_id),
        (wanted.requested_procedure_id, entry.requested_procedure_id),
    ):
        if asked and told and not any(sign in asked for sign in "*?") and asked.strip() != told:
            return False
    if not entry.steps:
        return True
    return any(
        (not wanted.modality or not step.modality or step.modality == wanted.modality.upper())
        and (not wanted.station_ae or not step.station_ae or wanted.station_ae in step.station_ae)
        and (not first or not step.start_date or step.start_date >= first)
        and (not last or not step.start_date or step.start_date <= last)
        for step in entry.steps
    )


def _end(response: Response, peer: Peer, problems: list[Problem], count: int) -> None:
    status, comment = response.status, response.comment
    if status == 0x0000:
        return
    said = words.status_words(status, comment)
    if status & 0xF000 == 0xB000 or status in (0x0001, 0xFE00) or (count and status & 0xFF00 == 0xA700):
        _note(problems, peer, "worklist.truncated", f"The worklist did not send everything: {said}")
        return
    raise DimseError(f"{peer.ae_title} refused the worklist query", where=peer.name, why=said, status=status)


def _note(problems: list[Problem], peer: Peer, code: str, what: str) -> None:
    problems.append(Problem(Severity.WARNING, code, what, where=peer.name))
