"""Comments inside compressed frames: JPEG and JPEG-LS (COM, APPn) and JPEG 2000 (COM) streams can hold text."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

JPEG, JPEG_2000 = b"\xff\xd8", b"\xff\x4f"
SOS, EOI, COM, APP0, EXIF, APP15 = 0xFFDA, 0xFFD9, 0xFFFE, 0xFFE0, 0xFFE1, 0xFFEF
J2K_SOT, J2K_COM = 0xFF90, 0xFF64


def blank_comments(fragments: bytes | memoryview, holds_identifier: Callable[[bytes], bool]) -> bytes | None:
    """Overwrite comments that hold an identifier, and Exif blocks, with spaces; image data are not touched.

    Parameters
    ----------
    fragments : bytes or memoryview
        Value of encapsulated pixel data: items without the closing delimiter (PS3.5 A.4).
    holds_identifier : callable
        Tells whether the bytes of a comment hold an identifier.

    Returns
    -------
    bytes or None
        New value of the same length; None when nothing had to be changed.
    """
    out: bytearray | None = None
    for start, end in _items(fragments):
        for begin, stop, marker in _comments(fragments, start, end):
            payload = bytes(fragments[begin:stop])
            exif = marker == EXIF and payload.startswith(b"Exif")
            if exif or holds_identifier(payload):
                if out is None:
                    out = bytearray(fragments)
                out[begin:stop] = b" " * (stop - begin)
    return None if out is None else bytes(out)


def _items(fragments: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Yield start and end of each fragment, the offset table left out."""
    pos, first = 0, True
    while pos + 8 <= len(fragments):
        length = struct.unpack_from("<L", fragments, pos + 4)[0]
        if not first:
            yield pos + 8, min(pos + 8 + length, len(fragments))
        first = False
        pos += 8 + length


def _comments(data: bytes | memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield start and end of the payload and the marker of each comment or application segment of a stream's header."""
    head = bytes(data[start : start + 2])
    if head not in (JPEG, JPEG_2000):
        return
    pos = start + 2
    while pos + 4 <= end:
        marker, length = struct.unpack_from(">HH", data, pos)
        if marker in (SOS, EOI, J2K_SOT) or marker < 0xFF00 or length < 2:
            return
        stop = min(pos + 2 + length, end)
        if (head == JPEG_2000 and marker == J2K_COM) or (head == JPEG and (marker == COM or APP0 <= marker <= APP15)):
            yield pos + 4, stop, marker
        pos = stop
