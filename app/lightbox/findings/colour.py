"""Recommended display colours of segments: DICOM's scaled CIELab (PS3.3 C.10.7.1.1) to sRGB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Profile connection space of ICC: CIE 1931, D50. Bradford adaptation D50 -> D65, then XYZ -> linear sRGB.
_WHITE_D50 = np.array([0.96422, 1.0, 0.82521])
_BRADFORD_D50_D65 = np.array(
    [[0.9555766, -0.0230393, 0.0631636], [-0.0282895, 1.0099416, 0.0210077], [0.0122982, -0.0204830, 1.3299098]]
)
_XYZ_TO_SRGB = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)


def cielab_to_srgb(value: Sequence[int]) -> tuple[int, int, int]:
    """Return sRGB (0-255) of a Recommended Display CIELab Value.

    Parameters
    ----------
    value : sequence of 3 int
        L* 0..100 scaled to 0..65535; a* and b* -128..127 scaled to 0..65535 (0x8080 is 0).

    Returns
    -------
    tuple of 3 int
        Colours outside the gamut of sRGB are clipped.
    """
    lightness = value[0] * 100.0 / 65535.0
    a = value[1] * 255.0 / 65535.0 - 128.0
    b = value[2] * 255.0 / 65535.0 - 128.0
    fy = (lightness + 16.0) / 116.0
    f = np.array([fy + a / 500.0, fy, fy - b / 200.0])
    delta = 6.0 / 29.0
    xyz = np.where(f > delta, f**3, 3.0 * delta**2 * (f - 4.0 / 29.0)) * _WHITE_D50
    linear = np.clip(_XYZ_TO_SRGB @ (_BRADFORD_D50_D65 @ xyz), 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1.0 / 2.4) - 0.055)
    red, green, blue = (round(float(part) * 255.0) for part in encoded)
    return (red, green, blue)


def srgb_to_cielab(colour: Sequence[int]) -> tuple[int, int, int]:
    """Return the Recommended Display CIELab Value of an sRGB colour (0-255)."""
    encoded = np.asarray(colour, dtype=np.float64) / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = np.linalg.inv(_BRADFORD_D50_D65) @ (np.linalg.inv(_XYZ_TO_SRGB) @ linear) / _WHITE_D50
    delta = 6.0 / 29.0
    f = np.where(xyz > delta**3, np.cbrt(xyz), xyz / (3 * delta**2) + 4.0 / 29.0)
    lightness, a, b = 116.0 * f[1] - 16.0, 500.0 * (f[0] - f[1]), 200.0 * (f[1] - f[2])
    scaled = (lightness * 65535.0 / 100.0, (a + 128.0) * 65535.0 / 255.0, (b + 128.0) * 65535.0 / 255.0)
    first, second, third = (int(min(max(round(float(part)), 0), 65535)) for part in scaled)
    return (first, second, third)


def hex_colour(text: str) -> tuple[int, int, int] | None:
    """Return the colour of a ``#rrggbb`` text, or None."""
    digits = text.strip().removeprefix("#")
    if len(digits) != 6:
        return None
    try:
        number = int(digits, 16)
    except ValueError:
        return None
    return (number >> 16, number >> 8 & 255, number & 255)
