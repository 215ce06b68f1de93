"""Reformatted planes: what a volume looks like on any plane, and the three standard planes of radiology.

A plane that lies on the voxel grid is cut out of the array as it is, without interpolation. Any other plane is sampled
by VTK's CPU reslice filter, in voxel coordinates, so that a sheared volume (gantry tilt) is sampled where its voxels
really are. VTK is imported on first use.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import UsageError
from lightbox.dicom.image_plane import ImagePlane
from lightbox.imaging.volume import Volume, Voxels, as_point

PlaneName = Literal["axial", "coronal", "sagittal"]
SlabMode = Literal["mean", "max", "min"]

STANDARD_DIRECTIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}
"""Row and column direction (patient LPS) of the standard planes, radiological convention.

Axial is seen from the feet (patient's left on the right of the screen, anterior on top), coronal from the front (left
on the right, head on top), sagittal from the patient's left (anterior on the left, head on top).
"""
GRID_TOLERANCE = 1e-4
"""A plane within this many voxels of the voxel grid everywhere is cut out without interpolation."""
EDGE_TOLERANCE = 1e-4


def reslice(
    volume: Volume,
    plane: ImagePlane,
    *,
    slab_mm: float = 0.0,
    mode: SlabMode = "mean",
    order: int = 1,
) -> tuple[Voxels, NDArray[np.bool_]]:
    """Sample a volume on a plane.

    Parameters
    ----------
    volume : Volume
    plane : ImagePlane
        Must lie in the volume's frame of reference.
    slab_mm : float
        Thickness, centred on the plane; 0 for a single plane.
    mode : "mean", "max" or "min"
        What becomes of the values across the slab; samples outside the volume do not count.
    order : int
        0 nearest neighbour, 1 linear, 3 cubic.

    Returns
    -------
    values : (rows, columns) ndarray
        Modality values: of the volume's type (int16 rounded to the nearest whole number), float32 for a mean slab. 0
        outside.
    inside : (rows, columns) ndarray of bool
        Where the volume is; anything else is background.

    Raises
    ------
    UsageError
        Unknown `mode` or `order`, a negative slab, or another frame of reference.
    """
    if mode not in ("mean", "max", "min") or order not in (0, 1, 3) or slab_mm < 0:
        raise UsageError("This reformatted plane makes no sense", why=f"mode {mode}, order {order}, slab {slab_mm} mm")
    here, there = volume.frame_of_reference_uid, plane.frame_of_reference_uid
    if here and there and here != there:
        raise UsageError("The plane lies in another frame of reference than the volume")
    to_voxel = volume.inverse @ plane.affine
    offsets = _slab_offsets(volume, to_voxel, slab_mm)
    if len(offsets) == 1:
        return _sample(volume, to_voxel, plane.rows, plane.columns, order)
    return _slab(volume, to_voxel, plane, offsets, mode, order)


def standard_plane(
    volume: Volume, name: PlaneName, point: tuple[float, float, float] | NDArray[np.float64] | None = None
) -> ImagePlane:
    """Return the standard plane through a point, covering all of the volume.

    Parameters
    ----------
    volume : Volume
    name : "axial", "coronal" or "sagittal"
    point : 3 floats, optional
        Patient LPS mm; only its position across the plane counts. Default: the middle of the volume.

    Returns
    -------
    ImagePlane
        Square pixels of the smallest voxel spacing; the outer edges of voxels and pixels coincide at the top left.
    """
    row, column = _directions(name)
    lower, upper = _extent(volume)
    normal = np.cross(row, column)
    across = int(np.argmax(np.abs(normal)))
    pixel = min(volume.spacing_mm)
    origin = np.zeros(3)
    counts: list[int] = []
    for direction in (row, column):
        axis = int(np.argmax(np.abs(direction)))
        forward = direction[axis] > 0
        origin[axis] = lower[axis] + pixel / 2 if forward else upper[axis] - pixel / 2
        counts.append(max(1, int(np.ceil((upper[axis] - lower[axis]) / pixel - 1e-3))))
    origin[across] = (volume.centre if point is None else point)[across]
    return ImagePlane(
        position=as_point(origin),
        row_cosines=as_point(row),
        column_cosines=as_point(column),
        row_spacing=pixel,
        column_spacing=pixel,
        rows=counts[1],
        columns=counts[0],
        frame_of_reference_uid=volume.frame_of_reference_uid,
        slice_thickness=None,
    )


def standard_stack(volume: Volume, name: PlaneName) -> list[ImagePlane]:
    """Return all planes of a standard direction, one voxel apart, through the whole volume.

    Axial planes run from feet to head, coronal ones from front to back, sagittal ones from right to left. Where the
    volume has an axis in that direction the planes go through its voxel centres.
    """
    row, column = _directions(name)
    across = int(np.argmax(np.abs(np.cross(row, column))))
    step = plane_step(volume, name)
    lower, upper = _extent(volume)
    count = max(1, int(np.ceil((upper[across] - lower[across]) / step - 1e-3)))
    points = np.tile(np.asarray(volume.centre), (count, 1))
    points[:, across] = lower[across] + step * (np.arange(count) + 0.5)
    return [standard_plane(volume, name, point) for point in points]


def plane_step(volume: Volume, name: PlaneName) -> float:
    """Return the mm from one standard plane to the next: the voxel spacing along the axis most nearly across it."""
    row, column = _directions(name)
    across = int(np.argmax(np.abs(np.cross(row, column))))
    directions = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    axis = int(np.argmax(np.abs(directions[across])))
    if volume.is_sheared:
        return float(abs(volume.affine[across, axis])) or volume.spacing_mm[axis]
    return volume.spacing_mm[axis]


def _directions(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if name not in STANDARD_DIRECTIONS:
        raise UsageError("There is no such plane", where=name, todo="Choose axial, coronal or sagittal")
    row, column = STANDARD_DIRECTIONS[name]
    return np.array(row), np.array(column)


def _extent(volume: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and largest patient coordinates of the outer faces of the voxels."""
    ends = [(-0.5, size - 0.5) for size in volume.size]
    corners = np.array([[i, j, k, 1.0] for i in ends[0] for j in ends[1] for k in ends[2]])
    points = (volume.affine @ corners.T)[:3]
    return points.min(axis=1), points.max(axis=1)


