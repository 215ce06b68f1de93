"""Pixel spacing: which number counts and what it may be called."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from builders.images import group, make_enhanced, make_image
from lightbox.dicom import calibration
from lightbox.dicom.calibration import SpacingSource


def mm(ds):
    found = calibration.of(ds)
    return found.row_mm, found.column_mm, found.source


def test_cross_sections_use_pixel_spacing_row_first():
    assert mm(make_image(spacing=(0.5, 0.8))) == (0.5, 0.8, SpacingSource.PATIENT)
    assert calibration.of(make_image(spacing=(0.5, 0.8))).label == ""


def test_projection_at_the_detector_is_labelled():
    found = calibration.of(make_image(modality="DX", ImagerPixelSpacing=[0.15, 0.14]))
    assert (found.row_mm, found.column_mm, found.label) == (0.15, 0.14, "at detector")
    same = calibration.of(make_image(modality="CR", spacing=(0.15, 0.15), ImagerPixelSpacing=[0.15, 0.15]))
    assert same.source is SpacingSource.DETECTOR
    bare = calibration.of(make_image(modality="CR", spacing=(0.15, 0.15)))
    assert bare.source is SpacingSource.DETECTOR


@pytest.mark.parametrize("kind", ["FIDUCIAL", "GEOMETRY"])
def test_a_calibration_type_makes_pixel_spacing_count(kind):
    ds = make_image(
        modality="DX", spacing=(0.1, 0.1), ImagerPixelSpacing=[0.15, 0.15], PixelSpacingCalibrationType=kind
    )
    assert mm(ds) == (0.1, 0.1, SpacingSource.CALIBRATED)


def test_pixel_spacing_other_than_the_detectors_was_calibrated():
    ds = make_image(modality="DX", spacing=(0.1, 0.1), ImagerPixelSpacing=[0.15, 0.15])
    assert mm(ds) == (0.1, 0.1, SpacingSource.CALIBRATED)


def test_magnification_corrects_the_detector():
    ds = make_image(modality="MG", ImagerPixelSpacing=[0.1, 0.1], EstimatedRadiographicMagnificationFactor=1.25)
    found = calibration.of(ds)
    assert found.row_mm == pytest.approx(0.08)
    assert (found.source, found.label) == (SpacingSource.MAGNIFICATION, "estimated")


def test_nothing_known_is_measured_in_pixels():
    found = calibration.of(make_image(modality="OT"))
    assert (found.row_mm, found.column_mm, found.label) == (None, None, "px")
    assert mm(make_image(spacing=(0, 0)))[0] is None


def test_enhanced_frames_have_their_own_spacing():
    ds = make_enhanced(
        np.zeros((2, 4, 4), np.uint16),
        per_frame=[group(PixelMeasuresSequence={"PixelSpacing": [value, value]}) for value in (1, 2)],
    )
    assert [calibration.of(ds, frame).row_mm for frame in range(2)] == [1, 2]


def region(x_units, y_units, form=1):
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0 = 10, 20
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 100, 200
    item.PhysicalUnitsXDirection, item.PhysicalUnitsYDirection = x_units, y_units
    item.PhysicalDeltaX, item.PhysicalDeltaY = 0.02, -0.03
    item.RegionSpatialFormat = form
    return item


def test_ultrasound_is_calibrated_region_by_region():
    ds = make_image(modality="US", SequenceOfUltrasoundRegions=[region(3, 3), region(4, 7, 3)])
    assert mm(ds) == (None, None, SpacingSource.REGIONS)
    tissue, doppler = calibration.ultrasound_regions(ds)
    assert (tissue.row_mm, tissue.column_mm) == (pytest.approx(0.3), pytest.approx(0.2))
    assert (doppler.row_mm, doppler.column_mm, doppler.spatial_format) == (None, None, 3)
    assert tissue.contains(10, 20)
    assert not tissue.contains(9, 20)


def test_aspect_ratio_is_height_by_width():
    assert calibration.aspect_ratio(make_image(spacing=(2, 1))) == 2
    assert calibration.aspect_ratio(make_image(PixelAspectRatio=[4, 3])) == pytest.approx(4 / 3)
    assert calibration.aspect_ratio(make_image(PixelAspectRatio=[0, 3])) == 1
    assert calibration.aspect_ratio(make_image()) == 1
