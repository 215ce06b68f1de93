"""AI results of the sample study: a segmentation and a measurement report, written with highdicom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from .ct_files import Visit, common, file_meta
from .labels import LEFT_LUNG, NODULE, RIGHT_LUNG
from .scan import Scan

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

SEGMENTER, SEGMENTER_VERSION = "Chest Sample Segmenter", "2.1.0"
MEASURER, MEASURER_VERSION = "Nodule Sample Measure", "1.4.2"
_HIGHDICOM_ROOT = "1.2.826.0.1.3680043.10.511.3."

LUNG_LOBE = Code("90572001", "SCT", "Lower lobe of lung")
LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")
NODULE_CODE = Code("27925004", "SCT", "Nodule")
DIAMETER = Code("81827009", "SCT", "Diameter")


@dataclass(frozen=True)
class NoduleMeasure:
    """What the sample algorithm measures on the nodule's mask."""

    slice_index: int
    outline: NDArray[np.float64]  # (n, 2) SCOORD column, row; closed
    diameter_mm: float
    volume_mm3: float
    centre: tuple[float, float, float]  # column, row, slice index


def measure_nodule(scan: Scan) -> NoduleMeasure:
    """Measure the nodule on the labels of a scan."""
    mask = scan.labels == NODULE
    areas = mask.sum(axis=(1, 2))
    index = int(np.argmax(areas))
    outlines, _ = cv2.findContours(mask[index].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = max(outlines, key=len)[:, 0, :].astype(np.float64)
    # The outline runs through the centres of border pixels; their outer edge is half a pixel farther out.
    middle = points.mean(axis=0)
    outward = points - middle
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    edge = points + outward * 0.5
    spread = np.linalg.norm(edge[:, None] - edge[None], axis=2).max() * scan.protocol.pixel
    voxel = scan.protocol.pixel**2 * scan.protocol.spacing
    k, j, i = (float(part.mean()) for part in np.nonzero(mask))
    closed = np.concatenate([edge, edge[:1]]) + 0.5
    return NoduleMeasure(index, closed, round(float(spread), 1), round(float(mask.sum()) * voxel, 1), (i, j, k))


def segmentation(visit: Visit, images: list[Dataset], scan: Scan) -> Dataset:
    """Return the SEG of both lungs and the nodule."""
    import highdicom as hd

    algorithm = hd.AlgorithmIdentificationSequence(
        name=SEGMENTER, version=SEGMENTER_VERSION, family=codes.cid7162.ArtificialIntelligence, source="Lightbox"
    )
    descriptions = [
        _describe(RIGHT_LUNG, "Right lung", codes.SCT.Lung, RIGHT, visit, algorithm, (98, 181, 214)),
        _describe(LEFT_LUNG, "Left lung", codes.SCT.Lung, LEFT, visit, algorithm, (126, 205, 160)),
        _describe(NODULE, "Nodule", NODULE_CODE, None, visit, algorithm, (255, 138, 76)),
    ]
    dataset = hd.seg.Segmentation(
        source_images=images,
        pixel_array=scan.labels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=visit.uid("segmentation series"),
        series_number=301,
        sop_instance_uid=visit.uid("segmentation"),
        instance_number=1,
        manufacturer="Lightbox",
        manufacturer_model_name=SEGMENTER,
        software_versions=SEGMENTER_VERSION,
        device_serial_number="SAMPLE-AI-1",
        series_description="AI: lungs and nodule",
        content_label="AI_LUNGS",
        content_description="Lungs and nodule",
        content_creator_name=None,
    )
    return _fixed(dataset, visit, "segmentation")


def _describe(
    number: int,
    label: str,
    kind: object,
    side: Code | None,
    visit: Visit,
    algorithm: object,
    colour: tuple[int, int, int],
) -> SegmentDescription:
    """Return the description of a segment."""
    import highdicom as hd

    anatomical = number != NODULE
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.AnatomicalStructure
        if anatomical
        else codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=kind,  # pyright: ignore[reportArgumentType]
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,  # pyright: ignore[reportArgumentType]
        tracking_uid=visit.uid(f"tracking {label}"),
        tracking_id=label if anatomical else "Nodule 1",
        anatomic_regions=None if anatomical else [LUNG_LOBE],
    )
    if side is not None:
        item = description.SegmentedPropertyTypeCodeSequence[0]
        item.SegmentedPropertyTypeModifierCodeSequence = [_code_item(side)]
    if not anatomical:
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [_code_item(LEFT)]
    description.RecommendedDisplayCIELabValue = _cielab(colour)
    return description


