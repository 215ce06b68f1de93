"""Stored objects as the network sends them: what they are, and where their encoded data set begins."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lightbox.core.errors import LightboxError

if TYPE_CHECKING:
    from lightbox.library.library import Library

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_DEFLATED_HEAD = 65_536
_LONG_VRS = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"})


@dataclass(frozen=True, slots=True)
class Description:
    """What an encoded object is; ``offset`` is where its data set begins in the file."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    offset: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that can be sent: its SOP Instance UID and how to open it (seekable, DICOM file or bare data set)."""

    sop_instance_uid: str
    open: Callable[[], BinaryIO]


def of_library(library: Library, sop_instance_uids: Iterable[str]) -> list[StoredObject]:
    """Return objects of a library for sending."""
    return [StoredObject(uid, partial(library.open_object, uid)) for uid in sop_instance_uids]


def of_files(paths: Iterable[Path]) -> list[StoredObject]:
    """Return DICOM files for sending."""
    return [StoredObject("", partial(path.open, "rb")) for path in paths]


def describe(file: BinaryIO) -> Description:
    """Return what the object in `file` is, without decoding its data set.

    Raises
    ------
    LightboxError
        It is not a DICOM object.
    """
    file.seek(0)
    if file.read(132)[128:] == b"DICM":
        meta = _file_meta(file)
        offset = file.tell()
        syntax, sop_class, instance = (meta.get(number, "") for number in (0x0010, 0x0002, 0x0003))
        if syntax:
            # What is in the data set counts (PS3.4 B.3): file meta information of other programs may differ from it
            told = _identifiers(file, syntax)
            sop_class, instance = told.get(0x00080016, sop_class), told.get(0x00080018, instance)
            if sop_class and instance:
                return Description(sop_class, instance, syntax, offset)
    return _by_data_set(file)


def _identifiers(file: BinaryIO, syntax: str) -> dict[int, str]:
    """Return SOP Class UID and SOP Instance UID of the data set that begins here, as far as they can be read."""
    from lightbox.dicom import imports

    imports.ready()
    from pydicom.filereader import read_dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

    source: BinaryIO = file
    if syntax == DeflatedExplicitVRLittleEndian:
        source = BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(_DEFLATED_HEAD), _DEFLATED_HEAD))
    implicit, little = syntax == IMPLICIT_LITTLE_ENDIAN, syntax != ExplicitVRBigEndian
    try:
        head = read_dataset(source, implicit, little, stop_when=lambda tag, vr, length: tag > 0x00080018)
        found = {tag: head.get_item(tag) for tag in (0x00080016, 0x00080018)}
    except (EOFError, ValueError, KeyError, struct.error, NotImplementedError, zlib.error):
        return {}
    values = {tag: item.value for tag, item in found.items() if item is not None and isinstance(item.value, bytes)}
    return {tag: value.rstrip(b"\x00 ").decode("ascii", "replace") for tag, value in values.items() if value}


def _file_meta(file: BinaryIO) -> dict[int, str]:
    """Read group 0002 (PS3.10 7.1: Explicit VR Little Endian) and leave `file` at the first byte after it."""
    found: dict[int, str] = {}
    while True:
        start = file.tell()
        head = file.read(8)
        if len(head) < 8 or head[:2] != b"\x02\x00" or not head[4:6].isalpha():
            file.seek(start)
            return found
        number = struct.unpack("<H", head[2:4])[0]
        is_long = head[4:6] in _LONG_VRS
        length = struct.unpack("<I", file.read(4))[0] if is_long else struct.unpack("<H", head[6:8])[0]
        found[number] = file.read(length).rstrip(b"\x00 ").decode("ascii", "replace")


def _by_data_set(file: BinaryIO) -> Description:
    """Describe an object without (complete) file meta information by its data set."""
    from lightbox.dicom import imports

    imports.ready()
    import pydicom
    from pydicom.errors import InvalidDicomError
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

    try:
        file.seek(0)
        dataset = pydicom.dcmread(file, force=True, stop_before_pixels=True)
        sop_class, instance = str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)
    except (InvalidDicomError, AttributeError, EOFError, ValueError, struct.error, NotImplementedError) as error:
        raise LightboxError("This object cannot be sent", why="It is not a complete DICOM object") from error
    implicit, little = dataset.original_encoding
    if implicit:
        guessed = IMPLICIT_LITTLE_ENDIAN
    else:
        guessed = str(ExplicitVRLittleEndian if little is not False else ExplicitVRBigEndian)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "") or guessed)
    file.seek(0)
    has_preamble = file.read(132)[128:] == b"DICM"
    if has_preamble:
        _file_meta(file)
    else:
        file.seek(0)
        if file.read(2) == b"\x02\x00":  # file meta information without preamble
            file.seek(0)
            _file_meta(file)
        else:
            file.seek(0)
    return Description(sop_class, instance, syntax, file.tell())
