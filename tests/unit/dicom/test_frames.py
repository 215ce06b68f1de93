"""Frames: count, functional groups, planes of classic and enhanced images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom.dataset import Dataset

from builders.images import group, make_enhanced, make_image, opened
from lightbox.dicom import frames, reading

AXIAL = [1, 0, 0, 0, 1, 0]


def test_a_classic_image_has_the_plane_of_its_root_attributes():
    ds = make_image(np.zeros((4, 6), np.uint16), position=(-10, 20, 30.5), spacing=(0.5, 0.75), SliceThickness=3)
    plane = frames.frame_plane(ds, 0)
    assert plane is not None
    assert plane.position == (-10, 20, 30.5)
    assert (plane.row_spacing, plane.column_spacing) == (0.5, 0.75)
    assert (plane.rows, plane.columns) == (4, 6)
    assert plane.slice_thickness == 3
    assert plane.frame_of_reference_uid == ds.FrameOfReferenceUID
    assert plane.to_patient(2, 1).tolist() == [-10 + 2 * 0.75, 20 + 1 * 0.5, 30.5]


@pytest.mark.parametrize("missing", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_without_one_part_of_the_geometry_there_is_no_plane(missing):
    ds = make_image(position=(0, 0, 0), spacing=(1, 1))
    delattr(ds, missing)
    assert frames.frame_plane(ds, 0) is None


@pytest.mark.parametrize(
    ("orientation", "spacing"),
    [([1, 0, 0, 1, 0, 0], (1, 1)), ([0, 0, 0, 0, 1, 0], (1, 1)), (AXIAL, (0, 1)), ([2, 0, 0, 0, 1, 0], (1, 1))],
)
def test_impossible_geometry_gives_no_plane(orientation, spacing):
    assert frames.frame_plane(make_image(position=(0, 0, 0), orientation=orientation, spacing=spacing), 0) is None


def test_rounded_cosines_are_brought_to_unit_length():
    plane = frames.frame_plane(make_image(position=(0, 0, 0), orientation=[0.999, 0, 0, 0, 0.999, 0], spacing=(1, 1)))
    assert plane is not None
    assert plane.row_cosines == (1.0, 0.0, 0.0)


def test_enhanced_frames_take_their_own_position_and_shared_measures():
    ds = make_enhanced(
        np.zeros((3, 4, 6), np.uint16),
        shared=group(
            PixelMeasuresSequence={"PixelSpacing": [0.5, 0.6], "SliceThickness": 2},
            PlaneOrientationSequence={"ImageOrientationPatient": AXIAL},
        ),
        per_frame=[group(PlanePositionSequence={"ImagePositionPatient": [0, 0, z]}) for z in (30, 10, 20)],
    )
    planes = [frames.frame_plane(ds, frame) for frame in range(3)]
    assert [plane.position[2] for plane in planes if plane] == [30, 10, 20]
    assert planes[1] is not None
    assert (planes[1].row_spacing, planes[1].column_spacing) == (0.5, 0.6)


def test_a_per_frame_macro_wins_over_the_shared_one():
    ds = make_enhanced(
        np.zeros((2, 4, 6), np.uint16),
        shared=group(PixelMeasuresSequence={"PixelSpacing": [1, 1]}),
        per_frame=[group(), group(PixelMeasuresSequence={"PixelSpacing": [2, 2]})],
    )
    found = [frames.functional_group(ds, frame, "PixelMeasuresSequence") for frame in range(2)]
    assert [list(item.PixelSpacing) for item in found if item is not None] == [[1, 1], [2, 2]]
    assert frames.functional_group(ds, 0, "PlanePositionSequence") is None


def test_enhanced_images_do_not_borrow_geometry_from_the_root():
    ds = make_enhanced(np.zeros((2, 4, 6), np.uint16), position=(0, 0, 0), spacing=(1, 1))
    assert frames.frame_plane(ds, 0) is None


def test_frames_outside_the_image_have_no_plane():
    ds = make_image(position=(0, 0, 0), spacing=(1, 1))
    assert frames.frame_plane(ds, 1) is None
    assert frames.frame_plane(ds, -1) is None


def test_rt_dose_planes_follow_relative_offsets_along_the_normal():
    feet_first = [-1, 0, 0, 0, 1, 0]  # normal points to the feet
    ds = make_image(
        np.zeros((3, 4, 6), np.uint16),
        modality="RTDOSE",
        position=(0, 0, 100),
        orientation=feet_first,
        spacing=(1, 1),
        GridFrameOffsetVector=[0, 2.5, 5],
    )
    planes = [frames.frame_plane(ds, frame) for frame in range(3)]
    assert [plane.position[2] for plane in planes if plane] == [100, 97.5, 95]


def test_rt_dose_planes_follow_absolute_offsets_in_patient_z():
    for orientation in (AXIAL, [-1, 0, 0, 0, 1, 0]):
        ds = make_image(
            np.zeros((3, 4, 6), np.uint16),
            modality="RTDOSE",
            position=(0, 0, 100),
            orientation=orientation,
            spacing=(1, 1),
            GridFrameOffsetVector=[100, 102.5, 105],
        )
        planes = [frames.frame_plane(ds, frame) for frame in range(3)]
        assert [plane.position[2] for plane in planes if plane] == [100, 102.5, 105]


def test_nm_tomography_follows_slice_vector_and_spacing():
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [0, 0, 50], AXIAL
    ds = make_image(
        np.zeros((3, 4, 6), np.uint16),
        modality="NM",
        spacing=(4, 4),
        DetectorInformationSequence=[detector],
        SliceVector=[1, 2, 3],
        SpacingBetweenSlices=-4,
    )
    planes = [frames.frame_plane(ds, frame) for frame in range(3)]
    assert [plane.position[2] for plane in planes if plane] == [50, 46, 42]


def test_frames_in_time_share_the_plane_and_other_stacks_have_none():
    stack = np.zeros((2, 4, 6), np.uint16)
    timed = make_image(stack, position=(0, 0, 7), spacing=(1, 1), FrameIncrementPointer=0x00181063)
    assert [frames.frame_plane(timed, frame).position for frame in range(2)] == [(0, 0, 7)] * 2  # type: ignore[union-attr]
    unknown = make_image(stack, position=(0, 0, 7), spacing=(1, 1))
    assert frames.frame_plane(unknown, 0) is None


@pytest.mark.parametrize(("value", "count"), [("12", 12), ("", 1), ("1A", 1), ("0", 1)])
def test_number_of_frames_survives_nonsense(value, count):
    ds = make_image()
    ds.add_new("NumberOfFrames", "LO", value)
    data = opened(make_image(NumberOfFrames=1)).getvalue().replace(b"\x28\x00\x08\x00IS\x02\x001 ", b"")
    assert frames.number_of_frames(reading.read_header(io.BytesIO(data))) == 1
    assert frames.number_of_frames(ds) == count


@pytest.mark.data
def test_planes_of_a_real_enhanced_series_are_evenly_stacked(data):
    with (data / "enhanced/dicom2nifti/IM-0001-0170-0001.dcm").open("rb") as file:
        ds = reading.read_header(file)
    distances = [plane.distance for frame in range(8) if (plane := frames.frame_plane(ds, frame))]
    assert len(distances) == 8
    assert np.allclose(np.diff(sorted(distances)), np.diff(sorted(distances))[0], atol=1e-3)
