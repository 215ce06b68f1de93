"""Conditions of type 1C and 2C attributes and of conditional modules, where the object itself decides them (PS3.3)."""

from __future__ import annotations

from collections.abc import Callable

from lightbox.library.quality import elements
from lightbox.library.quality.subject import Subject

Condition = Callable[[Subject], bool]


LOSSY = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, *range(100, 109)))
"""Transfer syntaxes that always lose (JPEG baseline and extended, video); the others may hold lossless data."""


def _present(keyword: str) -> Condition:
    return lambda subject: subject.has(keyword)


def _equal(keyword: str, *values: str) -> Condition:
    return lambda subject: subject.text(keyword) in values


def _original(subject: Subject) -> bool:
    return subject.original


def _made_original(subject: Subject) -> bool:
    """Original, and not converted from classic images, which cannot tell what enhanced ones must."""
    return subject.original and subject.sop_class_uid not in _LEGACY_CONVERTED


def _many_frames(subject: Subject) -> bool:
    return subject.frames > 1


def _colour(subject: Subject) -> bool:
    return subject.samples > 1


def _palette(subject: Subject) -> bool:
    return _palette_descriptor(subject) and not subject.has("SegmentedRedPaletteColorLookupTableData")


def _palette_descriptor(subject: Subject) -> bool:
    return subject.photometric == "PALETTE COLOR" or subject.text("PixelPresentation") in ("COLOR", "MIXED")


def _was_lossy(subject: Subject) -> bool:
    return subject.text("LossyImageCompression") == "01"


def _is_lossy(subject: Subject) -> bool:
    return subject.transfer_syntax_uid in LOSSY


def _for_presentation(subject: Subject) -> bool:
    return subject.text("PresentationIntentType") == "FOR PRESENTATION" and not subject.has("VOILUTSequence")


def _with_pixels(subject: Subject) -> bool:
    return subject.has_pixels is True


def _no_plane(subject: Subject) -> bool:
    return not subject.has("ImageOrientationPatient") and not subject.has("ImagePositionPatient")


def _points_to(tag: int) -> Condition:
    def holds(subject: Subject) -> bool:
        found = elements.element(subject.ds, 0x00280009)
        if found is None or found.raw is None or len(found.raw) < 4:
            return False
        raw = found.raw[:4]
        group, number = tag >> 16, tag & 0xFFFF
        return raw in (
            group.to_bytes(2, "little") + number.to_bytes(2, "little"),
            group.to_bytes(2, "big") + number.to_bytes(2, "big"),
        )

    return holds


def _not_deidentified(subject: Subject) -> bool:
    return subject.text("PatientIdentityRemoved") == "YES" and not subject.has("DeidentificationMethodCodeSequence")


def _not_deidentified_code(subject: Subject) -> bool:
    return subject.text("PatientIdentityRemoved") == "YES" and "DeidentificationMethod" not in subject.ds


def _repetition(subject: Subject) -> bool:
    return "EP" not in subject.texts("ScanningSequence") or "SK" in subject.texts("SequenceVariant")


_LEGACY_CONVERTED = frozenset("1.2.840.10008.5.1.4.1.1." + tail for tail in ("2.2", "4.4", "128.1"))
_POSITIONED = frozenset("1.2.840.10008.5.1.4.1.1." + tail for tail in ("2", "2.1", "4", "4.1", "4.2", "4.3"))
"""CT and MR, classic and enhanced."""


def _patient_position(subject: Subject) -> bool:
    return subject.sop_class_uid in _POSITIONED and not subject.has("PatientOrientationCodeSequence")


def _per_frame(subject: Subject) -> bool:
    return subject.text("DimensionOrganizationType") != "TILED_FULL"


_SUMMED_BY_PLAN = ("PLAN", "MULTI_PLAN", "FRACTION", "BEAM", "BRACHY", "FRACTION_SESSION", "BEAM_SESSION")

