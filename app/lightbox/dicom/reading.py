"""Reading DICOM data sets from any seekable file-like object, as tolerantly as is safe (PS3.10 clause 7, PS3.5 A).

Accepted besides a proper Part 10 file: no preamble, no or damaged File Meta Information, a transfer syntax that does
not match the encoding that follows, deflated data sets, big endian.
"""

from __future__ import annotations

import io
import logging
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset as read_elements
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from lightbox.core.errors import LightboxError

logger = logging.getLogger(__name__)

# Values that break the rules of their VR are common and must be readable; the warnings of pydicom would also print
# them, and values are patients' data.
config.settings.reading_validation_mode = config.IGNORE

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float Pixel Data, Double Float Pixel Data, Pixel Data."""
UNDEFINED_LENGTH = 0xFFFFFFFF
_LONG_VR = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_VR = _LONG_VR | frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL"}
    | {b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)


class NotDicomError(LightboxError):
    """The bytes are not a DICOM data set."""


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the pixel data element lies.

    Attributes
    ----------
    tag : int
        One of `PIXEL_TAGS`.
    vr : str
        Value representation as encoded; empty for implicit VR.
    offset : int
        Offset of the first byte of the value in `Part10.body`.
    length : int
        Length of the value in bytes, or `UNDEFINED_LENGTH` (encapsulated).
    """

    tag: int
    vr: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Part10:
    """A header and the way to its pixels.

    Attributes
    ----------
    dataset : Dataset
        Everything before the pixel data, with ``file_meta``.
    body : BinaryIO
        What offsets refer to: the file itself, or the inflated data set in memory when it was deflated.
    pixels : PixelElement or None
        None when there is no pixel data element.
    little_endian : bool
        Byte order of the data set.
    """

    dataset: Dataset
    body: BinaryIO
    pixels: PixelElement | None
    little_endian: bool


def read_header(fileobj: BinaryIO) -> Dataset:
    """Return all attributes before the pixel data, with ``file_meta`` (possibly empty).

    Raises
    ------
    NotDicomError
        The bytes are not DICOM.
    """
    return read_part10(fileobj).dataset


def read_dataset(fileobj: BinaryIO) -> Dataset:
    """Return the whole data set, with pixel data and what follows it.

    Raises
    ------
    NotDicomError
        The bytes are not DICOM.
    """
    meta, body, implicit, little, has_meta = _open(fileobj)
    return _elements(body, meta, implicit, little, has_meta=has_meta)


def read_part10(fileobj: BinaryIO) -> Part10:
    """Return the header and the location of the pixel data; the pixel data itself is not read.

    Raises
    ------
    NotDicomError
        The bytes are not DICOM.
    """
    meta, body, implicit, little, has_meta = _open(fileobj)
    dataset = _elements(body, meta, implicit, little, has_meta=has_meta, stop=PIXEL_TAGS)
    return Part10(dataset, body, _locate_pixels(body, implicit, little), little)


def read_before(fileobj: BinaryIO, tag: int) -> tuple[Dataset, BinaryIO, bool, bool]:
    """Return all attributes before `tag`, and what follows unread.

    For attributes that are cheaper to read by other means than as pydicom objects (thousands of frames).

    Returns
    -------
    Dataset
        With ``file_meta``.
    BinaryIO
        Positioned at the element `tag`, or at the end when it is absent.
    bool, bool
        Implicit VR, little endian.

    Raises
    ------
    NotDicomError
        The bytes are not DICOM.
    """
    meta, body, implicit, little, has_meta = _open(fileobj)
    return _elements(body, meta, implicit, little, has_meta=has_meta, stop=frozenset({tag})), body, implicit, little


def _not_dicom(why: str) -> NotDicomError:
    return NotDicomError("This is not a DICOM file", why=why)


def _open(fileobj: BinaryIO) -> tuple[FileMetaDataset, BinaryIO, bool, bool, bool]:
    """Read the File Meta Information.

    Returns it, the body positioned at the data set, implicit VR, little endian, and whether the file has File Meta
    Information at all.
    """
    fileobj.seek(0)
    start = fileobj.read(132)
    if len(start) < 8:
        raise _not_dicom("it is empty" if not start else "it is too short")
    if start[128:132] != b"DICM":
        fileobj.seek(0)
    meta = FileMetaDataset()
    if _group(fileobj) == 2:
        try:
            found = read_elements(
                fileobj, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2, at_top_level=False
            )
            meta = FileMetaDataset(found)
        except Exception as error:
            raise _not_dicom("its File Meta Information cannot be read") from error
    has_meta = len(meta) > 0
    try:
        syntax = str(meta.get("TransferSyntaxUID", "") or "").strip(" \x00")
    except Exception:  # pydicom raises many kinds of error for a damaged element
        logger.info("the transfer syntax is unreadable; the encoding is told from the data set")
        syntax, meta = "", FileMetaDataset()
    position = fileobj.tell()
    if syntax == DeflatedExplicitVRLittleEndian:
        return meta, _inflate(fileobj), False, True, True
    head = fileobj.read(8)
    fileobj.seek(position)
    implicit, little = _encoding(head, syntax)
    if not has_meta and not _begins_like_a_data_set(head, little):
        raise _not_dicom("it has neither a DICOM prefix nor DICOM attributes at its beginning")
    if not syntax:
        meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        )
    return meta, fileobj, implicit, little, has_meta


