"""Bits and bytes of native pixel data that are no pixels: embedded overlays (PS3.5 8.1.2 retired), surplus bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lightbox.deid.elements import PIXEL_DATA, Element, find
from lightbox.deid.part10 import ascii_value


@dataclass(frozen=True, slots=True)
class PixelResult:
    """What was done: new bytes (None: as they were) and the reasons; `refused` is why the object cannot be exported."""

    value: bytes | None = None
    done: tuple[str, ...] = ()
    refused: str = ""


def clean(elements: Iterable[Element], *, little: bool) -> PixelResult:
    """Mask the bits outside the stored bits when an overlay is embedded in them, and cut bytes after the last frame.

    Parameters
    ----------
    elements : iterable of Element
        The data set as read, overlay groups included.
    little : bool
        Byte order of the pixel data.
    """
    elements = list(elements)
    pixels = find(elements, PIXEL_DATA)
    embedded = _embedded_overlay(elements, little=little)
    if pixels is None or pixels.items is not None:
        return PixelResult()
    if pixels.encapsulated:
        return PixelResult(refused="an overlay is embedded in compressed pixel data" if embedded else "")
    value: bytes | memoryview = pixels.value
    done: list[str] = []
    allocated, stored, high = (_number(elements, tag, little=little) for tag in (0x00280100, 0x00280101, 0x00280102))
    expected = _expected_length(elements, allocated, little=little)
    if expected and len(value) > expected + expected % 2:
        value = bytes(value[:expected]) + b"\0" * (expected % 2)
        done.append("bytes after the last frame")
    elif expected and expected % 2 and len(value) == expected + 1 and value[expected]:
        value = bytes(value[:expected]) + b"\0"
        done.append("padding of the last frame")
    if embedded and allocated in (8, 16, 32) and stored and high is not None and stored < allocated:
        kind = np.dtype(f"{'<' if little else '>'}u{allocated // 8}")
        low = high - stored + 1
        if low < 0 or high >= allocated:
            return PixelResult(refused="bits stored and high bit contradict each other")
        mask = ((1 << stored) - 1) << low
        whole = len(value) - len(value) % kind.itemsize
        masked = np.frombuffer(value, kind, count=whole // kind.itemsize) & kind.type(mask)
        value = masked.astype(kind).tobytes() + bytes(value[whole:])
        done.append("embedded overlay")
    return PixelResult(bytes(value) if done else None, tuple(done))


def _embedded_overlay(elements: list[Element], *, little: bool) -> bool:
    """Whether an overlay group says that its bits stand in the pixel data: it has no data of its own."""
    groups = {
        element.tag >> 16 for element in elements if 0x6000 <= element.tag >> 16 <= 0x60FF and not element.tag >> 16 & 1
    }
    for group in groups:
        if find(elements, group << 16 | 0x3000) is None and (
            _number(elements, group << 16 | 0x0102, little=little)
            or (_number(elements, group << 16 | 0x0100, little=little) or 1) > 1
        ):
            return True
    return False


def _expected_length(elements: list[Element], allocated: int | None, *, little: bool) -> int:
    rows, columns, samples = (
        _number(elements, tag, little=little) or 0 for tag in (0x00280010, 0x00280011, 0x00280002)
    )
    frames = find(elements, 0x00280008)
    text = ascii_value(frames)
    count = int(text) if text.isdigit() else 1
    if find(elements, 0x00280004) is not None and ascii_value(find(elements, 0x00280004)).startswith("YBR_FULL_422"):
        samples = 2
    return (rows * columns * samples * count * (allocated or 0) + 7) // 8


def _number(elements: list[Element], tag: int, *, little: bool) -> int | None:
    element = find(elements, tag)
    if element is None or element.items is not None or len(element.value) < 2:
        return None
    return struct.unpack_from("<H" if little else ">H", element.value)[0]
