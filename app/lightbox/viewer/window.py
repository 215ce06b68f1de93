"""Window presets by modality and body region, and changing a window by hand (PS3.3 C.11.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lightbox.dicom.voi import Voi, VoiKind

DRAG_PIXELS_PER_DOUBLING = 200.0
"""Pixels of a horizontal drag that double (or halve) the width."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A named window."""

    name: str
    center: float
    width: float

    def voi(self) -> Voi:
        """Return it as a VOI transformation."""
        return Voi(kind=VoiKind.LINEAR, center=self.center, width=self.width, explanation=self.name)


CT_PRESETS = (
    Preset("Soft tissue", 40, 400),
    Preset("Lung", -600, 1500),
    Preset("Bone", 480, 2500),
    Preset("Brain", 40, 80),
    Preset("Stroke", 35, 40),
    Preset("Mediastinum", 50, 350),
    Preset("Liver", 90, 150),
    Preset("Angio", 300, 600),
)


def modality_presets(modality: str, unit: str) -> tuple[Preset, ...]:
    """Return the presets that make sense: only CT in Hounsfield units has values that mean the same everywhere."""
    return CT_PRESETS if modality == "CT" and unit == "HU" else ()


def dragged(voi: Voi, width_pixels: float, center_pixels: float) -> Voi:
    """Return `voi` after a drag of so many pixels to the right (wider) and down (higher center: darker).

    The center moves in proportion to the width, so that one gesture fits -1000..3000 HU as well as 0..0.01.
    A VOI LUT table becomes the linear window that spans the same input values.
    """
    center, width = (
        (voi.center, voi.width)
        if voi.kind is not VoiKind.TABLE
        else ((voi.low + voi.high + 1) / 2, max(2.0, voi.high - voi.low + 1))
    )
    center += center_pixels * max(width, 1e-6) / (2 * DRAG_PIXELS_PER_DOUBLING)
    width *= 2.0 ** (width_pixels / DRAG_PIXELS_PER_DOUBLING)
    return voi.with_window(center, width)


def describe(voi: Voi | None) -> str:
    """Return the window in words: "W 400 · L 40", with the name the file gives it when there is one."""
    if voi is None:
        return ""
    if voi.kind is VoiKind.TABLE:
        return f"VOI LUT · {voi.explanation}" if voi.explanation else "VOI LUT"
    text = f"W {number(voi.width)} · L {number(voi.center)}"
    if voi.kind is VoiKind.SIGMOID:
        text += " sigmoid"
    return text


def number(value: float) -> str:
    """Return a value in as many digits as it needs on an image: 4 significant ones, a true minus sign."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("−∞" if value < 0 else "∞")
    if value == round(value) or abs(value) >= 1000:
        text = f"{value:.0f}"
    else:
        text = f"{value:.4g}"
        if "e" not in text and "." in text:
            text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "0") else text.replace("-", "−")
