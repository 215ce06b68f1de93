"""Letters at the edges of a viewport: where left, right, front, back, head and feet are (PS3.3 C.7.6.1.1.1).

They follow every turn and mirror of the view: the letter at an edge names the direction of the patient that lies
that way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lightbox.viewer.transforms import orientation_matrix

_OPPOSITE = str.maketrans("LRAPHF", "RLPAFH")


@dataclass(frozen=True, slots=True)
class Marks:
    """Letters at the four edges; empty when not known."""

    left: str = ""
    right: str = ""
    top: str = ""
    bottom: str = ""


def opposite(letters: str) -> str:
    """Return the letters of the opposite direction ("PR" for "AL")."""
    return letters.translate(_OPPOSITE)


def marks(row_direction: str, column_direction: str, rotation: float = 0.0, flip: bool = False) -> Marks:
    """Return the letters for a view.

    Parameters
    ----------
    row_direction : str
        Letters of increasing column index (right edge of the stored image), for example ``"L"``; first value of Patient
        Orientation (0020,0020).
    column_direction : str
        Letters of increasing row index (bottom edge of the stored image), for example ``"P"``.
    rotation : float
        Degrees clockwise. Only quarter turns keep letters truthful: otherwise none are returned.
    flip : bool
        Mirrored left to right after the rotation.
    """
    if rotation % 90 != 0:
        return Marks()
    directions = np.rint(orientation_matrix(rotation, flip)).astype(int)
    edges = {"left": "", "right": "", "top": "", "bottom": ""}
    for letters, (across, down) in ((row_direction, directions[:, 0]), (column_direction, directions[:, 1])):
        if not letters:
            continue
        ahead, behind = {
            (1, 0): ("right", "left"),
            (-1, 0): ("left", "right"),
            (0, 1): ("bottom", "top"),
            (0, -1): ("top", "bottom"),
        }[int(across), int(down)]
        edges[ahead], edges[behind] = letters, opposite(letters)
    return Marks(**edges)
