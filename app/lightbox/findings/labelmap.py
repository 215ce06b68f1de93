"""Label maps: the masks of a SEG in their own geometry (PS3.3 A.51, C.8.20)."""

from __future__ import annotations


class LabelMap:
    """The segments of one SEG, placed by its own geometry."""
