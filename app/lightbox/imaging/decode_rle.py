"""RLE Lossless (PS3.5 Annex G)."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightbox.imaging.decode_format import PixelFormat


def decode_rle(data: bytes, form: PixelFormat) -> NDArray[Any]:
    """Return the samples of an RLE frame, (rows, columns) or (rows, columns, samples), unsigned.

    1-bit images hold one segment of packed bits.

    Raises
    ------
    ValueError
        The header of the frame or a segment does not hold what it must.
    """
    import imagecodecs

    if len(data) < 64:
        raise ValueError("the RLE header is missing")
    count, *offsets = struct.unpack("<16L", data[:64])
    width = 1 if form.bits_allocated == 1 else form.bits_allocated // 8
    if count != width * form.samples:
        raise ValueError(f"{count} RLE segments where {width * form.samples} are needed")
    size = (form.pixels + 7) // 8 if form.bits_allocated == 1 else form.pixels
    planes: list[NDArray[np.uint8]] = []
    ends = [*offsets[1:count], len(data)]
    for number, (start, end) in enumerate(zip(offsets[:count], ends)):
        plane = np.frombuffer(imagecodecs.packbits_decode(data[start:end]), np.uint8)
        if plane.size < size:
            raise ValueError(f"RLE segment {number + 1} is too short")
        planes.append(plane[:size])
    if form.bits_allocated == 1:
        bits = np.unpackbits(planes[0], count=form.pixels, bitorder="little")
        return bits.reshape(form.rows, form.columns)
    out = np.empty((form.pixels, form.samples, width), np.uint8)
    for sample in range(form.samples):
        for byte in range(width):
            # segments come most significant byte first
            out[:, sample, width - 1 - byte] = planes[sample * width + byte]
    samples = out.view(f"<u{width}")[..., 0]
    if form.samples == 1:
        return samples.reshape(form.rows, form.columns)
    return samples.reshape(form.rows, form.columns, form.samples)
