"""Pixel spacing: how many mm a pixel is, where that number comes from, and what it may be called.

Sources in order (PS3.3 C.7.6.2, C.8.11, 10.7): ultrasound regions belong to parts of the image only; Pixel Spacing;
Imager Pixel Spacing corrected by Estimated Radiographic Magnification Factor; Imager Pixel Spacing at the detector;
Nominal Scanned Pixel Spacing. With none of them a length is a number of pixels and never mm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from lightbox.dicom import frames, values

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


_PROJECTION = frozenset({"CR", "DX", "MG", "XA", "RF", "RG", "IO", "PX", "RTIMAGE"})


class SpacingSource(Enum):
    """Where a spacing comes from."""

    PATIENT = "patient"
    CALIBRATED = "calibrated"
    MAGNIFICATION = "magnification"
    DETECTOR = "detector"
    SCANNED = "scanned"
    REGIONS = "regions"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Size of a pixel.

    Attributes
    ----------
    row_mm, column_mm : float or None
        mm between adjacent rows and adjacent columns; None when unknown: measure in pixels.
    source : SpacingSource
        Where the numbers come from.
    label : str
        What to write beside a length: empty when it is a true distance in the patient, else "at detector", ...
    text : str
        One sentence for a person.
    """

    row_mm: float | None
    column_mm: float | None
    source: SpacingSource
    label: str
    text: str


def of(ds: Dataset, frame: int = 0) -> Calibration:
    """Return the calibration of a frame (0-based)."""
    measures = frames.functional_group(ds, frame, "PixelMeasuresSequence")
    spacing = _pair(measures, "PixelSpacing") if measures is not None else None
    if spacing is None:
        spacing = _pair(ds, "PixelSpacing")
    if spacing is None and "SequenceOfUltrasoundRegions" in ds:
        return Calibration(
            None,
            None,
            SpacingSource.REGIONS,
            "by region",
            "Calibrated region by region; outside of the regions lengths are in pixels",
        )
    imager = _pair(ds, "ImagerPixelSpacing")
    modality = values.text(ds, "Modality")
    if spacing is not None and (modality in _PROJECTION or imager is not None):
        return _projection_spacing(ds, spacing, imager)
    if spacing is not None:
        return Calibration(*spacing, SpacingSource.PATIENT, "", "Pixel Spacing of the image")
    if imager is not None:
        return _imager_spacing(ds, imager)
    scanned = _pair(ds, "NominalScannedPixelSpacing")
    if scanned is not None:
        return Calibration(*scanned, SpacingSource.SCANNED, "on film", "Spacing on the scanned film")
    return Calibration(None, None, SpacingSource.NONE, "px", "The image does not say how large its pixels are")


def _projection_spacing(ds: Dataset, spacing: tuple[float, float], imager: tuple[float, float] | None) -> Calibration:
    kind = values.text(ds, "PixelSpacingCalibrationType").upper()
    described = values.text(ds, "PixelSpacingCalibrationDescription")
    differs = imager is not None and not all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(spacing, imager))
    if kind in ("FIDUCIAL", "GEOMETRY") or differs:
        named = {"FIDUCIAL": "calibrated by an object of known size", "GEOMETRY": "corrected for geometry"}
        text = "Pixel Spacing " + named.get(kind, "that differs from the detector's, so it was calibrated")
        return Calibration(
            *spacing, SpacingSource.CALIBRATED, "calibrated", f"{text} ({described})" if described else text
        )
    return _imager_spacing(ds, imager or spacing)


def _imager_spacing(ds: Dataset, imager: tuple[float, float]) -> Calibration:
    factor = values.number(ds, "EstimatedRadiographicMagnificationFactor")
    if factor is not None and factor >= 1:
        return Calibration(
            imager[0] / factor,
            imager[1] / factor,
            SpacingSource.MAGNIFICATION,
            "estimated",
            f"Spacing at the detector divided by the estimated magnification {factor:g}",
        )
    return Calibration(
        *imager, SpacingSource.DETECTOR, "at detector", "Spacing at the detector; larger than the patient"
    )


def aspect_ratio(ds: Dataset, frame: int = 0) -> float:
    """Return the height of a pixel divided by its width: from spacing, else from Pixel Aspect Ratio, else 1."""
    found = of(ds, frame)
    if found.row_mm and found.column_mm:
        return found.row_mm / found.column_mm
    # Pixel Aspect Ratio (C.7.6.3.1.7) is vertical size \ horizontal size.
    ratio = values.numbers(ds, "PixelAspectRatio")
    if len(ratio) == 2 and min(ratio) > 0:
        return ratio[0] / ratio[1]
    return 1.0


def _pair(ds: Dataset, keyword: str) -> tuple[float, float] | None:
    found = values.numbers(ds, keyword)
    return (found[0], found[1]) if len(found) == 2 and min(found) > 0 else None


@dataclass(frozen=True, slots=True)
class UltrasoundRegion:
    """One item of Sequence of Ultrasound Regions (PS3.3 C.8.5.5.1.1).

    Attributes
    ----------
    left, top, right, bottom : int
        Columns and rows, 0-based, inclusive.
    row_mm, column_mm : float or None
        mm a pixel; None in directions that are no length (time, velocity) or not calibrated.
    spatial_format : int
        1 is a 2D image; 2 to 5 are M-mode, spectral, waveform and graphics.
    """

    left: int
    top: int
    right: int
    bottom: int
    row_mm: float | None
    column_mm: float | None
    spatial_format: int

    def contains(self, column: float, row: float) -> bool:
        """Whether a pixel position lies in the region."""
        return self.left <= column <= self.right and self.top <= row <= self.bottom


def ultrasound_regions(ds: Dataset) -> tuple[UltrasoundRegion, ...]:
    """Return the calibrated regions of an ultrasound image; empty when there are none."""
    found: list[UltrasoundRegion] = []
    for item in values.items(ds, "SequenceOfUltrasoundRegions"):
        bounds = [values.number(item, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        if any(bound is None for bound in bounds):
            continue
        left, top, right, bottom = (int(bound) for bound in bounds if bound is not None)
        found.append(
            UltrasoundRegion(
                left,
                top,
                right,
                bottom,
                row_mm=_region_mm(item, "Y"),
                column_mm=_region_mm(item, "X"),
                spatial_format=values.integer(item, "RegionSpatialFormat"),
            )
        )
    return tuple(found)


def _region_mm(item: Dataset, axis: str) -> float | None:
    if values.integer(item, f"PhysicalUnits{axis}Direction") != 3:  # 3 is cm
        return None
    delta = values.number(item, f"PhysicalDelta{axis}")
    return abs(delta) * 10 if delta else None
