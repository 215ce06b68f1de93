"""A bar of round length."""

from __future__ import annotations

from dataclasses import dataclass

LENGTHS_MM = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """What to draw: `pixels` of the viewport stand for `label`."""

    pixels: float
    label: str


def scale_bar(mm_per_pixel: float | None, longest: float) -> ScaleBar | None:
    """Return the longest round bar of at most `longest` viewport pixels.

    Parameters
    ----------
    mm_per_pixel : float or None
        Millimetres per viewport pixel; None for an image without calibration, which has no bar.
    longest : float
        Room for the bar in viewport pixels.
    """
    if mm_per_pixel is None or mm_per_pixel <= 0 or longest <= 0:
        return None
    fitting = [length for length in LENGTHS_MM if length / mm_per_pixel <= longest]
    if not fitting:
        return None
    length = fitting[-1]
    if length >= 10:
        label = f"{length / 10:g} cm"
    elif length >= 1:
        label = f"{length:g} mm"
    else:
        label = f"{length * 1000:g} µm"
    return ScaleBar(length / mm_per_pixel, label)
