"""The data sets of a performed procedure step (PS3.4 F.7.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from lightbox.dicom.sop_classes import Kind, kind
from lightbox.network.worklist.entries import Code, WorklistEntry
from lightbox.network.worklist.order_items import codes

UNSPECIFIED = Code("110513", "DCM", "Discontinued for unspecified reason")
WRONG_ENTRY = Code("110514", "DCM", "Incorrect worklist entry selected")


@dataclass(frozen=True, slots=True)
class PerformedInstance:
    """One instance that was imported."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    series_description: str = ""
    protocol_name: str = ""
    operators_name: str = ""
    performing_physician: str = ""
    modality: str = ""


def in_progress(
    entry: WorklistEntry,
    *,
    step_id: str,
    station_ae: str,
    started: datetime,
    modality: str,
    study_uid: str,
    description: str,
) -> Dataset:
    """Return the attributes of N-CREATE (PS3.4 Table F.7.2-1)."""
    scheduled = Dataset()
    _put(
        scheduled,
        StudyInstanceUID=entry.study_instance_uid or study_uid,
        AccessionNumber=entry.accession_number,
        RequestedProcedureID=entry.requested_procedure_id,
        RequestedProcedureDescription=entry.requested_procedure_description,
        ScheduledProcedureStepID=entry.step.step_id,
        ScheduledProcedureStepDescription=entry.step.description,
        PlacerOrderNumberImagingServiceRequest=entry.placer_order_number,
        FillerOrderNumberImagingServiceRequest=entry.filler_order_number,
    )
    scheduled.ReferencedStudySequence = Items([_reference(*pair) for pair in entry.referenced_studies])
    scheduled.ScheduledProtocolCodeSequence = Items(codes(entry.step.protocol_codes))
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ScheduledStepAttributesSequence = Items([scheduled])
    dataset.ReferencedPatientSequence = Items([])
    _put(
        dataset,
        PatientName=entry.patient_name,
        PatientID=entry.patient_id,
        PatientBirthDate=entry.patient_birth_date,
        PatientSex=entry.patient_sex,
        PerformedProcedureStepID=step_id,
        PerformedStationAETitle=station_ae,
        PerformedStationName="",
        PerformedLocation="",
        PerformedProcedureStepStartDate=f"{started:%Y%m%d}",
        PerformedProcedureStepStartTime=f"{started:%H%M%S}",
        PerformedProcedureStepStatus="IN PROGRESS",
        PerformedProcedureStepDescription=description[:64],
        PerformedProcedureTypeDescription="",
        PerformedProcedureStepEndDate="",
        PerformedProcedureStepEndTime="",
        Modality=modality or entry.step.modality or "OT",
        StudyID=entry.requested_procedure_id[:16],
    )
    if entry.issuer_of_patient_id:
        _put(dataset, IssuerOfPatientID=entry.issuer_of_patient_id)
    dataset.ProcedureCodeSequence = Items(codes(entry.requested_procedure_codes))
    dataset.PerformedProtocolCodeSequence = Items(codes(entry.step.protocol_codes))
    dataset.PerformedSeriesSequence = Items([])
    return dataset


def ended(
    status: str, moment: datetime, instances: Iterable[PerformedInstance], retrieve_ae: str, reason: Code | None = None
) -> Dataset:
    """Return the attributes of N-SET that ends a step: ``"COMPLETED"`` or ``"DISCONTINUED"``."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    _put(
        dataset,
        PerformedProcedureStepStatus=status,
        PerformedProcedureStepEndDate=f"{moment:%Y%m%d}",
        PerformedProcedureStepEndTime=f"{moment:%H%M%S}",
    )
    by_series: dict[str, list[PerformedInstance]] = {}
    for instance in instances:
        by_series.setdefault(instance.series_instance_uid, []).append(instance)
    dataset.PerformedSeriesSequence = Items([_series(uid, each, retrieve_ae) for uid, each in by_series.items()])
    if reason is not None:
        dataset.PerformedProcedureStepDiscontinuationReasonCodeSequence = Items(codes((reason,)))
    return dataset


def _series(uid: str, instances: Sequence[PerformedInstance], retrieve_ae: str) -> Dataset:
    first = instances[0]
    item = Dataset()
    _put(
        item,
        SeriesInstanceUID=uid,
        SeriesDescription=first.series_description,
        ProtocolName=first.protocol_name or first.series_description or "Import",
        OperatorsName=first.operators_name,
        PerformingPhysicianName=first.performing_physician,
        RetrieveAETitle=retrieve_ae,
    )
    images = [each for each in instances if kind(each.sop_class_uid) is Kind.IMAGE]
    others = [each for each in instances if kind(each.sop_class_uid) is not Kind.IMAGE]
    item.ReferencedImageSequence = Items([_reference(each.sop_class_uid, each.sop_instance_uid) for each in images])
    item.ReferencedNonImageCompositeSOPInstanceSequence = Items(
        [_reference(each.sop_class_uid, each.sop_instance_uid) for each in others]
    )
    return item


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    _put(item, ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=sop_instance_uid)
    return item


def _put(dataset: Dataset, **values: str) -> None:
    for keyword, value in values.items():
        dataset[keyword] = DataElement(keyword, dictionary_VR(keyword), value, validation_mode=config.IGNORE)
