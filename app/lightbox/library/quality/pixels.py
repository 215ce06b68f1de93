"""The Image Pixel module against the pixel data (PS3.3 C.7.6.3, PS3.5 8 and A.4)."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO

from lightbox.dicom.reading import UNDEFINED_LENGTH
from lightbox.library.quality.elements import has_value, text, unsigned
from lightbox.library.quality.model import shown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.dicom.reading import PixelElement
    from lightbox.library.quality.report import Report
    from lightbox.library.quality.subject import Subject

PIXEL_DATA, FLOAT, DOUBLE = 0x7FE00010, 0x7FE00008, 0x7FE00009
ROWS, COLUMNS, FRAMES = 0x00280010, 0x00280011, 0x00280008
SAMPLES, PHOTOMETRIC, ALLOCATED, STORED, HIGH, REPRESENTATION = (
    0x00280002,
    0x00280004,
    0x00280100,
    0x00280101,
    0x00280102,
    0x00280103,
)
_SAMPLES_OF = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_PARTIAL_422": 3,
    "YBR_PARTIAL_420": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
    "XYB": 3,
    "HSV": 3,
    "ARGB": 4,
    "CMYK": 4,
}
_NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"})
_RLE = "1.2.840.10008.1.2.5"
# Video and frames in one stream: fragments tell nothing about frames. Referenced pixel data have none.
_STREAMS = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (*range(94, 96), *range(100, 109), 204, 205))
_REFERENCED = frozenset({"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.204"})
_ANEW = "Have the origin write the object anew; nothing but the origin knows the true value"
_TERM = "Use a term of PS3.3 C.7.6.3.1.2"
_MOST_FRAGMENTS = 100_000


def check_pixels(report: Report, subject: Subject, pixels: PixelElement | None, body: BinaryIO | None) -> None:
    """Check an image; `pixels` is None without pixel data, `body` None when only a header is known."""
    ds = subject.ds
    if body is not None and pixels is None and PIXEL_DATA not in ds._dict:
        if subject.is_image and not _elsewhere(subject):
            report.add("pixel.missing", PIXEL_DATA, "no pixel data", "the pixel data of the image", _ANEW)
        return
    rows, columns = unsigned(ds, ROWS), unsigned(ds, COLUMNS)
    if rows is None and columns is None and pixels is None:
        return
    for tag, number in ((ROWS, rows), (COLUMNS, columns)):
        if number == 0:
            report.add("pixel.size", tag, "0", "a positive number", _ANEW)
    told = text(ds, FRAMES)
    frames = subject.frames
    if told and told.lstrip("+-").isdigit() and int(told) < 1:
        report.add("pixel.size", FRAMES, shown(told), "a positive number", _ANEW)
        frames = 0
    _check_bits(report, subject, pixels)
    _check_samples(report, subject)
    if pixels is None or body is None:
        return
    encapsulated = pixels.length == UNDEFINED_LENGTH
    syntax = subject.transfer_syntax_uid
    native = syntax in _NATIVE
    if syntax and encapsulated == native and not (native is False and _unknown(syntax)):
        state = "encapsulated" if encapsulated else "native"
        report.add(
            "pixel.encapsulation",
            pixels.tag,
            f"{state} pixel data under {syntax}",
            "encapsulated" if not native else "native",
            "Have the origin write the object anew, or set the transfer syntax that the pixels are really in",
        )
    if encapsulated:
        _check_fragments(report, subject, pixels, body, frames)
    elif rows and columns and frames:
        _check_length(report, subject, pixels, body, rows * columns * frames)


def _elsewhere(subject: Subject) -> bool:
    return subject.has("PixelDataProviderURL") or subject.transfer_syntax_uid in _REFERENCED


def _unknown(syntax: str) -> bool:
    return not syntax.startswith("1.2.840.10008.1.2")


def _check_bits(report: Report, subject: Subject, pixels: PixelElement | None) -> None:
    ds = subject.ds
    allocated, stored, high = unsigned(ds, ALLOCATED), unsigned(ds, STORED), unsigned(ds, HIGH)
    representation = unsigned(ds, REPRESENTATION)
    if pixels is not None and pixels.tag != PIXEL_DATA:
        return
    if allocated is not None and (allocated == 0 or (allocated != 1 and allocated % 8)):
        report.add("pixel.bits", ALLOCATED, str(allocated), "1 or a multiple of 8", _ANEW)
    if allocated and stored is not None and not 0 < stored <= allocated:
        report.add("pixel.bits", STORED, f"{stored} of {allocated} bits", "1 to Bits Allocated", _ANEW)
    elif stored and high is not None and high != stored - 1:
        report.add("pixel.bits", HIGH, str(high), f"{stored - 1} (Bits Stored - 1)", _ANEW)
    if representation is not None and representation not in (0, 1):
        report.add("pixel.representation", REPRESENTATION, str(representation), "0 or 1", _ANEW)


def _check_samples(report: Report, subject: Subject) -> None:
    photometric, samples = subject.photometric, unsigned(subject.ds, SAMPLES)
    if not photometric:
        return
    expected = _SAMPLES_OF.get(photometric)
    if expected is None:
        report.add("pixel.photometric", PHOTOMETRIC, shown(photometric), "a defined term", _TERM)
    elif samples is not None and samples != expected:
        report.add("pixel.samples", SAMPLES, f"{samples} for {photometric}", str(expected), _ANEW)


def _check_length(report: Report, subject: Subject, pixels: PixelElement, body: BinaryIO, count: int) -> None:
    """Compare the length of native pixel data with what the image needs."""
    ds = subject.ds
    bits = {FLOAT: 32, DOUBLE: 64}.get(pixels.tag) or unsigned(ds, ALLOCATED)
    if not bits:
        return
    total = count * bits * subject.samples
    if subject.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") and subject.samples == 3:
        total = count * bits * 2
    expected = (total + 7) // 8
    there = max(0, _size(body) - pixels.offset)
    if there < pixels.length:
        report.add(
            "pixel.truncated",
            pixels.tag,
            f"{there} of {pixels.length} bytes",
            "the whole pixel data",
            "Fetch or export the object again: the file was cut",
        )
    elif pixels.length < expected:
        report.add("pixel.too-short", pixels.tag, f"{pixels.length} bytes", f"{expected} bytes", _ANEW)
    elif pixels.length > expected + expected % 2:
        report.add(
            "pixel.too-long",
            pixels.tag,
            f"{pixels.length} bytes",
            f"{expected} bytes",
            "Nothing, if the surplus is padding; else the number of frames or the size is wrong",
        )


def _size(body: BinaryIO) -> int:
    return body.seek(0, os.SEEK_END)


def _check_fragments(report: Report, subject: Subject, pixels: PixelElement, body: BinaryIO, frames: int) -> None:
    """Count the fragments by their item headers; the compressed data itself is not read."""
    size, position, fragments = _size(body), pixels.offset, -1  # the first item is the offset table
    whole = False
    while position + 8 <= size and fragments <= _MOST_FRAGMENTS:
        body.seek(position)
        group, number, length = struct.unpack("<HHL", body.read(8))
        if (group, number) == (0xFFFE, 0xE0DD):
            whole = True
            break
        if (group, number) != (0xFFFE, 0xE000) or length == UNDEFINED_LENGTH or position + 8 + length > size:
            break
        fragments += 1
        position += 8 + length
    if not whole and fragments <= _MOST_FRAGMENTS:
        report.add(
            "pixel.truncated",
            pixels.tag,
            f"no end after {max(0, fragments)} fragments",
            "a sequence delimiter behind the last fragment",
            "Fetch or export the object again: the file was cut",
        )
    elif subject.transfer_syntax_uid not in _STREAMS and fragments < frames:
        report.add(
            "pixel.fragments", pixels.tag, f"{fragments} fragments", f"at least one for each of {frames} frames", _ANEW
        )
    elif subject.transfer_syntax_uid == _RLE and fragments != frames and frames:
        report.add("pixel.fragments", pixels.tag, f"{fragments} fragments", f"{frames} (RLE: one a frame)", _ANEW)


_OVERLAY = (0x0010, 0x0011, 0x0040, 0x0050, 0x0100, 0x0102, 0x3000)
"""Type 1 attributes of the Overlay Plane module (PS3.3 C.9.2), elements of a repeating group 60xx."""


def check_overlays(report: Report, ds: Dataset) -> None:
    """Check that each overlay has what it takes to draw it; one in the pixel data itself is of an older standard."""
    groups = sorted({tag >> 16 for tag in ds._dict if 0x6000 <= tag >> 16 <= 0x60FE and not tag & 0x10000})
    for group in groups:
        there = [number for number in _OVERLAY if has_value(ds, group << 16 | number)]
        if not there or (0x3000 not in there and unsigned(ds, group << 16 | 0x0100) not in (None, 1)):
            continue
        for number in _OVERLAY:
            if number not in there:
                report.add(
                    "overlay.incomplete",
                    group << 16 | number,
                    "missing or empty",
                    "type 1 in the module overlay-plane",
                    "Have the origin set it, or remove the overlay",
                )
