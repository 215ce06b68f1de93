"""One picture as a viewport shows it: pixels, the way to greys, geometry, and what may be said about its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.core import opencv
from lightbox.dicom.orientation import Edges
from lightbox.viewer.transforms import FrameShape

if TYPE_CHECKING:
    from lightbox.dicom.image_plane import ImagePlane
    from lightbox.dicom.voi import Voi

UNKNOWN_EDGES = Edges()
Pixels = NDArray[Any]
ToGrey = Callable[[Pixels, "Voi", bool], NDArray[np.uint8]]
"""(pixels, voi, invert) -> uint8 of the same size."""


@dataclass(frozen=True)
class FrameView:
    """A decoded frame or a resliced plane; immutable, made by a worker, painted by the screen.

    Attributes
    ----------
    pixels : ndarray
        (rows, columns) numbers for grey, or (rows, columns, 3) uint8 RGB for colour.
    shape : FrameShape
        Size and spacing of the frame.
    plane : ImagePlane or None
        Where it is in the patient.
    to_grey : callable or None
        Turns (any reduction of) `pixels` into greys; None for colour.
    value_text : callable
        (column, row) 0-based to the value with its unit.
    presets : tuple of Voi
        Windows of the file, in file order.
    first_voi : Voi or None
        The window to begin with; None for colour.
    has_file_voi : bool
        Whether `first_voi` comes from the file rather than from the pixel values.
    edges : Edges
        Letters at the edges of the stored picture, empty when unknown.
    calibrated : bool
        Whether the spacing is millimetres.
    calibration : str
        Where the spacing comes from, in words.
    lossy : str
        What was lost to compression, in words; empty for lossless.
    unit : str
        Unit of the values.
    """

    pixels: Pixels
    shape: FrameShape
    value_text: Callable[[int, int], str]
    to_grey: ToGrey | None = None
    plane: ImagePlane | None = None
    presets: tuple[Voi, ...] = ()
    first_voi: Voi | None = None
    has_file_voi: bool = False
    edges: Edges = UNKNOWN_EDGES
    calibrated: bool = False
    calibration: str = ""
    lossy: str = ""
    unit: str = ""
    _reductions: dict[int, Pixels] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def is_colour(self) -> bool:
        """Whether the picture is RGB."""
        return self.to_grey is None

    def reduced(self, factor: int) -> Pixels:
        """Return the pixels averaged over blocks of `factor` x `factor`, kept for the next time.

        A large radiograph on a small viewport would be sampled every few pixels otherwise, and fine lines would
        vanish.
        """
        if factor <= 1:
            return self.pixels
        found = self._reductions.get(factor)
        if found is None:
            cv2 = opencv.cv2()
            rows, columns = self.pixels.shape[:2]
            size = (max(1, columns // factor), max(1, rows // factor))
            source = self.pixels
            if source.dtype.name not in ("uint8", "int16", "uint16", "float32"):
                source = source.astype(np.float32)
            averaged = cv2.resize(np.ascontiguousarray(source), size, interpolation=cv2.INTER_AREA)
            found = averaged if averaged.dtype == self.pixels.dtype else np.rint(averaged).astype(self.pixels.dtype)
            self._reductions.clear()
            self._reductions[factor] = found
        return found

    def display(self, voi: Voi | None, *, invert: bool = False, factor: int = 1) -> NDArray[np.uint8]:
        """Return (rows, columns) grey or (rows, columns, 3) RGB, uint8, reduced by `factor`.

        Parameters
        ----------
        voi : Voi or None
            Window; None uses `first_voi`. Without meaning for colour.
        invert : bool
            Swap black and white.
        """
        pixels = self.reduced(factor)
        chosen = voi or self.first_voi
        if self.to_grey is None or chosen is None:
            colour = np.ascontiguousarray(pixels, dtype=np.uint8)
            return 255 - colour if invert else colour
        return np.ascontiguousarray(self.to_grey(pixels, chosen, invert))


def reduction_for(scale: float) -> int:
    """Return by which power of two to reduce before painting at `scale` viewport pixels an image pixel."""
    factor = 1
    while scale * factor * 2 <= 1.0 and factor < 16:
        factor *= 2
    return factor
