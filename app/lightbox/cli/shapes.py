"""Public JSON shapes of records: objects keyed by DICOM keyword, a contract with scripts (``docs/command-line.md``)."""

from __future__ import annotations

from typing import Any

from lightbox.library.records import SeriesRecord, StudyRecord

# Attributes that are numbers (VR IS) and lists in JSON, whether they come from the library or from a peer.
NUMBERS = frozenset(
    {
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
        "SeriesNumber",
        "InstanceNumber",
        "NumberOfFrames",
        "Rows",
        "Columns",
    }
)
LISTS = frozenset({"ModalitiesInStudy", "SOPClassesInStudy", "AnatomicRegionsInStudyCodeSequence"})


def study_shape(study: StudyRecord) -> dict[str, Any]:
    """Return the JSON shape of a study of the library."""
    return {
        "StudyInstanceUID": study.study_instance_uid,
        "PatientID": study.patient_id,
        "IssuerOfPatientID": study.issuer_of_patient_id,
        "PatientName": study.patient_name,
        "PatientBirthDate": study.patient_birth_date,
        "PatientSex": study.patient_sex,
        "StudyDate": study.study_date,
        "StudyTime": study.study_time,
        "StudyID": study.study_id,
        "StudyDescription": study.study_description,
        "AccessionNumber": study.accession_number,
        "ReferringPhysicianName": study.referring_physician_name,
        "InstitutionName": study.institution_name,
        "ModalitiesInStudy": list(study.modalities_in_study),
        "NumberOfStudyRelatedSeries": study.number_of_series,
        "NumberOfStudyRelatedInstances": study.number_of_instances,
    }


def series_shape(series: SeriesRecord) -> dict[str, Any]:
    """Return the JSON shape of a series of the library."""
    return {
        "StudyInstanceUID": series.study_instance_uid,
        "SeriesInstanceUID": series.series_instance_uid,
        "Modality": series.modality,
        "SeriesNumber": series.series_number,
        "SeriesDescription": series.series_description,
        "SeriesDate": series.series_date,
        "SeriesTime": series.series_time,
        "BodyPartExamined": series.body_part_examined,
        "Laterality": series.laterality,
        "ProtocolName": series.protocol_name,
        "Manufacturer": series.manufacturer,
        "ManufacturerModelName": series.manufacturer_model_name,
        "FrameOfReferenceUID": series.frame_of_reference_uid,
        "NumberOfSeriesRelatedInstances": series.number_of_instances,
    }


def reply_shape(reply: dict[str, str]) -> dict[str, Any]:
    """Return the JSON shape of a query reply: numbers as numbers (null when empty or not a number), lists as lists."""
    shape: dict[str, Any] = {}
    for keyword, value in reply.items():
        if keyword in LISTS:
            shape[keyword] = [item for item in value.split("\\") if item]
        elif keyword in NUMBERS:
            shape[keyword] = _number(value)
        else:
            shape[keyword] = value
    return shape


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
