"""Volumes: the evenly spaced slices of one stack as an array of true values with a place in the patient."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import Problem
from lightbox.core.jobs import CancelToken
from lightbox.dicom.image_plane import Vector
from lightbox.imaging import geometry
from lightbox.imaging.grey import GreyChain
from lightbox.imaging.volume_read import (
    ProgressCallback,
    VolumeError,
    VolumeFrame,
    VolumeTooLargeError,
    Voxels,
    Work,
    check_budget,
    read_decoded,
    read_native,
)

__all__ = ["Volume", "VolumeError", "VolumeFrame", "VolumeTooLargeError", "Voxels", "as_point", "assemble"]

MAX_WORKERS = 8


@dataclass(frozen=True, eq=False)
class Volume:
    """An array of true values and where it is in the patient.

    Attributes
    ----------
    voxels : (k, j, i) int16 or float32
        Slice, row, column. Modality values (HU, ...): int16 where every value is a whole number that fits, otherwise
        float32. C-contiguous.
    affine : (4, 4) float64
        From (i, j, k, 1), 0-based voxel centres, to patient LPS mm. Sheared when the gantry was tilted.
    unit : str
        Unit of the values, empty when unknown.
    grey : GreyChain
        Grey chain of the middle slice: presets and default window for display.
    frame_of_reference_uid : str
    problems : tuple of Problem
        Tilt and other things to know.
    """

    voxels: Voxels
    affine: NDArray[np.float64]
    unit: str
    grey: GreyChain
    frame_of_reference_uid: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of columns, rows and slices (i, j, k)."""
        k, j, i = self.voxels.shape
        return i, j, k

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along i, j and k (along the shear, if any)."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """4x4 matrix from patient LPS mm to (i, j, k, 1)."""
        return np.asarray(np.linalg.inv(self.affine), dtype=np.float64)

    @cached_property
    def is_sheared(self) -> bool:
        """Whether the axes are not at right angles (gantry tilt)."""
        axes = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        products = axes.T @ axes - np.eye(3)
        return bool(np.abs(products).max() > 1e-4)

    @cached_property
    def centre(self) -> tuple[float, float, float]:
        """Middle of the volume in patient LPS mm."""
        i, j, k = self.size
        return as_point(self.affine @ np.array([(i - 1) / 2, (j - 1) / 2, (k - 1) / 2, 1.0]))

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return float(self.voxels.min()), float(self.voxels.max())

    def to_patient(self, i: float, j: float, k: float) -> Vector:
        """Return the patient position (mm, LPS) of a voxel coordinate."""
        return (self.affine @ np.array([i, j, k, 1.0]))[:3]

    def to_index(self, point: Sequence[float] | Vector) -> Vector:
        """Return the voxel coordinate (i, j, k), not rounded, of a patient position (mm, LPS)."""
        return (self.inverse @ np.array([*point, 1.0]))[:3]

    def contains(self, point: Sequence[float] | Vector) -> bool:
        """Whether a patient position lies in one of the voxels."""
        index = self.to_index(point)
        return bool(np.all(index >= -0.5) and np.all(index <= np.array(self.size) - 0.5))

    def value_at(self, point: Sequence[float] | Vector) -> float | None:
        """Return the value of the voxel at a patient position (mm, LPS), or None outside."""
        if not self.contains(point):
            return None
        index = np.clip(np.rint(self.to_index(point)).astype(int), 0, np.array(self.size) - 1)
        return float(self.voxels[index[2], index[1], index[0]])


def as_point(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the first three numbers of a vector as a tuple."""
    return float(vector[0]), float(vector[1]), float(vector[2])


def assemble(
    frames: Sequence[VolumeFrame],
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    budget_bytes: int | None = None,
    workers: int | None = None,
) -> Volume:
    """Read slices into a volume.

    Parameters
    ----------
    frames : sequence of VolumeFrame
        In ascending or descending order of position; slice k of the volume is frame k.
    progress : callable, optional
        Called with (slices done, slices in all), from worker threads.
    cancel : CancelToken, optional
    budget_bytes : int, optional
        Largest size of the array; default: a share of the memory that is free.
    workers : int, optional
        Threads; default: one a processor, at most eight.

    Returns
    -------
    Volume

    Raises
    ------
    GeometryError
        The slices are not one regular stack.
    VolumeTooLargeError
        The array would be larger than the budget.
    VolumeError
        A slice cannot be read or is not grey. A volume with a hole is never returned.
    Cancelled
        `cancel` was cancelled.
    """
    planes = [frame.plane for frame in frames]
    affine = geometry.stack_affine(planes)
    shape = (len(frames), planes[0].rows, planes[0].columns)
    check_budget(shape, 2, budget_bytes)
    work = Work(frames, progress, cancel, workers or min(MAX_WORKERS, os.cpu_count() or 1))
    voxels, grey = read_native(work, shape) or read_decoded(work, shape, budget_bytes)
    notes = geometry.classify(planes).problems
    return Volume(voxels, affine, grey.unit, grey, planes[0].frame_of_reference_uid, notes)
