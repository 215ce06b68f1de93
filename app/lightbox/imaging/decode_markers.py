"""What a code stream says about itself: kind, precision and colour of JPEG, JPEG-LS and JPEG 2000 streams."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lightbox.dicom import photometric as pi


@dataclass(frozen=True, slots=True)
class CodeStream:
    """A code stream as it describes itself.

    Attributes
    ----------
    data : bytes
        From its first marker on.
    kind : str
        "jpeg-dct", "jpeg-lossless", "jpeg-ls", "jpeg-2000" or "" when unknown.
    precision : int
        Bits of a sample; 0 when unknown.
    size : tuple of int
        Rows, columns, components; empty when unknown.
    """

    data: bytes
    kind: str
    precision: int = 0
    size: tuple[int, ...] = ()


_J2K_SOC_SIZ = b"\xff\x4f\xff\x51"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "


def begins_frame(head: bytes) -> bool:
    """Whether a fragment that starts with `head` (12 bytes are enough) starts a new code stream."""
    return head[:3] == b"\xff\xd8\xff" or head[:4] == _J2K_SOC_SIZ or head[:8] == _JP2_SIGNATURE


def start_of_stream(data: bytes) -> CodeStream:
    """Return the kind of code stream by its own markers: transfer syntaxes are sometimes wrong, streams hardly ever."""
    if data[:4] == _J2K_SOC_SIZ or data[:8] == _JP2_SIGNATURE:
        at = data.find(_J2K_SOC_SIZ)
        if at < 0 or len(data) < at + 43:
            return CodeStream(data, "jpeg-2000")
        return CodeStream(data, "jpeg-2000", *_j2k_size(data[at : at + 43]))
    if data[:2] != b"\xff\xd8":
        at = data[:64].find(b"\xff\xd8\xff")
        if at < 0:
            return CodeStream(data, "")
        data = data[at:]
    for marker, segment in _segments(data):
        kind = _FRAME_HEADERS.get(marker)
        if kind and len(segment) >= 6:
            precision, rows, columns, components = struct.unpack(">BHHB", segment[:6])
            return CodeStream(data, kind, precision, (rows, columns, components))
    return CodeStream(data, "")


_FRAME_HEADERS = {
    0xC0: "jpeg-dct",
    0xC1: "jpeg-dct",
    0xC2: "jpeg-dct",
    0xC3: "jpeg-lossless",
    0xC9: "jpeg-dct",
    0xCA: "jpeg-dct",
    0xF7: "jpeg-ls",
}


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, content) of the segments up to the first scan."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in (0xD9, 0xDA):
            return
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _j2k_size(head: bytes) -> tuple[int, tuple[int, ...]]:
    """Return precision of the first component and (rows, columns, components) from the SIZ segment."""
    # SOC(2) SIZ(2) Lsiz(2) Rsiz(2), Xsiz Ysiz XOsiz YOsiz and four tile values (4 each), Csiz(2), Ssiz(1)
    right, bottom, left, top = struct.unpack(">4L", head[8:24])
    (components,) = struct.unpack(">H", head[40:42])
    return (head[42] & 0x7F) + 1, (bottom - top, right - left, components)


def jpeg_has_end(data: bytes) -> bool:
    """Whether a JPEG stream has its End of Image marker behind its last scan."""
    end = data.rfind(b"\xff\xd9")
    return end > data.rfind(b"\xff\xda")


def jpeg_photometric(data: bytes, declared: str, dimensions: int) -> str:
    """Return the colour space of the decoded, unconverted components of a DCT JPEG.

    An Adobe marker or components named R, G, B decide; otherwise the header is believed. Sub-sampled chroma is YBR
    whatever the header says: RGB is never sub-sampled.
    """
    if dimensions != 3:
        return declared
    sampled = False
    for marker, segment in _segments(data):
        if marker == 0xEE and segment[:5] == b"Adobe" and len(segment) >= 12:
            return pi.RGB if segment[11] == 0 else pi.YBR_FULL
        if marker in (0xC0, 0xC1, 0xC2) and len(segment) >= 15:
            if bytes(segment[6:15:3]) == b"RGB":
                return pi.RGB
            factors = set(segment[7:15:3])
            sampled = len(factors) > 1
    if sampled or declared.startswith("YBR"):
        return pi.YBR_FULL
    return declared
