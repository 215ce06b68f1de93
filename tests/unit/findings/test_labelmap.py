"""Masks of a SEG on planes: every way in which its geometry may differ from that of the images."""

from __future__ import annotations

import numpy as np
import pytest

from builders.results import FRAME_OF_REFERENCE, Frame, Segment, SegPlan, reread, seg
from lightbox.dicom.image_plane import ImagePlane
from lightbox.findings.labelmap import LabelMap
from lightbox.findings.labelmap_build import build_labelmap
from lightbox.findings.read_seg import read_seg

ROWS, COLUMNS = 11, 13  # rows * columns % 8 != 0


def blobs(count: int, rows: int = ROWS, columns: int = COLUMNS, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((count, rows, columns)) < 0.4


def plane(z: float, rows: int = ROWS, columns: int = COLUMNS, uid: str = FRAME_OF_REFERENCE, **other) -> ImagePlane:
    values = {"position": (0.0, 0.0, z), "row_cosines": (1.0, 0.0, 0.0), "column_cosines": (0.0, 1.0, 0.0)}
    values |= {"row_spacing": 1.0, "column_spacing": 1.0} | other
    return ImagePlane(**values, rows=rows, columns=columns, frame_of_reference_uid=uid)


def labelmap(plan: SegPlan, **encoding: bool) -> LabelMap:
    result, problems = build_labelmap(reread(seg(plan), **encoding))
    assert [p for p in problems if p.severity.value == "error"] == []
    return result


def one_segment(masks: np.ndarray, spacing: float = 2.0) -> list[Frame]:
    return [Frame(1, mask, (0.0, 0.0, k * spacing)) for k, mask in enumerate(masks)]


@pytest.mark.parametrize(
    "encoding",
    [
        {},
        {"implicit": True},
        {"big_endian": True},
        {"undefined_lengths": True},
        {"implicit": True, "undefined_lengths": True},
    ],
)
def test_bit_packed_frames_that_do_not_start_on_a_byte(encoding):
    masks = blobs(5)
    found = labelmap(SegPlan(one_segment(masks)), **encoding)
    for k, mask in enumerate(masks):
        (layer,) = found.sample(plane(k * 2.0))
        assert layer.dtype == np.uint16
        np.testing.assert_array_equal(layer, mask)
    assert found.segments[1].voxels == masks.sum()
    assert found.segments[1].volume_ml == pytest.approx(masks.sum() * 2.0 / 1000)


def test_frames_out_of_order_and_empty_ones_left_out():
    masks = blobs(6)
    order = [4, 0, 5, 2]
    found = labelmap(SegPlan([Frame(1, masks[k], (0.0, 0.0, k * 3.0)) for k in order], between=3.0))
    for k in range(6):
        expected = masks[k] if k in order else np.zeros_like(masks[k])
        np.testing.assert_array_equal(found.sample(plane(k * 3.0))[0], expected)
    assert [p.position[2] for p in found.planes_of(1)] == [0.0, 6.0, 12.0, 15.0]


def test_spacing_is_found_without_being_said():
    found = labelmap(SegPlan([Frame(1, m, (0.0, 0.0, z)) for m, z in zip(blobs(4), (0, 2.5, 5, 12.5), strict=True)]))
    assert found.stacks[0].spacing == pytest.approx(2.5)
    assert found.stacks[0].regular
    assert not found.sample(plane(8.75))[0].any()


def test_planes_outside_give_zeros_and_planes_within_half_a_slice_give_the_slice():
    masks = np.ones((3, ROWS, COLUMNS), dtype=bool)
    found = labelmap(SegPlan(one_segment(masks, 4.0)))
    assert found.sample(plane(9.9))[0].all()
    assert found.sample(plane(-1.99))[0].all()
    assert not found.sample(plane(-2.1))[0].any()
    assert not found.sample(plane(10.1))[0].any()


def test_another_frame_of_reference_or_none_shows_nothing():
    found = labelmap(SegPlan(one_segment(np.ones((2, ROWS, COLUMNS), dtype=bool))))
    assert not found.sample(plane(0.0, uid="1.9.9"))[0].any()
    assert not found.sample(plane(0.0, uid=""))[0].any()
    assert found.sample(plane(0.0))[0].all()


def test_image_grid_finer_larger_and_shifted():
    mask = blobs(1)[0]
    found = labelmap(SegPlan([Frame(1, mask, (10.0, 20.0, 0.0))], spacing=(2.0, 3.0), thickness=5.0))
    image = plane(
        1.0, rows=60, columns=90, position=(5.25, 14.25, 1.0), row_spacing=0.5, column_spacing=0.75
    )  # fmt: skip
    (layer,) = found.sample(image)
    rows = np.floor((14.25 + np.arange(60) * 0.5 - 20.0) / 2.0 + 0.5).astype(int)
    columns = np.floor((5.25 + np.arange(90) * 0.75 - 10.0) / 3.0 + 0.5).astype(int)
    inside = ((rows >= 0) & (rows < ROWS))[:, None] & ((columns >= 0) & (columns < COLUMNS))[None, :]
    expected = np.where(inside, mask[np.clip(rows, 0, ROWS - 1)][:, np.clip(columns, 0, COLUMNS - 1)], 0)
    assert expected.any()
    np.testing.assert_array_equal(layer, expected)


def test_image_seen_from_behind_and_upside_down():
    masks = blobs(3)
    found = labelmap(SegPlan(one_segment(masks)))
    image = plane(
        2.0, position=(COLUMNS - 1.0, ROWS - 1.0, 2.0), row_cosines=(-1.0, 0.0, 0.0), column_cosines=(0.0, -1.0, 0.0)
    )  # fmt: skip
    np.testing.assert_array_equal(found.sample(image)[0], masks[1][::-1, ::-1])
    mirrored = plane(4.0, position=(COLUMNS - 1.0, 0.0, 4.0), row_cosines=(-1.0, 0.0, 0.0))
    np.testing.assert_array_equal(found.sample(mirrored)[0], masks[2][:, ::-1])


@pytest.mark.parametrize("spacing", [1.0, 2.5])
def test_coronal_and_sagittal_planes(spacing):
    masks = blobs(7)
    found = labelmap(SegPlan(one_segment(masks, spacing)))
    coronal = plane(
        0.0, rows=7, columns=COLUMNS, position=(0.0, 4.0, 6 * spacing),
        column_cosines=(0.0, 0.0, -1.0), row_spacing=spacing,
    )  # fmt: skip
    np.testing.assert_array_equal(found.sample(coronal)[0], masks[::-1, 4, :])
    sagittal = plane(
        0.0, rows=7, columns=ROWS, position=(8.0, 0.0, 6 * spacing),
        row_cosines=(0.0, 1.0, 0.0), column_cosines=(0.0, 0.0, -1.0), row_spacing=spacing,
    )  # fmt: skip
    np.testing.assert_array_equal(found.sample(sagittal)[0], masks[::-1, :, 8])


def brute_force(masks: np.ndarray, positions: np.ndarray, image: ImagePlane, spacing: float) -> np.ndarray:
    """Nearest voxel, one pixel after the other, of a transverse stack with 1 mm pixels."""
    result = np.zeros((image.rows, image.columns), dtype=int)
    for row in range(image.rows):
        for column in range(image.columns):
            x, y, z = image.to_patient(column, row)
            k = int(np.argmin(np.abs(positions[:, 2] - z)))
            if abs(positions[k, 2] - z) > spacing / 2:
                continue
            c, r = int(np.floor(x - positions[k, 0] + 0.5)), int(np.floor(y - positions[k, 1] + 0.5))
            if 0 <= c < masks.shape[2] and 0 <= r < masks.shape[1]:
                result[row, column] = masks[k, r, c]
    return result


OBLIQUE = {"row_cosines": (0.8, 0.48, 0.36), "column_cosines": (-0.6, 0.64, 0.48)}


def test_oblique_plane_equals_a_pixel_by_pixel_lookup():
    masks = blobs(9, 20, 24)
    positions = np.array([(0.0, 0.0, k * 1.7) for k in range(9)])
    found = labelmap(SegPlan([Frame(1, m, tuple(p)) for m, p in zip(masks, positions, strict=True)]))
    image = plane(0.0, 40, 44, position=(1.13, -2.21, 0.37), row_spacing=0.71, column_spacing=0.67, **OBLIQUE)
    expected = brute_force(masks, positions, image, 1.7)
    assert expected.sum() > 50
    np.testing.assert_array_equal(found.sample(image)[0], expected)


def test_tilted_stack_and_uneven_stack():
    masks = blobs(6, 20, 24)
    for heights, shear in (((0, 2, 4, 6, 8, 10), 0.7), ((0, 2, 4.6, 6, 8.9, 10), 0.0)):
        positions = np.array([(0.0, shear * z, z) for z in heights], dtype=float)
        found = labelmap(SegPlan([Frame(1, m, tuple(p)) for m, p in zip(masks, positions, strict=True)]))
        stack = found.stacks[0]
        for mask, position in zip(masks, positions, strict=True):
            np.testing.assert_array_equal(found.sample(plane(0.0, 20, 24, position=tuple(position)))[0], mask)
        image = plane(0.0, 40, 44, position=(1.13, -2.21, 0.37), row_spacing=0.71, column_spacing=0.67, **OBLIQUE)
        expected = brute_force(masks, positions, image, stack.spacing)
        assert expected.sum() > 30
        np.testing.assert_array_equal(found.sample(image)[0], expected)
        assert (found.segments[1].volume_ml is None) == (not stack.regular)


def test_segments_that_overlap_keep_all_their_voxels():
    masks = {number: blobs(3, seed=number) for number in (1, 2, 3)}
    frames = [Frame(n, m, (0.0, 0.0, k * 2.0)) for n, stack in masks.items() for k, m in enumerate(stack)]
    found = labelmap(SegPlan(frames, [Segment(n, f"S{n}") for n in masks]))
    for k in range(3):
        layers = found.sample(plane(k * 2.0))
        assert len(layers) == 3
        for number, stack in masks.items():
            np.testing.assert_array_equal(np.any([layer == number for layer in layers], axis=0), stack[k])
    assert {n: info.voxels for n, info in found.segments.items()} == {n: int(m.sum()) for n, m in masks.items()}


def test_repeated_frames_of_one_segment_at_one_place_are_united_and_not_stacked():
    masks = blobs(2)
    frames = [Frame(1, masks[0], (0.0, 0.0, 0.0)), Frame(1, masks[1], (0.0, 0.0, 0.0))]
    layers = labelmap(SegPlan(frames, thickness=2.0)).sample(plane(0.0))
    assert len(layers) == 1
    np.testing.assert_array_equal(layers[0], masks[0] | masks[1])


def test_fractional_masks_from_half_on_and_keeps_the_fraction():
    values = np.random.default_rng(3).integers(0, 201, (2, ROWS, COLUMNS)).astype(np.uint8)
    plan = SegPlan(one_segment(values), kind="FRACTIONAL", bits=8, maximum=200)
    found = labelmap(plan)
    for k in range(2):
        np.testing.assert_array_equal(found.sample(plane(k * 2.0))[0], values[k] >= 100)
    fraction = found.fraction(1, found.planes_of(1)[1])
    np.testing.assert_allclose(fraction, values[1] / 200.0, rtol=1e-6)
    assert found.segments[1].voxels == (values >= 100).sum()


@pytest.mark.parametrize(("bits", "numbers"), [(8, (1, 7, 255)), (16, (1, 300, 65000))])
@pytest.mark.parametrize("big_endian", [False, True])
def test_label_map_of_8_and_16_bits(bits, numbers, big_endian):
    choice = np.random.default_rng(4).integers(0, 4, (3, ROWS, COLUMNS))
    values = np.array([0, *numbers])[choice]
    frames = [Frame(None, v, (0.0, 0.0, k * 2.0)) for k, v in enumerate(values)]
    plan = SegPlan(frames, [Segment(n, f"S{n}") for n in numbers], kind="LABELMAP", bits=bits)
    dataset = seg(plan)
    if big_endian and bits == 16:
        dataset.PixelData = values.astype(">u2").tobytes()
    found, problems = build_labelmap(reread(dataset, big_endian=big_endian))
    assert problems == []
    for k in range(3):
        np.testing.assert_array_equal(found.sample(plane(k * 2.0))[0], values[k])
    assert {n: info.voxels for n, info in found.segments.items()} == {n: int((values == n).sum()) for n in numbers}


def test_label_map_background_by_padding_value_and_by_its_code():
    values = np.array([[[0, 5, 1], [5, 1, 2]]])
    segments = [
        Segment(0, "Nothing", type_code=("125040", "DCM", "Background")),
        Segment(1, "One"),
        Segment(2, "Nothing too", type_code=("125040", "DCM", "Background")),
    ]
    plan = SegPlan(
        [Frame(None, values[0], (0.0, 0.0, 0.0))], segments, kind="LABELMAP", bits=8, thickness=1.0,
        extra={"PixelPaddingValue": 5},
    )  # fmt: skip
    found = labelmap(plan)
    np.testing.assert_array_equal(found.sample(plane(0.0, 2, 3))[0], values[0] == 1)
    assert list(found.segments) == [1]


def test_pixels_of_a_segment_that_is_not_listed_are_shown_and_said():
    values = np.array([[1, 9], [0, 1]])
    plan = SegPlan([Frame(None, values, (0.0, 0.0, 0.0))], kind="LABELMAP", bits=8, thickness=1.0)
    found, problems = build_labelmap(reread(seg(plan)))
    np.testing.assert_array_equal(found.sample(plane(0.0, 2, 2))[0], values)
    assert [problem.code for problem in problems] == ["seg.segment"]


def test_two_orientations_in_one_seg_are_shown_together():
    transverse, coronal = np.ones((4, 4), dtype=bool), np.ones((4, 4), dtype=bool)
    frames = [
        Frame(1, transverse, (0.0, 0.0, 0.0), orientation=(1, 0, 0, 0, 1, 0)),
        Frame(2, coronal, (0.0, 2.0, 3.0), orientation=(1, 0, 0, 0, 0, -1)),
    ]
    plan = SegPlan(frames, [Segment(1), Segment(2)], geometry_per_frame=True, thickness=1.0)
    found = labelmap(plan)
    assert len(found.stacks) == 2
    layers = found.sample(plane(0.0, 4, 4))
    np.testing.assert_array_equal(layers[0], np.ones((4, 4)))
    expected = np.zeros((4, 4))
    expected[2] = 2
    np.testing.assert_array_equal(layers[1], expected)


def test_a_label_map_applies_by_frame_of_reference_first_then_by_reference():
    sources = (("1.2.3.10", ()),)
    placed = labelmap(SegPlan([Frame(1, blobs(1)[0], (0.0, 0.0, 0.0), sources)], thickness=1.0))
    assert placed.applies_to(FRAME_OF_REFERENCE, "9.9") == ""
    assert "another frame of reference" in placed.applies_to("1.8.8", "1.2.3.10")
    assert placed.applies_to("", "1.2.3.10") == ""
    assert "does not refer" in placed.applies_to("", "9.9")
    loose = labelmap(SegPlan([Frame(1, blobs(1)[0], None, sources)], frame_of_reference=""))
    assert loose.applies_to("1.8.8", "1.2.3.10") == ""
    assert "does not refer" in loose.applies_to("1.8.8", "9.9")


def test_masks_without_patient_geometry_lie_on_the_image_and_frame_that_they_name():
    masks = blobs(3)
    frames = [
        Frame(1, masks[0], None, (("1.2.3.10", (2,)),)),
        Frame(2, masks[1], None, (("1.2.3.10", (2,)),)),
        Frame(1, masks[2], None, (("1.2.3.11", ()),)),
    ]
    found = labelmap(SegPlan(frames, [Segment(1), Segment(2)], frame_of_reference=""))
    layers = found.sample_image("1.2.3.10", 1, ROWS, COLUMNS)
    np.testing.assert_array_equal(np.any([layer == 1 for layer in layers], axis=0), masks[0])
    np.testing.assert_array_equal(np.any([layer == 2 for layer in layers], axis=0), masks[1])
    assert not found.sample_image("1.2.3.10", 0, ROWS, COLUMNS)[0].any()
    np.testing.assert_array_equal(found.sample_image("1.2.3.11", 5, ROWS, COLUMNS)[0], masks[2])
    assert found.sample_image("1.2.3.11", 0, ROWS * 2, COLUMNS)[0].shape == (ROWS * 2, COLUMNS)
    assert not found.sample_image("1.2.3.11", 0, ROWS * 2, COLUMNS)[0].any()
    assert found.segments[1].volume_ml is None


def test_placed_masks_are_found_by_reference_too():
    masks = blobs(2)
    frames = [Frame(1, m, (0.0, 0.0, k * 2.0), ((f"1.2.3.{k}", ()),)) for k, m in enumerate(masks)]
    found = labelmap(SegPlan(frames))
    np.testing.assert_array_equal(found.sample_image("1.2.3.1", 0, ROWS, COLUMNS)[0], masks[1])
    assert found.sources[1][0].sop_instance_uid == "1.2.3.0"


def test_sampled_layers_are_kept_and_cannot_be_changed():
    found = labelmap(SegPlan(one_segment(blobs(2))))
    first = found.sample(plane(0.0))
    assert found.sample(plane(0.0)) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0][0, 0] = 7


