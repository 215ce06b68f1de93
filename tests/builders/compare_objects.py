"""Comparing an object with what came back of it from an archive."""

from __future__ import annotations

import struct

from pydicom.dataset import Dataset

_PIXEL_DATA = 0x7FE00010
_TRAILING_PADDING = 0xFFFCFFFC


def differences(original: Dataset, received: Dataset) -> list[str]:
    """Return in words where two data sets differ, file meta information aside.

    Three things are not differences, because DCMTK, which Orthanc is built on, does not keep them: Group Length
    elements, retired outside of groups 0000 and 0002 (PS3.5 7.2); Data Set Trailing Padding, which means nothing
    (PS3.10 7.2); and fragments whose odd length broke PS3.5 A.4, which get their even padding.
    """
    found = []
    ignored = {tag for tag in (*original.keys(), *received.keys()) if tag.element == 0x0000 or tag == _TRAILING_PADDING}
    tags = {*original.keys(), *received.keys()} - ignored
    for tag in sorted(tags):
        if tag not in original or tag not in received:
            found.append(f"{tag} only in the {'original' if tag in original else 'received'} object")
        elif tag == _PIXEL_DATA:
            if not same_pixel_data(original[tag].value, received[tag].value):
                found.append("pixel data")
        elif not _same_element(original, received, tag):
            found.append(f"{tag} {original[tag].VR} {received[tag].VR}")
    return found


def _same_element(original: Dataset, received: Dataset, tag: int) -> bool:
    first, second = original[tag], received[tag]
    if first.VR != "SQ" or second.VR != "SQ":
        return first.value == second.value or _plain(first.value) == _plain(second.value)
    items = list(zip(first.value, second.value, strict=False))
    return len(first.value) == len(second.value) and not any(differences(one, other) for one, other in items)


def _plain(value: object) -> object:
    # An unknown private element read from Implicit VR is bytes; the padding of its value is not part of it
    return value.rstrip(b"\x00 ") if isinstance(value, bytes) else value


def same_pixel_data(original: bytes, received: bytes) -> bool:
    """Whether two Pixel Data values are byte for byte the same, see `differences` for fragments of odd length."""
    if original == received:
        return True
    try:
        one, other = fragments(original), fragments(received)
    except (ValueError, struct.error):
        return False
    return len(one) == len(other) and all(
        a == b or (len(a) % 2 == 1 and a + b"\x00" == b) for a, b in zip(one, other, strict=True)
    )


def fragments(value: bytes) -> list[bytes]:
    """Return the items of encapsulated Pixel Data, the offset table first."""
    found, position = [], 0
    while position < len(value):
        group, element, length = struct.unpack_from("<HHI", value, position)
        if (group, element) == (0xFFFE, 0xE0DD):
            break
        if (group, element) != (0xFFFE, 0xE000):
            raise ValueError("not encapsulated")
        found.append(value[position + 8 : position + 8 + length])
        position += 8 + length
    return found