def _group(fileobj: BinaryIO) -> int:
    position = fileobj.tell()
    head = fileobj.read(2)
    fileobj.seek(position)
    return struct.unpack("<H", head)[0] if len(head) == 2 else -1


def _inflate(fileobj: BinaryIO) -> BinaryIO:
    """Return the inflated rest of the file. A damaged end keeps what could be inflated."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces: list[bytes] = []
    try:
        while chunk := fileobj.read(1 << 20):
            pieces.append(engine.decompress(chunk))
            if engine.eof:
                break
        pieces.append(engine.flush())
    except zlib.error as error:
        if not any(pieces):
            raise _not_dicom("its deflated data set cannot be inflated") from error
    return io.BytesIO(b"".join(pieces))


def _encoding(head: bytes, syntax: str) -> tuple[bool, bool]:
    """Return (implicit VR, little endian) of a data set that begins with `head`; what is there beats what is said."""
    if len(head) < 8:
        return syntax in ("", ImplicitVRLittleEndian), syntax != ExplicitVRBigEndian
    little_group, big_group = struct.unpack("<H", head[:2])[0], struct.unpack(">H", head[:2])[0]
    explicit = head[4:6] in _VR
    # The first group of a data set is small (0000 to 00FF in practice), which tells the byte order.
    little = little_group <= big_group if explicit else True
    if explicit and syntax == ExplicitVRBigEndian and little_group == big_group:
        little = False
    return not explicit, little


def _begins_like_a_data_set(head: bytes, little: bool) -> bool:
    """Whether the first tag can be the first of a data set without File Meta Information."""
    if len(head) < 8:
        return False
    group, element = struct.unpack(("<" if little else ">") + "HH", head[:4])
    return group in _USUAL_GROUPS or (group == 0 and element == 0)


def _elements(
    body: BinaryIO,
    meta: FileMetaDataset,
    implicit: bool,
    little: bool,
    *,
    has_meta: bool,
    stop: frozenset[int] = frozenset(),
) -> Dataset:
    """Read the data set proper, up to the first of the tags `stop`."""

    def at_stop(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return int(tag) in stop

    try:
        dataset = read_elements(body, implicit, little, stop_when=at_stop if stop else None)
    except Exception as error:
        raise _not_dicom(f"its elements cannot be read ({type(error).__name__})") from error
    if not _plausible(dataset, has_meta):
        raise _not_dicom("no DICOM attributes were found in it")
    dataset.set_original_encoding(implicit, little, dataset._character_set)
    dataset.file_meta = meta
    return dataset


def _plausible(dataset: Dataset, has_meta: bool) -> bool:
    """Whether what was read looks like DICOM rather than any bytes taken for elements."""
    if has_meta or not len(dataset):
        return has_meta
    tags = list(dataset.keys())
    known = sum(1 for tag in tags if tag.group in _USUAL_GROUPS)
    return known >= max(1, len(tags) // 4)


_USUAL_GROUPS = frozenset(
    {0x0002, 0x0004, 0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0028, 0x0032, 0x0038, 0x0040, 0x0042, 0x0048, 0x0054}
    | {0x0070, 0x0088, 0x2050, 0x3006, 0x300A, 0x300C, 0x5400, 0x7FE0}
)


def _locate_pixels(body: BinaryIO, implicit: bool, little: bool) -> PixelElement | None:
    """Return the pixel data element that `body` is positioned at, or None at the end of the data set."""
    position = body.tell()
    head = body.read(12)
    if len(head) < 8:
        return None
    order = "<" if little else ">"
    group, element = struct.unpack(order + "HH", head[:4])
    tag = group << 16 | element
    if tag not in PIXEL_TAGS:
        return None
    if implicit:
        return PixelElement(tag, "", position + 8, struct.unpack(order + "L", head[4:8])[0])
    vr = head[4:6]
    if vr in _LONG_VR:
        if len(head) < 12:
            return None
        return PixelElement(tag, vr.decode(), position + 12, struct.unpack(order + "L", head[8:12])[0])
    return PixelElement(tag, vr.decode("latin-1"), position + 8, struct.unpack(order + "H", head[6:8])[0])
