"""NIfTI files: the same place and values as dcm2niix gives, and as our own geometry says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from builders.series_records import scan_folder
from builders.stacks import affine_of, make_stack
from lightbox.core.errors import LightboxError, UsageError
from lightbox.imaging import nifti
from lightbox.imaging.volume import Volume, assemble
from lightbox.viewer.volume_cache import volume_frames

AXIAL = affine_of((1, 0, 0), (0, 1, 0), (-10, -20, 30), (0.5, 0.75, 2.0))


def volumes_of(folder: Path) -> list[tuple[Volume, list[Path]]]:
    scanned = scan_folder(folder)
    found = []
    for display_set in scanned.build_all():
        assert display_set.is_volume, [problem.sentence() for problem in display_set.problems]
        volume = assemble(volume_frames(display_set, scanned.open_object))
        found.append((volume, [scanned.paths[frame.sop_instance_uid] for frame in display_set.frames]))
    return found


@pytest.fixture(scope="module")
def dcm2niix() -> str:
    found = shutil.which("dcm2niix")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("dcm2niix is required when CI=true")
        pytest.skip("dcm2niix is not installed")
    return found


def convert(program: str, files: list[Path], work: Path) -> nibabel.Nifti1Image:
    """Return what dcm2niix makes of the files, uncompressed first because not every build decodes JPEG 2000."""
    source, target = work / "in", work / "out"
    source.mkdir()
    target.mkdir()
    for number, path in enumerate(files):
        ds = pydicom.dcmread(path)
        if ds.file_meta.TransferSyntaxUID.is_compressed:
            ds.decompress()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.save_as(source / f"{number:04d}.dcm")
    command = [program, "-b", "n", "-z", "n", "-f", "volume", "-o", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return nibabel.load(target / "volume.nii")


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder",
    [
        "ct-volume/siemens-neck-295",
        "mr-volume/siemens-mprage-128",
        "mr-volume/siemens-2studies/HFS",
        "mr-volume/siemens-2studies/HFP",
    ],
)
def test_same_as_dcm2niix(data: Path, tmp_path: Path, dcm2niix: str, folder: str):
    ((volume, files),) = volumes_of(data / folder)
    nifti.write(volume, tmp_path / "ours.nii")
    ours = nibabel.as_closest_canonical(nibabel.load(tmp_path / "ours.nii"))
    theirs = nibabel.as_closest_canonical(convert(dcm2niix, files, tmp_path))
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(np.asarray(ours.dataobj), theirs.get_fdata(dtype=np.float32))


def test_gantry_tilt(data: Path, tmp_path: Path, dcm2niix: str):
    """Voxels as dcm2niix; every corner of every slice where its own header puts it.

    dcm2niix 1.0.2022 writes an affine for tilted stacks whose second column is too long by 1 / cos(tilt), so the affine
    is held against the headers instead.
    """
    found = volumes_of(data / "ct-volume/ge-head-gantry-tilt-28")
    assert [volume.size for volume, _ in found] == [(512, 512, 14)] * 2  # 4 mm below, 7 mm above
    for number, (volume, files) in enumerate(found):
        assert volume.is_sheared
        work = tmp_path / str(number)
        work.mkdir()
        nifti.write(volume, work / "ours.nii")
        image = nibabel.load(work / "ours.nii")
        for k, path in enumerate(files):
            ds = pydicom.dcmread(path, stop_before_pixels=True)
            iop, spacing = np.array(ds.ImageOrientationPatient, float), [float(value) for value in ds.PixelSpacing]
            for i, j in ((0, 0), (511, 0), (0, 511)):
                lps = np.array(ds.ImagePositionPatient, float) + iop[:3] * spacing[1] * i + iop[3:] * spacing[0] * j
                np.testing.assert_allclose((image.affine @ [i, j, k, 1])[:3], lps * (-1, -1, 1), atol=1e-3)
        theirs = nibabel.as_closest_canonical(convert(dcm2niix, files, work))
        ours = nibabel.as_closest_canonical(image)
        np.testing.assert_array_equal(np.asarray(ours.dataobj), theirs.get_fdata(dtype=np.float32))
        assert int(image.header["qform_code"]) == 0
        assert int(image.header["sform_code"]) == 1


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_true_values_and_ras(tmp_path: Path, suffix: str):
    values = np.arange(5 * 6 * 8, dtype=np.uint16).reshape(5, 6, 8)
    volume = assemble(make_stack(values, AXIAL, rescale=(2, -1024)).volume_frames())
    path = tmp_path / f"volume{suffix}"
    nifti.write(volume, path)
    image = nibabel.load(path)
    assert image.get_data_dtype() == np.int16
    assert image.shape == (8, 6, 5)
    np.testing.assert_array_equal(np.asarray(image.dataobj), values.transpose(2, 1, 0) * 2.0 - 1024)
    np.testing.assert_allclose(image.affine, np.diag([-1, -1, 1, 1]) @ AXIAL, atol=1e-5)
    np.testing.assert_allclose(image.header.get_qform(), image.header.get_sform(), atol=1e-4)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_float_values_stay_float(tmp_path: Path):
    values = np.arange(240, dtype=np.uint16).reshape(5, 6, 8)
    volume = assemble(make_stack(values, AXIAL, rescale=(0.125, 1)).volume_frames())
    nifti.write(volume, tmp_path / "volume.nii.gz")
    image = nibabel.load(tmp_path / "volume.nii.gz")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(image.dataobj), values.transpose(2, 1, 0) * 0.125 + 1)


def test_nothing_about_the_patient(tmp_path: Path):
    values = np.arange(240, dtype=np.uint16).reshape(5, 6, 8)
    nifti.write(assemble(make_stack(values, AXIAL).volume_frames()), tmp_path / "volume.nii")
    written = (tmp_path / "volume.nii").read_bytes()
    assert b"Phantom" not in written
    assert b"T-1" not in written


def test_other_names_are_refused(tmp_path: Path):
    volume = assemble(make_stack(np.zeros((2, 4, 4), np.uint16), AXIAL).volume_frames())
    with pytest.raises(UsageError, match=r"\.nii or \.nii\.gz"):
        nifti.write(volume, tmp_path / "volume.img")
    with pytest.raises(LightboxError, match="cannot be written"):
        nifti.write(volume, tmp_path / "no such folder" / "volume.nii")
