"""Small studies with pixels for the tests of the window: names in several scripts, long texts, results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SIZE = 64


@dataclass(frozen=True)
class Case:
    """One study to write."""

    name: str
    patient_id: str
    date: str
    description: str = "Chest"
    images: int = 3
    modality: str = "CT"
    sex: str = "F"
    birth: str = "19610412"
    accession: str = ""
    series: tuple[str, ...] = ("Axial",)


CASES = (
    Case(
        "DOE^Jane",
        "204418",
        "20261118",
        "Chest with contrast",
        5,
        accession="A-204418",
        series=("Axial 1.0", "Axial 5.0"),
    ),
    Case("DOE^Jane", "204418", "20250503", "Chest", 4),
    Case("Yamada^Tarou=山田^太郎=やまだ^たろう", "90021", "20261117", "Brain", 2, "MR", "M", "19820101"),
    Case("MÜLLER^Jörg", "77-1203", "20261116", "Chest PA", 1, "CR", "M", "19551224"),
    Case(
        "WOLFESCHLEGELSTEINHAUSENBERGERDORFF^Hubert Blaine Alexander Bertram",
        "A-VERY-LONG-PATIENT-IDENTIFIER-0001",
        "20261115",
        "Whole body with a description that is longer than any column will ever be",
        1,
        sex="M",
    ),
)


def write_case(folder: Path, case: Case) -> str:
    """Write the files of `case` below `folder`; return its Study Instance UID."""
    study = generate_uid(entropy_srcs=[case.name, case.date, case.description])
    for series_number, text in enumerate(case.series, start=1):
        series = generate_uid(entropy_srcs=[study, text])
        frame = generate_uid(entropy_srcs=[study, "frame"])
        for number in range(case.images):
            ds = Dataset()
            ds.SpecificCharacterSet = "ISO_IR 192"
            ds.SOPClassUID = CTImageStorage
            ds.SOPInstanceUID = generate_uid(entropy_srcs=[series, str(number)])
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
            ds.PatientName, ds.PatientID = case.name, case.patient_id
            ds.PatientBirthDate, ds.PatientSex = case.birth, case.sex
            ds.StudyDate = ds.SeriesDate = ds.ContentDate = case.date
            ds.StudyTime = ds.SeriesTime = ds.ContentTime = "094200"
            ds.StudyID, ds.AccessionNumber = "1", case.accession
            ds.StudyDescription, ds.SeriesDescription = case.description, text
            ds.ReferringPhysicianName, ds.InstitutionName = "Hart^Petra", "St. Elsewhere"
            ds.Modality, ds.Manufacturer = case.modality, "Lightbox"
            ds.SeriesNumber, ds.InstanceNumber = series_number, number + 1
            ds.ImagePositionPatient = [-100.0, -100.0, float(number * 3)]
            ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            ds.PixelSpacing, ds.SliceThickness = [3.0, 3.0], 3.0
            ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            ds.Rows = ds.Columns = SIZE
            ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
            ds.BitsAllocated = ds.BitsStored = 16
            ds.HighBit, ds.PixelRepresentation = 15, 1
            ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "HU"
            ds.WindowCenter, ds.WindowWidth = 40, 400
            rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE / 2
            disc = (rows**2 + columns**2) < (20 + number) ** 2
            ds.PixelData = np.where(disc, 60, -1000).astype("<i2").tobytes()
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            target = folder / study[-12:] / f"s{series_number}" / f"{number:03d}.dcm"
            target.parent.mkdir(parents=True, exist_ok=True)
            ds.save_as(target, enforce_file_format=True)
    return study


def write_all(folder: Path) -> list[str]:
    """Write every case; return the Study Instance UIDs."""
    return [write_case(folder, case) for case in CASES]
