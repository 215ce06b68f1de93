"""``render``, ``volume`` and ``findings`` on real files."""

from __future__ import annotations

import json
from pathlib import Path

import imagecodecs
import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from lightbox.cli.main import run

pytestmark = pytest.mark.data


def _png(path: Path) -> np.ndarray:
    return np.asarray(imagecodecs.png_decode(path.read_bytes()))


def _uids(folder: Path, modality: str) -> tuple[str, str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            dataset = dcmread(path, stop_before_pixels=True, force=True)
            if dataset.get("Modality") == modality:
                return str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID)
    raise AssertionError(f"no {modality} in {folder.name}")


def test_exact_is_the_stored_grid_through_the_grey_chain(data: Path, home: Path, tmp_path: Path) -> None:
    source = data / "transfer-syntaxes" / "ctimage"
    for path in sorted(source.iterdir()):
        out = tmp_path / f"{path.name}.png"
        assert run(["render", str(path), "-o", str(out), "--exact", "--window", "40", "400"]) == 0
    pictures = [_png(path) for path in sorted(tmp_path.glob("*.png"))]
    dataset = dcmread(
        next(source.glob("*Explicit*")) if list(source.glob("*Explicit*")) else sorted(source.iterdir())[0]
    )
    assert all(picture.shape == (dataset.Rows, dataset.Columns) for picture in pictures)
    lossless = [
        _png(tmp_path / f"{path.name}.png")
        for path in sorted(source.iterdir())
        if dcmread(path, stop_before_pixels=True).get("LossyImageCompression", "00") != "01"
        and dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
        not in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91")
    ]
    assert len(lossless) > 5
    assert all(np.array_equal(picture, lossless[0]) for picture in lossless[1:])


def test_window_and_frame(data: Path, home: Path, tmp_path: Path) -> None:
    cine = data / "enhanced" / "MOVEKNEE.dcm"
    source = (
        cine
        if cine.exists()
        else next(
            path for path in (data / "enhanced").rglob("*.dcm") if int(dcmread(path).get("NumberOfFrames", 1)) > 2
        )
    )
    for frame in ("1", "2"):
        assert run(["render", str(source), "-o", str(tmp_path / f"{frame}.png"), "--frame", frame, "--exact"]) == 0
    assert not np.array_equal(_png(tmp_path / "1.png"), _png(tmp_path / "2.png"))
    assert run(["render", str(source), "-o", str(tmp_path / "x.png"), "--frame", "100000"]) == 2


def test_overlays_are_drawn_unless_declined(data: Path, home: Path, tmp_path: Path) -> None:
    folder = data / "overlays-seg" / "ct-3slice-liver"
    assert run(["import", str(folder)]) == 0
    study, _ = _uids(folder, "SEG")
    assert run(["render", study, "-o", str(tmp_path / "with.png")]) == 0
    assert run(["render", study, "-o", str(tmp_path / "without.png"), "--no-overlays"]) == 0
    drawn, plain = _png(tmp_path / "with.png").astype(int), _png(tmp_path / "without.png").astype(int)
    assert np.ptp(plain, axis=2).max() == 0
    assert (np.ptp(drawn, axis=2) > 20).sum() > 100


def test_planes_of_a_volume(data: Path, home: Path, tmp_path: Path) -> None:
    folder = data / "mr-volume" / "siemens-2studies" / "HFS"
    assert run(["import", str(folder), "--link"]) == 0
    _, series = _uids(folder, "MR")
    for plane in ("axial", "coronal", "sagittal"):
        assert run(["render", series, "-o", str(tmp_path / f"{plane}.png"), "--plane", plane]) == 0
        assert _png(tmp_path / f"{plane}.png").std() > 5
    assert run(["render", series, "-o", str(tmp_path / "x.png"), "--plane", "axial", "--slice", "100000"]) == 2
    assert run(["render", series, "-o", str(tmp_path / "x.png"), "--slice", "1"]) == 2


def test_volume_has_true_values(data: Path, home: Path, tmp_path: Path) -> None:
    folder = data / "mr-volume" / "siemens-2studies" / "HFS"
    assert run(["import", str(folder), "--link"]) == 0
    _, series = _uids(folder, "MR")
    out = tmp_path / "volume.nii.gz"
    assert run(["volume", series, "-o", str(out)]) == 0
    stored = np.stack(
        [dcmread(path).pixel_array for path in sorted(folder.rglob("*")) if path.is_file()],
    )
    values = np.asanyarray(nibabel.load(out).dataobj)  # type: ignore[attr-defined]
    assert sorted(values.shape) == sorted(stored.shape)
    assert np.array_equal(np.sort(values, axis=None), np.sort(stored, axis=None))
    assert run(["volume", series, "-o", str(tmp_path / "volume.txt")]) == 2


def test_findings_have_the_public_shape(data: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data / "overlays-seg" / "ct-3slice-liver"
    assert run(["import", str(folder)]) == 0
    study, _ = _uids(folder, "SEG")
    capsys.readouterr()
    assert run(["findings", study, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found
    for finding in found:
        assert set(finding) == {
            "label",
            "type",
            "algorithm",
            "version",
            "value",
            "unit",
            "source_sop_instance_uid",
            "referenced_sop_instance_uids",
            "voxels",
            "volume_ml",
        }
        assert finding["type"] == "segment"
        assert finding["voxels"] > 0
        assert finding["volume_ml"] > 0
        assert finding["referenced_sop_instance_uids"]
