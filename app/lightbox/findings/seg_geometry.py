"""Sorting the frames of a SEG into stacks of parallel planes by position and orientation, never by frame order."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from lightbox.findings.seg_frames import FrameInfo
from lightbox.findings.stack import Stack

# Planes nearer to each other than this (mm) along the normal are one plane written with rounding.
_SAME_PLANE = 1e-3
# Planes whose gaps are nearly twice their thickness or more may have lost the empty planes between them.
_SPARSE = 1.9


def sort_into_stacks(
    frames: list[FrameInfo], rows: int, columns: int, dtype: type[np.uint8] | type[np.uint16]
) -> tuple[list[Stack], list[tuple[int, int] | None]]:
    """Sort frames into stacks of parallel planes.

    Returns
    -------
    list of Stack
        One for each orientation and pixel spacing (and more where two planes share a distance but not an origin).
    list of (stack index, plane index) or None
        For each frame its plane; None where the frame has no place in the patient.
    """
    groups: dict[tuple[float, ...], list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        if frame.position and frame.orientation and frame.spacing and min(frame.spacing) > 0:
            rounded = tuple(round(part, 5) for part in (*frame.orientation, *frame.spacing))
            groups[rounded].append(index)
    stacks: list[Stack] = []
    places: list[tuple[int, int] | None] = [None] * len(frames)
    for members in groups.values():
        first = frames[members[0]]
        if first.orientation is None or first.spacing is None:
            continue
        row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
        normal = np.cross(row, column)
        if min(np.linalg.norm(row), np.linalg.norm(column), np.linalg.norm(normal)) < 0.5:
            continue
        row, column, normal = (part / np.linalg.norm(part) for part in (row, column, normal))
        # Positions are compared as written first: thousands of frames share a few hundred planes.
        unique: dict[tuple[float, ...], list[int]] = defaultdict(list)
        for index in members:
            unique[frames[index].position or ()].append(index)
        for planes in _separate(list(unique), normal):
            stack_index = len(stacks)
            positions = np.asarray([group[0] for group in planes], dtype=np.float64)
            spacing, regular = _spacing(positions @ normal, first)
            stacks.append(
                Stack(
                    row, column, first.spacing[0], first.spacing[1], rows, columns, positions, spacing, regular, dtype
                )
            )
            for plane_index, group in enumerate(planes):
                for position in group:
                    for index in unique[position]:
                        places[index] = (stack_index, plane_index)
    return stacks, places


def _separate(positions: list[tuple[float, ...]], normal: NDArray[np.float64]) -> list[list[list[tuple[float, ...]]]]:
    """Return stacks of planes of equal positions, sorted along the normal; a plane is a list of equal positions."""
    order = sorted(positions, key=lambda position: float(np.dot(position, normal)))
    stacks: list[list[list[tuple[float, ...]]]] = []
    for position in order:
        distance = float(np.dot(position, normal))
        for planes in stacks:
            last = planes[-1][0]
            if distance - float(np.dot(last, normal)) > _SAME_PLANE:
                planes.append([position])
                break
            if float(np.linalg.norm(np.subtract(position, last))) <= 10 * _SAME_PLANE:
                planes[-1].append(position)
                break
        else:
            stacks.append([[position]])
    return stacks


def _spacing(distances: NDArray[np.float64], frame: FrameInfo) -> tuple[float, bool]:
    """Return the spacing between planes (mm) and whether all gaps are multiples of it.

    Empty planes need not be stored. Where only the gaps tell the spacing and they are much larger than the planes are
    thick, nobody knows how many planes are missing: a mask then reaches no further than its thickness.
    """
    said = frame.between if frame.between and frame.between > 0 else None
    gaps = np.diff(distances)
    if not gaps.size:
        pixel = min(frame.spacing) if frame.spacing else 1.0
        return said or (frame.thickness if frame.thickness and frame.thickness > 0 else pixel), True
    smallest = float(gaps.min())
    for candidate in (said, float(np.median(gaps[gaps < 1.5 * smallest])), smallest):
        if candidate is None:
            continue
        multiples = gaps / candidate
        if multiples.min() > 0.98 and np.abs(multiples - np.rint(multiples)).max() < 0.02:
            steps = int(np.rint(multiples).sum())
            spacing = float(distances[-1] - distances[0]) / steps
            if candidate != said and _sparse(spacing, frame):
                break
            return spacing, True
    return (frame.thickness or smallest) if _sparse(smallest, frame) else smallest, False


def _sparse(gap: float, frame: FrameInfo) -> bool:
    return bool(frame.thickness and 0 < frame.thickness * _SPARSE <= gap)
