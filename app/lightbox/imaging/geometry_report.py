"""Problems of a stack in words that name slices, positions and millimetres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import Problem, Severity
from lightbox.dicom.image_plane import ImagePlane
from lightbox.imaging.geometry_line import Gap, Line, position_tolerance


class Describer:
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


def duplicate_problem(duplicates: tuple[tuple[int, ...], ...], describe: Describer) -> Problem:
    """Several images at one place."""
    first = duplicates[0]
    return Problem(
        Severity.WARNING,
        "geometry.duplicate-position",
        f"{sum(len(group) for group in duplicates)} slices share {len(duplicates)} positions",
        where=", ".join(describe.name(index) for index in first[:4]) + (f" at {describe.position(first[0])}"),
        why="several images lie at the same place",
    )


def gap_problems(gaps: tuple[Gap, ...], line: Line, kept: NDArray[np.intp], describe: Describer) -> list[Problem]:
    """Slices missing, one problem a gap."""
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


def irregular(line: Line, kept: NDArray[np.intp], describe: Describer) -> Problem:
    """Uneven spacing, with the oddest step."""
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


def shifted(line: Line, kept: NDArray[np.intp], describe: Describer) -> Problem:
    """Slices that do not lie above each other along one direction."""
    return Problem(
        Severity.WARNING,
        "geometry.shifted-slices",
        "The slices shift sideways unevenly, so they make no volume",
        where=describe.at(int(kept[line.worst_drift])),
        why=f"expected within {position_tolerance(line.mean_spacing):.2f} mm, found {line.drift_deviation:.2f} mm off",
    )


def tilted(degrees: float) -> Problem:
    """Gantry tilt: to be known, not to be afraid of."""
    return Problem(
        Severity.INFO,
        "geometry.tilt",
        f"The gantry was tilted by {abs(degrees):.1f} degrees",
        why="the slices are not stacked at right angles",
        todo="Reformatted planes take the tilt into account",
    )
