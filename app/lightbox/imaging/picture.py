"""Frames as pictures of 8 bits: for the screen, for files, for thumbnails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightbox.core import opencv
from lightbox.dicom import calibration
from lightbox.dicom.voi import Voi
from lightbox.imaging import colour
from lightbox.imaging.grey import GreyChain
from lightbox.imaging.image_object import ImageObject


@dataclass(frozen=True, slots=True)
class Picture:
    """A rendered frame.

    Attributes
    ----------
    pixels : ndarray of uint8
        (rows, columns) grey or (rows, columns, 3) RGB, on the stored pixel grid.
    voi : Voi or None
        What a grey picture was rendered with; None for colour.
    """

    pixels: NDArray[np.uint8]
    voi: Voi | None


def render(image: ImageObject, frame: int = 0, voi: Voi | None = None, *, invert: bool = False) -> Picture:
    """Render a frame (0-based), grey or colour.

    Parameters
    ----------
    voi : Voi, optional
        Window or table for a grey image; default: `GreyChain.default_voi`.
    invert : bool
        Inversion wished by the user.

    Raises
    ------
    DecodeError
        The frame is missing, cut off or damaged.
    ColourError
        Palette or colour space cannot be used.
    """
    decoded = image.frame(frame)
    if image.is_grey:
        chain = GreyChain.of(image, frame)
        chosen = voi if voi is not None else chain.default_voi(decoded.values)
        grey = chain.display(decoded.values, chosen, invert=invert)
        return Picture(colour.add_supplemental(grey, decoded.values, image.dataset), chosen)
    pixels = colour.to_rgb(decoded.values, decoded.photometric, image.dataset)
    return Picture(255 - pixels if invert else pixels, None)


def exact(image: ImageObject, frame: int = 0, voi: Voi | None = None) -> NDArray[np.uint8]:
    """Return the stored pixel grid of a frame (0-based) as 8 bit, nothing drawn on it.

    A grey image stays grey: a supplemental palette, which `render` applies, is left out.

    Parameters
    ----------
    voi : Voi, optional
        Window or table for a grey image; default: `GreyChain.default_voi`.
    """
    if not image.is_grey:
        return render(image, frame).pixels
    chain, stored = GreyChain.of(image, frame), image.stored(frame)
    return chain.display(stored, voi if voi is not None else chain.default_voi(stored))


def to_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of (rows, columns) grey or (rows, columns, 3) RGB pixels."""
    import imagecodecs

    return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))


def thumbnail(image: ImageObject, size: int = 160, frame: int | None = None) -> bytes:
    """Return a small PNG picture whose longer side has `size` pixels, pixel aspect ratio respected.

    Parameters
    ----------
    frame : int, optional
        0-based; default: the middle frame.
    """
    cv2 = opencv.cv2()
    pixels = render(image, image.number_of_frames // 2 if frame is None else frame).pixels
    rows, columns = pixels.shape[:2]
    height = rows * calibration.aspect_ratio(image.dataset, frame or 0)
    scale = size / max(height, columns)
    wanted = (max(1, round(columns * scale)), max(1, round(height * scale)))
    shrinks = wanted[0] < columns or wanted[1] < rows
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return to_png(np.asarray(cv2.resize(np.ascontiguousarray(pixels), wanted, interpolation=method), np.uint8))
