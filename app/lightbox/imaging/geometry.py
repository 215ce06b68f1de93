"""Stack geometry: do parallel planes make a volume, and if not, why not (PS3.3 C.7.6.2.1.1).

Tolerances
----------
``POSITION_TOLERANCE_MM`` and ``POSITION_TOLERANCE_FRACTION``
    A slice may lie this far (the smaller of 0.1 mm and a tenth of the slice spacing, never less than 0.01 mm) from
    where even spacing puts it. Vendors print positions with between one and fourteen decimals; a tenth of a millimetre
    is the coarsest in use and stays below what can be seen or measured.
``DUPLICATE_FRACTION``
    Two slices nearer than this fraction of the usual spacing are at the same position.
``COSINE_TOLERANCE``
    Row and column directions of one stack may differ by this much in each component (rounded decimals).
``CORNER_TOLERANCE_MM``
    In a volume the far corner of every slice lies at most this far from where the first slice's directions and spacing
    put it.
``GRID_TOLERANCE_PIXELS``
    Pixel spacings are equal when the last pixel of the matrix moves by less than this many pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import LightboxError, Problem, Severity
from lightbox.dicom.image_plane import ImagePlane, Vector
from lightbox.imaging.geometry_grid import mixtures, same_orientation, same_pixel_spacing, same_size
from lightbox.imaging.geometry_line import Gap, Line, find_gaps, position_tolerance
from lightbox.imaging.geometry_report import Describer, duplicate_problem, gap_problems, irregular, shifted, tilted

__all__ = [
    "Gap",
    "GeometryError",
    "StackGeometry",
    "classify",
    "position_tolerance",
    "same_orientation",
    "same_pixel_spacing",
    "same_size",
    "stack_affine",
]

DUPLICATE_FRACTION = 0.05
DUPLICATE_FLOOR_MM = 1e-3
SHEAR_FLOOR_MM = 0.01
SHEAR_TOLERANCE_PIXELS = 0.25


class GeometryError(LightboxError):
    """The planes make no volume."""


@dataclass(frozen=True, eq=False)
class StackGeometry:
    """How a set of planes lies in space.

    Attributes
    ----------
    order : tuple of int
        Indices of the given planes, sorted by position along the normal of the first one.
    positions_mm : tuple of float
        Position along that normal, in `order`.
    spacing_mm : float or None
        Mean distance along the normal between neighbours (without the gaps); None for a single plane.
    step : (3,) float64 or None
        Mean vector (mm, patient LPS) from one slice's first pixel to the next one's.
    uniform : bool
        One orientation, pixel spacing, matrix size and Frame of Reference.
    regular : bool
        Evenly spaced along a straight line within the tolerances of this module.
    tilt_deg : float
        Angle between `step` and the normal, signed about the row direction; 0 when not `sheared`.
    sheared : bool
        The slices shift within their plane from one to the next (gantry tilt).
    max_deviation_mm : float
        Largest distance of a slice from where even spacing puts it.
    duplicates : tuple of tuples of int
        Groups of given indices that lie at one position.
    gaps : tuple of Gap
        Where slices are missing.
    problems : tuple of Problem
        What a person should know, naming slices and millimetres.
    """

    order: tuple[int, ...]
    positions_mm: tuple[float, ...]
    spacing_mm: float | None = None
    step: Vector | None = None
    uniform: bool = True
    regular: bool = False
    tilt_deg: float = 0.0
    sheared: bool = False
    max_deviation_mm: float = 0.0
    duplicates: tuple[tuple[int, ...], ...] = ()
    gaps: tuple[Gap, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def is_volume(self) -> bool:
        """Whether the planes make a volume: two or more, uniform, regular, none missing, none twice."""
        return self.uniform and self.regular and len(self.order) >= 2


def classify(planes: Sequence[ImagePlane], names: Sequence[str] | None = None) -> StackGeometry:
    """Describe how `planes` lie in space.

    Parameters
    ----------
    planes : sequence of ImagePlane
        At least one, in any order.
    names : sequence of str, optional
        What to call each plane in a problem ("image 17"); default: its number in sorted order.

    Returns
    -------
    StackGeometry

    Raises
    ------
    GeometryError
        No plane was given.
    """
    if not planes:
        raise GeometryError("No slice has a position in the patient")
    reference = planes[0]
    mixed = mixtures(planes)
    origins = np.array([plane.position for plane in planes], dtype=np.float64)
    distances = origins @ reference.normal
    order = np.lexsort((np.arange(len(planes)), distances))
    duplicates = _duplicates(distances[order], order)
    kept = _first_of_each(order, duplicates)
    describe = Describer(planes, order, names)
    problems = list(mixed)
    if duplicates:
        problems.append(duplicate_problem(duplicates, describe))
    found = StackGeometry(
        order=tuple(int(index) for index in order),
        positions_mm=tuple(float(distance) for distance in distances[order]),
        uniform=not mixed,
        duplicates=duplicates,
        problems=tuple(problems),
    )
    if kept.size < 2:
        return found
    line = Line.through(origins[kept], reference)
    tolerance = position_tolerance(line.mean_spacing)
    missing: tuple[Gap, ...] = ()
    regular = False
    if line.drift_deviation > tolerance:
        problems.append(shifted(line, kept, describe))
    elif line.deviation <= tolerance:
        regular = not duplicates
    else:
        missing = find_gaps(line)
        problems.extend(gap_problems(missing, line, kept, describe) if missing else [irregular(line, kept, describe)])
    shear_limit = max(SHEAR_FLOOR_MM, SHEAR_TOLERANCE_PIXELS * min(reference.row_spacing, reference.column_spacing))
    sheared = line.drift > shear_limit
    tilt = line.tilt_deg(reference) if sheared else 0.0
    if sheared:
        problems.append(tilted(tilt))
    return replace(
        found,
        spacing_mm=line.base_spacing,
        step=line.step,
        regular=regular,
        tilt_deg=tilt,
        sheared=sheared,
        max_deviation_mm=max(line.deviation, line.drift_deviation),
        gaps=missing,
        problems=tuple(problems),
    )


def stack_affine(planes: Sequence[ImagePlane]) -> NDArray[np.float64]:
    """Return the 4x4 matrix from (i, j, k, 1), column, row and slice index, to patient LPS mm.

    The slices keep the order given; k may run with or against the normal. The step between slices is the mean from
    first to last, so a gantry tilt stays in the matrix as a shear.

    Raises
    ------
    GeometryError
        The planes are not one evenly spaced stack in ascending or descending order.
    """
    geometry = classify(planes)
    if not geometry.is_volume or geometry.step is None:
        reasons = [problem.sentence() for problem in geometry.problems if problem.severity is not Severity.INFO]
        raise GeometryError(
            "These slices make no volume",
            why="; ".join(reasons) or "a volume needs at least two slices",
            todo="Look at them as a stack",
        )
    forward = tuple(range(len(planes)))
    if geometry.order not in (forward, forward[::-1]):
        raise GeometryError("The slices are not in the order of their positions")
    first, last = planes[0], planes[-1]
    matrix = np.eye(4)
    matrix[:3, 0] = np.asarray(first.row_cosines) * first.column_spacing
    matrix[:3, 1] = np.asarray(first.column_cosines) * first.row_spacing
    matrix[:3, 2] = (np.asarray(last.position) - np.asarray(first.position)) / (len(planes) - 1)
    matrix[:3, 3] = first.position
    return matrix


def _duplicates(sorted_distances: Vector, order: NDArray[np.intp]) -> tuple[tuple[int, ...], ...]:
    steps = np.diff(sorted_distances)
    real = steps[steps > DUPLICATE_FLOOR_MM]
    limit = max(DUPLICATE_FLOOR_MM, DUPLICATE_FRACTION * float(np.median(real))) if real.size else DUPLICATE_FLOOR_MM
    if not np.any(steps <= limit):
        return ()
    groups = np.split(np.arange(len(order)), np.flatnonzero(steps > limit) + 1)
    return tuple(tuple(int(order[i]) for i in group) for group in groups if len(group) > 1)


def _first_of_each(order: NDArray[np.intp], duplicates: tuple[tuple[int, ...], ...]) -> NDArray[np.intp]:
    later = {index for group in duplicates for index in group[1:]}
    return np.array([index for index in order if int(index) not in later], dtype=np.intp)
