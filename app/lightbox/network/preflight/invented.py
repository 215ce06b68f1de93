"""Objects of an invented patient for the round trip: plainly marked as a test, small, complete, with awkward content.

Awkward on purpose: text outside ASCII, a private block, a UID of 64 characters, numbers with 16 characters, nested
sequences, an empty attribute. An archive that loses any of these loses it of patients, too.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lightbox import __version__
from lightbox.core import clock
from lightbox.dicom import reading
from lightbox.network.preflight import awkward

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CT, MR, SC = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
ENHANCED_SR, COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.88.34"
KEY_OBJECTS, PRESENTATION = "1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.5.1.4.1.1.11.1"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"

_SLICES = 3


def long_uid() -> str:
    """Return a UID of 64 characters, the most that is allowed (PS3.5 9.1): some systems cut them."""
    stem = f"2.25.{uuid.uuid4().int}."
    return stem + "1" * (64 - len(stem))


class Invention:
    """One invented patient with one study.

    Attributes
    ----------
    patient_id, study_uid : str
        By which the objects are found, and removed, at the peer.
    """

    def __init__(self) -> None:
        moment = clock.now()
        self.patient_id = f"LIGHTBOX-TEST-{uuid.uuid4().hex[:12].upper()}"
        self.study_uid = long_uid()
        self._date, self._time = f"{moment:%Y%m%d}", f"{moment:%H%M%S}"
        self._frame_of_reference = f"2.25.{uuid.uuid4().int}"
        self._ct: list[Dataset] = []

    def objects(self, sop_classes: list[str]) -> tuple[list[Dataset], list[str]]:
        """Return an object of each class that can be invented, CT first since others refer to it; and what cannot.

        CT, SEG and Comprehensive 3D SR are always among them.
        """
        wanted = list(dict.fromkeys([CT, SEG, COMPREHENSIVE_3D_SR, *sop_classes]))
        makers = self._makers()
        made = [entry for sop_class in wanted if sop_class in makers for entry in makers[sop_class]()]
        for dataset in made:
            dataset.SeriesDescription = awkward.NOTICE
        return made, [sop_class for sop_class in wanted if sop_class not in makers]

    def _makers(self) -> dict[str, Callable[[], list[Dataset]]]:
        return {
            CT: lambda: list(self.ct()),
            SEG: lambda: [self._segmentation()],
            COMPREHENSIVE_3D_SR: lambda: [self._report(comprehensive=True)],
            ENHANCED_SR: lambda: [self._report(comprehensive=False)],
            MR: lambda: [self._image(MR, "MR", 3, 1)],
            SC: lambda: [self._image(SC, "OT", 4, 1)],
            KEY_OBJECTS: lambda: [self._key_objects()],
            PRESENTATION: lambda: [self._presentation()],
            PDF: lambda: [self._document()],
        }

    def ct(self) -> list[Dataset]:
        """Return the CT images that everything else refers to."""
        if not self._ct:
            series = f"2.25.{uuid.uuid4().int}"
            self._ct = [self._image(CT, "CT", 1, number + 1, series) for number in range(_SLICES)]
        return self._ct

    def _common(self, sop_class: str, modality: str, series_number: int, number: int, series: str = "") -> Dataset:
        dataset = reading.Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName = "ZZZTEST^LIGHTBOX^Ürün=測試^光箱"
        dataset.PatientID, dataset.IssuerOfPatientID = self.patient_id, "LIGHTBOX-TEST"
        dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19000101", "O", "126Y"
        dataset.PatientComments = f"{awkward.NOTICE}. May be deleted at any time. äöü µ"
        dataset.QualityControlSubject = "YES"
        dataset.StudyInstanceUID, dataset.StudyID = self.study_uid, "LBXTEST"
        dataset.StudyDate, dataset.StudyTime, dataset.StudyDescription = self._date, self._time, awkward.NOTICE
        dataset.AccessionNumber = "LBXTEST"
        dataset.ReferringPhysicianName = ""
        dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, long_uid()
        dataset.SeriesInstanceUID = series or f"2.25.{uuid.uuid4().int}"
        dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, series_number, number
        dataset.SeriesDescription, dataset.SeriesDate, dataset.SeriesTime = awkward.NOTICE, self._date, self._time
        dataset.Manufacturer, dataset.ManufacturerModelName = "Lightbox", "Pre-flight"
        dataset.SoftwareVersions, dataset.DeviceSerialNumber = __version__, "TEST"
        dataset.InstitutionName = ""
        return dataset

    def _image(self, sop_class: str, modality: str, series_number: int, number: int, series: str = "") -> Dataset:
        dataset = self._common(sop_class, modality, series_number, number, series)
        dataset.ImageType = [
            "DERIVED" if sop_class == SC else "ORIGINAL",
            "PRIMARY",
            "AXIAL" if sop_class == CT else "OTHER",
        ]
        dataset.ContentDate, dataset.ContentTime = self._date, self._time
        dataset.AcquisitionNumber, dataset.BodyPartExamined, dataset.Laterality = 1, "PHANTOM", ""
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows = dataset.Columns = awkward.SIZE
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        signed = sop_class == CT
        dataset.PixelRepresentation = int(signed)
        pixels = awkward.pixels(number)
        if sop_class == SC:
            dataset.ConversionType, dataset.PatientOrientation = "SYN", ""
        else:
            dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = self._frame_of_reference, ""
            dataset.PatientPosition = "HFS"
            dataset.ImagePositionPatient = ["-15.7509999999", "-15.75", f"{number * 2.5:g}"]
            dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
            dataset.PixelSpacing, dataset.SliceThickness = ["0.49218750000001", "0.4921875"], "2.5"
        if sop_class == CT:
            dataset.KVP = ""
            dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "-1024", "1", "HU"
            dataset.WindowCenter, dataset.WindowWidth = ["40", "-600"], ["400", "1500"]
        elif sop_class == MR:
            dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "SE", "NONE", ""
            dataset.MRAcquisitionType, dataset.RepetitionTime, dataset.EchoTime = "2D", "500", "12.5"
            dataset.EchoTrainLength = "1"
        awkward.add(dataset)
        dataset.PixelData = pixels.astype("<i2" if signed else "<u2").tobytes()
        return dataset

    def _segmentation(self) -> Dataset:
        import highdicom as hd
        from pydicom.sr.codedict import codes

        labels = np.zeros((_SLICES, awkward.SIZE, awkward.SIZE), np.uint8)
        labels[:, 10:30, 12:40] = 1
        labels[1, 35:50, 20:33] = 2
        algorithm = hd.AlgorithmIdentificationSequence(
            name="Lightbox round trip", version=__version__, family=codes.cid7162.ArtificialIntelligence
        )
        segments = [
            hd.seg.SegmentDescription(
                segment_number=number,
                segment_label=label,
                segmented_property_category=codes.SCT.AnatomicalStructure,
                segmented_property_type=kind,
                algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
                algorithm_identification=algorithm,
            )
            for number, label, kind in ((1, "Test area Ä", codes.SCT.Lung), (2, "Test spot", codes.SCT.Liver))
        ]
        return hd.seg.Segmentation(
            source_images=self.ct(),
            pixel_array=labels,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            content_label="LIGHTBOX_TEST",
            content_description=awkward.NOTICE,
            content_creator_name="ZZZTEST^LIGHTBOX",
            **self._derived(10),
        )

    def _report(self, *, comprehensive: bool) -> Dataset:
        from highdicom import sr
        from pydicom.sr.codedict import codes

        device = sr.DeviceObserverIdentifyingAttributes(uid=f"2.25.{uuid.uuid4().int}", name="Lightbox round trip")
        context = sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=codes.DCM.Device, observer_identifying_attributes=device
            )
        )
        image = self.ct()[1]
        region = sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=np.array([[12.5, 10.25], [40.0, 10.25], [40.0, 30.0], [12.5, 10.25]]),
            source_image=sr.SourceImageForRegion.from_source_image(image),
        )
        group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(uid=f"2.25.{uuid.uuid4().int}", identifier="Test spot Ä"),
            referenced_region=region,
            finding_type=codes.SCT.Lung,
            measurements=[sr.Measurement(name=codes.SCT.Diameter, value=12.3456789, unit=codes.UCUM.Millimeter)],
        )
        content = sr.MeasurementReport(
            observation_context=context,
            procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
            imaging_measurements=[group],
            title=codes.DCM.ImagingMeasurementReport,
        )
        kind = sr.Comprehensive3DSR if comprehensive else sr.EnhancedSR
        common = self._derived(11 if comprehensive else 12)
        for name in ("manufacturer_model_name", "software_versions", "device_serial_number", "series_description"):
            del common[name]
        return kind(evidence=[image], content=content[0], is_complete=True, **common)

    def _key_objects(self) -> Dataset:
        import highdicom as hd
        from pydicom.sr.codedict import codes

        content = hd.ko.KeyObjectSelection(
            document_title=codes.DCM.QualityIssue, referenced_objects=self.ct()[:2], description=awkward.NOTICE
        )
        common = self._derived(13)
        for name in ("manufacturer_model_name", "software_versions", "device_serial_number", "series_description"):
            del common[name]
        return hd.ko.KeyObjectSelectionDocument(evidence=self.ct()[:2], content=content, **common)

    def _presentation(self) -> Dataset:
        import highdicom as hd

        text = hd.pr.TextObject(
            text_value="TEST Ä",
            units=hd.pr.AnnotationUnitsValues.PIXEL,
            bounding_box=(2.0, 2.0, 30.0, 12.0),
        )
        layer = hd.pr.GraphicLayer("TEST", order=1, description=awkward.NOTICE)
        annotation = hd.pr.GraphicAnnotation(referenced_images=self.ct(), graphic_layer=layer, text_objects=[text])
        window = hd.pr.SoftcopyVOILUTTransformation(window_center=40.0, window_width=400.0)
        dataset = hd.pr.GrayscaleSoftcopyPresentationState(
            referenced_images=self.ct(),
            graphic_layers=[layer],
            graphic_annotations=[annotation],
            voi_lut_transformations=[window],
            content_label="LIGHTBOX_TEST",
            concept_name=None,
            **self._derived(14),
        )
        dataset.Laterality = ""
        return dataset

    def _document(self) -> Dataset:
        dataset = self._common(PDF, "DOC", 15, 1)
        dataset.ContentDate, dataset.ContentTime, dataset.AcquisitionDateTime = self._date, self._time, ""
        dataset.BurnedInAnnotation, dataset.ConversionType, dataset.DocumentTitle = "NO", "SYN", awkward.NOTICE
        dataset.ConceptNameCodeSequence = []
        dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
        document = awkward.pdf()
        dataset.EncapsulatedDocumentLength = len(document)
        dataset.EncapsulatedDocument = document + b"\x00" * (len(document) % 2)
        awkward.add(dataset)
        return dataset

    def _derived(self, series_number: int) -> dict[str, Any]:
        return {
            "series_instance_uid": f"2.25.{uuid.uuid4().int}",
            "series_number": series_number,
            "sop_instance_uid": long_uid(),
            "instance_number": 1,
            "manufacturer": "Lightbox",
            "manufacturer_model_name": "Pre-flight",
            "software_versions": __version__,
            "device_serial_number": "TEST",
            "series_description": awkward.NOTICE,
        }
