"""SEG and SR objects built from a few lines, written to bytes and read again as the reader meets them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lightbox.dicom.reading import read_dataset

SEG, LABELMAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
CT = "1.2.840.10008.5.1.4.1.1.2"
FRAME_OF_REFERENCE = "1.2.3.4.5.6"


@dataclass
class Frame:
    """One frame: its segment (None for a label map), pixels, place and source images ((uid, frames), ...)."""

    segment: int | None
    pixels: np.ndarray
    position: tuple[float, float, float] | None = None
    sources: Sequence[tuple[str, tuple[int, ...]]] = ()
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, float] | None = None


@dataclass
class Segment:
    """One item of the Segment Sequence."""

    number: int
    label: str = "Segment"
    type_code: tuple[str, str, str] = ("10200004", "SCT", "Liver")
    algorithm_type: str = "AUTOMATIC"
    algorithm_name: str = "Algorithm"
    version: str = ""
    lab: tuple[int, int, int] | None = None
    tracking_uid: str = ""


@dataclass
class SegPlan:
    """Everything that a SEG can differ in."""

    frames: list[Frame]
    segments: list[Segment] = field(default_factory=lambda: [Segment(1)])
    kind: str = "BINARY"
    bits: int = 1
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0)
    spacing: tuple[float, float] = (1.0, 1.0)
    thickness: float | None = None
    between: float | None = None
    frame_of_reference: str = FRAME_OF_REFERENCE
    maximum: int = 255
    geometry_per_frame: bool = False
    extra: dict[str, object] = field(default_factory=dict)


def code_item(code: tuple[str, str, str]) -> Dataset:
    """Return a code sequence item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def seg(plan: SegPlan) -> Dataset:
    """Return a SEG as a data set that has not been written yet."""
    ds = Dataset()
    ds.SOPClassUID = LABELMAP if plan.kind == "LABELMAP" else SEG
    ds.SOPInstanceUID = "1.2.3.99"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    ds.Modality, ds.SeriesDescription, ds.Manufacturer = "SEG", "Built", "Builder"
    if plan.frame_of_reference:
        ds.FrameOfReferenceUID = plan.frame_of_reference
    rows, columns = plan.frames[0].pixels.shape
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, len(plan.frames)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = plan.bits
    ds.HighBit = plan.bits - 1
    ds.SegmentationType = plan.kind
    if plan.kind == "FRACTIONAL":
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "PROBABILITY", plan.maximum
    ds.SegmentSequence = Items([_segment(one) for one in plan.segments])
    shared = Dataset()
    if not plan.geometry_per_frame:
        _geometry(shared, plan, plan.orientation, plan.spacing)
    ds.SharedFunctionalGroupsSequence = Items([shared])
    ds.PerFrameFunctionalGroupsSequence = Items([_groups(frame, plan) for frame in plan.frames])
    for keyword, value in plan.extra.items():
        setattr(ds, keyword, value)
    pixels = np.stack([frame.pixels for frame in plan.frames])
    if plan.bits == 1:
        data = np.packbits(pixels.astype(bool).ravel(), bitorder="little").tobytes()
    else:
        data = pixels.astype("u1" if plan.bits == 8 else "<u2").tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if plan.bits <= 8 else "OW"
    return ds


def _segment(one: Segment) -> Dataset:
    ds = Dataset()
    ds.SegmentNumber, ds.SegmentLabel, ds.SegmentAlgorithmType = one.number, one.label, one.algorithm_type
    if one.algorithm_type != "MANUAL":
        ds.SegmentAlgorithmName = one.algorithm_name
    if one.version:
        identification = Dataset()
        identification.AlgorithmName, identification.AlgorithmVersion = one.algorithm_name, one.version
        identification.AlgorithmFamilyCodeSequence = Items([code_item(("123110", "DCM", "Artificial Intelligence"))])
        ds.SegmentationAlgorithmIdentificationSequence = Items([identification])
    ds.SegmentedPropertyCategoryCodeSequence = Items([code_item(("123037004", "SCT", "Body Structure"))])
    ds.SegmentedPropertyTypeCodeSequence = Items([code_item(one.type_code)])
    if one.lab is not None:
        ds.RecommendedDisplayCIELabValue = list(one.lab)
    if one.tracking_uid:
        ds.TrackingID, ds.TrackingUID = one.label, one.tracking_uid
    return ds


def _geometry(groups: Dataset, plan: SegPlan, orientation: tuple[float, ...], spacing: tuple[float, float]) -> None:
    measures, plane = Dataset(), Dataset()
    measures.PixelSpacing = [f"{part:.8g}" for part in spacing]
    if plan.thickness is not None:
        measures.SliceThickness = f"{plan.thickness:g}"
    if plan.between is not None:
        measures.SpacingBetweenSlices = f"{plan.between:g}"
    plane.ImageOrientationPatient = [f"{part:.9f}" for part in orientation]
    groups.PixelMeasuresSequence, groups.PlaneOrientationSequence = Items([measures]), Items([plane])


def _groups(frame: Frame, plan: SegPlan) -> Dataset:
    groups = Dataset()
    if frame.segment is not None:
        identification = Dataset()
        identification.ReferencedSegmentNumber = frame.segment
        groups.SegmentIdentificationSequence = Items([identification])
    if frame.position is not None:
        place = Dataset()
        place.ImagePositionPatient = [f"{part:.6f}" for part in frame.position]
        groups.PlanePositionSequence = Items([place])
    if plan.geometry_per_frame:
        _geometry(groups, plan, frame.orientation or plan.orientation, frame.spacing or plan.spacing)
    if frame.sources:
        derivation = Dataset()
        derivation.SourceImageSequence = Items([_source(uid, frames) for uid, frames in frame.sources])
        groups.DerivationImageSequence = Items([derivation])
    return groups