def _code_item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _cielab(colour: tuple[int, int, int]) -> list[int]:
    """Return a Recommended Display CIELab Value (PS3.3 C.10.7.1.1) of an sRGB colour."""
    from lightbox.findings.colour import srgb_to_cielab

    return list(srgb_to_cielab(colour))


def report(visit: Visit, images: list[Dataset], segmentation_dataset: Dataset, nodule: NoduleMeasure) -> Dataset:
    """Return the TID 1500 report of the nodule: outline and diameter on an image, volume of the segment."""
    from highdicom import sr

    image = images[nodule.slice_index]
    algorithm = sr.AlgorithmIdentification(name=MEASURER, version=MEASURER_VERSION)
    observers = sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=codes.DCM.Device,
            observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
                uid=visit.uid("device"), name=MEASURER, manufacturer_name="Lightbox", model_name=MEASURER
            ),
        )
    )
    tracking = sr.TrackingIdentifier(uid=visit.uid("tracking Nodule"), identifier="Nodule 1")
    sites = [sr.FindingSite(anatomic_location=LUNG_LOBE, laterality=LEFT)]
    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=nodule.outline,
        source_image=sr.SourceImageForRegion.from_source_image(image),
    )
    planar = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        referenced_region=region,
        finding_type=NODULE_CODE,
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_sites=sites,
        algorithm_id=algorithm,
        measurements=[sr.Measurement(name=DIAMETER, value=nodule.diameter_mm, unit=codes.UCUM.Millimeter)],
    )
    segment = sr.ReferencedSegment(
        sop_class_uid=segmentation_dataset.SOPClassUID,
        sop_instance_uid=segmentation_dataset.SOPInstanceUID,
        segment_number=NODULE,
        source_series=sr.SourceSeriesForSegmentation(image.SeriesInstanceUID),
    )
    volumetric = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        referenced_segment=segment,
        finding_type=NODULE_CODE,
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_sites=sites,
        algorithm_id=algorithm,
        measurements=[sr.Measurement(name=codes.SCT.Volume, value=nodule.volume_mm3, unit=codes.UCUM.CubicMillimeter)],
    )
    content = sr.MeasurementReport(
        observation_context=observers,
        procedure_reported=Code("24627-2", "LN", "CT Chest"),
        imaging_measurements=[planar, volumetric],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[image],
    )
    dataset = sr.ComprehensiveSR(
        evidence=[image, segmentation_dataset],
        content=content,
        series_number=302,
        series_instance_uid=visit.uid("report series"),
        sop_instance_uid=visit.uid("report"),
        instance_number=1,
        manufacturer="Lightbox",
        is_complete=True,
        is_final=False,
        is_verified=False,
        institution_name="Sample Hospital",
        series_description="AI: nodule measurements",
    )
    dataset.ManufacturerModelName, dataset.SoftwareVersions = MEASURER, MEASURER_VERSION
    return _fixed(dataset, visit, "report")


def _fixed(dataset: Dataset, visit: Visit, name: str) -> Dataset:
    """Make an object of highdicom the same on every run: dates of the visit, UIDs by name, the patient complete."""
    known: dict[str, str] = {}

    def replace(_parent: Dataset, element: object) -> None:
        value = getattr(element, "value", None)
        if isinstance(value, str) and value.startswith(_HIGHDICOM_ROOT):
            known.setdefault(value, visit.uid(f"{name} part {len(known)}"))
            element.value = known[value]  # pyright: ignore[reportAttributeAccessIssue]
        if getattr(element, "keyword", "") == "ContributionDateTime":
            element.value = visit.date + visit.time  # pyright: ignore[reportAttributeAccessIssue]

    dataset.walk(replace)
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        if keyword in dataset:
            setattr(dataset, keyword, visit.date)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        if keyword in dataset:
            setattr(dataset, keyword, visit.time)
    patient = common(visit)
    for keyword in (
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDescription",
    ):
        setattr(dataset, keyword, getattr(patient, keyword))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.file_meta = file_meta(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID))
    return dataset
