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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import LightboxError, Problem, Severity
from lightbox.dicom.image_plane import ImagePlane, Vector

POSITION_TOLERANCE_MM = 0.1
POSITION_TOLERANCE_FRACTION = 0.1
POSITION_TOLERANCE_FLOOR_MM = 0.01
DUPLICATE_FRACTION = 0.05
DUPLICATE_FLOOR_MM = 1e-3
COSINE_TOLERANCE = 2e-3
GRID_TOLERANCE_PIXELS = 0.1
CORNER_TOLERANCE_MM = 0.2
SHEAR_FLOOR_MM = 0.01
SHEAR_TOLERANCE_PIXELS = 0.25
MISSING_SHARE = 0.2
"""Beyond this share of gaps the spacing is called irregular rather than slices missing."""


class GeometryError(LightboxError):
    """The planes make no volume."""


@dataclass(frozen=True)
class Gap:
    """Slices that are missing between two neighbours; `first` and `last` are 1-based among `total` expected slices."""

    first: int
    last: int
    total: int
    from_mm: float
    to_mm: float


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
    spacing_mm: float | None
    step: Vector | None
    uniform: bool
    regular: bool
    tilt_deg: float
    sheared: bool
    max_deviation_mm: float
    duplicates: tuple[tuple[int, ...], ...]
    gaps: tuple[Gap, ...]
    problems: tuple[Problem, ...]

    @property
    def is_volume(self) -> bool:
        """Whether the planes make a volume: two or more, uniform, regular, none missing, none twice."""
        return self.uniform and self.regular and len(self.order) >= 2


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


