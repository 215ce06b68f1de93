"""Objects without a fault, for tests of the quality gate: each test breaks one thing."""

from __future__ import annotations

import io
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

from builders.library_objects import ct
from lightbox.library.quality import QualityIssue, check

IMPLEMENTATION = "1.2.826.0.1.3680043.8.498.1"


def good_ct(**attributes: Any) -> Dataset:
    """Return a CT slice about which the gate has nothing to say; keyword arguments set or (None) remove attributes."""
    ds = ct()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.AccessionNumber, ds.ReferringPhysicianName, ds.StudyID = "A1", "Ref^Erring", "S1"
    ds.Manufacturer, ds.PatientPosition, ds.KVP, ds.AcquisitionNumber = "Maker", "HFS", "120", 1
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = generate_uid(), ""
    ds.IssuerOfPatientID, ds.PatientAge = "NORTH", "055Y"
    ds.RescaleIntercept, ds.RescaleSlope, ds.SliceThickness = "-1024", "1", "1.5"
    ds.StudyDate = "20250102"
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def part10(ds: Dataset, transfer_syntax: str = ExplicitVRLittleEndian, **meta: str) -> bytes:
    """Return the bytes of a file with complete File Meta Information; `meta` overrides its UIDs (filled up)."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = transfer_syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID") or "1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID") or "1.2"
    ds.file_meta.ImplementationClassUID = IMPLEMENTATION
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    for keyword, value in meta.items():
        old = str(getattr(ds.file_meta, keyword))
        # The first occurrence is that of the File Meta Information; the lengths have to stay as they are.
        data = data.replace(old.encode(), (value + "1" * 64)[: len(old)].encode(), 1)
    return data


def issues(ds: Dataset, **meta: str) -> list[QualityIssue]:
    """Write an object and check the file."""
    return check(io.BytesIO(part10(ds, **meta)))


def codes(ds: Dataset, **meta: str) -> list[str]:
    """Return the codes of the issues of an object."""
    return [issue.code for issue in issues(ds, **meta)]


def one(found: list[QualityIssue], code: str) -> QualityIssue:
    """Return the only issue with a code."""
    matching = [issue for issue in found if issue.code == code]
    assert len(matching) == 1, [issue.as_dict() for issue in found]
    return matching[0]


def raw(ds: Dataset, old: bytes, new: bytes) -> bytes:
    """Return the file of an object with some bytes exchanged for as many others: what no writer would write."""
    data = part10(ds)
    assert len(old) == len(new)
    assert data.count(old) == 1, data.count(old)
    return data.replace(old, new)


def item(**attributes: Any) -> Dataset:
    """Return an item of a sequence."""
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def enhanced_mr(frames: int = 3) -> Dataset:
    """Return an enhanced MR object with the functional groups that the IOD demands of a derived image."""
    ds = good_ct(SOPClassUID=EnhancedMRImageStorage, Modality="MR")
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "KVP", "SliceThickness"):
        delattr(ds, keyword)
    ds.ImageType = ["DERIVED", "PRIMARY", "M", "NONE"]
    ds.NumberOfFrames, ds.PixelData = frames, bytes(96) * frames
    anatomy = item(
        AnatomicRegionSequence=Sequence([item(CodeValue="1", CodingSchemeDesignator="99X", CodeMeaning="A")])
    )
    anatomy.FrameLaterality = "U"
    shared = item(
        PixelMeasuresSequence=Sequence([item(PixelSpacing=[1, 1], SliceThickness=1)]),
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
        FrameAnatomySequence=Sequence([anatomy]),
        PixelValueTransformationSequence=Sequence([item(RescaleIntercept=0, RescaleSlope=1, RescaleType="US")]),
        MRImageFrameTypeSequence=Sequence([item(FrameType=["DERIVED", "PRIMARY", "M", "NONE"])]),
    )
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    ds.PerFrameFunctionalGroupsSequence = Sequence(
        [
            item(
                FrameContentSequence=Sequence([item(DimensionIndexValues=[number + 1])]),
                PlanePositionSequence=Sequence([item(ImagePositionPatient=[0, 0, number])]),
            )
            for number in range(frames)
        ]
    )
    return ds
