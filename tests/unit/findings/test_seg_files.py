"""SEG of other makers: masks against an independent reader, voxel by voxel, on the images that they were drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from lightbox.dicom.frames import frame_plane, number_of_frames
from lightbox.dicom.reading import read_dataset
from lightbox.findings.model import FindingType, ResultSet
from lightbox.findings.read_seg import read_seg
from lightbox.findings.reader import read_results

ENCODINGS = [
    "liver_deflate", "liver_expb", "liver_j2k", "liver_rle",
    "liver_nonbyte_aligned", "liver_nonbyte_aligned_deflate", "liver_nonbyte_aligned_j2k", "liver_nonbyte_aligned_rle",
]  # fmt: skip
PIXEL_EXACT = {
    "dcmqi/label.seg": ["dcmqi/IMG0001.dcm", "dcmqi/IMG0002.dcm", "dcmqi/IMG0003.dcm", "dcmqi/mf.dcm"],
    "dcmqi/seg__label.seg": [
        "dcmqi/image__IMG0001.dcm", "dcmqi/image__IMG0002.dcm", "dcmqi/image__IMG0003.dcm", "dcmqi/multiframe__mf.dcm",
    ],
    "ct-3slice-liver/liver.dcm": [f"ct-3slice-liver/0{k}.dcm" for k in (1, 2, 3)],
    "ct-3slice-liver/partial_overlaps.dcm": [f"ct-3slice-liver/0{k}.dcm" for k in (1, 2, 3)],
}  # fmt: skip


def read(path: Path) -> ResultSet:
    with path.open("rb") as source:
        return read_seg(read_dataset(source))


def masks_by_hand(path: Path) -> list[tuple[int, tuple[float, ...], np.ndarray]]:
    """(segment, position, mask) of each frame, straight from the attributes with pydicom's own bit unpacking."""
    ds = dcmread(path)
    pixels = np.atleast_3d(ds.pixel_array) if ds.NumberOfFrames > 1 else ds.pixel_array[None]
    result = []
    for groups, frame in zip(ds.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        position = tuple(float(part) for part in groups.PlanePositionSequence[0].ImagePositionPatient)
        result.append((groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber, position, frame > 0))
    return result


@pytest.mark.parametrize("name", PIXEL_EXACT)
def test_masks_lie_on_the_slices_they_were_drawn_on(data, name):
    folder = data / "overlays-seg"
    result = read(folder / name)
    assert result.problems == []
    labelmap = result.labelmap
    assert labelmap is not None
    expected = masks_by_hand(folder / name)
    seen = 0
    for image_name in PIXEL_EXACT[name]:
        image = dcmread(folder / image_name)
        for frame in range(number_of_frames(image)):
            plane = frame_plane(image, frame)
            assert plane is not None
            assert labelmap.applies_to(plane.frame_of_reference_uid, image.SOPInstanceUID) == ""
            layers = labelmap.sample(plane)
            for number in labelmap.segments:
                shown = np.any([layer == number for layer in layers], axis=0)
                drawn = np.zeros_like(shown)
                for segment, position, mask in expected:
                    if segment == number and np.allclose(position, plane.position, atol=1e-3):
                        drawn |= mask
                np.testing.assert_array_equal(shown, drawn)
                seen += int(shown.sum())
    copies = 2 if any("mf" in image for image in PIXEL_EXACT[name]) else 1
    assert seen == copies * sum(int(mask.sum()) for _segment, _position, mask in expected)


def test_known_voxels_of_the_tiny_phantoms(data):
    small = read(data / "overlays-seg/dcmqi/label.seg")
    (finding,) = small.findings
    assert (finding.label, finding.type, finding.voxels) == ("Liver", FindingType.SEGMENT, 322)
    assert finding.volume_ml == pytest.approx(322 * 0.7 * 0.7 * 2.5 / 1000)
    assert finding.producer.name == "SlicerEditor"
    assert finding.producer.kind == "algorithm"
    assert len(finding.referenced_images) == 3
    overlaps = read(data / "overlays-seg/ct-3slice-liver/partial_overlaps.dcm")
    counts = {f.label: f.voxels for f in overlaps.findings}
    assert counts == {"GREEN": 9602, "ORANGE": 11888, "PURPLE": 10743, "LIGHT_BLUE": 6693, "DARK_BLUE": 4713}
    assert {f.producer.kind for f in overlaps.findings} == {"person"}


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_gives_the_same_liver(data, name):
    reference = read(data / "overlays-seg/ct-3slice-liver/liver.dcm")
    result = read(data / f"overlays-seg/ct-3slice-liver-encodings/{name}.dcm")
    assert result.problems == []
    assert result.labelmap is not None
    assert reference.labelmap is not None
    assert result.findings[0].voxels == 107098
    for plane in reference.labelmap.planes_of(1):
        (shown,), (expected,) = result.labelmap.sample(plane), reference.labelmap.sample(plane)
        np.testing.assert_array_equal(shown, expected)


def test_sparse_label_maps_with_and_without_padding_value(data):
    one = read(data / "overlays-seg/dcmqi-labelmap/sparse-labelmap-noppv.dcm")
    two = read(data / "overlays-seg/dcmqi-labelmap/sparse-labelmap-ppv5.dcm")
    for result, name in ((one, "noppv"), (two, "ppv5")):
        assert result.problems == []
        assert result.labelmap is not None
        assert [(f.label, f.voxels) for f in result.findings] == [("Liver", 630)]
        pixels = dcmread(data / f"overlays-seg/dcmqi-labelmap/sparse-labelmap-{name}.dcm").pixel_array
        planes = result.labelmap.planes_of(1)
        for plane, frame in zip(planes, pixels, strict=True):
            np.testing.assert_array_equal(result.labelmap.sample(plane)[0], frame == 1)
        # The slice between the two was left out as empty.
        image = dcmread(data / "overlays-seg/dcmqi/image__IMG0002.dcm")
        assert not result.labelmap.sample(frame_plane(image, 0))[0].any()


@pytest.mark.parametrize(
    "name", ["seg_image_ct_binary", "seg_image_ct_binary_overlap", "seg_image_ct_binary_single_frame"]
)
def test_same_masks_as_highdicom(data, name):
    highdicom = pytest.importorskip("highdicom", reason="highdicom is the independent reader")
    path = data / f"overlays-seg/highdicom/{name}.dcm"
    result = read(path)
    assert result.problems == []
    labelmap = result.labelmap
    assert labelmap is not None
    reference = highdicom.seg.segread(path)
    for number in reference.segment_numbers:
        volume = reference.get_volume(segment_numbers=[number], combine_segments=False)
        values = volume.array[..., 0]
        for k in range(values.shape[0]):
            position = volume.map_indices_to_reference(np.array([[k, 0, 0]]))[0]
            plane = next((p for p in labelmap.planes_of(number) if np.allclose(p.position, position, atol=1e-3)), None)
            if plane is None:
                assert not values[k].any()
                continue
            layers = labelmap.sample(plane)
            np.testing.assert_array_equal(np.any([layer == number for layer in layers], axis=0), values[k])
        assert labelmap.segments[number].voxels == values.sum()


def test_fraction_equals_highdicom(data):
    highdicom = pytest.importorskip("highdicom", reason="highdicom is the independent reader")
    path = data / "overlays-seg/highdicom/seg_image_ct_binary_fractional.dcm"
    labelmap = read(path).labelmap
    assert labelmap is not None
    volume = highdicom.seg.segread(path).get_volume(rescale_fractional=True)
    for plane in labelmap.planes_of(1):
        k = int(np.rint(volume.map_reference_to_indices(np.array([plane.position]))[0][0]))
        np.testing.assert_allclose(labelmap.fraction(1, plane), volume.array[k, ..., 0], atol=1e-6)
        np.testing.assert_array_equal(labelmap.sample(plane)[0], volume.array[k, ..., 0] >= 0.5)


def test_seg_of_a_radiograph_lies_on_the_radiograph(data):
    result = read(data / "overlays-seg/highdicom/seg_image_cr_binary.dcm")
    labelmap = result.labelmap
    assert labelmap is not None
    assert not labelmap.has_patient_geometry
    (finding,) = result.findings
    uid = finding.referenced_images[0].sop_instance_uid
    pixels = dcmread(data / "overlays-seg/highdicom/seg_image_cr_binary.dcm").pixel_array
    np.testing.assert_array_equal(labelmap.sample_image(uid, 0, 16, 16)[0], pixels)
    assert finding.voxels == pixels.sum() == 151
    assert finding.volume_ml is None
    assert labelmap.applies_to("", uid) == ""
    assert (finding.producer.name, finding.producer.version) == ("test", "v1.0")


@pytest.mark.parametrize("name", ["seg_image_sm_dots", "seg_image_sm_dots_tiled_full"])
def test_tiled_segs_of_slides_are_read_and_say_what_is_not_shown(data, name):
    result = read(data / f"overlays-seg/wsi-dots/{name}.dcm")
    assert len(result.findings) == 50
    assert [p.code for p in result.problems] in (["seg.slide"], ["seg.geometry"])
    assert all(p.why for p in result.problems)
    if name == "seg_image_sm_dots":
        assert result.labelmap is not None
        source: Dataset = dcmread(data / "overlays-seg/wsi-dots/sm_image.dcm", stop_before_pixels=True)
        shown = sum(
            int((layer > 0).sum())
            for frame in range(25)
            for layer in result.labelmap.sample_image(source.SOPInstanceUID, frame, 10, 10)
        )
        assert shown == sum(f.voxels or 0 for f in result.findings) > 0
    else:
        assert {f.voxels for f in result.findings} == {None}


def test_results_of_a_study_stay_apart_and_one_bad_object_does_not_hide_the_rest(data, tmp_path):
    good = data / "overlays-seg/dcmqi/label.seg"
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(good.read_bytes()[:900])
    rubbish = tmp_path / "rubbish.dcm"
    rubbish.write_bytes(b"not DICOM at all" * 40)
    paths = [good, broken, rubbish, data / "overlays-sr/highdicom/sr_document.dcm"]
    results = read_results([(f"uid{k}", lambda p=path: p.open("rb")) for k, path in enumerate(paths)])
    assert [len(result.findings) for result in results] == [1, 0, 0, 1]
    assert results[0].problems == []
    assert results[1].problems
    assert [p.code for p in results[2].problems] == ["result.unreadable"]
    assert results[2].sop_instance_uid == "uid2"


def test_images_that_are_not_here_are_said(data):
    path = data / "overlays-seg/dcmqi/label.seg"
    (result,) = read_results([("x", lambda: path.open("rb"))], known=lambda uid: uid.endswith("63463783"))
    (problem,) = result.problems
    assert problem.code == "result.images-missing"
    assert "2 of 3" in problem.what
