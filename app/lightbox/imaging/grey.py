"""The grey chain: stored values, modality values, grey levels (PS3.3 C.11.1, C.11.2, C.11.6; PS3.4 N.2).

Order: Modality LUT or rescale, VOI LUT or window, then one inversion at most. Padding is drawn as background (black).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.core import opencv
from lightbox.dicom import frames, modality_lut, padding, values, voi
from lightbox.dicom import photometric as pi
from lightbox.dicom.modality_lut import ModalityLut
from lightbox.dicom.padding import Padding
from lightbox.dicom.voi import Voi, VoiKind

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.imaging.image_object import ImageObject

BACKGROUND = 0
"""Grey level of padding, inverted or not."""


@dataclass(frozen=True, slots=True)
class GreyChain:
    """How one frame becomes grey; equal chains (all slices of a CT series as a rule) share their look-up tables.

    Attributes
    ----------
    modality_lut : ModalityLut
        Stored to modality values.
    presets : tuple of Voi
        Windows of the file first, then its VOI LUTs, each with its explanation; empty when the file has none.
    padding : Padding or None
        Stored values that are no image.
    inverted : bool
        MONOCHROME1, or Presentation LUT Shape INVERSE, or both: one inversion in any case.
    bits : int
        1 for bi-level images, whose automatic window is 0 to 1.
    """

    modality_lut: ModalityLut
    presets: tuple[Voi, ...] = ()
    padding: Padding | None = None
    inverted: bool = False
    bits: int = 16

    @classmethod
    def of(cls, image: ImageObject, frame: int = 0) -> GreyChain:
        """Return the chain of a frame (0-based)."""
        return cls.of_dataset(image.dataset, frame)

    @classmethod
    def of_dataset(cls, ds: Dataset, frame: int = 0) -> GreyChain:
        """Return the chain of a frame (0-based) from the header alone."""
        modality = modality_lut.of(ds, frame)
        shape = values.text(ds, "PresentationLUTShape").upper()
        return cls(
            modality_lut=modality,
            presets=_presets(ds, frame, modality),
            padding=padding.of(ds, modality),
            inverted=values.text(ds, "PhotometricInterpretation").upper() == pi.MONOCHROME1 or shape == "INVERSE",
            bits=values.integer(ds, "BitsStored", 16),
        )

    @property
    def unit(self) -> str:
        """Unit of modality values for people; empty when unspecified."""
        return self.modality_lut.unit

    def modality(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return the exact modality values of `stored`: int32 where integers stay integers, otherwise float32.

        32-bit and double stored values give float64 when float32 or int32 could not hold the result.
        """
        return self.modality_lut.apply(stored)

    def default_voi(self, stored: NDArray[Any]) -> Voi:
        """Return the VOI to show a frame with when nobody chose one.

        The first usable window of the file, else its first VOI LUT, else the range from the smallest to the largest
        modality value of `stored` without padding. Compute it once for a cine: frames differ in range.
        """
        return self.presets[0] if self.presets else self.full_range(stored)

    def full_range(self, stored: NDArray[Any]) -> Voi:
        """Return the window from the smallest to the largest modality value of `stored`, padding left out."""
        if self.bits == 1 and self.modality_lut.is_identity:
            return Voi(VoiKind.LINEAR, 1.0, 2.0, explanation="Full range")
        pixels = stored
        if self.padding is not None:
            mask = self.padding.mask(stored)
            if mask.any() and not mask.all():
                pixels = stored[~mask]
        if self.modality_lut.table is None:
            # A rescale is monotonic: two values are enough.
            ends = np.array([pixels.min(), pixels.max()]) if pixels.dtype.kind != "f" else _finite_ends(pixels)
            modality = self.modality_lut.apply(ends)
        else:
            modality = self.modality_lut.apply(pixels)
        low, high = float(modality.min()), float(modality.max())
        if modality.dtype.kind in "iu" or (low.is_integer() and high.is_integer() and self.modality_lut.is_integral):
            return Voi(VoiKind.LINEAR, (low + high) / 2 + 0.5, high - low + 1, explanation="Full range")
        return Voi(VoiKind.LINEAR_EXACT, (low + high) / 2, max(high - low, 1e-30), explanation="Full range")

    def display(self, stored: NDArray[Any], voi: Voi, *, invert: bool = False) -> NDArray[np.uint8]:
        """Return grey levels 0 (black) to 255 of stored values, same shape.

        Parameters
        ----------
        voi : Voi
            Which values to show.
        invert : bool
            Inversion wished by the user, on top of what the file demands.
        """
        if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
            table = _table(self.modality_lut, self.padding, self.inverted != invert, voi, stored.dtype.str)
            return _gather(table, stored.view(f"u{stored.dtype.itemsize}"))
        mask = self.padding.mask(stored) if self.padding is not None else None
        return self.display_values(self.modality(stored), voi, invert=invert, background=mask)

    def display_values(
        self,
        modality: NDArray[Any],
        voi: Voi,
        *,
        invert: bool = False,
        background: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.uint8]:
        """Return grey levels of values that already are modality values (of a reslice, say), same shape.

        Parameters
        ----------
        background : ndarray of bool, optional
            True where there is nothing to show; NaN is nothing to show, too.
        """
        grey = _levels(modality, voi, inverted=self.inverted != invert)
        if background is not None:
            grey[background] = BACKGROUND
        return grey


