"""Small, complete DICOM objects for network tests, made by code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"


def ct(
    study: str,
    series: str,
    number: int,
    *,
    sop_class: str = CT,
    syntax: str = ExplicitVRLittleEndian,
    size: int = 32,
    patient: str = "Test^Person",
    **attributes: object,
) -> Dataset:
    """Return a CT-like image; UIDs derive from `study`, `series` and `number`."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[study, series, str(number)])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[study])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[study, series])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[study, "frame"])
    dataset.PatientName, dataset.PatientID = patient, f"ID-{patient}"
    dataset.PatientBirthDate, dataset.PatientSex = "19700102", "O"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20240131", "101500", study[:16]
    dataset.AccessionNumber, dataset.StudyDescription = f"A{len(study)}", f"Study {study}"
    dataset.Modality, dataset.SeriesNumber, dataset.SeriesDescription = "CT", "1", f"Series {series}"
    dataset.InstanceNumber = str(number)
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.5, 0.5], "1"
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope = "-1024", "1"
    pixels = (np.arange(size * size, dtype=np.uint16).reshape(size, size) * 7 + number) % 4096
    dataset.PixelData = pixels.astype("<u2").tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def write(folder: Path, datasets: list[Dataset]) -> list[Path]:
    """Write data sets as DICOM files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, dataset in enumerate(datasets):
        path = folder / f"{number:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def study(folder: Path, name: str, count: int, *, series: int = 1, **attributes: object) -> list[Dataset]:
    """Write a study of `count` images in each of `series` series and return its data sets."""
    datasets = [
        ct(name, f"s{index}", number, **attributes)  # pyright: ignore[reportArgumentType]
        for index in range(series)
        for number in range(1, count + 1)
    ]
    write(folder, datasets)
    return datasets
