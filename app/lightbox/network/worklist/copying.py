"""Writing the copy of an object and comparing it with its source."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from lightbox.core.errors import LightboxError
from lightbox.dicom import reading, values
from lightbox.network import implementation
from lightbox.network.worklist.changes import Plan, ReconcileError

if TYPE_CHECKING:
    from lightbox.library.library import Library

_CHUNK = 1 << 20
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


def tail_start(part: reading.Part10) -> int:
    """Return where in ``part.body`` begins what is copied as it is: the pixel data element, or the end."""
    if part.pixels is None:
        return part.body.seek(0, 2)
    return part.pixels.offset - (12 if part.pixels.vr in _LONG else 8)


def write(source: BinaryIO, target: BinaryIO, part: reading.Part10, header: bytes, tail_at: int, plan: Plan) -> None:
    """Write preamble, File Meta Information, the new header, and what follows it as it is."""
    source.seek(0)
    preamble = source.read(132)
    target.write(preamble[:128] if preamble[128:132] == b"DICM" else b"\x00" * 128)
    target.write(b"DICM")
    target.write(_meta(part, plan))
    part.body.seek(tail_at)
    if part.dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        size = 0
        for chunk in (header, *iter(lambda: part.body.read(_CHUNK), b"")):
            piece = engine.compress(chunk)
            size += target.write(piece)
        piece = engine.flush()
        size += target.write(piece)
        target.write(b"\x00" * (size % 2))
        return
    target.write(header)
    while chunk := part.body.read(_CHUNK):
        target.write(chunk)


def _meta(part: reading.Part10, plan: Plan) -> bytes:
    """Return the File Meta Information: as it is, unless the instance has a new UID or had none (PS3.10 7.1)."""
    meta = FileMetaDataset(part.dataset.file_meta)
    uid = values.text(meta, "MediaStorageSOPInstanceUID")
    if uid in plan.uids:
        meta.MediaStorageSOPInstanceUID = UID(plan.uids[uid])
    if not uid:
        meta.MediaStorageSOPClassUID = UID(values.text(part.dataset, "SOPClassUID"))
        meta.MediaStorageSOPInstanceUID = UID(values.text(part.dataset, "SOPInstanceUID"))
    if "ImplementationClassUID" not in meta:
        meta.ImplementationClassUID = UID(implementation.CLASS_UID)
        meta.ImplementationVersionName = implementation.VERSION_NAME
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.FileMetaInformationGroupLength = 0
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = False, True
    write_file_meta_info(stream, meta, enforce_standard=False)
    return stream.getvalue()


def fingerprints(dataset: Dataset) -> dict[int, tuple[str, bytes]]:
    """Return VR and raw value of every element that was read as bytes."""
    found: dict[int, tuple[str, bytes]] = {}
    for tag in dataset.keys():  # noqa: SIM118 (a data set is no mapping)
        element = dataset.get_item(tag)
        if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
            found[int(tag)] = (str(element.VR), element.value)
    return found


def verify(part: reading.Part10, target: BinaryIO, tail_at: int, untouched: dict[int, tuple[str, bytes]]) -> None:
    """Read the copy again: what the order does not touch must be there unchanged, and nothing may be lost."""
    copied = reading.read_part10(target)
    again = fingerprints(copied.dataset)
    for tag, mark in untouched.items():
        if tag & 0xFFFF == 0 and tag >> 16 > 6:  # retired group lengths go
            continue
        if again.get(tag) != mark:
            raise ReconcileError(
                "The copy of an object is not as it must be",
                where=keyword_for_tag(tag) or f"{tag >> 16:04X},{tag & 0xFFFF:04X}",
                why="An element that is not to change has changed",
                todo="Report this; the object was not imported",
            )
    if _digest(part.body, tail_at) != _digest(copied.body, tail_start(copied)):
        raise ReconcileError(
            "The copy of an object is not as it must be",
            where="pixel data",
            why="It is not the same as in the source",
            todo="Report this; the object was not imported",
        )


def is_here(library: Library, sop_instance_uid: str, copy: Path) -> bool:
    """Whether the library holds what a reconciled copy says, made perhaps at another time."""
    if library.instance(sop_instance_uid) is None:
        return False
    try:
        stored = library.open_object(sop_instance_uid)
    except LightboxError:  # a linked file that is gone
        return False
    with stored as kept, copy.open("rb") as made:
        one, other = reading.read_part10(kept), reading.read_part10(made)
        for part in (one, other):
            for keyword in ("InstanceCoercionDateTime", "ContributingEquipmentSequence", "OriginalAttributesSequence"):
                if keyword in part.dataset:
                    del part.dataset[keyword]
        if one.dataset != other.dataset:
            return False
        return _digest(one.body, tail_start(one)) == _digest(other.body, tail_start(other))


def _digest(stream: BinaryIO, start: int) -> bytes:
    stream.seek(start)
    engine = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        engine.update(chunk)
    return engine.digest()
