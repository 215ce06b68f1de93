"""Frames of an image: how many, their functional groups (PS3.3 C.7.6.16) and their planes (C.7.6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightbox.dicom import values
from lightbox.dicom.image_plane import ImagePlane

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


_ORTHOGONAL_TOLERANCE = 1e-2
_TIME_POINTERS = frozenset({0x00181063, 0x00181065})  # Frame Time, Frame Time Vector


def number_of_frames(ds: Dataset) -> int:
    """Return Number of Frames, 1 when it is absent or unreadable."""
    return max(1, values.integer(ds, "NumberOfFrames", 1))


def functional_group(ds: Dataset, frame: int, keyword: str) -> Dataset | None:
    """Return the first item of a functional group macro for a frame (0-based): per-frame first, then shared.

    Parameters
    ----------
    keyword : str
        Keyword of the macro's sequence, for example ``PixelMeasuresSequence``.
    """
    per_frame = values.raw(ds, "PerFrameFunctionalGroupsSequence")
    if per_frame is not None and 0 <= frame < len(per_frame):
        found = values.first_item(per_frame[frame], keyword)
        if found is not None:
            return found
    shared = values.first_item(ds, "SharedFunctionalGroupsSequence")
    return None if shared is None else values.first_item(shared, keyword)


def is_enhanced(ds: Dataset) -> bool:
    """Whether the image carries functional groups."""
    return "PerFrameFunctionalGroupsSequence" in ds or "SharedFunctionalGroupsSequence" in ds


def frame_plane(ds: Dataset, frame: int = 0) -> ImagePlane | None:
    """Return where a frame (0-based) is in the patient, or None when the file does not say so unambiguously.

    Enhanced images are read from their functional groups. Of classic multi-frame images, NM tomography follows Slice
    Vector and Spacing Between Slices (C.8.4.15), RT Dose follows Grid Frame Offset Vector (C.8.8.3.2), and frames that
    only differ in time share the plane; any other gives None because nothing says how its frames follow one another.
    """
    if not 0 <= frame < number_of_frames(ds):
        return None
    position, orientation, measures = _sources(ds, frame)
    if position is None or orientation is None or measures is None:
        return None
    plane = _plane(ds, position, orientation, measures)
    if plane is None or number_of_frames(ds) == 1 or is_enhanced(ds):
        return plane
    offset = _classic_offset(ds, frame, plane)
    if offset is None:
        return None
    if offset == 0.0:
        return plane
    moved = np.asarray(plane.position) + offset * plane.normal
    return ImagePlane(
        position=(float(moved[0]), float(moved[1]), float(moved[2])),
        row_cosines=plane.row_cosines,
        column_cosines=plane.column_cosines,
        row_spacing=plane.row_spacing,
        column_spacing=plane.column_spacing,
        rows=plane.rows,
        columns=plane.columns,
        frame_of_reference_uid=plane.frame_of_reference_uid,
        slice_thickness=plane.slice_thickness,
    )


def _sources(ds: Dataset, frame: int) -> tuple[Dataset | None, Dataset | None, Dataset | None]:
    """Return the data sets that hold position, orientation and spacing of a frame."""
    if is_enhanced(ds):
        return (
            functional_group(ds, frame, "PlanePositionSequence"),
            functional_group(ds, frame, "PlaneOrientationSequence"),
            functional_group(ds, frame, "PixelMeasuresSequence"),
        )
    if "ImagePositionPatient" not in ds:
        detectors = values.items(ds, "DetectorInformationSequence")
        if len(detectors) == 1:
            return detectors[0], detectors[0], ds
    return ds, ds, ds


def _plane(ds: Dataset, position: Dataset, orientation: Dataset, measures: Dataset) -> ImagePlane | None:
    corner = values.numbers(position, "ImagePositionPatient")
    cosines = values.numbers(orientation, "ImageOrientationPatient")
    spacing = values.numbers(measures, "PixelSpacing")
    if len(corner) != 3 or len(cosines) != 6 or len(spacing) != 2 or min(spacing) <= 0:
        return None
    row, column = np.asarray(cosines[:3]), np.asarray(cosines[3:])
    row_length, column_length = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if abs(row_length - 1) > 0.05 or abs(column_length - 1) > 0.05:
        return None
    row, column = row / row_length, column / column_length
    if abs(float(np.dot(row, column))) > _ORTHOGONAL_TOLERANCE:
        return None
    return ImagePlane(
        position=(corner[0], corner[1], corner[2]),
        row_cosines=(float(row[0]), float(row[1]), float(row[2])),
        column_cosines=(float(column[0]), float(column[1]), float(column[2])),
        row_spacing=spacing[0],
        column_spacing=spacing[1],
        rows=values.integer(ds, "Rows"),
        columns=values.integer(ds, "Columns"),
        frame_of_reference_uid=values.text(ds, "FrameOfReferenceUID"),
        slice_thickness=values.number(measures, "SliceThickness"),
    )


def _classic_offset(ds: Dataset, frame: int, plane: ImagePlane) -> float | None:
    """Return mm along the normal from the first frame's plane to this frame's, or None when it is unknown."""
    grid = values.numbers(ds, "GridFrameOffsetVector")
    if grid:
        if frame >= len(grid):
            return None
        # Form (a) begins with 0 and runs along the normal; form (b) holds patient z and begins with that of the first
        # plane.
        along = 1.0 if grid[0] == 0.0 else float(np.sign(plane.normal[2])) or 1.0
        return (grid[frame] - grid[0]) * along
    if values.text(ds, "Modality") in ("NM", "PT"):
        step = values.number(ds, "SpacingBetweenSlices")
        vector = values.numbers(ds, "SliceVector")
        if step and frame < len(vector):
            return step * (vector[frame] - 1)
        return None
    pointer = values.raw(ds, "FrameIncrementPointer")
    pointers = [int(tag) for tag in pointer] if isinstance(pointer, (list, tuple)) else [pointer] if pointer else []
    if pointers and all(int(tag) in _TIME_POINTERS for tag in pointers):
        return 0.0
    return None
