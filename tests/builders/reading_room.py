"""A small CT study with a segmentation, known to the pixel, for tests of the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from builders import library_objects

ROWS, COLUMNS, SLICES = 40, 60, 7
SPACING = (2.0, 1.0)
"""Row and column spacing in mm: pixels twice as high as wide."""
STEP = 3.0
ORIGIN = (-30.0, -40.0, 100.0)


@dataclass
class Study:
    """What was written."""

    uid: str
    series_uid: str
    slices: list[Dataset]
    """Sorted from feet to head."""
    values: NDArray[np.int16]
    """(slice, row, column) HU."""
    mask: NDArray[np.uint8]
    """(slice, row, column): 1 and 2 are segments."""
    seg: Dataset | None = None


def values() -> NDArray[np.int16]:
    """Return HU values: air around a block of 40 HU, every pixel slightly different."""
    k, j, i = np.mgrid[:SLICES, :ROWS, :COLUMNS]
    block = (j >= 8) & (j < 32) & (i >= 10) & (i < 50)
    return np.where(block, 40 + i % 7 + 3 * k, -1000).astype(np.int16)


def mask() -> NDArray[np.uint8]:
    """Return two segments: a box on slices 2 and 3, a single pixel on slice 4."""
    made = np.zeros((SLICES, ROWS, COLUMNS), np.uint8)
    made[2:4, 12:20, 20:35] = 1
    made[4, 25, 40] = 2
    return made


def write(
    folder: Path, *, with_seg: bool = True, date: str = "20260102", patient: str = "P77", **extra: object
) -> Study:
    """Write the study and return what is in it."""
    uid, series_uid, frame_of_reference = generate_uid(), generate_uid(), generate_uid()
    data = values()
    slices = []
    for k in range(SLICES):
        ds = library_objects.ct(
            StudyInstanceUID=uid,
            SeriesInstanceUID=series_uid,
            FrameOfReferenceUID=frame_of_reference,
            PatientID=patient,
            PatientName="Reading^Room",
            StudyDate=date,
            StudyTime="101500",
            StudyID="1",
            AccessionNumber="",
            ReferringPhysicianName="",
            StudyDescription="CT of a block",
            SeriesDescription="Block",
            InstanceNumber=SLICES - k,
            ImagePositionPatient=[ORIGIN[0], ORIGIN[1], ORIGIN[2] + k * STEP],
            PixelSpacing=list(SPACING),
            SliceThickness=STEP,
            Rows=ROWS,
            Columns=COLUMNS,
            BitsStored=16,
            HighBit=15,
            PixelRepresentation=1,
            RescaleSlope="1",
            RescaleIntercept="-24",
            RescaleType="HU",
            WindowCenter="40",
            WindowWidth="400",
            PixelData=(data[k] + 24).astype("<i2").tobytes(),
            PositionReferenceIndicator="",
            Manufacturer="Test",
            **extra,
        )
        library_objects.write(folder / f"ct{k}.dcm", ds)
        slices.append(ds)
    study = Study(uid, series_uid, slices, data, mask())
    if with_seg:
        study.seg = _segmentation(study)
        study.seg.save_as(folder / "seg.dcm", enforce_file_format=True)
    return study


def _segmentation(study: Study) -> Dataset:
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    def segment(number: int, label: str) -> hd.seg.SegmentDescription:
        return hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=CodedConcept("49755003", "SCT", "Morphologically Altered Structure"),
            segmented_property_type=CodedConcept("4147007", "SCT", "Mass"),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=hd.AlgorithmIdentificationSequence(
                name="BlockFinder", version="1.2", family=CodedConcept("123109", "DCM", "Manual Processing")
            ),
        )

    return hd.seg.Segmentation(
        source_images=study.slices,
        pixel_array=np.stack([(study.mask == 1), (study.mask == 2)], axis=-1).astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment(1, "Box"), segment(2, "Spot")],
        series_instance_uid=generate_uid(),
        series_number=100,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Test",
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="1",
        omit_empty_frames=True,
    )