_LARGE = 1 << 20
"""Pixels from which on the faster gather is worth the import of its library."""


def _gather(table: NDArray[np.uint8], patterns: NDArray[Any]) -> NDArray[np.uint8]:
    """Return ``table[patterns]``. OpenCV is ten times faster than numpy, from version 5 on for 16-bit patterns too."""
    cv2 = opencv.cv2() if patterns.size >= _LARGE else opencv.loaded()
    if cv2 is not None and patterns.ndim == 2 and patterns.size:
        try:
            return np.asarray(cv2.LUT(np.ascontiguousarray(patterns), table), np.uint8)
        except cv2.error:  # an OpenCV that knows 8-bit patterns only
            return np.take(table, patterns)
    return np.take(table, patterns)


def _presets(ds: Dataset, frame: int, modality: ModalityLut) -> tuple[Voi, ...]:
    signed = modality.table is None and (values.integer(ds, "PixelRepresentation") == 1 or modality.intercept < 0)
    group = frames.functional_group(ds, frame, "FrameVOILUTSequence")
    for source in (group, ds):
        if source is not None:
            found = voi.windows(source) + voi.tables(source, signed_input=signed)
            if found:
                return tuple(found)
    return ()


def _finite_ends(pixels: NDArray[Any]) -> NDArray[Any]:
    finite = pixels[np.isfinite(pixels)]
    return np.array([finite.min(), finite.max()]) if finite.size else np.zeros(2, pixels.dtype)


@lru_cache(maxsize=32)
def _modality_of_all(modality: ModalityLut, dtype: str) -> NDArray[Any]:
    """Return the modality values of every stored value of an 8 or 16 bit type, in the order of bit patterns."""
    kind = np.dtype(dtype)
    every = np.arange(1 << (8 * kind.itemsize), dtype=f"u{kind.itemsize}").view(f"{kind.kind}{kind.itemsize}")
    return modality.apply(every)


@lru_cache(maxsize=64)
def _table(modality: ModalityLut, padded: Padding | None, inverted: bool, chosen: Voi, dtype: str) -> NDArray[np.uint8]:
    """Return the grey level of every stored value of a type, indexed by bit pattern."""
    table = _levels(_modality_of_all(modality, dtype), chosen, inverted=inverted)
    if padded is not None:
        kind = np.dtype(dtype)
        every = np.arange(table.size, dtype=f"u{kind.itemsize}").view(f"{kind.kind}{kind.itemsize}")
        table[padded.mask(every)] = BACKGROUND
    table.flags.writeable = False
    return table


def _levels(modality: NDArray[Any], chosen: Voi, *, inverted: bool) -> NDArray[np.uint8]:
    """Apply a VOI transformation with the output range 0 to 255, rounded to the nearest level."""
    if chosen.table is not None:
        output = chosen.table.apply(modality).astype(np.float32)
        output *= np.float32(255.0 / chosen.table.maximum)
    else:
        kind = np.float32 if modality.dtype.itemsize <= 2 or modality.dtype == np.float32 else np.float64
        output = modality.astype(kind)
        if chosen.kind is VoiKind.LINEAR:
            _linear(output, chosen)
        elif chosen.kind is VoiKind.LINEAR_EXACT:
            output -= chosen.center
            output *= 255.0 / chosen.width
            output += 127.5
        else:
            _sigmoid(output, chosen)
    nothing = np.isnan(output) if modality.dtype.kind == "f" else None
    np.clip(output, 0.0, 255.0, out=output)
    if inverted:
        np.subtract(255.0, output, out=output)
    if nothing is not None and nothing.any():
        output[nothing] = BACKGROUND
    output += 0.5
    return output.astype(np.uint8)


def _linear(output: NDArray[Any], chosen: Voi) -> None:
    """PS3.3 C.11.2.1.2.1, in place; a width of 1 is a threshold."""
    if chosen.width <= 1.0:
        output[...] = np.where(np.isnan(output), np.nan, np.where(output <= chosen.center - 0.5, 0.0, 255.0))
        return
    output -= chosen.center - 0.5
    output *= 255.0 / (chosen.width - 1)
    output += 127.5


def _sigmoid(output: NDArray[Any], chosen: Voi) -> None:
    """PS3.3 C.11.2.1.3.1, in place."""
    output -= chosen.center
    output *= -4.0 / chosen.width
    np.clip(output, -80.0, 80.0, out=output)
    np.exp(output, out=output)
    output += 1.0
    np.divide(255.0, output, out=output)