def _slab_offsets(volume: Volume, to_voxel: NDArray[np.float64], slab_mm: float) -> NDArray[np.float64]:
    """Return where across the plane (mm) to sample a slab: no further apart than the voxels are."""
    per_mm = float(np.linalg.norm(to_voxel[:3, 2]))
    count = int(np.floor(slab_mm * per_mm + 1e-6)) + 1 if slab_mm > 0 and per_mm > 0 else 1
    if count == 1:
        return np.zeros(1)
    step = 1.0 / per_mm
    return np.asarray((np.arange(count) - (count - 1) / 2) * step, dtype=np.float64)


def _slab(
    volume: Volume,
    to_voxel: NDArray[np.float64],
    plane: ImagePlane,
    offsets: NDArray[np.float64],
    mode: SlabMode,
    order: int,
) -> tuple[Voxels, NDArray[np.bool_]]:
    shape = (plane.rows, plane.columns)
    kind = np.float32 if mode == "mean" or volume.voxels.dtype != np.int16 else np.int16
    fill = {"mean": 0, "max": _lowest(kind), "min": _highest(kind)}[mode]
    result = np.full(shape, fill, dtype=kind)
    counts = np.zeros(shape, dtype=np.uint16)
    for offset in offsets:
        shifted = to_voxel.copy()
        shifted[:3, 3] += to_voxel[:3, 2] * offset
        values, inside = _sample(volume, shifted, plane.rows, plane.columns, order)
        if mode == "mean":
            np.add(result, values, out=result, where=inside, casting="unsafe")
        elif mode == "max":
            np.maximum(result, values, out=result, where=inside)
        else:
            np.minimum(result, values, out=result, where=inside)
        counts += inside
    touched = counts > 0
    if mode == "mean":
        np.divide(result, counts, out=result, where=touched)
    result[~touched] = 0
    return result, touched


def _lowest(kind: type[np.generic]) -> float:
    return float(np.iinfo(np.int16).min) if kind is np.int16 else -np.inf


def _highest(kind: type[np.generic]) -> float:
    return float(np.iinfo(np.int16).max) if kind is np.int16 else np.inf


def _sample(
    volume: Volume, to_voxel: NDArray[np.float64], rows: int, columns: int, order: int
) -> tuple[Voxels, NDArray[np.bool_]]:
    """Sample on one plane, given by the matrix from (column, row, mm, 1) to (i, j, k, 1)."""
    exact = _on_grid(volume, to_voxel, rows, columns)
    return exact if exact is not None else _by_vtk(volume, to_voxel, rows, columns, order)


