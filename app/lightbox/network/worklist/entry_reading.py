"""Reading the replies of a modality worklist, tolerantly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightbox.network import reply
from lightbox.network.worklist.entries import Code, ScheduledStep, WorklistEntry

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def entry_of(identifier: Dataset, source: str = "") -> WorklistEntry:
    """Return the entry of one C-FIND reply.

    Attributes that are left out are empty; sequences may be missing, empty, or no sequences at all.

    Parameters
    ----------
    identifier : Dataset
        As it came, values not converted.
    source : str
        Our name of the peer that sent it.
    """
    row = reply.row(identifier)
    notes: list[str] = []
    steps = [_step(item, identifier) for item in reply.items(identifier, "ScheduledProcedureStepSequence")]
    if not steps:
        notes.append("The reply has no scheduled procedure step")
    if not row.get("PatientID"):
        notes.append("The reply has no patient ID")
    if not row.get("AccessionNumber"):
        notes.append("The reply has no accession number")
    if not row.get("StudyInstanceUID"):
        notes.append("The reply has no Study Instance UID")
    return WorklistEntry(
        study_instance_uid=row.get("StudyInstanceUID", ""),
        patient_name=row.get("PatientName", ""),
        patient_id=row.get("PatientID", ""),
        issuer_of_patient_id=row.get("IssuerOfPatientID", "")
        or _entity(identifier, "IssuerOfPatientIDQualifiersSequence"),
        patient_birth_date=row.get("PatientBirthDate", ""),
        patient_sex=row.get("PatientSex", "").upper(),
        accession_number=row.get("AccessionNumber", ""),
        issuer_of_accession_number=_entity(identifier, "IssuerOfAccessionNumberSequence"),
        requested_procedure_id=row.get("RequestedProcedureID", ""),
        requested_procedure_description=row.get("RequestedProcedureDescription", ""),
        requested_procedure_codes=_codes(identifier, "RequestedProcedureCodeSequence", identifier),
        requested_procedure_priority=row.get("RequestedProcedurePriority", ""),
        referring_physician_name=row.get("ReferringPhysicianName", ""),
        requesting_physician=row.get("RequestingPhysician", ""),
        requesting_service=row.get("RequestingService", ""),
        admission_id=row.get("AdmissionID", ""),
        placer_order_number=row.get("PlacerOrderNumberImagingServiceRequest", ""),
        filler_order_number=row.get("FillerOrderNumberImagingServiceRequest", ""),
        referenced_studies=_references(identifier),
        steps=tuple(steps),
        source=source,
        notes=tuple(notes),
    )


def _step(item: Dataset, outer: Dataset) -> ScheduledStep:
    row = reply.row(item, outer)
    return ScheduledStep(
        modality=row.get("Modality", ""),
        station_ae=_many(row.get("ScheduledStationAETitle", "")),
        station_name=_many(row.get("ScheduledStationName", "")),
        start_date=row.get("ScheduledProcedureStepStartDate", ""),
        start_time=row.get("ScheduledProcedureStepStartTime", ""),
        description=row.get("ScheduledProcedureStepDescription", ""),
        step_id=row.get("ScheduledProcedureStepID", ""),
        performing_physician=row.get("ScheduledPerformingPhysicianName", ""),
        location=row.get("ScheduledProcedureStepLocation", ""),
        status=row.get("ScheduledProcedureStepStatus", ""),
        protocol_codes=_codes(item, "ScheduledProtocolCodeSequence", outer),
    )


def _many(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split("\\") if part)


def _codes(dataset: Dataset, keyword: str, outer: Dataset) -> tuple[Code, ...]:
    found = []
    for item in reply.items(dataset, keyword):
        row = reply.row(item, outer)
        value = row.get("CodeValue") or row.get("LongCodeValue") or row.get("URNCodeValue") or ""
        if value:
            found.append(Code(value, row.get("CodingSchemeDesignator", ""), row.get("CodeMeaning", "")))
    return tuple(found)


def _entity(identifier: Dataset, keyword: str) -> str:
    """Return the assigning authority of an HL7v2 hierarchic designator (PS3.3 10.14)."""
    for item in reply.items(identifier, keyword):
        row = reply.row(item, identifier)
        found = row.get("LocalNamespaceEntityID") or row.get("UniversalEntityID")
        if found:
            return found
    return ""


def _universal(identifier: Dataset) -> tuple[str, str]:
    """Return Universal Entity ID and its type of the issuer of the patient ID."""
    for item in reply.items(identifier, "IssuerOfPatientIDQualifiersSequence"):
        row = reply.row(item, identifier)
        if row.get("UniversalEntityID"):
            return row["UniversalEntityID"], row.get("UniversalEntityIDType", "")
    return "", ""


def _references(identifier: Dataset) -> tuple[tuple[str, str], ...]:
    rows = [reply.row(item, identifier) for item in reply.items(identifier, "ReferencedStudySequence")]
    return tuple(
        (row.get("ReferencedSOPClassUID", ""), row["ReferencedSOPInstanceUID"])
        for row in rows
        if row.get("ReferencedSOPInstanceUID")
    )