def test_centre_of_a_segment_is_on_its_largest_plane():
    masks = np.zeros((3, ROWS, COLUMNS), dtype=bool)
    masks[1, 4:7, 6:9] = True
    masks[2, 0, 0] = True
    found = labelmap(SegPlan(one_segment(masks)))
    assert found.centre_of(1) == pytest.approx((7.0, 5.0, 2.0))
    assert found.centre_of(9) is None


def test_missing_pixels_give_a_result_with_the_segments_and_a_problem():
    dataset = seg(SegPlan(one_segment(blobs(2)), [Segment(1, "Liver", version="3.1", algorithm_name="Net")]))
    del dataset.PixelData
    result = read_seg(reread(dataset))
    assert result.labelmap is None
    assert [p.code for p in result.problems] == ["seg.unreadable"]
    assert [(f.label, f.producer.name, f.producer.version) for f in result.findings] == [("Liver", "Net", "3.1")]


def test_truncated_pixels_show_what_is_there_and_say_so():
    masks = blobs(4, 16, 16)
    dataset = seg(SegPlan(one_segment(masks)))
    dataset.PixelData = dataset.PixelData[:80]
    result = read_seg(reread(dataset))
    assert [p.code for p in result.problems] == ["seg.frames"]
    assert result.labelmap is not None
    np.testing.assert_array_equal(result.labelmap.sample(plane(2.0, 16, 16))[0], masks[1])
    assert not result.labelmap.sample(plane(6.0, 16, 16))[0].any()


