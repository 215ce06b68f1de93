"""Objects brought into an uncompressed encoding, for peers that refuse the one they are stored in: without loss.

What is written is checked before it is used: each frame, read back from its new bytes, must equal the decoded frame of
the original. The SOP Instance UID stays: the pixel values are the same (PS3.4 B.4.1.1, PS3.3 C.12.4.1.2). A source that
was compressed with loss is decompressed and says so in Lossy Image Compression; nothing is ever compressed again.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from lightbox.core.errors import LightboxError
from lightbox.dicom import lossy, reading, values
from lightbox.dicom import photometric as pi
from lightbox.imaging import decode, decode_native
from lightbox.imaging.decode_format import PixelFormat, RawFrame
from lightbox.imaging.image_object import ImageObject
from lightbox.network.sending.elements import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    PIXEL_DATA,
    UNDEFINED,
    Copy,
    Encoding,
    NotConvertible,
    Pixels,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
TARGETS = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
"""What objects are converted to, in order of preference: every archive has to take the second (PS3.5 10.1)."""

_IN_MEMORY = 64 * 1024 * 1024
_ICON_IMAGE_SEQUENCE = 0x00880200
_MAXIMUM_INFLATED = 2 * 1024**3
_METHODS = {
    "JPEG": b"ISO_10918_1",
    "JPEG-LS near lossless": b"ISO_14495_1",
    "JPEG 2000": b"ISO_15444_1",
    "HTJ2K": b"ISO_15444_15",
    "JPEG XL": b"ISO_18181_1",
}


def convertible(transfer_syntax_uid: str) -> bool:
    """Whether objects of this transfer syntax can be brought into those of `TARGETS`, as far as the syntax tells."""
    return not transfer_syntax_uid.startswith("1.2.840.10008.1.2.4.10") or transfer_syntax_uid in decode.JPEG_XL


def transcode(open_source: Callable[[], BinaryIO], transfer_syntax_uid: str, offset: int, target: str) -> BinaryIO:
    """Return the data set of an object in the transfer syntax `target`.

    Parameters
    ----------
    open_source : callable
        Opens the object.
    transfer_syntax_uid : str
        Of the source.
    offset : int
        Where its data set begins.
    target : str
        One of `TARGETS`.

    Returns
    -------
    BinaryIO
        The encoded data set without file meta information, at its beginning; the caller closes it.

    Raises
    ------
    NotConvertible
        It cannot be done without loss.
    """
    if target not in TARGETS:
        raise NotConvertible("the receiver takes compressed objects only")
    result = cast(BinaryIO, SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
    try:
        with open_source() as source:
            body: BinaryIO = source
            source.seek(offset)
            if transfer_syntax_uid == DEFLATED:
                body = _inflated(source)
            _convert(open_source, body, transfer_syntax_uid, result, target == IMPLICIT_VR_LITTLE_ENDIAN)
        result.seek(0)
    except BaseException:
        result.close()
        raise
    return result


def _convert(
    open_source: Callable[[], BinaryIO], body: BinaryIO, syntax: str, result: BinaryIO, to_implicit: bool
) -> None:
    encoding = EXPLICIT_LITTLE
    if syntax in (IMPLICIT_VR_LITTLE_ENDIAN, decode.GE_BIG_ENDIAN_PIXELS):
        encoding = IMPLICIT_LITTLE
    elif syntax == BIG_ENDIAN:
        encoding = Encoding(implicit=False, little=False)
    copy = Copy(body, result, encoding, to_implicit)
    if syntax not in decode.NATIVE:
        _prepare_frames(copy, open_source, syntax)
        copy.run()
        return
    if syntax in (BIG_ENDIAN, decode.GE_BIG_ENDIAN_PIXELS):
        with open_source() as file:
            part10 = reading.read_part10(file)
        allocated = values.integer(part10.dataset, "BitsAllocated", 16)
        is_bytes = part10.pixels is not None and part10.pixels.vr == "OB"
        copy.pixel_word = 1 if is_bytes and allocated <= 8 else max(2, allocated // 8)
        copy.run()
        if part10.pixels is not None:
            _check_frames(open_source, result)
        return
    copy.run()


def _prepare_frames(copy: Copy, open_source: Callable[[], BinaryIO], syntax: str) -> None:
    """Let `copy` write decoded frames, with the attributes that describe them."""
    try:
        image = ImageObject.open(open_source)
    except LightboxError as error:
        if _has_no_pixels(open_source):
            return  # a document in a compressed transfer syntax: its elements are explicit little endian
        raise NotConvertible(error.why or error.what) from error
    form = image.format
    total_bits = decode_native.frame_bits(form, sampled=False) * image.number_of_frames
    length = (total_bits + 7) // 8
    if length + length % 2 >= 0xFFFFFFFF:
        raise NotConvertible("uncompressed, its pixel data would be larger than 4 GB")
    first = _decoded(image, 0)[0]
    colour = pi.YBR_FULL if first.photometric in (pi.YBR_FULL_422, pi.YBR_PARTIAL_422) else first.photometric
    native = replace(form, planar=False, photometric=colour)
    replaced: dict[int, tuple[str, bytes] | None] = {0x7FE00001: None, 0x7FE00002: None, 0x7FE00003: None}
    if colour != values.text(image.dataset, "PhotometricInterpretation"):
        replaced[0x00280004] = ("CS", colour.encode("ascii"))
    if form.samples > 1:
        replaced[0x00280006] = ("US", b"\x00\x00")
    if _has_compressed_icon(image.dataset):
        replaced[_ICON_IMAGE_SEQUENCE] = None  # whoever shows icons makes them from the image
    replaced |= _lossy_attributes(image.dataset, syntax, length, open_source)

    def write(target: BinaryIO) -> None:
        for chunk in _native_frames(image, native, first.photometric):
            target.write(chunk)
        target.write(b"\x00" * (length % 2))

    copy.replaced = {tag: entry for tag, entry in replaced.items() if entry is not None or tag in image.dataset}
    copy.pixels = Pixels("OB" if form.bits_allocated <= 8 else "OW", length + length % 2, write)


def _has_compressed_icon(dataset: Dataset) -> bool:
    for item in values.items(dataset, "IconImageSequence"):
        element = item.get_item(PIXEL_DATA)
        if element is not None and getattr(element, "is_undefined_length", getattr(element, "length", 0) == UNDEFINED):
            return True
    return False


def _has_no_pixels(open_source: Callable[[], BinaryIO]) -> bool:
    with open_source() as file:
        return reading.read_part10(file).pixels is None


def _decoded(image: ImageObject, frame: int) -> tuple[RawFrame, NDArray[Any]]:
    """Return the samples of a frame as the decoder gave them, and as stored values."""
    try:
        return image.raw(frame), image.stored(frame)
    except LightboxError as error:
        raise NotConvertible(f"frame {frame + 1} cannot be decoded ({error.why or error.what})") from error


def _native_frames(image: ImageObject, form: PixelFormat, photometric: str) -> Any:
    """Iterate over the bytes of native pixel data; frames of 1-bit samples follow each other without padding."""
    rest = np.zeros(0, np.uint8)
    for number in range(image.number_of_frames):
        raw, stored = _decoded(image, number)
        if raw.photometric != photometric:
            raise NotConvertible("its frames are in different colour spaces")
        if form.bits_allocated == 1:
            bits = np.concatenate([rest, (stored != 0).astype(np.uint8).reshape(-1)])
            whole = len(bits) // 8 * 8
            yield np.packbits(bits[:whole], bitorder="little").tobytes()
            rest = bits[whole:]
        else:
            yield _contained(raw, stored, form, number)
    if len(rest):
        yield np.packbits(rest, bitorder="little").tobytes()


def _contained(raw: RawFrame, stored: NDArray[Any], form: PixelFormat, frame: int) -> bytes:
    """Return a frame in containers of Bits Allocated that read as exactly `stored`.

    The decoder's own samples come first: they keep what lies outside of Bits Stored (overlays, PS3.5 8.1.2).
    """
    wanted = np.dtype(f"<u{form.bits_allocated // 8}")
    for samples in (_as_decoded(raw, form, wanted), _as_stored(stored, form, wanted)):
        if samples is None:
            continue
        data = np.ascontiguousarray(samples).tobytes()
        again = decode_native.significant(
            decode_native.native_samples(data, form, little_endian=True, swap_words=False), form
        )
        if again.shape == stored.shape and np.array_equal(again, stored):
            return data
    raise NotConvertible(f"frame {frame + 1} would not keep its values")


def _as_decoded(raw: RawFrame, form: PixelFormat, wanted: np.dtype[Any]) -> NDArray[Any] | None:
    samples = raw.samples
    if samples.dtype.kind not in "iu" or samples.dtype.itemsize > wanted.itemsize:
        return None
    if samples.dtype.kind == "i":
        samples = samples.astype(np.dtype(f"<i{wanted.itemsize}")).view(wanted)
        if not form.signed and raw.precision:
            samples = samples & wanted.type((1 << raw.precision) - 1)
        return samples
    return samples.astype(wanted)


def _as_stored(stored: NDArray[Any], form: PixelFormat, wanted: np.dtype[Any]) -> NDArray[Any] | None:
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize > wanted.itemsize:
        return None
    kind = stored.dtype.kind
    samples = stored.astype(np.dtype(f"<{kind}{wanted.itemsize}")).view(wanted)
    return samples << wanted.type(form.high_bit + 1 - form.bits_stored)


def _check_frames(open_source: Callable[[], BinaryIO], result: BinaryIO) -> None:
    """Compare every frame of an object that was only put into another byte order."""
    original = ImageObject.open(open_source)
    result.seek(0)
    part10 = reading.read_part10(result)
    converted = ImageObject(part10, None)
    for number in range(original.number_of_frames):
        try:
            same = np.array_equal(original.stored(number), converted.stored(number))
        except LightboxError as error:
            raise NotConvertible(f"frame {number + 1} cannot be read ({error.why or error.what})") from error
        if not same:
            raise NotConvertible(f"frame {number + 1} would not keep its values")


def _lossy_attributes(
    dataset: Dataset, syntax: str, native_bytes: int, open_source: Callable[[], BinaryIO]
) -> dict[int, tuple[str, bytes] | None]:
    """Return what a decompressed object must say about lossy compression in its past (PS3.3 C.7.6.1.1.5)."""
    found = lossy.of(dataset, syntax)
    result: dict[int, tuple[str, bytes] | None] = {}
    if found is None or values.text(dataset, "LossyImageCompression") == "01":
        return result
    result[0x00282110] = ("CS", b"01")
    if not values.text(dataset, "LossyImageCompressionRatio"):
        with open_source() as file:
            compressed = file.seek(0, os.SEEK_END)
        result[0x00282112] = ("DS", f"{max(1.0, native_bytes / max(1, compressed)):.2f}".encode("ascii"))
    if not values.text(dataset, "LossyImageCompressionMethod") and found.methods and found.methods[0] in _METHODS:
        result[0x00282114] = ("CS", _METHODS[found.methods[0]])
    return result


def _inflated(source: BinaryIO) -> BinaryIO:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    result = cast(BinaryIO, SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
    try:
        while not engine.eof and (chunk := source.read(1 << 20)):
            while chunk:
                result.write(engine.decompress(chunk, 1 << 24))
                chunk = engine.unconsumed_tail
                if result.tell() > _MAXIMUM_INFLATED:
                    raise NotConvertible("its deflated data set is larger than 2 GB")
        if not engine.eof:
            raise NotConvertible("its deflated data set is cut off")
    except zlib.error as error:
        raise NotConvertible("its deflated data set is damaged") from error
    result.seek(0)
    return result


__all__ = ["PIXEL_DATA", "TARGETS", "NotConvertible", "convertible", "transcode"]
