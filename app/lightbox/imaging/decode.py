"""One encoded frame to an array: `imagecodecs` first, the plug-ins of pydicom as fall-back.

imagecodecs releases the interpreter lock while it decodes, the plug-ins do not and freeze a user interface. Pitfalls
taken care of here: JPEG is decoded without colour conversion (the caller knows the true colour space), and a stream
without its end is refused because the library would fill the rest with grey; HTJ2K goes to OpenJPEG because OpenJPH
wraps saturated samples and its binding keeps silent about damage; the sign of JPEG 2000 code streams does not have to
agree with Pixel Representation.
"""

from __future__ import annotations

import logging
import os
import zlib
from typing import Any

from numpy.typing import NDArray

from lightbox.dicom import photometric as pi
from lightbox.imaging import decode_markers as markers
from lightbox.imaging.decode_format import DecodeError, PixelFormat, RawFrame
from lightbox.imaging.decode_native import native_samples
from lightbox.imaging.decode_rle import decode_rle

logger = logging.getLogger(__name__)

JPEG_XL = frozenset({"1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112"})
RLE = frozenset({"1.2.840.10008.1.2.5"})
DEFLATED_FRAME = frozenset({"1.2.840.10008.1.2.8.1"})
GE_BIG_ENDIAN_PIXELS = "1.2.840.113619.5.2"
"""GE's private syntax: implicit VR little endian, but pixel data in big endian."""
NATIVE = frozenset(
    {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", GE_BIG_ENDIAN_PIXELS}
)
"""Transfer syntaxes whose pixel data is not encapsulated."""

# Threads of one JPEG 2000 frame: on two cores they halve the wait for a single frame (20.7 to 11.5 ms) and cost 3 %
# when all cores decode frames of their own anyway.
_THREADS = min(4, os.cpu_count() or 1)


def decode(data: bytes, syntax: str, form: PixelFormat) -> RawFrame:
    """Return the decoded samples of one encapsulated frame.

    Parameters
    ----------
    data : bytes
        All fragments of the frame, joined.
    syntax : str
        Transfer Syntax UID.

    Raises
    ------
    DecodeError
        No decoder could read it, or the result has another size than the header says.
    """
    try:
        frame = _decode_fast(data, syntax, form)
    except DecodeError:
        raise
    except Exception as error:
        frame = _decode_by_pydicom(data, syntax, form, error)
    expected = (form.rows, form.columns) if form.samples == 1 else (form.rows, form.columns, form.samples)
    if frame.samples.shape != expected:
        raise _other_size(frame.samples.shape, form)
    return frame


def _other_size(size: tuple[int, ...], form: PixelFormat) -> DecodeError:
    return DecodeError(
        "The frame cannot be decoded",
        why=f"its code stream holds {size} rows, columns and samples where the header says "
        f"{(form.rows, form.columns, form.samples)}",
    )


def _decode_fast(data: bytes, syntax: str, form: PixelFormat) -> RawFrame:
    import imagecodecs

    if syntax in RLE:
        return RawFrame(decode_rle(data, form), form.photometric)
    if syntax in DEFLATED_FRAME:
        return RawFrame(_inflated(data, form), form.photometric)
    stream = markers.start_of_stream(data)
    if stream.size and stream.size != (form.rows, form.columns, form.samples):
        # Refused before decoding: a damaged size would cost minutes or all memory.
        raise _other_size(stream.size, form)
    if stream.kind in ("jpeg-dct", "jpeg-lossless"):
        if not markers.jpeg_has_end(stream.data):
            raise DecodeError(
                "A frame is cut off", why="its JPEG stream has no end", todo="The file is incomplete; ask for it again"
            )
        samples = _jpeg(stream.data, form.samples)
        colour = form.photometric
        if stream.kind == "jpeg-dct":
            colour = markers.jpeg_photometric(stream.data, form.photometric, samples.ndim)
        return RawFrame(samples, colour, stream.precision)
    if stream.kind == "jpeg-ls":
        samples = imagecodecs.jpegls_decode(stream.data)
        return RawFrame(samples, form.photometric, stream.precision)
    if stream.kind == "jpeg-2000":
        samples = imagecodecs.jpeg2k_decode(stream.data, numthreads=_THREADS)
        colour = pi.RGB if form.photometric in (pi.YBR_RCT, pi.YBR_ICT) else form.photometric
        return RawFrame(samples, colour, stream.precision, samples.dtype.kind == "i")
    if syntax in JPEG_XL:
        samples = imagecodecs.jpegxl_decode(data)
        return RawFrame(samples, pi.RGB if samples.ndim == 3 else form.photometric)
    raise DecodeError(
        "The frame cannot be decoded",
        why=f"Lightbox has no decoder for transfer syntax {syntax}",
        todo="Ask the sender for another transfer syntax",
    )


def _jpeg(data: bytes, samples: int) -> NDArray[Any]:
    """Decode DCT or lossless JPEG of 2 to 16 bits without any colour conversion.

    Naming the same colour space twice makes the library leave the components alone. It is libjpeg-turbo for lossless
    streams, too: the other decoders at hand crash on damaged ones.
    """
    import imagecodecs

    if samples == 1:
        return imagecodecs.jpeg8_decode(data)
    return imagecodecs.jpeg8_decode(data, colorspace="YCBCR", outcolorspace="YCBCR")


def _inflated(data: bytes, form: PixelFormat) -> NDArray[Any]:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    return native_samples(engine.decompress(data) + engine.flush(), form, little_endian=True, swap_words=False)


def _decode_by_pydicom(data: bytes, syntax: str, form: PixelFormat, first: Exception) -> RawFrame:
    """Try the plug-ins of pydicom. They hold the interpreter lock, so they come second."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    options: dict[str, Any] = {
        "rows": form.rows,
        "columns": form.columns,
        "samples_per_pixel": form.samples,
        "number_of_frames": 1,
        "bits_allocated": form.bits_allocated,
        "bits_stored": form.bits_stored,
        "photometric_interpretation": form.photometric,
        "pixel_representation": int(form.signed),
        "planar_configuration": int(form.planar),
        "pixel_keyword": "PixelData",
        "transfer_syntax_uid": UID(syntax),
    }
    try:
        samples, meta = get_decoder(UID(syntax)).as_array(encapsulate([data]), index=0, raw=True, **options)
    except Exception as second:
        raise DecodeError(
            "The frame cannot be decoded",
            why=f"{_reason(first)}; second decoder: {_reason(second)}",
            todo="The file is damaged or uses a variant that no decoder knows; ask for it again",
        ) from second
    logger.info("a frame of %s was decoded by the fall-back: %s", syntax, type(first).__name__)
    return RawFrame(samples, str(meta["photometric_interpretation"]), 0, samples.dtype.kind == "i")


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
