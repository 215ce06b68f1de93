"""Native (not encapsulated) pixel data of one frame, and what Bits Stored, High Bit and sign make of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom import photometric as pi
from lightbox.imaging.decode_format import PixelFormat


def frame_bits(form: PixelFormat, *, sampled: bool) -> int:
    """Return the bits of one native frame. `sampled` means YBR_FULL_422 stored with half its chroma."""
    samples = 2 if sampled else form.samples
    return form.pixels * samples * form.bits_allocated


def native_samples(
    data: bytes, form: PixelFormat, *, little_endian: bool, swap_words: bool, first_bit: int = 0, sampled: bool = False
) -> NDArray[Any]:
    """Return unsigned samples, (rows, columns) or (rows, columns, samples), from the bytes of a frame.

    Parameters
    ----------
    data : bytes
        The bytes that hold the frame.
    little_endian : bool
        Byte order of samples of more than 8 bits.
    swap_words : bool
        Whether bytes are swapped in pairs (8-bit and 1-bit samples in big endian OW).
    first_bit : int
        First bit of the frame in `data` for 1-bit samples, whose frames do not begin at byte boundaries.
    sampled : bool
        YBR_FULL_422 with two samples a pixel: Y1 Y2 Cb Cr.

    Raises
    ------
    ValueError
        There are too few bytes, or the number of bits allocated is not supported.
    """
    if swap_words and form.bits_allocated <= 8:
        data = np.frombuffer(data[: len(data) // 2 * 2], np.uint16).byteswap().tobytes() + data[len(data) // 2 * 2 :]
    if form.bits_allocated == 1:
        packed = np.frombuffer(data, np.uint8)
        bits = np.unpackbits(packed, bitorder="little")[first_bit : first_bit + form.pixels * form.samples]
        return _shape(bits, form)
    if form.bits_allocated not in (8, 16, 32, 64):
        raise ValueError(f"{form.bits_allocated} bits allocated are not supported")
    width = form.bits_allocated // 8
    count = frame_bits(form, sampled=sampled) // 8 // width
    if len(data) < count * width:
        raise ValueError(f"{len(data)} bytes where {count * width} are needed")
    samples = np.frombuffer(data, f"{'<' if little_endian else '>'}u{width}", count)
    if not little_endian:
        samples = samples.astype(samples.dtype.newbyteorder("="))
    return _expand_422(samples, form) if sampled else _shape(samples, form)


def _shape(samples: NDArray[Any], form: PixelFormat) -> NDArray[Any]:
    if form.samples == 1:
        return samples.reshape(form.rows, form.columns)
    if form.planar:
        return np.ascontiguousarray(samples.reshape(form.samples, form.rows, form.columns).transpose(1, 2, 0))
    return samples.reshape(form.rows, form.columns, form.samples)


def _expand_422(samples: NDArray[Any], form: PixelFormat) -> NDArray[Any]:
    """Give both pixels of a pair the chroma of the pair (PS3.3 C.7.6.3.1.2, YBR_FULL_422)."""
    quads = samples.reshape(-1, 4)
    out = np.empty((quads.shape[0], 2, 3), samples.dtype)
    out[:, :, 0] = quads[:, :2]
    out[:, :, 1] = quads[:, 2:3]
    out[:, :, 2] = quads[:, 3:4]
    return out.reshape(form.rows, form.columns, 3)


def is_sampled(form: PixelFormat, frame_bytes: int) -> bool:
    """Whether native frames of `frame_bytes` hold half the chroma: some files say 422 and store all samples."""
    return (
        form.photometric in (pi.YBR_FULL_422, pi.YBR_PARTIAL_422)
        and form.samples == 3
        and frame_bytes < form.pixels * 3 * form.bits_allocated // 8
    )


def significant(samples: NDArray[Any], form: PixelFormat, precision: int = 0) -> NDArray[Any]:
    """Return stored values: Bits Stored below High Bit, sign extended (PS3.5 clause 8.1.1).

    Parameters
    ----------
    samples : ndarray
        Unsigned samples of `form.bits_allocated` bits.
    precision : int
        Bits that a code stream holds when they differ from Bits Stored; 0 for none.
    """
    stored = precision or form.bits_stored
    width = samples.dtype.itemsize * 8
    high = form.high_bit if not precision else stored - 1
    if stored >= width or form.bits_allocated == 1:
        return samples.view(samples.dtype.str.replace("u", "i")) if form.signed and width > 1 else samples
    left, right = max(0, width - 1 - high), width - stored
    if form.signed:
        shifted = samples << left if left else samples
        return shifted.view(samples.dtype.str.replace("u", "i")) >> right
    down = max(0, high + 1 - stored)
    mask = (1 << stored) - 1
    if down:
        samples = samples >> down
    return samples & samples.dtype.type(mask)
