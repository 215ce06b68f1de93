"""Series of slices made by code from an array and an affine, in memory, with the records a library would hold."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from builders.images import make_image, to_bytes
from builders.series_records import instance_record
from lightbox.dicom.image_plane import ImagePlane
from lightbox.imaging.volume import VolumeFrame
from lightbox.library.records import InstanceRecord, SeriesRecord, StudyRecord


@dataclass
class Stack:
    """The slices of one series; `opened` counts how often each object was opened."""

    datasets: list[Dataset]
    files: dict[str, bytes] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    study: StudyRecord = field(default_factory=lambda: StudyRecord("1.2.3"))

    def open_object(self, uid: str) -> BinaryIO:
        self.opened.append(uid)
        return io.BytesIO(self.files[uid])

    @property
    def series(self) -> list[SeriesRecord]:
        found = {str(ds.SeriesInstanceUID): ds for ds in self.datasets}
        return [
            SeriesRecord(
                uid,
                "1.2.3",
                modality=str(ds.Modality),
                series_number=int(ds.get("SeriesNumber", 1)),
                series_description=str(ds.get("SeriesDescription", "Made by code")),
            )
            for uid, ds in found.items()
        ]

    @property
    def records(self) -> list[InstanceRecord]:
        return [instance_record(ds) for ds in self.datasets]

    @property
    def planes(self) -> list[ImagePlane]:
        from lightbox.dicom.frames import frame_plane

        found = [frame_plane(ds, 0) for ds in self.datasets]
        assert all(plane is not None for plane in found)
        return [plane for plane in found if plane is not None]

    def volume_frames(self) -> list[VolumeFrame]:
        return [
            VolumeFrame(partial(self.open_object, str(ds.SOPInstanceUID)), 0, plane, str(ds.SOPInstanceUID))
            for ds, plane in zip(self.datasets, self.planes)
        ]

    def build(self) -> list[Any]:
        from lightbox.viewer.display_sets import build

        return build(self.study, self.series, self.records, self.open_object)

    def extended(self, other: Stack) -> Stack:
        return Stack(self.datasets + other.datasets, {**self.files, **other.files})


def affine_of(
    row: Sequence[float],
    column: Sequence[float],
    origin: Sequence[float],
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    step: Sequence[float] | None = None,
) -> NDArray[np.float64]:
    """Return the (i, j, k, 1) to LPS matrix; `spacing` is along i, j, k; k follows `step` or the normal."""
    matrix = np.eye(4)
    matrix[:3, 0] = np.asarray(row, float) / np.linalg.norm(row) * spacing[0]
    matrix[:3, 1] = np.asarray(column, float) / np.linalg.norm(column) * spacing[1]
    normal = np.cross(matrix[:3, 0], matrix[:3, 1])
    matrix[:3, 2] = normal / np.linalg.norm(normal) * spacing[2] if step is None else step
    matrix[:3, 3] = origin
    return matrix


def make_stack(
    voxels: NDArray[Any],
    affine: NDArray[np.float64],
    *,
    syntax: str = ExplicitVRLittleEndian,
    change: Callable[[Dataset, int], None] | None = None,
    frame_of_reference_uid: str | None = None,
    series_uid: str | None = None,
    numbers: Sequence[int] | None = None,
    **options: Any,
) -> Stack:
    """Return a series of slices holding the stored values `voxels` (k, j, i)."""
    frame_of_reference_uid = frame_of_reference_uid or generate_uid()
    series_uid = series_uid or generate_uid()
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    row, column = affine[:3, 0] / spacing[0], affine[:3, 1] / spacing[1]
    stack = Stack([])
    for k, pixels in enumerate(voxels):
        position = (affine @ [0, 0, k, 1])[:3]
        ds = make_image(
            pixels,
            position=[f"{value:.8g}" for value in position],
            orientation=[f"{value:.10g}" for value in (*row, *column)],
            spacing=[f"{spacing[1]:.8g}", f"{spacing[0]:.8g}"],
            **options,
        )
        ds.FrameOfReferenceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID = frame_of_reference_uid, series_uid, "1.2.3"
        ds.InstanceNumber = numbers[k] if numbers is not None else k + 1
        if change is not None:
            change(ds, k)
        stack.datasets.append(ds)
        stack.files[str(ds.SOPInstanceUID)] = to_bytes(ds, syntax)
    return stack
