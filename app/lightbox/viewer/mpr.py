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

SLAB_MODES: dict[reslice.SlabMode, str] = {"max": "MIP", "mean": "Mean", "min": "MinIP"}
"""How values through a slab are joined, and how that is called."""

SLABS_MM = (0.0, 3.0, 5.0, 10.0, 20.0)
"""Thicknesses offered."""


@dataclass(frozen=True, slots=True)
class Slab:
    """How thick the planes are, and how values through the thickness are joined."""

    thickness_mm: float = 0.0
    mode: reslice.SlabMode = "max"

    @property
    def name(self) -> str:
        """Text for the corner: "MIP 10 mm", empty for a thin plane."""
        return f"{SLAB_MODES[self.mode]} {self.thickness_mm:g} mm" if self.thickness_mm > 0 else ""


def _name(role: Role) -> reslice.PlaneName:
    names: dict[Role, reslice.PlaneName] = {
        Role.AXIAL: "axial",
        Role.CORONAL: "coronal",
        Role.SAGITTAL: "sagittal",
    }
    return names[role]


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
        self.point: NDArray[np.float64] = np.array(volume.centre)
        self.slab = Slab()

    def set_point(self, point: NDArray[np.float64] | tuple[float, float, float]) -> None:
        """Let all planes pass through a patient position (mm, LPS), kept inside the volume."""
        index = np.clip(self.volume.to_index(point), 0.0, np.array(self.volume.size, dtype=np.float64) - 1.0)
        inside = self.volume.to_patient(*(float(value) for value in index))
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
        return reslice.standard_plane(self.volume, _name(role), (x, y, z))

    def step_mm(self, role: Role) -> float:
        """Return the distance between neighbouring planes: the voxel spacing across the plane."""
        return reslice.plane_step(self.volume, _name(role))

    def _across(self, role: Role) -> int:
        return int(np.argmax(np.abs(self.plane(role).normal)))

    def scroll(self, role: Role, steps: float) -> None:
        """Move the plane of `role`: up towards head, back or left for positive steps."""
        moved = self.point.copy()
        moved[self._across(role)] += self.step_mm(role) * steps
        self.set_point(moved)

    def go_to(self, role: Role, index: int) -> None:
        """Move the plane of `role` to number `index` (0-based)."""
        self.scroll(role, index - self.position(role)[0])

    def position(self, role: Role) -> tuple[int, int]:
        """Return the 0-based number of the plane and how many planes the volume has that way.

        Numbers run from feet to head, front to back and right to left, as in `reslice.standard_stack`.
        """
        across, step = self._across(role), self.step_mm(role)
        ends = [(-0.5, size - 0.5) for size in self.volume.size]
        faces = [self.volume.to_patient(i, j, k)[across] for i in ends[0] for j in ends[1] for k in ends[2]]
        low, high = float(min(faces)), float(max(faces))
        count = max(1, int(np.ceil((high - low) / step - 1e-3)))
        index = int((float(self.point[across]) - low) / step + 1e-3)
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