def _source(uid: str, frames: tuple[int, ...]) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
    if frames:
        item.ReferencedFrameNumber = list(frames)
    return item


def written(
    dataset: Dataset, *, implicit: bool = False, big_endian: bool = False, undefined_lengths: bool = False
) -> bytes:
    """Return a data set as the bytes of a file."""
    meta = FileMetaDataset()
    if big_endian:
        meta.TransferSyntaxUID = ExplicitVRBigEndian
    else:
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.file_meta = meta
    if undefined_lengths:
        for element in dataset.iterall():
            if element.VR == "SQ":
                element.is_undefined_length = True
                for item in element.value:
                    item.is_undefined_length_sequence_item = True
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def reread(dataset: Dataset, **encoding: bool) -> Dataset:
    """Return a data set as it is read from a file."""
    return read_dataset(io.BytesIO(written(dataset, **encoding)))


# --- SR ---------------------------------------------------------------------------------------------------------------

Code = tuple[str, str, str]


def item(
    relationship: str, value_type: str, concept: Code | None = None, *children: Dataset, **values: object
) -> Dataset:
    """Return a content item; `values` are attributes by keyword."""
    ds = Dataset()
    if relationship:
        ds.RelationshipType = relationship
    if value_type:
        ds.ValueType = value_type
    if concept is not None:
        ds.ConceptNameCodeSequence = Items([code_item(concept)])
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    if children:
        ds.ContentSequence = Items(list(children))
    return ds


def container(relationship: str, concept: Code, *children: Dataset) -> Dataset:
    """Return a CONTAINER item."""
    return item(relationship, "CONTAINER", concept, *children, ContinuityOfContent="SEPARATE")


def text(concept: Code, value: str, relationship: str = "CONTAINS") -> Dataset:
    """Return a TEXT item."""
    return item(relationship, "TEXT", concept, TextValue=value)


def uidref(concept: Code, value: str, relationship: str = "HAS OBS CONTEXT") -> Dataset:
    """Return a UIDREF item."""
    return item(relationship, "UIDREF", concept, UID=value)


def code(concept: Code, value: Code, *children: Dataset, relationship: str = "CONTAINS") -> Dataset:
    """Return a CODE item."""
    return item(relationship, "CODE", concept, *children, ConceptCodeSequence=Items([code_item(value)]))


def number(
    concept: Code, value: str | None, unit: Code | None = None, *children: Dataset, qualifier: Code | None = None
) -> Dataset:
    """Return a NUM item; no value leaves the Measured Value Sequence empty."""
    measured = []
    if value is not None:
        one = Dataset()
        one.NumericValue = value
        if unit is not None:
            one.MeasurementUnitsCodeSequence = Items([code_item(unit)])
        measured = [one]
    ds = item("CONTAINS", "NUM", concept, *children, MeasuredValueSequence=Items(measured))
    if qualifier is not None:
        ds.NumericValueQualifierCodeSequence = Items([code_item(qualifier)])
    return ds


def image(
    uid: str,
    *,
    frames: Sequence[int] = (),
    segments: Sequence[int] = (),
    concept: Code | None = None,
    relationship: str = "SELECTED FROM",
) -> Dataset:
    """Return an IMAGE item."""
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, uid
    if frames:
        reference.ReferencedFrameNumber = list(frames)
    if segments:
        reference.ReferencedSegmentNumber = list(segments)
    return item(relationship, "IMAGE", concept, ReferencedSOPSequence=Items([reference]))


def scoord(kind: str, points: Sequence[float], *children: Dataset, concept: Code | None = None) -> Dataset:
    """Return an SCOORD item."""
    return item(
        "CONTAINS",
        "SCOORD",
        concept or ("111030", "DCM", "Image Region"),
        *children,
        GraphicType=kind,
        GraphicData=list(points),
    )


def scoord3d(kind: str, points: Sequence[float], frame_of_reference: str = FRAME_OF_REFERENCE) -> Dataset:
    """Return an SCOORD3D item."""
    return item(
        "CONTAINS",
        "SCOORD3D",
        ("111030", "DCM", "Image Region"),
        GraphicType=kind,
        GraphicData=list(points),
        ReferencedFrameOfReferenceUID=frame_of_reference,
    )


def reference(relationship: str, *path: int) -> Dataset:
    """Return a by-reference relationship to the item with a Content Item Identifier."""
    return item(relationship, "", ReferencedContentItemIdentifier=list(path))


def document(root: Dataset, **values: object) -> Dataset:
    """Return an SR document with the given root content item."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = COMPREHENSIVE_3D_SR, "1.2.3.77"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.3.1", "1.2.3.3", "SR"
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    ds.update(root)
    return ds


def report(*groups: Dataset, context: Sequence[Dataset] = ()) -> Dataset:
    """Return a TID 1500 document with the given measurement groups."""
    measurements = container("CONTAINS", ("126010", "DCM", "Imaging Measurements"), *groups)
    return document(container("", ("126000", "DCM", "Imaging Measurement Report"), *context, measurements))


def group(*children: Dataset) -> Dataset:
    """Return a measurement group."""
    return container("CONTAINS", ("125007", "DCM", "Measurement Group"), *children)