def _on_grid(
    volume: Volume, to_voxel: NDArray[np.float64], rows: int, columns: int
) -> tuple[Voxels, NDArray[np.bool_]] | None:
    """Cut the plane out of the array when its pixels are voxels; None otherwise."""
    column_step, row_step, start = np.rint(to_voxel[:3, 0]), np.rint(to_voxel[:3, 1]), np.rint(to_voxel[:3, 3])
    drift = (
        np.abs(to_voxel[:3, 0] - column_step) * columns
        + np.abs(to_voxel[:3, 1] - row_step) * rows
        + np.abs(to_voxel[:3, 3] - start)
    )
    single = all(np.count_nonzero(step) == 1 and np.abs(step).max() == 1 for step in (column_step, row_step))
    if drift.max() > GRID_TOLERANCE or not single:
        return None
    column_axis, row_axis = int(np.argmax(np.abs(column_step))), int(np.argmax(np.abs(row_step)))
    if column_axis == row_axis:
        return None
    fixed_axis = 3 - column_axis - row_axis
    values = np.zeros((rows, columns), dtype=volume.voxels.dtype)
    inside = np.zeros((rows, columns), dtype=bool)
    fixed = int(start[fixed_axis])
    size = volume.size
    if not 0 <= fixed < size[fixed_axis]:
        return values, inside
    # voxels are indexed (k, j, i): axis a of (i, j, k) is axis 2 - a of the array
    cut = np.take(volume.voxels, fixed, axis=2 - fixed_axis)
    if column_axis > row_axis:
        cut = cut.T  # the array's later axis is the lower patient index
    row_target, row_source = _overlap(int(start[row_axis]), int(row_step[row_axis]), rows, size[row_axis])
    column_target, column_source = _overlap(
        int(start[column_axis]), int(column_step[column_axis]), columns, size[column_axis]
    )
    values[row_target, column_target] = cut[row_source][:, column_source]
    inside[row_target, column_target] = True
    return values, inside


def _overlap(start: int, step: int, count: int, size: int) -> tuple[slice, NDArray[np.intp] | slice]:
    """Return which of `count` pixels, at start + step * n, lie in 0..size-1, and where they are there."""
    if step > 0:
        first, last = max(0, -start), min(count, size - start)
        if last <= first:
            return slice(0, 0), slice(0, 0)
        return slice(first, last), slice(start + first, start + last)
    first, last = max(0, start - size + 1), min(count, start + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    stop = start - last
    return slice(first, last), slice(start - first, None if stop < 0 else stop, -1)


def _by_vtk(
    volume: Volume, to_voxel: NDArray[np.float64], rows: int, columns: int, order: int
) -> tuple[Voxels, NDArray[np.bool_]]:
    """Interpolate with vtkImageReslice in voxel coordinates."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkImagingCore import vtkImageReslice

    inside = _inside(volume, to_voxel, rows, columns)
    if not inside.any():
        return np.zeros((rows, columns), dtype=volume.voxels.dtype), inside
    image = vtkImageData()
    image.SetDimensions(*volume.size)
    scalars = numpy_to_vtk(volume.voxels.reshape(-1), deep=False)
    image.GetPointData().SetScalars(scalars)
    axes = vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            axes.SetElement(row, column, float(to_voxel[row, column]))
    filter_ = vtkImageReslice()
    filter_.SetInputData(image)
    filter_.SetResliceAxes(axes)
    filter_.SetOutputSpacing(1.0, 1.0, 1.0)
    filter_.SetOutputOrigin(0.0, 0.0, 0.0)
    filter_.SetOutputExtent(0, columns - 1, 0, rows - 1, 0, 0)
    filter_.SetBackgroundLevel(0.0)
    filter_.BorderOn()
    if order == 0:
        filter_.SetInterpolationModeToNearestNeighbor()
    elif order == 1:
        filter_.SetInterpolationModeToLinear()
    else:
        filter_.SetInterpolationModeToCubic()
    filter_.Update()
    output = filter_.GetOutput().GetPointData().GetScalars()
    values = vtk_to_numpy(output).reshape(rows, columns).astype(volume.voxels.dtype)  # a copy: VTK frees its own
    if not inside.all():
        values[~inside] = 0
    return values, inside


def _inside(volume: Volume, to_voxel: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.bool_]:
    """Return which pixels have their centre within a voxel."""
    inside = np.ones((rows, columns), dtype=bool)
    column = np.arange(columns, dtype=np.float64)
    row = np.arange(rows, dtype=np.float64)[:, None]
    for axis, size in enumerate(volume.size):
        x, y, start = to_voxel[axis, 0], to_voxel[axis, 1], to_voxel[axis, 3]
        low, high = -0.5 - EDGE_TOLERANCE, size - 0.5 + EDGE_TOLERANCE
        ends = [start + x * c + y * r for c in (0, columns - 1) for r in (0, rows - 1)]
        if min(ends) >= low and max(ends) <= high:
            continue
        if abs(y) * rows < 1e-9:
            line = start + x * column
            inside &= (line >= low) & (line <= high)
        elif abs(x) * columns < 1e-9:
            line = start + y * row
            inside &= (line >= low) & (line <= high)
        else:
            coordinates = start + x * column + y * row
            inside &= (coordinates >= low) & (coordinates <= high)
    return inside
