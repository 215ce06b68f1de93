"""The sample study: valid, consistent with itself, the same every time."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from lightbox.core import resources
from lightbox.dicom.frames import frame_plane
from lightbox.findings.reader import read_results
from lightbox.viewer.graphics import image_strokes


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    steps: list[float] = []
    manifest = resources.package("sample_study").make(folder, size=128, slices=64, progress=steps.append)
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    return manifest


def load(study, pattern):
    return [dcmread(path) for path in sorted(Path(study.folder).glob(pattern))]


def digest(study) -> str:
    total = hashlib.sha256()
    for name in study.files:
        total.update((Path(study.folder) / name).read_bytes())
    return total.hexdigest()


def test_files_are_those_of_the_manifest(study):
    found = sorted(p.relative_to(study.folder).as_posix() for p in Path(study.folder).rglob("*.dcm"))
    assert found == sorted(study.files)
    images = [dcmread(Path(study.folder) / name, stop_before_pixels=True) for name in study.files]
    assert {ds.StudyInstanceUID for ds in images} == {study.current_study_uid, study.prior_study_uid}
    assert {(ds.PatientID, str(ds.PatientName)) for ds in images} == {(study.patient_id, study.patient_name)}
    assert len({ds.SOPInstanceUID for ds in images}) == len(images)
    assert {ds.FrameOfReferenceUID for ds in images if "FrameOfReferenceUID" in ds and ds.Modality == "CT"} != set()


def test_same_seed_gives_the_same_bytes(study, tmp_path):
    again = resources.package("sample_study").make(tmp_path, size=128, slices=64)
    assert digest(again) == digest(study)


def test_objects_are_valid(study):
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed")
    names = ["current/ct/0001.dcm", "current/ct/0030.dcm", "prior/ct/0001.dcm", "current/topogram.dcm"]
    for name in [*names, "current/ai-segmentation.dcm", "current/ai-report.dcm"]:
        run = subprocess.run([program, str(Path(study.folder) / name)], capture_output=True, text=True, check=False)
        assert "Error" not in run.stdout + run.stderr, (name, run.stderr)


def test_slices_are_evenly_spaced_and_head_first(study):
    for pattern in ("current/ct/*.dcm", "prior/ct/*.dcm"):
        images = load(study, pattern)
        heights = np.array([float(ds.ImagePositionPatient[2]) for ds in images])
        np.testing.assert_allclose(np.diff(heights), -float(images[0].SpacingBetweenSlices), atol=1e-3)
        assert [ds.InstanceNumber for ds in images] == list(range(1, len(images) + 1))


def test_tissues_have_the_hounsfield_units_of_a_chest(study):
    images = load(study, "current/ct/*.dcm")
    volume = np.stack([ds.pixel_array.astype(int) - 1024 for ds in images])
    path = Path(study.folder) / "current/ai-segmentation.dcm"
    (result,) = read_results([("seg", lambda: path.open("rb"))])
    assert result.labelmap is not None
    labels = np.stack([result.labelmap.sample(frame_plane(ds, 0))[0] for ds in images])
    for number in (1, 2):
        assert -900 < np.median(volume[labels == number]) < -800
    # With pixels of 3 mm most of the nodule is partial volume; it still stands out by hundreds of HU.
    assert np.median(volume[labels == 2]) + 450 < volume[labels == 3].max() < 80
    liters = [finding.volume_ml for finding in result.findings[:2]]
    assert all(1500 < each < 2600 for each in liters)
    assert liters[0] > liters[1]  # the heart takes room from the left lung
    # Patient right is low x: the right lung lies on the left of a transverse image.
    assert np.nonzero(labels == 1)[2].mean() < np.nonzero(labels == 2)[2].mean()
    assert volume.max() > 400
    assert (volume[:, :6, :].mean(axis=(1, 2)) < -950).all()


def test_lungs_are_apart_and_hold_no_great_vessels(study):
    images = load(study, "current/ct/*.dcm")
    path = Path(study.folder) / "current/ai-segmentation.dcm"
    (result,) = read_results([("seg", lambda: path.open("rb"))])
    assert result.labelmap is not None
    for ds in images:
        plane = frame_plane(ds, 0)
        assert plane is not None
        labels = result.labelmap.sample(plane)[0]
        for axis in (0, 1):
            pairs = np.stack([labels, np.roll(labels, 1, axis)])
            assert not ((pairs.min(axis=0) == 1) & (pairs.max(axis=0) == 2)).any()
        dense = (ds.pixel_array.astype(int) - 1024 > -300) & np.isin(labels, (1, 2))
        # Fine vessels stay; three by three voxels (9 mm) of soft tissue would be a great one.
        inner = dense.copy()
        for axis in (0, 1):
            inner = inner & np.roll(inner, 1, axis) & np.roll(inner, -1, axis)
        assert inner.sum() <= 2


def test_results_mark_the_nodule(study):
    names = ("current/ai-segmentation.dcm", "current/ai-report.dcm")
    seg, report = read_results([(n, lambda n=n: (Path(study.folder) / n).open("rb")) for n in names])
    assert seg.problems == report.problems == []
    assert (seg.sop_instance_uid, report.sop_instance_uid) == (study.segmentation_uid, study.report_uid)
    assert [f.label for f in seg.findings] == ["Right lung", "Left lung", "Nodule"]
    assert {(f.producer.name, f.producer.version) for f in seg.findings} == {("Chest Sample Segmenter", "2.1.0")}
    assert seg.labelmap is not None
    np.testing.assert_allclose(seg.labelmap.centre_of(3), study.nodule_centre, atol=2.5)
    diameter, volume = report.findings
    assert diameter.label == "Nodule, left lower lobe of lung: Diameter"
    assert (diameter.value, diameter.unit) == (study.nodule_diameter_mm, "mm")
    assert 6.5 < study.nodule_diameter_mm < 11
    assert (volume.value, volume.unit) == (study.nodule_volume_mm3, "mm3")
    assert volume.value == pytest.approx((seg.findings[2].volume_ml or 0) * 1000, rel=0.01)
    assert diameter.tracking_uid == volume.tracking_uid == seg.findings[2].tracking_uid
    assert volume.segment is not None
    assert (volume.segment.source_sop_instance_uid, volume.segment.segment_number) == (study.segmentation_uid, 3)
    assert diameter.referenced_images[0].sop_instance_uid == study.nodule_image_uid
    (image,) = [ds for ds in load(study, "current/ct/*.dcm") if ds.SOPInstanceUID == study.nodule_image_uid]
    (stroke,) = image_strokes(diameter.graphics[0])
    line = stroke.points - 0.5
    mask = seg.labelmap.sample(frame_plane(image, 0))[0] == 3
    rows, columns = np.nonzero(mask)
    np.testing.assert_allclose(line.mean(axis=0), [columns.mean(), rows.mean()], atol=0.5)
    assert line[:, 0].max() <= columns.max() + 0.51
    assert line[:, 1].min() >= rows.min() - 0.51


def test_prior_is_earlier_smaller_and_in_its_own_space(study):
    current, prior = load(study, "current/ct/*.dcm")[0], load(study, "prior/ct/*.dcm")[0]
    assert prior.StudyDate < current.StudyDate
    assert prior.FrameOfReferenceUID != current.FrameOfReferenceUID
    assert study.prior_nodule_diameter_mm < study.nodule_diameter_mm
    assert not np.allclose(study.prior_nodule_centre, study.nodule_centre, atol=3)


def test_topogram_is_a_frontal_view_in_the_space_of_the_slices(study):
    (scout,) = load(study, "current/topogram.dcm")
    current = load(study, "current/ct/*.dcm")
    assert scout.ImageType[2] == "LOCALIZER"
    assert scout.FrameOfReferenceUID == current[0].FrameOfReferenceUID
    plane = frame_plane(scout, 0)
    assert plane is not None
    np.testing.assert_allclose(plane.column_cosines, (0, 0, -1))
    last = float(current[-1].ImagePositionPatient[2])
    assert plane.to_patient(0, plane.rows - 1)[2] == pytest.approx(last, abs=6)


def test_too_small_a_study_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least"):
        resources.package("sample_study").make(tmp_path, size=160, slices=20)
    assert list(tmp_path.iterdir()) == []
