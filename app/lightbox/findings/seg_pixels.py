"""Pixels of a SEG, frame by frame: bit-packed, 8 and 16 bit, native and encapsulated (PS3.5 8.1, 8.2, A.4)."""

from __future__ import annotations

import zlib
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lightbox.core.errors import LightboxError
from lightbox.findings.tolerant import integer

RLE = "1.2.840.10008.1.2.5"
DEFLATED_IMAGE_FRAME = "1.2.840.10008.1.2.8.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", BIG_ENDIAN, "1.2.840.10008.1.2.1.99")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", *(f"1.2.840.10008.1.2.4.20{k}" for k in (1, 2, 3)))
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")

Values: TypeAlias = NDArray[np.unsignedinteger[Any]]


class FramePixels(Protocol):
    """Access to the pixels of one SEG."""

    count: int
    bits_allocated: int

    def bits(self, frame: int) -> NDArray[np.intp]:
        """Return the flat indices (row * columns + column) of the pixels of a BINARY frame that are 1."""
        ...

    def values(self, frame: int) -> Values:
        """Return the stored values of a frame, flat."""
        ...


class _Pixels:
    """Frames as buffers; subclasses say where a frame's bytes are."""

    def __init__(self, rows: int, columns: int, bits_allocated: int, little: bool) -> None:
        self.size = rows * columns
        self.bits_allocated = bits_allocated
        self.dtype = np.dtype(np.uint8) if bits_allocated <= 8 else np.dtype("<u2" if little else ">u2")
        self.count = 0

    def packed(self, frame: int) -> tuple[NDArray[np.uint8], int]:
        """Return the bytes that hold a bit-packed frame and the bit offset of its first pixel in them."""
        raise NotImplementedError

    def values(self, frame: int) -> Values:
        raise NotImplementedError

    def bits(self, frame: int) -> NDArray[np.intp]:
        if self.bits_allocated > 1:
            return np.flatnonzero(self.values(frame))
        data, offset = self.packed(frame)
        # Masks are mostly empty: only the bytes between the first and the last used word are unpacked.
        whole = data.size // 8 * 8
        used = np.flatnonzero(data[:whole].view(np.uint64))
        if data[whole:].any():
            first, last = (int(used[0]) * 8 if used.size else whole), data.size
        elif used.size:
            first, last = int(used[0]) * 8, int(used[-1]) * 8 + 8
        else:
            return used
        unpacked = np.unpackbits(data[first:last], bitorder="little")
        found = np.flatnonzero(unpacked.view(bool)) + (first * 8 - offset)
        if offset or (found.size and found[-1] >= self.size):
            found = found[(found >= 0) & (found < self.size)]
        return found


