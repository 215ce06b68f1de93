"""Reformatted planes: exact on the grid, right in the patient off it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from builders.stacks import affine_of, make_stack
from lightbox.core.errors import UsageError
from lightbox.dicom.image_plane import ImagePlane
from lightbox.dicom.modality_lut import ModalityLut
from lightbox.dicom.orientation import edges
from lightbox.imaging.grey import GreyChain
from lightbox.imaging.reslice import plane_step, reslice, standard_plane, standard_stack
from lightbox.imaging.volume import Volume, as_point, assemble

NAMES = ("axial", "coronal", "sagittal")
ORIENTATIONS = {
    "axial head first supine": ((1, 0, 0), (0, 1, 0)),
    "axial feet first": ((-1, 0, 0), (0, 1, 0)),
    "axial prone": ((-1, 0, 0), (0, -1, 0)),
    "decubitus": ((0, 1, 0), (-1, 0, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "oblique sagittal": ((0, 0.97629602, -0.21643955), (0, -0.21643955, -0.97629602)),
    "double oblique": ((0.8, 0.6, 0), (-0.48, 0.64, 0.6)),
}
rng = np.random.default_rng(11)


def make_volume(
    affine: NDArray[np.float64], shape: tuple[int, int, int] = (9, 13, 17), dtype: type = np.int16
) -> Volume:
    voxels = rng.integers(-1000, 3000, size=shape).astype(dtype)
    return Volume(voxels, affine, "HU", GreyChain(ModalityLut()), "1.2.3")


def slice_plane(volume: Volume, k: int) -> ImagePlane:
    spacing = volume.spacing_mm
    i, j, _ = volume.size
    return ImagePlane(
        as_point(volume.to_patient(0, 0, k)),
        as_point(volume.affine[:3, 0] / spacing[0]),
        as_point(volume.affine[:3, 1] / spacing[1]),
        spacing[1],
        spacing[0],
        j,
        i,
        "1.2.3",
    )


def trilinear(volume: Volume, plane: ImagePlane) -> NDArray[np.float64]:
    """Linear interpolation of voxels, held constant from the last voxel centre to its face."""
    matrix = volume.inverse @ plane.affine
    column, row = np.meshgrid(np.arange(plane.columns), np.arange(plane.rows))
    result = np.zeros(column.shape)
    low, weight = [], []
    for axis, size in enumerate(volume.size):
        at = np.clip(matrix[axis, 0] * column + matrix[axis, 1] * row + matrix[axis, 3], 0, size - 1)
        floor = np.clip(np.floor(at), 0, max(size - 2, 0)).astype(int)
        low.append(floor)
        weight.append(at - floor)
    for corner in itertools.product((0, 1), repeat=3):
        share = np.prod([w if up else 1 - w for w, up in zip(weight, corner)], axis=0)
        i, j, k = (np.minimum(f + up, size - 1) for f, up, size in zip(low, corner, volume.size))
        result += share * volume.voxels[k, j, i]
    return result


@pytest.fixture(params=list(ORIENTATIONS))
def volume(request) -> Volume:
    row, column = ORIENTATIONS[request.param]
    return make_volume(affine_of(row, column, (-50, -60, 70), (0.7, 0.7, 2.5)))


@pytest.fixture(params=[1, -1], ids=["right-handed", "left-handed"])
def handed(request, volume: Volume) -> Volume:
    if request.param == 1:
        return volume
    affine = volume.affine.copy()
    affine[:3, 2] *= -1
    return Volume(volume.voxels, affine, "HU", volume.grey, "1.2.3")


def test_own_slices_come_back_unchanged(handed: Volume):
    for k in range(handed.size[2]):
        values, inside = reslice(handed, slice_plane(handed, k))
        assert values.dtype == np.int16
        assert inside.all()
        np.testing.assert_array_equal(values, handed.voxels[k])


@pytest.mark.parametrize("order", [0, 1, 3])
def test_own_slices_come_back_through_the_interpolator_too(handed: Volume, order: int):
    plane = slice_plane(handed, 4)
    # Moved by a little more than the exact path allows, by less than a grey level.
    nudged = replace(plane, position=as_point(np.asarray(plane.position) + 2e-4 * plane.normal))
    values, inside = reslice(handed, nudged, order=order)
    assert inside.all()
    assert np.abs(values.astype(int) - handed.voxels[4]).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_known_voxel_appears_at_its_place(handed: Volume, name: str):
    marked = np.zeros_like(handed.voxels)
    i, j, k = 11, 3, 6
    marked[k, j, i] = 1000
    volume = Volume(marked, handed.affine, "HU", handed.grey, "1.2.3")
    point = volume.to_patient(i, j, k)
    plane = standard_plane(volume, name, as_point(point))
    values, inside = reslice(volume, plane)
    column, row, away = plane.to_pixel(as_point(point))
    assert away == pytest.approx(0, abs=1e-9)
    assert inside[round(row), round(column)]
    bright = np.argwhere(values == values.max())
    assert values.max() > 300
    # The brightest pixel lies within half a pixel (and a half for interpolation) of the voxel.
    assert np.abs(bright.mean(axis=0) - (row, column)).max() <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_every_value_is_that_of_its_place(handed: Volume, name: str):
    for point in (handed.centre, as_point(handed.to_patient(2, 9, 7.3))):
        plane = standard_plane(handed, name, point)
        values, inside = reslice(handed, plane)
        # half a unit from rounding to whole numbers, the rest from weights in single precision
        np.testing.assert_allclose(values[inside], trilinear(handed, plane)[inside], atol=0.6)
        assert not values[~inside].any()
        for row, column in rng.integers(0, (plane.rows, plane.columns), size=(60, 2)):
            assert inside[row, column] == handed.contains(plane.to_patient(column, row))


@pytest.mark.parametrize("name", NAMES)
def test_nearest_neighbour_gives_voxels(handed: Volume, name: str):
    plane = standard_plane(handed, name, as_point(handed.to_patient(5, 5, 3.2)))
    values, inside = reslice(handed, plane, order=0)
    for row, column in rng.integers(0, (plane.rows, plane.columns), size=(200, 2)):
        point = plane.to_patient(column, row)
        index = handed.to_index(point)
        if inside[row, column] and np.abs(index - np.floor(index) - 0.5).min() > 0.01:
            assert values[row, column] == handed.value_at(point)


def test_sheared_volume_is_sampled_where_its_voxels_are():
    angle = np.radians(18.5)
    affine = affine_of((1, 0, 0), (0, np.cos(angle), -np.sin(angle)), (0, 0, 0), (0.5, 0.5, 1), step=(0, 0, 4.2))
    volume = make_volume(affine, (12, 40, 40), np.float32)
    assert volume.is_sheared
    for name in NAMES:
        plane = standard_plane(volume, name)
        values, inside = reslice(volume, plane)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values[inside], trilinear(volume, plane)[inside], atol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_standard_planes_are_radiological(handed: Volume, name: str):
    found = edges(standard_plane(handed, name))
    expected = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "H", "F"), "sagittal": ("A", "P", "H", "F")}[name]
    assert (found.left, found.right, found.top, found.bottom) == expected


@pytest.mark.parametrize("name", NAMES)
def test_standard_plane_covers_the_volume_with_square_pixels(handed: Volume, name: str):
    plane = standard_plane(handed, name)
    assert plane.row_spacing == plane.column_spacing == pytest.approx(0.7)
    ends = [(-0.5, size - 0.5) for size in handed.size]
    for corner in itertools.product(*ends):
        column, row, _ = plane.to_pixel(as_point(handed.to_patient(*corner)))
        assert -0.5 - 1e-6 <= column <= plane.columns - 0.5 + 1e-3 * plane.columns
        assert -0.5 - 1e-6 <= row <= plane.rows - 0.5 + 1e-3 * plane.rows


def test_axial_stack_of_an_axial_volume_is_the_volume():
    volume = make_volume(affine_of((1, 0, 0), (0, 1, 0), (-50, -60, 70), (0.7, 0.7, 2.5)))
    planes = standard_stack(volume, "axial")
    assert len(planes) == 9
    assert [plane.position[2] for plane in planes] == pytest.approx([70 + 2.5 * k for k in range(9)])
    for k, plane in enumerate(planes):
        values, inside = reslice(volume, plane)
        assert inside.all()
        np.testing.assert_array_equal(values, volume.voxels[k])


@pytest.mark.parametrize("name", NAMES)
def test_stack_goes_through_the_whole_volume(handed: Volume, name: str):
    planes = standard_stack(handed, name)
    assert sum(reslice(handed, plane)[1].any() for plane in planes) >= len(planes) - 1
    steps = np.diff([plane.position for plane in planes], axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), plane_step(handed, name))


class TestSlab:
    AFFINE = affine_of((1, 0, 0), (0, 1, 0), (0, 0, 0), (1, 1, 2))

    @pytest.mark.parametrize(("mode", "combine"), [("max", np.max), ("min", np.min), ("mean", np.mean)])
    def test_slab_of_whole_slices(self, mode, combine):
        volume = make_volume(self.AFFINE)
        plane = slice_plane(volume, 4)
        values, inside = reslice(volume, plane, slab_mm=4.0, mode=mode)  # slices 3, 4, 5
        assert inside.all()
        np.testing.assert_allclose(values, combine(volume.voxels[3:6].astype(np.float32), axis=0), atol=1e-3)
        assert values.dtype == (np.float32 if mode == "mean" else np.int16)

    @pytest.mark.parametrize(("mode", "combine"), [("max", np.max), ("min", np.min), ("mean", np.mean)])
    def test_what_is_outside_does_not_count(self, mode, combine):
        volume = make_volume(self.AFFINE)
        values, inside = reslice(volume, slice_plane(volume, 0), slab_mm=4.0, mode=mode)
        assert inside.all()
        np.testing.assert_allclose(values, combine(volume.voxels[0:2].astype(np.float32), axis=0), atol=1e-3)

    def test_oblique_slab_samples_no_further_apart_than_voxels(self):
        volume = make_volume(self.AFFINE, (20, 40, 40))
        volume.voxels[:] = 0
        volume.voxels[10, 20, 20] = 3000
        row = np.array([1, 1, 0]) / np.sqrt(2)
        plane = ImagePlane(
            as_point(volume.to_patient(20, 20, 10) - 15 * row),
            as_point(row),
            (0.0, 0.0, -1.0),
            0.5,
            0.5,
            40,
            60,
            "1.2.3",
        )
        for shift in (-4.0, 0.0, 3.3):
            moved = replace(plane, position=as_point(np.asarray(plane.position) + shift * plane.normal))
            assert reslice(volume, moved, slab_mm=10.0, mode="max")[0].max() > 1000


class TestRefusal:
    def test_other_frame_of_reference(self):
        volume = make_volume(TestSlab.AFFINE)
        with pytest.raises(UsageError, match="frame of reference"):
            reslice(volume, replace(slice_plane(volume, 0), frame_of_reference_uid="9.9"))

    @pytest.mark.parametrize("options", [{"mode": "sum"}, {"order": 2}, {"slab_mm": -1.0}])
    def test_nonsense(self, options):
        volume = make_volume(TestSlab.AFFINE)
        with pytest.raises(UsageError):
            reslice(volume, slice_plane(volume, 0), **options)

    def test_unknown_plane(self):
        with pytest.raises(UsageError, match="axial, coronal or sagittal"):
            standard_plane(make_volume(TestSlab.AFFINE), "oblique")  # type: ignore[arg-type]

    def test_plane_beside_the_volume(self):
        volume = make_volume(TestSlab.AFFINE)
        for z in (-1.2, 17.2, 300.0):
            plane = standard_plane(volume, "axial", (0.0, 0.0, z))
            values, inside = reslice(volume, plane)
            assert not inside.any()
            assert not values.any()


def test_from_files_to_plane():
    """A sagittal MR from its files to an axial plane: the marked voxel is where its slice says it is."""
    affine = affine_of((0, 1, 0), (0, 0, -1), (40, -100, 90), (1.0, 1.0, -4.0))
    stored = np.zeros((10, 32, 24), np.uint16)
    stored[6, 20, 5] = 900
    stack = make_stack(stored, affine, modality="MR")
    volume = assemble(stack.volume_frames())
    point = stack.planes[6].to_patient(5, 20)
    plane = standard_plane(volume, "axial", as_point(point))
    values, _ = reslice(volume, plane)
    column, row, away = plane.to_pixel(as_point(point))
    assert away == pytest.approx(0)
    assert values[round(row), round(column)] > 700
    assert values[round(row) + 2, round(column)] == 0
