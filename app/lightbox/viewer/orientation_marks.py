"""Letters at the edges of a viewport: where left, right, front, back, head and feet are (PS3.3 C.7.6.1.1.1).

They follow every turn and mirror of the view: the letter at an edge names the direction of the patient that lies
that way.
"""

from __future__ import annotations

from lightbox.dicom.orientation import Edges


def marks(edges: Edges, rotation: float = 0.0, flip: bool = False) -> Edges:
    """Return the letters of a view.

    Parameters
    ----------
    edges : Edges
        Of the stored picture.
    rotation : float
        Degrees clockwise. Only quarter turns keep letters truthful: otherwise none are returned.
    flip : bool
        Mirrored left to right after the rotation.
    """
    if rotation % 90 != 0:
        return Edges()
    turned = edges.rotated(round(rotation / 90))
    return turned.flipped_horizontally() if flip else turned
