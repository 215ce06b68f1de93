"""Read the attributes of linked instances back out of the index, for files that are away while it is rebuilt."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from lightbox.library.header import KEYS, Header

_TEXT = {
    "SOPInstanceUID": "instance.sop_instance_uid",
    "SOPClassUID": "instance.sop_class_uid",
    "InstanceNumber": "instance.instance_number",
    "NumberOfFrames": "instance.number_of_frames",
    "ImagePositionPatient": "instance.image_position",
    "ImageOrientationPatient": "instance.image_orientation",
    "PixelSpacing": "instance.pixel_spacing",
    "SliceThickness": "instance.slice_thickness",
    "ImageType": "instance.image_type",
    "AcquisitionNumber": "instance.acquisition_number",
    "EchoTime": "instance.echo_time",
    "ContentTime": "instance.content_time",
    "FrameOfReferenceUID": "instance.frame_of_reference_uid",
    "SeriesInstanceUID": "series.series_instance_uid",
    "Modality": "series.modality",
    "SeriesNumber": "series.series_number",
    "SeriesDescription": "series.series_description",
    "SeriesDate": "series.series_date",
    "SeriesTime": "series.series_time",
    "BodyPartExamined": "series.body_part_examined",
    "Laterality": "series.laterality",
    "ProtocolName": "series.protocol_name",
    "Manufacturer": "series.manufacturer",
    "ManufacturerModelName": "series.manufacturer_model_name",
    "StationName": "series.station_name",
    "StudyInstanceUID": "study.study_instance_uid",
    "PatientID": "study.patient_id",
    "IssuerOfPatientID": "study.issuer_of_patient_id",
    "PatientName": "study.patient_name",
    "PatientBirthDate": "study.patient_birth_date",
    "PatientSex": "study.patient_sex",
    "PatientAge": "study.patient_age",
    "StudyDate": "study.study_date",
    "StudyTime": "study.study_time",
    "StudyID": "study.study_id",
    "StudyDescription": "study.study_description",
    "AccessionNumber": "study.accession_number",
    "ReferringPhysicianName": "study.referring_physician_name",
    "InstitutionName": "study.institution_name",
}


def old_links(connection: sqlite3.Connection) -> Iterator[Mapping[str, Any]]:
    """Iterate over the linked instances with everything that the index knows of them."""
    columns = ", ".join(f"{column} AS {keyword}" for keyword, column in _TEXT.items())
    cursor = connection.execute(
        f"SELECT {columns}, instance.image_rows, instance.image_columns, instance.transfer_syntax_uid, instance.size,"
        " instance.linked_path, instance.linked_mtime_ns, study.source"
        " FROM instance JOIN series ON series.id = instance.series JOIN study ON study.id = series.study"
        " WHERE instance.linked_path IS NOT NULL ORDER BY instance.id"
    )
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def header_of_linked(row: Mapping[str, Any]) -> Header:
    """Return the header that a row of `old_links` was made from, as far as the index kept it."""
    values = {KEYS["SpecificCharacterSet"]: b"ISO_IR 192"}
    for keyword in _TEXT:
        value = row[keyword]
        if value is not None and value != "":
            values[KEYS[keyword]] = str(value).encode("utf-8")
    for keyword, column in (("Rows", "image_rows"), ("Columns", "image_columns")):
        number = row[column]
        if isinstance(number, int):
            values[KEYS[keyword]] = number.to_bytes(2, "little")
    return Header(str(row["transfer_syntax_uid"]), values)