ATTRIBUTES: dict[tuple[str, str], Condition] = {
    # anywhere
    ("", "PlanarConfiguration"): _colour,
    ("", "PixelSpacingCalibrationDescription"): _present("PixelSpacingCalibrationType"),
    ("", "LossyImageCompressionRatio"): _was_lossy,
    ("", "LossyImageCompressionMethod"): _was_lossy,
    ("", "LossyImageCompression"): _is_lossy,
    ("", "WindowWidth"): _present("WindowCenter"),
    ("", "RescaleSlope"): _present("RescaleIntercept"),
    ("", "FrameTime"): _points_to(0x00181063),
    ("", "FrameTimeVector"): _points_to(0x00181065),
    # patient, study, series
    ("patient", "DeidentificationMethod"): _not_deidentified,
    ("patient", "DeidentificationMethodCodeSequence"): _not_deidentified_code,
    ("patient", "PatientAlternativeCalendar"): lambda subject: (
        subject.has("PatientBirthDateInAlternativeCalendar") or subject.has("PatientDeathDateInAlternativeCalendar")
    ),
    ("patient", "ResponsiblePersonRole"): _present("ResponsiblePerson"),
    ("general-series", "PatientPosition"): _patient_position,
    # images
    ("general-image", "PatientOrientation"): _no_plane,
    ("general-equipment", "PixelPaddingValue"): _present("PixelPaddingRangeLimit"),
    ("image-pixel", "RedPaletteColorLookupTableDescriptor"): _palette_descriptor,
    ("image-pixel", "GreenPaletteColorLookupTableDescriptor"): _palette_descriptor,
    ("image-pixel", "BluePaletteColorLookupTableDescriptor"): _palette_descriptor,
    ("image-pixel", "RedPaletteColorLookupTableData"): _palette,
    ("image-pixel", "GreenPaletteColorLookupTableData"): _palette,
    ("image-pixel", "BluePaletteColorLookupTableData"): _palette,
    ("image-pixel", "ExtendedOffsetTableLengths"): _present("ExtendedOffsetTable"),
    ("mr-image", "RepetitionTime"): _repetition,
    ("mr-image", "InversionTime"): lambda subject: "IR" in subject.texts("ScanningSequence"),
    ("ct-image", "RescaleType"): _equal("MultienergyCTAcquisition", "YES"),
    ("us-image", "FrameIncrementPointer"): _many_frames,
    ("x-ray-image", "FrameIncrementPointer"): _many_frames,
    ("x-ray-acquisition", "PixelSpacingCalibrationDescription"): _present("PixelSpacingCalibrationType"),
    ("xa-positioner", "PositionerMotion"): _many_frames,
    ("xa-positioner", "PositionerPrimaryAngleIncrement"): _equal("PositionerMotion", "DYNAMIC"),
    ("xa-positioner", "PositionerSecondaryAngleIncrement"): _equal("PositionerMotion", "DYNAMIC"),
    ("dx-image", "WindowCenter"): _for_presentation,
    ("pet-series", "NumberOfRRIntervals"): _equal("SeriesType", "GATED"),
    ("pet-series", "NumberOfTimeSlots"): _equal("SeriesType", "GATED"),
    ("pet-series", "NumberOfTimeSlices"): _equal("SeriesType", "DYNAMIC"),
    ("pet-series", "ReprojectionMethod"): lambda subject: subject.texts("SeriesType")[1:2] == ["REPROJECTION"],
    ("pet-image", "DecayFactor"): lambda subject: subject.text("DecayCorrection") not in ("", "NONE"),
    ("pet-image", "TriggerTime"): _equal("SeriesType", "GATED"),
    ("pet-image", "FrameTime"): _equal("SeriesType", "GATED"),
    # enhanced
    ("enhanced-ct-image", "AcquisitionDateTime"): _made_original,
    ("enhanced-ct-image", "AcquisitionDuration"): _made_original,
    ("enhanced-ct-image", "ContentQualification"): _made_original,
    ("enhanced-ct-image", "BurnedInAnnotation"): _made_original,
    ("enhanced-ct-image", "LossyImageCompression"): _made_original,
    ("enhanced-pet-image", "AcquisitionDateTime"): _made_original,
    ("enhanced-pet-image", "AcquisitionDuration"): _made_original,
    ("enhanced-mr-image", "AcquisitionDateTime"): _made_original,
    ("enhanced-mr-image", "AcquisitionDuration"): _made_original,
    ("enhanced-mr-image", "ComplexImageComponent"): _made_original,
    ("enhanced-mr-image", "AcquisitionContrast"): _made_original,
    ("enhanced-mr-image", "MagneticFieldStrength"): _made_original,
    ("enhanced-mr-image", "ContentQualification"): _made_original,
    ("enhanced-mr-image", "KSpaceFiltering"): _made_original,
    ("enhanced-mr-image", "ResonantNucleus"): _made_original,
    ("enhanced-mr-image", "ApplicableSafetyStandardAgency"): _made_original,
    ("enhanced-mr-image", "BurnedInAnnotation"): _made_original,
    ("enhanced-mr-image", "LossyImageCompression"): _made_original,
    ("enhanced-mr-image", "PresentationLUTShape"): lambda subject: subject.photometric == "MONOCHROME2",
    **{
        ("mr-pulse-sequence", keyword): _original
        for keyword in (
            "PulseSequenceName",
            "GeometryOfKSpaceTraversal",
            "EchoPulseSequence",
            "MultiPlanarExcitation",
            "PhaseContrast",
            "TimeOfFlightContrast",
            "SteadyStatePulseSequence",
            "EchoPlanarPulseSequence",
            "SaturationRecovery",
            "SpectrallySelectedSuppression",
            "OversamplingPhase",
        )
    },
    ("mr-pulse-sequence", "MultipleSpinEcho"): lambda subject: (
        subject.original and subject.text("EchoPulseSequence") in ("SPIN", "BOTH")
    ),
    ("", "InConcatenationNumber"): _present("ConcatenationUID"),
    ("", "ConcatenationFrameOffsetNumber"): _present("ConcatenationUID"),
    ("", "SOPInstanceUIDOfConcatenationSource"): _present("ConcatenationUID"),
    ("", "PerFrameFunctionalGroupsSequence"): _per_frame,
    ("multi-frame-dimension", "DimensionIndexSequence"): _per_frame,
    ("segmentation-image", "SegmentationFractionalType"): _equal("SegmentationType", "FRACTIONAL"),
    ("segmentation-image", "MaximumFractionalValue"): _equal("SegmentationType", "FRACTIONAL"),
    # radiotherapy
    ("rt-dose", "SamplesPerPixel"): _with_pixels,
    ("rt-dose", "PhotometricInterpretation"): _with_pixels,
    ("rt-dose", "BitsAllocated"): _with_pixels,
    ("rt-dose", "BitsStored"): _with_pixels,
    ("rt-dose", "HighBit"): _with_pixels,
    ("rt-dose", "PixelRepresentation"): _with_pixels,
    ("rt-dose", "DoseGridScaling"): _with_pixels,
    ("rt-dose", "GridFrameOffsetVector"): _points_to(0x3004000C),
    ("rt-dose", "ReferencedRTPlanSequence"): _equal("DoseSummationType", *_SUMMED_BY_PLAN),
    # documents
    ("sr-document-general", "VerifyingObserverSequence"): _equal("VerificationFlag", "VERIFIED"),
}
"""(module, keyword) -> condition; the module "" stands for any."""


