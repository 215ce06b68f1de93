"""Display sets of real series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from builders.series_records import scan, scan_folder
from lightbox.viewer.display_sets import DisplaySetKind, first_to_show

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("folder", "frames", "spacing"),
    [
        ("ct-volume/siemens-neck-295", 295, 1.0),
        ("mr-volume/siemens-mprage-128", 128, 1.33),
        ("mr-volume/siemens-2studies/HFS", 18, 4.8),
        ("mr-volume/siemens-2studies/HFP", 18, 4.8),
    ],
)
def test_volumes(data: Path, folder: str, frames: int, spacing: float):
    scanned = scan_folder(data / folder)
    (found,) = scanned.build_all()
    assert found.is_volume
    assert found.number_of_frames == frames
    assert found.spacing_mm == pytest.approx(spacing, abs=1e-3)
    assert found.problems == ()
    assert scanned.opened == 0


def test_order_is_that_of_the_headers(data: Path):
    scanned = scan_folder(data / "ct-volume/siemens-neck-295")
    (found,) = scanned.build_all()
    z = [
        float(
            pydicom.dcmread(
                scanned.paths[f.sop_instance_uid], specific_tags=["ImagePositionPatient"]
            ).ImagePositionPatient[2]
        )
        for f in found.frames
    ]
    assert z == sorted(z)
    assert len(set(z)) == 295


def test_tilted_head_splits_into_its_two_zones(data: Path):
    found = scan_folder(data / "ct-volume/ge-head-gantry-tilt-28").build_all()
    assert [(entry.number_of_frames, round(entry.spacing_mm, 1)) for entry in found] == [(14, 4.0), (14, 7.0)]
    assert all(entry.is_volume and abs(entry.tilt_deg) == pytest.approx(18.5, abs=0.01) for entry in found)
    assert [entry.split_reasons for entry in found] == [
        ("Split by slice thickness: 4 mm",),
        ("Split by slice thickness: 7 mm",),
    ]


def test_pet_ct_phantom(data: Path):
    found = {entry.modality: entry for entry in scan_folder(data / "pet-ct/philips-suv-phantom").build_all()}
    assert found["PT"].is_volume
    assert found["PT"].number_of_frames == 45
    # The CT of this folder really lacks slices.
    assert not found["CT"].is_volume
    assert [problem.code for problem in found["CT"].problems] == ["geometry.missing-slice"]


def test_enhanced_mr_with_two_echoes(data: Path):
    scanned = scan([data / "enhanced/IM_0027_fMAP.dcm"])
    found = scanned.build_all()
    assert [entry.number_of_frames for entry in found] == [32, 32]
    assert all(entry.is_volume for entry in found)
    frames = sorted(frame.frame_index for entry in found for frame in entry.frames)
    assert frames == list(range(64))
    for entry in found:
        steps = np.diff([frame.position_mm for frame in entry.frames])
        np.testing.assert_allclose(steps, steps[0], atol=1e-3)


def test_multi_frame_twin_equals_its_single_frames(data: Path):
    scanned = scan_folder(data / "overlays-seg/dcmqi/23x38x3")
    if not scanned.instances:
        scanned = scan_folder(data / "overlays-seg/dcmqi")
    sets = [entry for entry in scanned.build_all() if entry.columns == 23]
    assert len(sets) == 2
    one, two = sets
    for a, b in zip(one.frames, two.frames):
        np.testing.assert_allclose(a.plane.position, b.plane.position, atol=1e-6)


def test_cine(data: Path):
    found = {path.name: scan([path]).build_all()[0] for path in (data / "ultrasound").iterdir()}
    assert found["DIRW0007"].kind is DisplaySetKind.CINE
    assert found["DIRW0007"].number_of_frames == 65
    assert found["DIRW0007"].rate_fps == pytest.approx(26.2476, abs=1e-3)
    assert found["Issue16.dcm"].rate_fps == 33.0


def test_every_instance_of_every_folder(data: Path):
    """No readable image is lost, none is shown twice, nothing crashes."""
    scanned = scan_folder(data)
    sets = scanned.build_all()
    shown: dict[str, set[int]] = {}
    for entry in sets:
        for frame in entry.frames:
            frames = shown.setdefault(frame.sop_instance_uid, set())
            assert frame.frame_index not in frames
            frames.add(frame.frame_index)
    from lightbox.dicom.sop_classes import Kind, kind

    images = [record for record in scanned.instances if kind(record.sop_class_uid) is Kind.IMAGE and record.rows]
    assert len(images) > 850
    for record in images:
        assert len(shown[record.sop_instance_uid]) == max(1, record.number_of_frames)
    assert len({entry.uid for entry in sets}) == len(sets)
    assert all(entry.unsupported_reason for entry in sets if entry.kind is DisplaySetKind.UNSUPPORTED)
    for uid in scanned.studies:
        of_study = [entry for entry in sets if entry.study_instance_uid == uid]
        assert (first_to_show(of_study) is None) == (not of_study)
