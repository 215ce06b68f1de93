"""CT Image objects (PS3.3 A.3) of the sample examinations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
IMPLEMENTATION = "2.25.201938471029384710293847102938471"
MANUFACTURER, MODEL, SOFTWARE = "Lightbox", "Sample Study", "1"


def uid(seed: int, name: str) -> str:
    """Return the UID of a thing by its name, always the same for the same seed (PS3.5 B.2)."""
    digest = hashlib.sha256(f"lightbox sample study {seed} {name}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


@dataclass(frozen=True)
class Visit:
    """One study of the invented patient; `offset` is where the scanner's origin lies in the drawn chest (mm)."""

    name: str
    seed: int
    date: str
    time: str
    age: str
    accession: str
    description: str
    offset: tuple[float, float, float]

    def uid(self, what: str) -> str:
        """Return the UID of a part of this study."""
        return uid(self.seed, f"{self.name} {what}")


def file_meta(sop_class: str, sop_instance: str) -> FileMetaDataset:
    """Return the file meta information of an uncompressed object."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    meta.ImplementationVersionName = "LIGHTBOX_SAMPLE"
    return meta


def common(visit: Visit) -> Dataset:
    """Return patient, study and equipment."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = "DOE^JANE^SAMPLE"
    ds.PatientID = "LBX-SAMPLE-001"
    ds.IssuerOfPatientID = "LIGHTBOX SAMPLE"
    ds.PatientBirthDate = "19620414"
    ds.PatientSex = "F"
    ds.PatientAge = visit.age
    ds.PatientSize = "1.68"
    ds.PatientWeight = "71"
    ds.StudyInstanceUID = visit.uid("study")
    ds.StudyDate, ds.StudyTime = visit.date, visit.time
    ds.ReferringPhysicianName = "ROE^RICHARD"
    ds.StudyID = visit.accession[-4:]
    ds.AccessionNumber = visit.accession
    ds.StudyDescription = visit.description
    ds.Manufacturer, ds.ManufacturerModelName = MANUFACTURER, MODEL
    ds.DeviceSerialNumber, ds.SoftwareVersions = "SAMPLE-1", SOFTWARE
    ds.InstitutionName = "Sample Hospital"
    ds.StationName = "SAMPLECT1"
    return ds


def ct_image(
    visit: Visit,
    series: str,
    number: int,
    pixels: NDArray[np.int16],
    position: tuple[float, float, float],
    orientation: tuple[float, ...],
    pixel: float,
    thickness: float,
    instance: int,
    localizer: bool = False,
) -> Dataset:
    """Return one CT image; `pixels` are Hounsfield units (rows, columns)."""
    ds = common(visit)
    sop = visit.uid(f"{series} {instance}")
    ds.file_meta = file_meta(CT_IMAGE_STORAGE, sop)
    ds.SOPClassUID, ds.SOPInstanceUID = CT_IMAGE_STORAGE, sop
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER" if localizer else "AXIAL"]
    ds.Modality = "CT"
    ds.SeriesInstanceUID = visit.uid(series)
    ds.SeriesNumber = number
    ds.SeriesDescription = "Topogram" if localizer else f"Chest {thickness:g} mm with contrast"
    ds.ProtocolName = "Chest with contrast"
    ds.BodyPartExamined = "CHEST"
    ds.PatientPosition = "HFS"
    ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = visit.date
    ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = visit.time
    ds.AcquisitionNumber = number
    ds.InstanceNumber = instance
    ds.FrameOfReferenceUID = visit.uid("frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.ImagePositionPatient = [f"{part:.4f}" for part in position]
    ds.ImageOrientationPatient = [f"{part:g}" for part in orientation]
    ds.PixelSpacing = [f"{pixel:.6f}", f"{pixel:.6f}"]
    ds.SliceThickness = f"{thickness:g}"
    if not localizer:
        ds.SpacingBetweenSlices = f"{thickness:g}"
        ds.SliceLocation = f"{position[2]:.4f}"
        ds.ContrastBolusAgent = "Iodinated contrast"
        ds.ContrastBolusRoute = "Intravenous"
        ds.ConvolutionKernel = "SAMPLE40"
        ds.ReconstructionDiameter = f"{pixel * pixels.shape[0]:g}"
        ds.GantryDetectorTilt = "0"
    ds.KVP = "110"
    ds.XRayTubeCurrent = "35" if localizer else "142"
    ds.ExposureTime = "500"
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "US" if localizer else "HU"
    if localizer:
        ds.WindowCenter, ds.WindowWidth = "150", "1400"
    else:
        ds.WindowCenter, ds.WindowWidth = ["50", "-550"], ["400", "1500"]
        ds.WindowCenterWidthExplanation = ["MEDIASTINUM", "LUNG"]
    ds.PixelData = (pixels.astype(np.int32) + 1024).astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def save(dataset: Dataset, folder: Path, name: str) -> Path:
    """Write an object below `folder` and return its path."""
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(target, enforce_file_format=True)
    return target
