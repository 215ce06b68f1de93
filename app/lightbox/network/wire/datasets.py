"""Data sets of messages: encoded as the presentation context says, decoded leniently. pydicom is imported when used."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.network.wire.contexts import IMPLICIT_LITTLE_ENDIAN

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_LONGEST_INFLATED = 256 * 1024 * 1024


def encode(dataset: Dataset, transfer_syntax: str) -> bytes:
    """Return `dataset` encoded in a transfer syntax (native encodings and deflated)."""
    from lightbox.dicom import imports

    imports.ready()
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    stream = DicomBytesIO()
    stream.is_implicit_VR = transfer_syntax == IMPLICIT_LITTLE_ENDIAN
    stream.is_little_endian = transfer_syntax != _BIG_ENDIAN
    write_dataset(stream, dataset)
    encoded = stream.getvalue()
    if transfer_syntax == DEFLATED:
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        encoded = deflate.compress(encoded) + deflate.flush()
        encoded += b"\x00" * (len(encoded) % 2)
    return encoded


def decode(data: bytes, transfer_syntax: str) -> Dataset:
    """Return an encoded data set without converting any value yet.

    What the bytes look like counts more than what was negotiated: some peers answer in the other VR encoding.

    Raises
    ------
    LightboxError
        It cannot be read.
    """
    from lightbox.dicom import imports

    imports.ready()
    from pydicom.filereader import read_dataset

    try:
        if transfer_syntax == DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _LONGEST_INFLATED)
        little = transfer_syntax != _BIG_ENDIAN
        return read_dataset(BytesIO(data), _is_implicit(data, transfer_syntax), little)
    except RecursionError as error:
        raise LightboxError(
            "A data set of the peer cannot be read", why="Its sequences are nested too deeply"
        ) from error
    except (EOFError, ValueError, KeyError, TypeError, AttributeError, struct.error, NotImplementedError) as error:
        raise LightboxError("A data set of the peer cannot be read", why=type(error).__name__) from error
    except zlib.error as error:
        raise LightboxError("A data set of the peer cannot be read", why="It is not deflated correctly") from error


def _is_implicit(data: bytes, transfer_syntax: str) -> bool:
    if len(data) < 8:
        return transfer_syntax == IMPLICIT_LITTLE_ENDIAN
    # An implicit length whose low bytes are two capital letters exceeds 16,000: no first element is that long
    return not (data[4:6].isalpha() and data[4:6].isupper())
