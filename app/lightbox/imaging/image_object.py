"""One image instance: header read once, frames read and decoded when they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lightbox.core.errors import LightboxError
from lightbox.dicom import frames, reading, values
from lightbox.dicom import photometric as pi
from lightbox.dicom.image_plane import ImagePlane
from lightbox.imaging import decode, decode_native
from lightbox.imaging.decode_format import DecodeError, PixelFormat
from lightbox.imaging.decode_fragments import FragmentIndex

Opener = Callable[[], BinaryIO]


class NoPixelsError(LightboxError):
    """The instance holds no image."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame.

    Attributes
    ----------
    values : ndarray
        (rows, columns) or (rows, columns, 3): stored values, sign and Bits Stored applied, colour not converted.
        Read-only views of the file's bytes are possible; copy before writing.
    photometric : str
        Photometric Interpretation of `values`: after decompression it can differ from the header's.
    """

    values: NDArray[Any]
    photometric: str


class ImageObject:
    """An image instance whose frames are read lazily. All methods may be called from several threads at once.

    Attributes
    ----------
    dataset : Dataset
        The header: every attribute before the pixel data.
    format : PixelFormat
        Image Pixel attributes.
    transfer_syntax_uid : str
        Of the file.
    """

    def __init__(self, part10: reading.Part10, opener: Opener | None) -> None:
        self.dataset: Dataset = part10.dataset
        self.transfer_syntax_uid = values.text(part10.dataset.file_meta, "TransferSyntaxUID")
        self.number_of_frames = frames.number_of_frames(part10.dataset)
        self._part10 = part10
        self._opener = opener
        self._lock = threading.Lock()
        self._fragments: FragmentIndex | None = None
        if part10.pixels is None:
            raise NoPixelsError("This object holds no image", why="it has no pixel data element")
        self._pixels = part10.pixels
        self.format = _pixel_format(part10.dataset, part10.pixels.tag)

    @classmethod
    def open(cls, source: BinaryIO | Opener) -> ImageObject:
        """Read the header of an image.

        Parameters
        ----------
        source : BinaryIO or callable
            A seekable file-like object, which the image keeps and closes with itself; or a callable that opens one,
            which is then called for every read, so that no file stays open between reads.

        Raises
        ------
        NotDicomError
            The bytes are not DICOM.
        NoPixelsError
            There is no image in it.
        DecodeError
            The Image Pixel attributes make no sense.
        """
        if not callable(source):
            return cls(reading.read_part10(source), None)
        with source() as fileobj:
            part10 = reading.read_part10(fileobj)
            # A deflated data set lives in memory; anything else is opened again when it is needed.
            return cls(part10, source if part10.body is fileobj else None)

    def close(self) -> None:
        """Close the file that the image was opened from."""
        if self._opener is None:
            self._part10.body.close()

    def __enter__(self) -> ImageObject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def rows(self) -> int:
        """Rows of a frame."""
        return self.format.rows

    @property
    def columns(self) -> int:
        """Columns of a frame."""
        return self.format.columns

    @property
    def is_grey(self) -> bool:
        """Whether frames go through the grey chain (MONOCHROME1, MONOCHROME2, or a single sample of unknown kind)."""
        return self.format.samples == 1 and self.format.photometric != pi.PALETTE_COLOR

    def plane(self, frame: int = 0) -> ImagePlane | None:
        """Return where a frame (0-based) is in the patient, or None when the file does not say."""
        return frames.frame_plane(self.dataset, frame)

    def stored(self, frame: int = 0) -> NDArray[Any]:
        """Return the stored values of a frame (0-based); see `Frame.values`.

        Raises
        ------
        DecodeError
            The frame is missing, cut off or damaged. Other frames may be fine.
        """
        return self.frame(frame).values

    def frame(self, frame: int = 0) -> Frame:
        """Return a decoded frame (0-based) with the colour space that it is in.

        Raises
        ------
        DecodeError
            The frame is missing, cut off or damaged. Other frames may be fine.
        """
        if not 0 <= frame < self.number_of_frames:
            raise DecodeError(
                "There is no such frame", where=f"frame {frame + 1}", why=f"the image has {self.number_of_frames}"
            )
        if self.format.bits_allocated not in (1, 8, 16, 32, 64):
            raise DecodeError(
                "The frame cannot be decoded", why=f"{self.format.bits_allocated} bits allocated are not supported"
            )
        try:
            return self._native(frame) if self._is_native else self._encapsulated(frame)
        except DecodeError as error:
            raise DecodeError(error.what, where=f"frame {frame + 1}", why=error.why, todo=error.todo) from error
        except (ValueError, OSError, MemoryError) as error:
            raise DecodeError("The frame cannot be read", where=f"frame {frame + 1}", why=str(error)) from error

    def raw(self, frame: int = 0) -> decode.RawFrame:
        """Return the samples of an encapsulated frame (0-based) as its decoder gave them: no bit cut, no sign applied.

        Raises
        ------
        DecodeError
            As `frame`.
        """
        return decode.decode(self._encoded(frame), self.transfer_syntax_uid, self.format)

    @cached_property
    def _is_native(self) -> bool:
        return self._pixels.length != reading.UNDEFINED_LENGTH and (
            self.transfer_syntax_uid in decode.NATIVE or self._pixels.length >= self._native_frame_bits // 8
        )

    @cached_property
    def _native_frame_bits(self) -> int:
        bits = decode_native.frame_bits(self.format, sampled=False)
        sampled = decode_native.is_sampled(self.format, self._pixels.length // self.number_of_frames)
        return decode_native.frame_bits(self.format, sampled=True) if sampled else bits

    def _native(self, frame: int) -> Frame:
        form = self.format
        bits = self._native_frame_bits
        first_bit = frame * bits
        start = first_bit // 8
        stop = (first_bit + bits + 7) // 8
        swap = not self._part10.little_endian and self._pixels.vr == "OW" and form.bits_allocated <= 8
        if swap:  # whole words only
            start, stop = start // 2 * 2, (stop + 1) // 2 * 2
        available = min(stop, self._pixels.length) - start
        data = self._read(self._pixels.offset + start, max(0, available))
        if len(data) * 8 < first_bit + bits - start * 8:
            raise DecodeError(
                "A frame is cut off",
                why=f"{len(data)} bytes where {(bits + 7) // 8} are needed",
                todo="The file is incomplete; ask for it again",
            )
        byte_offset = (first_bit - start * 8) // 8 if form.bits_allocated >= 8 else 0
        sampled = bits != decode_native.frame_bits(form, sampled=False)
        if swap and byte_offset:
            data = np.frombuffer(data, np.uint16).byteswap().tobytes()[byte_offset:]
            swap = False
        samples = decode_native.native_samples(
            data,
            form,
            little_endian=self._part10.little_endian and self.transfer_syntax_uid != decode.GE_BIG_ENDIAN_PIXELS,
            swap_words=swap,
            first_bit=first_bit - start * 8,
            sampled=sampled,
        )
        photometric = pi.YBR_FULL if form.photometric == pi.YBR_FULL_422 else form.photometric
        if self._pixels.tag == 0x7FE00008:
            return Frame(samples.view(np.float32), photometric)
        if self._pixels.tag == 0x7FE00009:
            return Frame(samples.view(np.float64), photometric)
        return Frame(decode_native.significant(samples, form), photometric)

    def _encapsulated(self, frame: int) -> Frame:
        raw = decode.decode(self._encoded(frame), self.transfer_syntax_uid, self.format)
        return Frame(self._stored_values(raw), raw.photometric)

    def _stored_values(self, raw: decode.RawFrame) -> NDArray[Any]:
        form, samples = self.format, raw.samples
        if samples.dtype.kind == "f" or samples.dtype == np.bool_:
            return samples.astype(np.uint8) if samples.dtype == np.bool_ else samples
        if raw.signed and form.signed:
            return samples
        if form.bits_allocated == 1:
            return (samples != 0).astype(np.uint8)
        unsigned = np.dtype(f"u{samples.dtype.itemsize}")
        samples = np.ascontiguousarray(samples).view(unsigned)
        wanted = np.dtype(f"u{max(1, form.bits_allocated // 8)}")
        if wanted.itemsize > samples.dtype.itemsize:
            samples = samples.astype(wanted)
        # RLE holds whole samples; code streams hold `precision` bits, right-aligned.
        if raw.precision:
            return decode_native.significant(samples, replace(form, high_bit=raw.precision - 1), raw.precision)
        return decode_native.significant(samples, form)

    def _encoded(self, frame: int) -> bytes:
        with self._lock:
            if self._opener is None:
                return self._index(self._part10.body).read(self._part10.body, frame)
        with self._opener() as body:
            with self._lock:
                index = self._index(body)
            return index.read(body, frame)

    def _index(self, body: BinaryIO) -> FragmentIndex:
        if self._fragments is None:
            self._fragments = FragmentIndex(
                body,
                self._pixels.offset,
                self.dataset,
                self.number_of_frames,
                one_fragment_a_frame=self.transfer_syntax_uid in decode.RLE,
            )
        return self._fragments

    def _read(self, offset: int, length: int) -> bytes:
        if self._opener is not None:
            with self._opener() as body:
                body.seek(offset)
                return body.read(length)
        with self._lock:
            self._part10.body.seek(offset)
            return self._part10.body.read(length)


def _pixel_format(ds: Dataset, tag: int) -> PixelFormat:
    rows, columns = values.integer(ds, "Rows"), values.integer(ds, "Columns")
    if rows <= 0 or columns <= 0:
        raise NoPixelsError("This object holds no image", why="Rows or Columns are missing")
    if tag == 0x7FE00008:
        allocated = 32
    elif tag == 0x7FE00009:
        allocated = 64
    else:
        allocated = values.integer(ds, "BitsAllocated", 8)
    stored = values.integer(ds, "BitsStored", allocated)
    if not 1 <= stored <= allocated:
        stored = allocated
    high = values.integer(ds, "HighBit", stored - 1)
    if not stored - 1 <= high < allocated:
        high = stored - 1
    samples = max(1, values.integer(ds, "SamplesPerPixel", 1))
    photometric = values.text(ds, "PhotometricInterpretation").upper()
    if not photometric:
        photometric = pi.MONOCHROME2 if samples == 1 else pi.RGB
    return PixelFormat(
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=values.integer(ds, "PixelRepresentation") == 1,
        planar=samples > 1 and values.integer(ds, "PlanarConfiguration") == 1,
        photometric=photometric,
    )
