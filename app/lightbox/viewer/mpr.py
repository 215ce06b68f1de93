"""Reformatted planes: one point in the patient through which an axial, a coronal and a sagittal plane pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from lightbox.imaging import reslice
from lightbox.viewer.viewport import Role

if TYPE_CHECKING:
    from lightbox.dicom.image_plane import ImagePlane
    from lightbox.imaging.volume import Volume

PLANES = (Role.AXIAL, Role.CORONAL, Role.SAGITTAL)

SLAB_MODES = {"max": "MIP", "mean": "Mean", "min": "MinIP"}
"""How values through a slab are joined, and how that is called."""

SLABS_MM = (0.0, 3.0, 5.0, 10.0, 20.0)
"""Thicknesses offered."""


@dataclass(frozen=True, slots=True)
class Slab:
    """How thick the planes are, and how values through the thickness are joined."""

    thickness_mm: float = 0.0
    mode: str = "max"

    @property
    def name(self) -> str:
        """Text for the corner: "MIP 10 mm", empty for a thin plane."""
        return f"{SLAB_MODES[self.mode]} {self.thickness_mm:g} mm" if self.thickness_mm > 0 else ""


class MprState:
    """The point and the slab that all planes of one volume share.

    Parameters
    ----------
    volume : Volume
        The voxels with their affine (patient LPS mm).
    """

    changed = Signal()
    """Emitted when the point or the slab changed."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        depth, rows, columns = volume.voxels.shape
        self._size = (columns, rows, depth)
        self._inverse = np.linalg.inv(volume.affine)
        self.point: NDArray[np.float64] = self._patient((columns - 1) / 2, (rows - 1) / 2, (depth - 1) / 2)
        self.slab = Slab()
        corners = [
            self._patient(i, j, k)
            for i in (-0.5, columns - 0.5)
            for j in (-0.5, rows - 0.5)
            for k in (-0.5, depth - 0.5)
        ]
        self._corners = np.array(corners)

    def _patient(self, i: float, j: float, k: float) -> NDArray[np.float64]:
        return (self.volume.affine @ np.array([i, j, k, 1.0]))[:3].astype(np.float64)

    def contains(self, point: NDArray[np.float64]) -> bool:
        """Whether a patient position lies in the volume."""
        voxel = (self._inverse @ np.array([*point, 1.0]))[:3]
        return bool(np.all(voxel >= -0.5) and np.all(voxel <= np.array(self._size) - 0.5))

    def set_point(self, point: NDArray[np.float64] | tuple[float, float, float]) -> None:
        """Let all planes pass through a patient position (mm, LPS), kept inside the volume."""
        voxel = (self._inverse @ np.array([*point, 1.0]))[:3]
        voxel = np.clip(voxel, 0.0, np.array(self._size, dtype=np.float64) - 1.0)
        inside = self._patient(*voxel)
        if not np.allclose(inside, self.point, atol=1e-6):
            self.point = inside
            self.changed.emit()

    def set_slab(self, slab: Slab) -> None:
        """Change thickness and mode."""
        if slab != self.slab:
            self.slab = slab
            self.changed.emit()

    def set_thickness(self, thickness_mm: float) -> None:
        """Change the thickness only."""
        self.set_slab(replace(self.slab, thickness_mm=thickness_mm))

    def plane(self, role: Role) -> ImagePlane:
        """Return the plane of a viewport through the point."""
        x, y, z = (float(value) for value in self.point)
        return reslice.standard_plane(self.volume, role.value, (x, y, z))

    def step_mm(self, role: Role) -> float:
        """Return the distance between neighbouring planes: the voxel spacing along the normal."""
        normal = self.plane(role).normal
        directions = self.volume.affine[:3, :3]
        spacing = np.linalg.norm(directions, axis=0)
        nearest = int(np.argmax(np.abs(normal @ (directions / spacing))))
        return float(spacing[nearest])

    def scroll(self, role: Role, steps: float) -> None:
        """Move the plane of `role` along its normal."""
        self.set_point(self.point + self.plane(role).normal * self.step_mm(role) * steps)

    def position(self, role: Role) -> tuple[int, int]:
        """Return the 0-based number of the plane and how many planes the volume has that way."""
        plane = self.plane(role)
        along = self._corners @ plane.normal
        step = self.step_mm(role)
        count = max(1, round(float(np.ptp(along)) / step))
        index = int((float(plane.normal @ self.point) - float(along.min())) / step)
        return max(0, min(count - 1, index)), count

    def crosshair(self, role: Role) -> tuple[float, float]:
        """Return where the point lies on the plane of `role` (image coordinates)."""
        column, row, _ = self.plane(role).to_pixel(self.point)
        return float(column) + 0.5, float(row) + 0.5

    def point_at(self, role: Role, x: float, y: float) -> NDArray[np.float64]:
        """Return the patient position of an image coordinate on the plane of `role`."""
        return self.plane(role).to_patient(x - 0.5, y - 0.5)

    def half_thickness_mm(self, role: Role) -> float:
        """Return half of what a plane stands for: of the slab, or of the distance to the next plane."""
        return max(self.slab.thickness_mm, self.step_mm(role)) / 2
