"""The patient reader behind the fast scanner: pydicom, for encodings that the scanner leaves alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from lightbox.library.dataset_walk import PIXEL_DATA, PixelElement
from lightbox.library.header import MAX_VALUE, TAGS, Header, quiet_pydicom, tag_key
from lightbox.library.header_scan import NotDicom, ScanResult

if TYPE_CHECKING:
    from lightbox.library.header_scan import ByteSource

_DEFER = 1 << 20
_DEFLATED = "1.2.840.10008.1.2.1.99"


class SourceFile(io.RawIOBase):
    """A seekable file over a `ByteSource`."""

    name = "object"

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`."""
        count = min(len(buffer), max(0, self._source.size - self._position))
        if count == 0:
            return 0
        data = self._source.read_at(self._position, count)[:count]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def scan_with_pydicom(source: ByteSource) -> ScanResult:
    """Read the attributes with pydicom and check the lengths of the top level elements.

    Raises
    ------
    NotDicom
        pydicom cannot make sense of the bytes either.
    """
    try:
        return _read(source)
    except MemoryError:
        raise NotDicom("the file names lengths that do not fit into memory") from None
    except Exception as error:
        # Damaged input makes the reader raise almost anything; every one of them means the same here.
        raise NotDicom(f"the file is damaged or not DICOM ({type(error).__name__})") from error


def _read(source: ByteSource) -> ScanResult:
    import pydicom
    from pydicom.dataelem import RawDataElement

    quiet_pydicom()
    ds = pydicom.dcmread(io.BufferedReader(SourceFile(source)), force=True, defer_size=_DEFER)
    big_endian = ds.original_encoding[1] is False
    uid = str(ds.file_meta.get("TransferSyntaxUID", "") or "") if hasattr(ds, "file_meta") else ""
    if not uid:
        implicit = ds.original_encoding[0]
        uid = "1.2.840.10008.1.2.2" if big_endian else "1.2.840.10008.1.2" + ("" if implicit else ".1")
    values: dict[int, bytes] = {}
    for group, element in TAGS.values():
        raw = ds.get_item((group, element), keep_deferred=True) if (group, element) in ds else None
        value = raw.value if raw is not None else None
        if (group, element) == (0x0008, 0x0005) and value and not isinstance(value, bytes):
            value = "\\".join([value] if isinstance(value, str) else value).encode("ascii", "replace")
        if isinstance(value, bytes) and len(value) <= MAX_VALUE:
            values[tag_key(group, element)] = value
    media_class = ds.file_meta.get("MediaStorageSOPClassUID", "") if hasattr(ds, "file_meta") else ""
    values[tag_key(0x0002, 0x0002)] = str(media_class or "").encode("ascii", "replace")
    pixels = None
    damage = ""
    for tag in ds._dict:  # iterating over the data set itself would decode its elements
        raw = ds.get_item(tag, keep_deferred=True)
        if not isinstance(raw, RawDataElement) or raw.length == 0xFFFFFFFF:
            continue
        if uid != _DEFLATED and raw.value_tell + raw.length > source.size:
            missing = raw.value_tell + raw.length - source.size
            damage = f"the file is truncated or lies about its size: element {tag} ends {missing} bytes after its end"
        if tag_key(tag.group, tag.element) == PIXEL_DATA:
            pixels = PixelElement(raw.value_tell, raw.length, PIXEL_DATA)
    return ScanResult(Header(uid, values, big_endian=big_endian), pixels, damage)
