"""One entry of a modality worklist (PS3.4 K.6.1.2.2), read tolerantly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lightbox.network import reply

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept: value, coding scheme and meaning."""

    value: str
    scheme: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """One item of Scheduled Procedure Step Sequence. Dates are DA, times TM; empty where not given."""

    modality: str = ""
    station_ae: tuple[str, ...] = ()
    station_name: tuple[str, ...] = ()
    start_date: str = ""
    start_time: str = ""
    description: str = ""
    step_id: str = ""
    performing_physician: str = ""
    location: str = ""
    status: str = ""
    protocol_codes: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """What is planned for whom. Names are decoded text in DICOM form; empty where the worklist gives nothing.

    ``notes`` says, in words without values, what was missing or wrong in the reply.
    """

    study_instance_uid: str = ""
    patient_name: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    issuer_universal_id: tuple[str, str] = ("", "")
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    issuer_of_accession_number: str = ""
    requested_procedure_id: str = ""
    requested_procedure_description: str = ""
    requested_procedure_codes: tuple[Code, ...] = ()
    requested_procedure_priority: str = ""
    referring_physician_name: str = ""
    requesting_physician: str = ""
    requesting_service: str = ""
    admission_id: str = ""
    placer_order_number: str = ""
    filler_order_number: str = ""
    referenced_studies: tuple[tuple[str, str], ...] = ()
    steps: tuple[ScheduledStep, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def step(self) -> ScheduledStep:
        """The first scheduled step; an empty one where the worklist gives none."""
        return self.steps[0] if self.steps else ScheduledStep()

    @property
    def when(self) -> tuple[str, str]:
        """Date and time to sort by."""
        return min(((step.start_date, step.start_time) for step in self.steps), default=("", ""))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape: by DICOM keyword."""
        return {
            "PatientName": self.patient_name,
            "PatientID": self.patient_id,
            "IssuerOfPatientID": self.issuer_of_patient_id,
            "PatientBirthDate": self.patient_birth_date,
            "PatientSex": self.patient_sex,
            "AccessionNumber": self.accession_number,
            "StudyInstanceUID": self.study_instance_uid,
            "RequestedProcedureID": self.requested_procedure_id,
            "RequestedProcedureDescription": self.requested_procedure_description,
            "RequestedProcedurePriority": self.requested_procedure_priority,
            "ReferringPhysicianName": self.referring_physician_name,
            "RequestingPhysician": self.requesting_physician,
            "AdmissionID": self.admission_id,
            "ScheduledProcedureStepSequence": [
                {
                    "Modality": step.modality,
                    "ScheduledStationAETitle": list(step.station_ae),
                    "ScheduledStationName": list(step.station_name),
                    "ScheduledProcedureStepStartDate": step.start_date,
                    "ScheduledProcedureStepStartTime": step.start_time,
                    "ScheduledProcedureStepDescription": step.description,
                    "ScheduledProcedureStepID": step.step_id,
                    "ScheduledPerformingPhysicianName": step.performing_physician,
                    "ScheduledProcedureStepLocation": step.location,
                    "ScheduledProcedureStepStatus": step.status,
                }
                for step in self.steps
            ],
            "notes": list(self.notes),
        }


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
