"""The straight line through the first pixels of a stack, how even it is and where slices are missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom.image_plane import ImagePlane, Vector

POSITION_TOLERANCE_MM = 0.1
POSITION_TOLERANCE_FRACTION = 0.1
POSITION_TOLERANCE_FLOOR_MM = 0.01
MISSING_SHARE = 0.2
"""Beyond this share of gaps the spacing is called irregular rather than slices missing."""


@dataclass(frozen=True)
class Gap:
    """Slices that are missing between two neighbours; `first` and `last` are 1-based among `total` expected slices."""

    first: int
    last: int
    total: int
    from_mm: float
    to_mm: float


def position_tolerance(spacing_mm: float) -> float:
    """Return how far (mm) a slice may lie from its even position."""
    allowed = min(POSITION_TOLERANCE_MM, POSITION_TOLERANCE_FRACTION * spacing_mm)
    return max(allowed, POSITION_TOLERANCE_FLOOR_MM)


@dataclass(frozen=True, eq=False)
class Line:
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
    def through(cls, origins: NDArray[np.float64], reference: ImagePlane) -> Line:
        """Return the line from the first to the last of (n, 3) origins, sorted along the normal of `reference`."""
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


def find_gaps(line: Line) -> tuple[Gap, ...]:
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