def position_tolerance(spacing_mm: float) -> float:
    """Return how far (mm) a slice may lie from its even position."""
    allowed = min(POSITION_TOLERANCE_MM, POSITION_TOLERANCE_FRACTION * spacing_mm)
    return max(allowed, POSITION_TOLERANCE_FLOOR_MM)


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
    uniformity = _uniformity(planes)
    origins = np.array([plane.position for plane in planes], dtype=np.float64)
    distances = origins @ reference.normal
    order = np.lexsort((np.arange(len(planes)), distances))
    sorted_distances = distances[order]
    describe = _Describer(planes, order, names)

    if len(planes) == 1:
        return StackGeometry(
            order=(0,),
            positions_mm=(float(distances[0]),),
            spacing_mm=None,
            step=None,
            uniform=True,
            regular=False,
            tilt_deg=0.0,
            sheared=False,
            max_deviation_mm=0.0,
            duplicates=(),
            gaps=(),
            problems=(),
        )

    problems = list(uniformity)
    duplicates = _duplicates(sorted_distances, order)
    kept = _first_of_each(sorted_distances, order, duplicates)
    if duplicates:
        problems.append(_duplicate_problem(duplicates, describe))
    if kept.size < 2:
        return StackGeometry(
            order=tuple(int(i) for i in order),
            positions_mm=tuple(float(d) for d in sorted_distances),
            spacing_mm=None,
            step=None,
            uniform=not uniformity,
            regular=False,
            tilt_deg=0.0,
            sheared=False,
            max_deviation_mm=0.0,
            duplicates=duplicates,
            gaps=(),
            problems=tuple(problems),
        )

    line = _Line.through(origins[kept], reference)
    gaps: tuple[Gap, ...] = ()
    regular = False
    if line.drift_deviation > position_tolerance(line.mean_spacing):
        problems.append(
            Problem(
                Severity.WARNING,
                "geometry.shifted-slices",
                "The slices shift sideways unevenly, so they make no volume",
                where=describe.at(int(kept[line.worst_drift])),
                why=f"expected within {position_tolerance(line.mean_spacing):.2f} mm, "
                f"found {line.drift_deviation:.2f} mm off",
            )
        )
    elif line.deviation <= position_tolerance(line.mean_spacing):
        regular = not duplicates
    else:
        gaps = _gaps(line)
        problems.extend(_gap_problems(gaps, line, kept, describe) if gaps else [_irregular(line, kept, describe)])
    sheared = line.drift > max(
        SHEAR_FLOOR_MM, SHEAR_TOLERANCE_PIXELS * min(reference.row_spacing, reference.column_spacing)
    )
    tilt = line.tilt_deg(reference) if sheared else 0.0
    if sheared:
        problems.append(
            Problem(
                Severity.INFO,
                "geometry.tilt",
                f"The gantry was tilted by {abs(tilt):.1f} degrees",
                why="the slices are not stacked at right angles",
                todo="Reformatted planes take the tilt into account",
            )
        )
    return StackGeometry(
        order=tuple(int(i) for i in order),
        positions_mm=tuple(float(d) for d in sorted_distances),
        spacing_mm=line.base_spacing,
        step=line.step,
        uniform=not uniformity,
        regular=regular,
        tilt_deg=tilt,
        sheared=sheared,
        max_deviation_mm=max(line.deviation, line.drift_deviation),
        duplicates=duplicates,
        gaps=gaps,
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


def _uniformity(planes: Sequence[ImagePlane]) -> list[Problem]:
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


def _duplicates(sorted_distances: Vector, order: NDArray[np.intp]) -> tuple[tuple[int, ...], ...]:
    steps = np.diff(sorted_distances)
    real = steps[steps > DUPLICATE_FLOOR_MM]
    limit = max(DUPLICATE_FLOOR_MM, DUPLICATE_FRACTION * float(np.median(real))) if real.size else DUPLICATE_FLOOR_MM
    if not np.any(steps <= limit):
        return ()
    groups = np.split(np.arange(len(order)), np.flatnonzero(steps > limit) + 1)
    return tuple(tuple(int(order[i]) for i in group) for group in groups if len(group) > 1)


def _first_of_each(
    sorted_distances: Vector, order: NDArray[np.intp], duplicates: tuple[tuple[int, ...], ...]
) -> NDArray[np.intp]:
    later = {index for group in duplicates for index in group[1:]}
    return np.array([index for index in order if int(index) not in later], dtype=np.intp)


@dataclass(frozen=True, eq=False)
class _Line:
    """The straight line through the first pixels of slices sorted along the normal."""

    distances: Vector
    step: Vector
    mean_spacing: float
    base_spacing: float
    deviation: float
    drift: float
    drift_deviation: float
    worst: int
    worst_drift: int
    drift_vector: Vector

    @classmethod
    def through(cls, origins: NDArray[np.float64], reference: ImagePlane) -> _Line:
        normal = reference.normal
        distances = origins @ normal
        sideways = origins - np.outer(distances, normal)
        length = float(distances[-1] - distances[0])
        count = len(origins)
        slope = (sideways[-1] - sideways[0]) / length
        mean = length / (count - 1)
        even = distances[0] + mean * np.arange(count)
        off = np.abs(distances - even)
        drift_off = np.linalg.norm(sideways - sideways[0] - np.outer(distances - distances[0], slope), axis=1)
        steps = np.diff(distances)
        smallest = float(steps.min())
        near = steps[steps <= 1.25 * smallest]
        regular = float(off.max()) <= position_tolerance(mean)
        base = mean if regular else float(np.median(near))
        return cls(
            distances=distances,
            step=(origins[-1] - origins[0]) / (count - 1),
            mean_spacing=mean,
            base_spacing=base,
            deviation=float(off.max()),
            drift=float(np.linalg.norm(sideways[-1] - sideways[0])),
            drift_deviation=float(drift_off.max()),
            worst=int(off.argmax()),
            worst_drift=int(drift_off.argmax()),
            drift_vector=slope,
        )

    def tilt_deg(self, reference: ImagePlane) -> float:
        """Return the shear as an angle, positive when the slices shift towards increasing rows."""
        angle = float(np.degrees(np.arctan(np.linalg.norm(self.drift_vector))))
        return angle if float(np.dot(self.drift_vector, reference.column_cosines)) >= 0 else -angle


class _Describer:
    """Names slices for people."""

    def __init__(self, planes: Sequence[ImagePlane], order: NDArray[np.intp], names: Sequence[str] | None) -> None:
        self._planes = planes
        self._names = names
        self._number = {int(index): place + 1 for place, index in enumerate(order)}

    def name(self, index: int) -> str:
        """Return the name of a plane."""
        return self._names[index] if self._names else f"slice {self._number[index]}"

    def at(self, index: int) -> str:
        """Return the name of a plane with its position."""
        return f"{self.name(index)} at {self.position(index)}"

    def position(self, index: int) -> str:
        """Return where a plane is, as ``z = 12.5 mm`` when one patient axis says it, else along the normal."""
        plane = self._planes[index]
        axis = int(np.argmax(np.abs(plane.normal)))
        if abs(plane.normal[axis]) > 0.9:
            return f"{'xyz'[axis]} = {plane.position[axis]:.1f} mm"
        return f"{plane.distance:.1f} mm along the normal"


def _duplicate_problem(duplicates: tuple[tuple[int, ...], ...], describe: _Describer) -> Problem:
    first = duplicates[0]
    return Problem(
        Severity.WARNING,
        "geometry.duplicate-position",
        f"{sum(len(group) for group in duplicates)} slices share {len(duplicates)} positions",
        where=", ".join(describe.name(index) for index in first[:4]) + (f" at {describe.position(first[0])}"),
        why="several images lie at the same place",
    )


def _gaps(line: _Line) -> tuple[Gap, ...]:
    """Return the gaps that are a whole number of missing slices, or nothing when the spacing is simply irregular."""
    base = line.base_spacing
    steps = np.diff(line.distances)
    counts = np.maximum(np.rint(steps / base), 1.0)
    off = np.abs(steps - counts * base)
    if np.any(off > position_tolerance(base) * counts) or np.count_nonzero(counts > 1) > max(
        1, MISSING_SHARE * len(steps)
    ):
        return ()
    total = int(counts.sum()) + 1
    gaps: list[Gap] = []
    place = 1
    for index, count in enumerate(counts.astype(int)):
        if count > 1:
            gaps.append(
                Gap(
                    place + 1,
                    place + int(count) - 1,
                    total,
                    float(line.distances[index]),
                    float(line.distances[index + 1]),
                )
            )
        place += int(count)
    return tuple(gaps)


def _gap_problems(gaps: tuple[Gap, ...], line: _Line, kept: NDArray[np.intp], describe: _Describer) -> list[Problem]:
    places = {float(distance): int(index) for distance, index in zip(line.distances, kept)}
    found: list[Problem] = []
    for gap in gaps:
        below, above = places[gap.from_mm], places[gap.to_mm]
        which = f"Slice {gap.first}" if gap.first == gap.last else f"Slices {gap.first} to {gap.last}"
        found.append(
            Problem(
                Severity.WARNING,
                "geometry.missing-slice",
                f"{which} of {gap.total} missing between {describe.position(below)} and {describe.position(above)}",
                where=f"between {describe.name(below)} and {describe.name(above)}",
                why=f"expected {line.base_spacing:.2f} mm, found {gap.to_mm - gap.from_mm:.2f} mm",
                todo="Retrieve the series again",
            )
        )
    return found


def _irregular(line: _Line, kept: NDArray[np.intp], describe: _Describer) -> Problem:
    steps = np.diff(line.distances)
    odd = int(np.argmax(np.abs(steps - np.median(steps))))
    return Problem(
        Severity.WARNING,
        "geometry.irregular-spacing",
        f"The slices are not evenly spaced: from {steps.min():.2f} to {steps.max():.2f} mm",
        where=f"between {describe.at(int(kept[odd]))} and {describe.at(int(kept[odd + 1]))}",
        why=f"expected {float(np.median(steps)):.2f} mm, found {float(steps[odd]):.2f} mm",
        todo="Look at them as a stack; reformatted planes would be wrong",
    )
