"""Stack geometry: regular, tilted, missing, doubled, uneven, shifted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from builders.stacks import affine_of
from lightbox.dicom.image_plane import ImagePlane
from lightbox.imaging.geometry import GeometryError, classify, same_orientation, same_pixel_spacing, stack_affine

FOR = "1.2.3.4"


def plane(position, row=(1, 0, 0), column=(0, 1, 0), spacing=0.7, size=512) -> ImagePlane:
    return ImagePlane(tuple(map(float, position)), row, column, spacing, spacing, size, size, FOR)


def axial(positions, **options) -> list[ImagePlane]:
    return [plane((-100, -90, z), **options) for z in positions]


def codes(planes) -> list[str]:
    return [problem.code for problem in classify(planes).problems]


def test_regular_stack_in_any_order():
    z = [10 + 1.25 * k for k in range(40)]
    shuffled = list(np.random.default_rng(1).permutation(40))
    found = classify(axial([z[k] for k in shuffled]))
    assert found.is_volume
    assert found.spacing_mm == pytest.approx(1.25)
    assert [shuffled[index] for index in found.order] == list(range(40))
    assert found.problems == ()
    np.testing.assert_allclose(found.step, (0, 0, 1.25))


def test_feet_first_stack_is_sorted_along_its_normal():
    planes = [plane((100, -90, z), row=(-1.0, 0.0, 0.0)) for z in (0.0, 2.0, 4.0)]
    assert classify(planes).order == (2, 1, 0)
    assert classify(planes).is_volume


def test_missing_slice_is_named_with_numbers_and_positions():
    z = [3.0 * k for k in range(74) if k != 16]
    names = [f"image {k + 1}" for k in range(74) if k != 16]
    found = classify(axial(z), names)
    assert not found.is_volume
    assert found.spacing_mm == pytest.approx(3.0)
    assert [(gap.first, gap.last, gap.total) for gap in found.gaps] == [(17, 17, 74)]
    sentence = found.problems[0].sentence()
    assert "Slice 17 of 74 missing between z = 45.0 mm and z = 51.0 mm" in sentence
    assert "between image 16 and image 18" in sentence
    assert "expected 3.00 mm, found 6.00 mm" in sentence


def test_several_gaps():
    z = [2.5 * k for k in range(60) if k not in (10, 11, 12, 40)]
    assert [(gap.first, gap.last) for gap in classify(axial(z)).gaps] == [(11, 13), (41, 41)]


def test_one_thick_end_is_no_gap_but_uneven():
    found = classify(axial([0, 1, 2, 3, 4, 5.4]))
    assert [problem.code for problem in found.problems] == ["geometry.irregular-spacing"]
    assert "from 1.00 to 1.40 mm" in found.problems[0].sentence()
    assert not found.is_volume


def test_two_zones_of_spacing_are_uneven_not_missing():
    assert codes(axial([*np.arange(0, 30, 2.5), *np.arange(30, 80, 5)])) == ["geometry.irregular-spacing"]


@pytest.mark.parametrize(("jitter", "regular"), [(0.0005, True), (0.05, True), (0.09, True), (0.15, False)])
def test_rounded_positions_are_tolerated(jitter, regular):
    z = np.arange(50) * 2.0
    z[1:-1:2] += jitter
    found = classify(axial(z))
    assert found.is_volume is regular
    assert found.max_deviation_mm == pytest.approx(jitter, abs=1e-6)


def test_duplicates():
    found = classify(axial([0, 1, 2, 0, 1, 2]))
    assert found.duplicates == ((0, 3), (1, 4), (2, 5))
    assert not found.is_volume
    assert "6 slices share 3 positions" in found.problems[0].sentence()


def test_all_at_one_place():
    found = classify(axial([5.0] * 4))
    assert found.spacing_mm is None
    assert not found.is_volume


@pytest.mark.parametrize("degrees", [18.5, -18.5, 0.4])
def test_gantry_tilt(degrees):
    angle = np.radians(degrees)
    column = (0.0, float(np.cos(angle)), float(-np.sin(angle)))
    planes = [plane((0, 0, 4.0 * k), column=column) for k in range(20)]
    found = classify(planes)
    assert found.is_volume
    assert found.sheared
    assert abs(found.tilt_deg) == pytest.approx(abs(degrees), abs=1e-6)
    assert [problem.code for problem in found.problems] == ["geometry.tilt"]
    affine = stack_affine(planes)
    for k, entry in enumerate(planes):
        np.testing.assert_allclose((affine @ [511, 511, k, 1])[:3], entry.to_patient(511, 511), atol=1e-3)


def test_uneven_sideways_shift_is_no_volume():
    planes = [plane((0, 0.5 if k == 7 else 0, k)) for k in range(20)]
    found = classify(planes)
    assert not found.is_volume
    assert [problem.code for problem in found.problems] == ["geometry.shifted-slices"]
    assert "z = 7.0 mm" in found.problems[0].where


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"row_cosines": (0.0, 1.0, 0.0), "column_cosines": (0.0, 0.0, -1.0)}, "geometry.mixed-orientation"),
        ({"row_spacing": 0.8}, "geometry.mixed-spacing"),
        ({"rows": 256}, "geometry.mixed-size"),
        ({"frame_of_reference_uid": "9.9"}, "geometry.mixed-frame-of-reference"),
    ],
)
def test_mixed_planes_are_no_volume(change, code):
    planes = axial([0, 1, 2, 3])
    planes[2] = replace(planes[2], **change)
    found = classify(planes)
    assert code in [problem.code for problem in found.problems]
    assert not found.is_volume
    with pytest.raises(GeometryError):
        stack_affine(planes)


def test_tolerances_of_comparison():
    base = plane((0, 0, 0))
    assert same_orientation(base, replace(base, row_cosines=(0.999999, 0.0005, 0.0)))
    assert not same_orientation(base, replace(base, row_cosines=(0.99998, 0.006, 0.0)))
    assert same_pixel_spacing(base, replace(base, row_spacing=0.7001))
    assert not same_pixel_spacing(base, replace(base, row_spacing=0.701))


def test_slightly_turned_slices_are_no_volume():
    planes = axial([0, 1, 2, 3])
    planes[2] = replace(planes[2], row_cosines=(0.9999998, 0.0006, 0.0), column_cosines=(-0.0006, 0.9999998, 0.0))
    assert codes(planes) == ["geometry.unsteady-grid"]
    planes[2] = replace(planes[2], row_cosines=(1.0, 0.0002, 0.0), column_cosines=(-0.0002, 1.0, 0.0))
    assert classify(planes).is_volume


def test_one_and_two_slices():
    assert not classify(axial([3])).is_volume
    two = classify(axial([3, 8]))
    assert two.is_volume
    assert two.spacing_mm == pytest.approx(5)


def test_no_slice():
    with pytest.raises(GeometryError):
        classify([])


def test_affine_of_oblique_stack():
    rng = np.random.default_rng(3)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = affine_of(q[0], q[1], (10, -20, 30), (0.4, 0.6, 3.0))
    planes = [
        ImagePlane(
            tuple((affine @ [0, 0, k, 1])[:3]), tuple(affine[:3, 0] / 0.4), tuple(affine[:3, 1] / 0.6), 0.6, 0.4, 9, 11
        )
        for k in range(6)
    ]
    np.testing.assert_allclose(stack_affine(planes), affine, atol=1e-12)
    np.testing.assert_allclose(stack_affine(planes[::-1])[:3, 2], -affine[:3, 2], atol=1e-12)
    assert "along the normal" in classify([*planes[:2], *planes[3:]]).problems[0].what or abs(q[2]).max() > 0.9
