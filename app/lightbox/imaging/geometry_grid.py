"""Are planes of one kind: orientation, pixel spacing, size, frame of reference; tolerances are told in `geometry`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lightbox.core.errors import Problem, Severity
from lightbox.dicom.image_plane import ImagePlane

COSINE_TOLERANCE = 2e-3
GRID_TOLERANCE_PIXELS = 0.1
CORNER_TOLERANCE_MM = 0.2


def same_orientation(a: ImagePlane, b: ImagePlane) -> bool:
    """Whether rows and columns of both planes point the same way (``COSINE_TOLERANCE``)."""
    pairs = zip((*a.row_cosines, *a.column_cosines), (*b.row_cosines, *b.column_cosines))
    return all(abs(x - y) <= COSINE_TOLERANCE for x, y in pairs)


def same_pixel_spacing(a: ImagePlane, b: ImagePlane) -> bool:
    """Whether the pixel grids of both planes have one spacing (``GRID_TOLERANCE_PIXELS`` over the whole matrix)."""
    size = max(a.rows, a.columns, 1)
    return (
        abs(a.row_spacing - b.row_spacing) * size <= GRID_TOLERANCE_PIXELS * a.row_spacing
        and abs(a.column_spacing - b.column_spacing) * size <= GRID_TOLERANCE_PIXELS * a.column_spacing
    )


def same_size(a: ImagePlane, b: ImagePlane) -> bool:
    """Whether both planes have the same rows and columns."""
    return (a.rows, a.columns) == (b.rows, b.columns)


def mixtures(planes: Sequence[ImagePlane]) -> list[Problem]:
    """Return one problem for each way in which the planes are not of one kind."""
    reference = planes[0]
    checks = (
        ("geometry.mixed-orientation", "The slices do not all have one orientation", same_orientation),
        ("geometry.mixed-spacing", "The slices do not all have one pixel spacing", same_pixel_spacing),
        ("geometry.mixed-size", "The slices do not all have one size in pixels", same_size),
        (
            "geometry.mixed-frame-of-reference",
            "The slices do not all lie in one frame of reference",
            lambda a, b: a.frame_of_reference_uid == b.frame_of_reference_uid,
        ),
    )
    found: list[Problem] = []
    for code, what, same in checks:
        others = sum(not same(reference, plane) for plane in planes[1:])
        if others:
            found.append(Problem(Severity.WARNING, code, what, why=f"{others} of {len(planes)} differ from the first"))
    if not found:
        found.extend(_unsteady(planes))
    return found


def _unsteady(planes: Sequence[ImagePlane]) -> list[Problem]:
    """Return a problem when directions and spacings differ so much that the far corners do not line up."""
    along_rows = np.array([plane.row_cosines for plane in planes]) * [[plane.column_spacing] for plane in planes]
    down_columns = np.array([plane.column_cosines for plane in planes]) * [[plane.row_spacing] for plane in planes]
    size = planes[0]
    off = np.linalg.norm(along_rows - along_rows[0], axis=1) * size.columns
    off += np.linalg.norm(down_columns - down_columns[0], axis=1) * size.rows
    worst = float(off.max())
    if worst <= CORNER_TOLERANCE_MM:
        return []
    return [
        Problem(
            Severity.WARNING,
            "geometry.unsteady-grid",
            "The slices do not quite lie one above the other, so they make no volume",
            why=f"their corners are up to {worst:.2f} mm apart, {CORNER_TOLERANCE_MM:.1f} mm are allowed",
        )
    ]
