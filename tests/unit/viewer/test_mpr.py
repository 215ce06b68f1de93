"""The crosshair point and its three planes."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from lightbox.imaging import reslice
from lightbox.imaging.grey import GreyChain
from lightbox.imaging.volume import Volume
from lightbox.viewer.frame_view_of import of_plane
from lightbox.viewer.mpr import PLANES, MprState, Slab
from lightbox.viewer.viewport import Role


@pytest.fixture
def volume() -> Volume:
    affine = np.eye(4)
    affine[:3, :3] = np.diag([0.5, 0.5, 2.0])
    affine[:3, 3] = (-10, -20, 30)
    voxels = np.arange(6 * 10 * 12, dtype=np.int16).reshape(6, 10, 12)
    return Volume(voxels, affine, "HU", GreyChain.of_dataset(Dataset()), "1.2")


def test_planes_meet_in_the_point(volume: Volume) -> None:
    mpr = MprState(volume)
    mpr.set_point((-8.0, -18.0, 34.0))
    for role in PLANES:
        assert mpr.plane(role).to_pixel(mpr.point)[2] == pytest.approx(0.0, abs=1e-9)


def test_scroll_moves_by_voxels_and_stays_inside(volume: Volume) -> None:
    mpr = MprState(volume)
    start = mpr.position(Role.AXIAL)
    assert start[1] == 6
    z = mpr.point[2]
    mpr.scroll(Role.AXIAL, 1)
    assert mpr.point[2] == pytest.approx(z + 2.0)
    mpr.scroll(Role.AXIAL, 100)
    assert mpr.position(Role.AXIAL) == (5, 6)
    mpr.scroll(Role.AXIAL, -100)
    assert mpr.position(Role.AXIAL) == (0, 6)


def test_going_to_a_number_shows_that_slice(volume: Volume) -> None:
    mpr = MprState(volume)
    for k in range(6):
        mpr.go_to(Role.AXIAL, k)
        values, inside = reslice.reslice(volume, mpr.plane(Role.AXIAL))
        assert inside.all()
        assert np.array_equal(values, volume.voxels[k])


def test_point_under_the_crosshair_is_the_point(volume: Volume) -> None:
    mpr = MprState(volume)
    mpr.set_point((-7.25, -17.5, 36.0))
    for role in PLANES:
        assert mpr.point_at(role, *mpr.crosshair(role)) == pytest.approx(mpr.point)


def test_change_is_told_once(volume: Volume) -> None:
    mpr = MprState(volume)
    told: list[int] = []
    mpr.changed.connect(lambda: told.append(1))
    mpr.set_slab(Slab(10.0, "max"))
    mpr.set_slab(Slab(10.0, "max"))
    mpr.set_point(mpr.point)
    assert len(told) == 1
    assert mpr.slab.name == "MIP 10 mm"
    assert mpr.half_thickness_mm(Role.AXIAL) == 5.0


def test_view_of_a_plane_reads_values_and_is_black_outside(volume: Volume) -> None:
    plane = MprState(volume).plane(Role.AXIAL)
    values, inside = reslice.reslice(volume, plane)
    inside = inside.copy()
    inside[0, 0] = False
    view = of_plane(volume, plane, values, inside)
    assert view.value_text(0, 0) == ""
    assert view.value_text(3, 2) == f"{int(values[2, 3])} HU"
    assert view.display(view.first_voi)[0, 0] == 0