def _nm(*kinds: str) -> Condition:
    return lambda subject: subject.image_type[2:3] != [] and subject.image_type[2] in kinds


MODULES: dict[tuple[str, str], Condition] = {
    ("rt-dose", "general-image"): _with_pixels,
    ("rt-dose", "image-plane"): _with_pixels,
    ("rt-dose", "image-pixel"): _with_pixels,
    ("rt-dose", "multi-frame"): lambda subject: subject.has_pixels is True and subject.frames > 1,
    ("", "multi-frame"): _many_frames,
    ("", "frame-of-reference"): _present("FrameOfReferenceUID"),
    ("x-ray-angiographic-image", "cine"): _many_frames,
    ("x-ray-radiofluoroscopic-image", "cine"): _many_frames,
    ("", "mr-pulse-sequence"): _original,
    ("", "nm-tomo-acquisition"): _nm("TOMO", "GATED TOMO"),
    ("", "nm-multi-gated-acquisition"): _nm("GATED", "GATED TOMO", "RECON GATED TOMO"),
    ("", "nm-phase"): _nm("DYNAMIC"),
    ("", "nm-reconstruction"): _nm("RECON TOMO", "RECON GATED TOMO"),
    ("", "palette-color-lookup-table"): _palette_descriptor,
    ("", "supplemental-palette-color-lookup-table"): _equal("PixelPresentation", "COLOR"),
}
"""(IOD, module) -> condition of a conditional module; the IOD "" stands for any."""

GROUPS: dict[str, Condition] = {
    "": lambda subject: True,
    "original": _original,
    "original-only": lambda subject: subject.image_type[:1] == ["ORIGINAL"],
    "derived": lambda subject: subject.image_type[:1] == ["DERIVED"],
    "monochrome": lambda subject: subject.photometric == "MONOCHROME2",
    "not-tiled-full": lambda subject: subject.text("DimensionOrganizationType") != "TILED_FULL",
}
"""Condition of a functional group, as named in ``functional_groups.json``."""
