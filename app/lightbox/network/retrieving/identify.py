"""What an object is, by its first bytes: quickly, because it is asked of each object that comes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

from lightbox.core.errors import LightboxError
from lightbox.network.stored import Description, describe

HEAD = 4096
"""Bytes in which the identifiers stand, for all practical purposes."""

_IMPLICIT = "1.2.840.10008.1.2"
_NEITHER = frozenset({"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"})
"""Big endian and deflated encodings."""
_LONG = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"})
_META_CLASS, _META_INSTANCE, _SYNTAX = 0x00020002, 0x00020003, 0x00020010
_CLASS, _INSTANCE = 0x00080016, 0x00080018
_UNDEFINED = 0xFFFFFFFF


def identify(head: bytes) -> Description | None:
    """Return what the DICOM file that begins with `head` is, None when that cannot be told.

    What is in the data set counts (PS3.4 B.3): file meta information of other programs may differ from it.
    """
    if head[128:132] != b"DICM":
        return _slowly(head)
    meta: dict[int, str] = {}
    position = 132
    for tag, value, end in _elements(head, 132, implicit=False):
        if tag >> 16 != 0x0002:
            break
        meta[tag] = value
        position = end
    syntax = meta.get(_SYNTAX, "")
    if not syntax or syntax in _NEITHER:
        return _slowly(head)
    found: dict[int, str] = {}
    for tag, value, _ in _elements(head, position, implicit=syntax == _IMPLICIT):
        if tag > _INSTANCE:
            break
        found[tag] = value
    sop_class, instance = found.get(_CLASS, ""), found.get(_INSTANCE, "")
    if not (sop_class and instance):
        return _slowly(head) or Description(meta.get(_META_CLASS, ""), meta.get(_META_INSTANCE, ""), syntax, position)
    return Description(sop_class, instance, syntax, position)


def _elements(data: bytes, position: int, *, implicit: bool) -> Iterator[tuple[int, str, int]]:
    """Yield tag, value as text, and end of the elements as long as they are whole and of defined length."""
    while position + 8 <= len(data):
        group, element = struct.unpack_from("<HH", data, position)
        if implicit:
            (length,) = struct.unpack_from("<I", data, position + 4)
            begin = position + 8
        elif data[position + 4 : position + 6] in _LONG:
            if position + 12 > len(data):
                return
            (length,) = struct.unpack_from("<I", data, position + 8)
            begin = position + 12
        else:
            (length,) = struct.unpack_from("<H", data, position + 6)
            begin = position + 8
        end = begin + length
        if length == _UNDEFINED or end > len(data):
            return
        yield group << 16 | element, data[begin:end].rstrip(b"\x00 ").decode("ascii", "replace"), end
        position = end


def _slowly(head: bytes) -> Description | None:
    try:
        return describe(BytesIO(head))
    except (LightboxError, OSError, ValueError, EOFError):
        return None
