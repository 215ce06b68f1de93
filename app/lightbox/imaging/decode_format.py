"""What the modules that decode share: the format of the pixels, the raw result, the error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lightbox.core.errors import LightboxError


class DecodeError(LightboxError):
    """The pixels of a frame cannot be had; the other frames may be fine."""


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """Image Pixel attributes that decoding needs (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool
    photometric: str

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class RawFrame:
    """What came out of a decoder.

    Attributes
    ----------
    samples : ndarray
        (rows, columns) or (rows, columns, samples); any integer type.
    photometric : str
        Photometric Interpretation of `samples`.
    precision : int
        Bits of a sample as the code stream says; 0 when it does not say.
    signed : bool or None
        Whether the decoder already gave signed values; None when code streams of the kind carry no sign.
    """

    samples: NDArray[Any]
    photometric: str
    precision: int = 0
    signed: bool | None = None
