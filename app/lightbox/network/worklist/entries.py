"""One entry of a modality worklist (PS3.4 K.6.1.2.2). Importing this module loads no network library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