class _NativePixels(_Pixels):
    def __init__(self, data: bytes, rows: int, columns: int, bits: int, little: bool, swap_words: bool) -> None:
        super().__init__(rows, columns, bits, little)
        if swap_words and bits <= 8:
            data = np.frombuffer(data[: len(data) // 2 * 2], dtype="<u2").byteswap().tobytes()
        self.data = np.frombuffer(data, dtype=np.uint8)
        self.count = self.data.size * 8 // (self.size * bits) if self.size else 0

    def packed(self, frame: int) -> tuple[NDArray[np.uint8], int]:
        start = frame * self.size
        return self.data[start >> 3 : (start + self.size + 7) >> 3], start & 7

    def values(self, frame: int) -> Values:
        width = self.dtype.itemsize
        chunk = self.data[frame * self.size * width : (frame + 1) * self.size * width]
        return chunk if width == 1 else chunk.view(self.dtype)


class _EncapsulatedPixels(_Pixels):
    def __init__(self, frames: list[bytes], rows: int, columns: int, bits: int, transfer_syntax: str) -> None:
        super().__init__(rows, columns, bits, True)
        self.frames = frames
        self.count = len(frames)
        self.transfer_syntax = transfer_syntax
        self.holds_packed = bits == 1 and transfer_syntax in (RLE, DEFLATED_IMAGE_FRAME)

    def packed(self, frame: int) -> tuple[NDArray[np.uint8], int]:
        if self.holds_packed:
            data = np.frombuffer(self._bytes(frame), dtype=np.uint8)
            # Some writers store one byte a pixel although one bit is allocated.
            if data.size >= self.size:
                return np.packbits(data[: self.size] != 0, bitorder="little"), 0
            return data, 0
        return np.packbits(self._image(frame) != 0, bitorder="little"), 0

    def values(self, frame: int) -> Values:
        if self.transfer_syntax in (RLE, DEFLATED_IMAGE_FRAME):
            return np.frombuffer(self._bytes(frame), dtype=self.dtype)[: self.size]
        return self._image(frame).astype(self.dtype, copy=False)

    def _bytes(self, frame: int) -> bytes:
        data = self.frames[frame]
        if self.transfer_syntax == RLE:
            return rle_decode(data, self.dtype.itemsize)
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data)

    def _image(self, frame: int) -> Values:
        import imagecodecs

        data = self.frames[frame]
        if self.transfer_syntax in _JPEG_2000:
            decoded = imagecodecs.jpeg2k_decode(data)
        elif self.transfer_syntax in _JPEG_LS:
            decoded = imagecodecs.jpegls_decode(data)
        else:
            decoded = imagecodecs.ljpeg_decode(data)
        return np.asarray(decoded).reshape(-1)


def rle_decode(data: bytes, width: int) -> bytes:
    """Decode one RLE frame (PS3.5 Annex G) of one sample of `width` bytes a pixel, highest byte plane first."""
    header = np.frombuffer(data[:64], dtype="<u4")
    count = int(header[0])
    offsets = [*(int(offset) for offset in header[1 : 1 + count]), len(data)]
    planes = [_unpack_segment(data[start:end]) for start, end in pairwise(offsets)]
    if width == 1 or len(planes) == 1:
        return planes[0]
    size = min(len(plane) for plane in planes)
    interleaved = np.empty((size, width), dtype=np.uint8)
    for k in range(width):
        interleaved[:, k] = np.frombuffer(planes[width - 1 - k], dtype=np.uint8)[:size]
    return interleaved.tobytes()


def _unpack_segment(data: bytes) -> bytes:
    """Expand one RLE segment (PackBits)."""
    out = bytearray()
    at, end = 0, len(data)
    while at < end - 1:
        control = data[at]
        if control < 128:
            out += data[at + 1 : at + 2 + control]
            at += 2 + control
        else:
            if control > 128:
                out += data[at + 1 : at + 2] * (257 - control)
            at += 2 if control > 128 else 1
    return bytes(out)


def open_pixels(dataset: Dataset, frames: int) -> FramePixels:
    """Return access to the pixels of a SEG.

    Parameters
    ----------
    dataset : Dataset
        With Pixel Data and file meta information.
    frames : int
        Number of frames announced.

    Raises
    ------
    LightboxError
        There is no pixel data, or it is in a transfer syntax that cannot hold a mask.
    """
    rows, columns = integer(dataset, 0x00280010), integer(dataset, 0x00280011)
    bits = integer(dataset, 0x00280100, 1)
    where = str(dataset.get("SOPInstanceUID", ""))
    element = dataset.get(0x7FE00010)
    if element is None or not isinstance(element.value, bytes) or not rows or not columns:
        raise LightboxError(
            "The segmentation has no readable pixels",
            where=where,
            why="Pixel Data or the size of the frames is missing",
        )
    meta = getattr(dataset, "file_meta", None)
    syntax = str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""
    if not syntax:
        syntax = BIG_ENDIAN if dataset.original_encoding[1] is False else _NATIVE[0]
    if syntax in _NATIVE:
        big = syntax == BIG_ENDIAN
        return _NativePixels(element.value, rows, columns, bits, not big, big and element.VR == "OW")
    if syntax not in (RLE, DEFLATED_IMAGE_FRAME, *_JPEG_2000, *_JPEG_LS, *_JPEG_LOSSLESS):
        raise LightboxError(
            "The segmentation cannot be decoded",
            where=where,
            why=f"Its transfer syntax {syntax} is not known for masks",
        )
    from pydicom.encaps import generate_frames

    pieces = list(generate_frames(element.value, number_of_frames=frames))
    return _EncapsulatedPixels(pieces, rows, columns, bits, syntax)
