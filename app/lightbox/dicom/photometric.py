"""Photometric Interpretation (PS3.3 C.7.6.3.1.2)."""

from __future__ import annotations

MONOCHROME1 = "MONOCHROME1"
MONOCHROME2 = "MONOCHROME2"
PALETTE_COLOR = "PALETTE COLOR"
RGB = "RGB"
YBR_FULL = "YBR_FULL"
YBR_FULL_422 = "YBR_FULL_422"
YBR_PARTIAL_422 = "YBR_PARTIAL_422"
YBR_PARTIAL_420 = "YBR_PARTIAL_420"
YBR_ICT = "YBR_ICT"
YBR_RCT = "YBR_RCT"


def is_grey(photometric: str) -> bool:
    """Whether the grey chain shows it."""
    return photometric in (MONOCHROME1, MONOCHROME2)