def test_no_segments_no_geometry_and_unknown_segment_numbers_are_said():
    dataset = seg(SegPlan(one_segment(blobs(2))))
    del dataset.SegmentSequence
    assert [p.code for p in read_seg(reread(dataset)).problems] == ["seg.unreadable"]
    nowhere = read_seg(reread(seg(SegPlan([Frame(1, blobs(1)[0])]))))
    assert [p.code for p in nowhere.problems] == ["seg.geometry"]
    wrong = read_seg(reread(seg(SegPlan([Frame(5, blobs(1)[0], (0.0, 0.0, 0.0))]))))
    assert [p.code for p in wrong.problems] == ["seg.segment"]


@pytest.mark.parametrize("positions", [(10.0, 20.0), (10.0, 20.0, 33.0)])
def test_planes_far_apart_reach_no_further_than_they_are_thick(positions):
    masks = np.ones((len(positions), ROWS, COLUMNS), dtype=bool)
    found = labelmap(SegPlan([Frame(1, m, (0.0, 0.0, z)) for m, z in zip(masks, positions)], thickness=1.0))
    covered = [z for z in range(40) if found.sample(plane(float(z)))[0].any()]
    assert covered == list(positions)
    assert found.segments[1].volume_ml is None


def test_gaps_between_thick_planes_belong_to_the_planes():
    found = labelmap(SegPlan(one_segment(np.ones((3, ROWS, COLUMNS), dtype=bool), 6.0), thickness=5.0))
    assert found.stacks[0].spacing == pytest.approx(6.0)
    assert found.segments[1].volume_ml == pytest.approx(3 * ROWS * COLUMNS * 6.0 / 1000)
