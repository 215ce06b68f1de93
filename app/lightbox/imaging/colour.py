"""Colour images to RGB (PS3.3 C.7.6.3.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import LightboxError
from lightbox.dicom import palette, values
from lightbox.dicom import photometric as pi

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class ColourError(LightboxError):
    """The colours of an image cannot be made."""


def to_rgb(stored: NDArray[Any], photometric: str, ds: Dataset) -> NDArray[np.uint8]:
    """Return (rows, columns, 3) RGB, 8 bit.

    Parameters
    ----------
    stored : ndarray
        (rows, columns) palette indices or (rows, columns, 3) samples.
    photometric : str
        Colour space of `stored` (see `Frame.photometric`).
    ds : Dataset
        Header: palettes and bits stored.

    Raises
    ------
    ColourError
        The palette is missing or damaged, or the colour space is unknown.
    """
    if photometric == pi.PALETTE_COLOR:
        return _from_palette(stored, ds)
    if stored.ndim != 3 or stored.shape[2] < 3:
        raise ColourError("The colours cannot be shown", why=f"{photometric or 'colour'} needs three samples a pixel")
    samples = _to_8_bit(stored[..., :3], ds)
    if photometric in (pi.RGB, pi.YBR_RCT, pi.YBR_ICT):
        return samples
    if photometric in (pi.YBR_FULL, pi.YBR_FULL_422):
        return ybr_full_to_rgb(samples)
    if photometric in (pi.YBR_PARTIAL_422, pi.YBR_PARTIAL_420):
        return ybr_partial_to_rgb(samples)
    raise ColourError("The colours cannot be shown", why=f"the colour space {photometric!r} is unknown")


def add_supplemental(grey: NDArray[np.uint8], stored: NDArray[Any], ds: Dataset) -> NDArray[np.uint8]:
    """Return RGB where a supplemental palette colours some stored values (PS3.3 C.7.6.19), else `grey` as it is.

    Stored values from the first one mapped on get their palette colour, smaller ones stay grey.
    """
    if values.text(ds, "PixelPresentation").upper() not in ("COLOR", "MIXED"):
        return grey
    try:
        found = palette.of(ds)
    except ValueError as error:
        raise ColourError("The colours cannot be shown", why=f"the palette is damaged: {error}") from error
    if found is None:
        return grey
    out = np.repeat(grey[..., None], 3, axis=-1)
    coloured = stored >= found.first
    out[coloured] = found.apply(stored[coloured])
    return out


def _from_palette(stored: NDArray[Any], ds: Dataset) -> NDArray[np.uint8]:
    try:
        found = palette.of(ds)
    except ValueError as error:
        raise ColourError("The colours cannot be shown", why=f"the palette is damaged: {error}") from error
    if found is None:
        raise ColourError("The colours cannot be shown", why="the palette is missing")
    return found.apply(stored)


def _to_8_bit(samples: NDArray[Any], ds: Dataset) -> NDArray[np.uint8]:
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype.kind == "f":
        return (np.clip(samples, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
    bits = int(ds.get("BitsStored") or 8 * samples.dtype.itemsize)
    return np.clip(samples.astype(np.int64) >> max(0, bits - 8), 0, 255).astype(np.uint8)


def ybr_full_to_rgb(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert full-range YCbCr (CCIR 601 coefficients) to RGB; shapes (..., 3), rounded to the nearest level."""
    luma = samples[..., 0].astype(np.float32)
    blue = samples[..., 1].astype(np.float32) - 128.0
    red = samples[..., 2].astype(np.float32) - 128.0
    return _stack(luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue)


def ybr_partial_to_rgb(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert studio-range YCbCr (Y 16 to 235, chroma 16 to 240) to RGB; shapes (..., 3)."""
    luma = (samples[..., 0].astype(np.float32) - 16.0) * (255.0 / 219.0)
    blue = samples[..., 1].astype(np.float32) - 128.0
    red = samples[..., 2].astype(np.float32) - 128.0
    return _stack(luma + 1.596027 * red, luma - 0.391762 * blue - 0.812968 * red, luma + 2.017232 * blue)


def _stack(red: NDArray[Any], green: NDArray[Any], blue: NDArray[Any]) -> NDArray[np.uint8]:
    out = np.empty((*red.shape, 3), np.uint8)
    for channel, plane in enumerate((red, green, blue)):
        np.clip(plane, 0.0, 255.0, out=plane)
        plane += 0.5
        out[..., channel] = plane.astype(np.uint8)
    return out
