"""Copies that an archive gives back are the same only when that was proved."""

from __future__ import annotations

import copy
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from builders import network_objects
from lightbox.network.sending.compare import Comparison, compare


def opener(dataset: Dataset) -> Callable[[], BytesIO]:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return lambda: BytesIO(buffer.getvalue())


def compared(ours: Dataset, **changes: Any) -> Comparison:
    theirs = copy.deepcopy(ours)
    for keyword, value in changes.items():
        setattr(theirs, keyword, value)
    return compare(opener(ours), opener(theirs))


@pytest.fixture
def ours() -> Dataset:
    return network_objects.ct("c", "s", 1)


def test_an_equal_copy(ours: Dataset) -> None:
    assert compared(ours).same


def test_a_copy_whose_pixels_are_cut_off(ours: Dataset) -> None:
    found = compared(ours, PixelData=ours.PixelData[:100])
    assert found.differing == ("PixelData",)


def test_pixels_that_nobody_can_decode(ours: Dataset) -> None:
    ours.PixelData = ours.PixelData[:100]
    assert compared(ours).same  # byte for byte
    found = compared(ours, PixelData=ours.PixelData[:90])
    assert found.unknown and not found.same and not found.only_coerced


def test_a_copy_with_damaged_compressed_pixels(ours: Dataset) -> None:
    ours.compress(RLELossless)
    damaged = bytearray(ours.PixelData)
    damaged[90:] = b"\x00" * (len(damaged) - 90)
    assert not compared(ours, PixelData=bytes(damaged)).same


def test_pixels_without_a_size(ours: Dataset) -> None:
    del ours.Rows
    assert not compared(ours, PixelData=b"\x01" * len(ours.PixelData)).same
    assert compared(ours).same


@pytest.mark.parametrize("same_bytes", [True, False])
def test_black_for_white(ours: Dataset, same_bytes: bool) -> None:
    pixels = ours.PixelData if same_bytes else (4095 - np.frombuffer(ours.PixelData, "<u2")).tobytes()
    found = compared(ours, PhotometricInterpretation="MONOCHROME1", PixelData=pixels)
    assert not found.same
    assert "PhotometricInterpretation" in found.differing


def colour() -> Dataset:
    dataset = network_objects.ct("c", "s", 2, size=4)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = bytes(range(48))
    dataset["PixelData"].VR = "OB"
    return dataset


def test_the_same_bytes_in_another_colour_order() -> None:
    assert compared(colour()).same
    assert not compared(colour(), PlanarConfiguration=1).same
    assert not compared(colour(), PhotometricInterpretation="YBR_FULL").same


def test_planes_in_another_order_and_the_same_colours() -> None:
    ours = colour()
    planes = np.frombuffer(ours.PixelData, np.uint8).reshape(-1, 3).T.tobytes()
    assert compared(ours, PlanarConfiguration=1, PixelData=planes).same


def test_values_that_break_their_type(ours: Dataset) -> None:
    made = []
    for text in ("abcd", "wxyz"):
        ours.add_new(0x00189087, "LO", text)
        made.append(opener(ours)().getvalue().replace(b"\x18\x00\x87\x90LO", b"\x18\x00\x87\x90FD"))
    assert compare(lambda: BytesIO(made[0]), lambda: BytesIO(made[1])).differing == ("DiffusionBValue",)
    assert compare(lambda: BytesIO(made[0]), lambda: BytesIO(made[0])).same


def test_a_private_value_under_another_type(ours: Dataset) -> None:
    ours.add_new(0x00290010, "LO", "MAKER")
    ours.add_new(0x00291011, "LO", "left")
    theirs = copy.deepcopy(ours)
    theirs[0x00291011].VR, theirs[0x00291011].value = "UN", b"left"
    assert compare(opener(ours), opener(theirs)).same
    theirs[0x00291011].value = b"right "
    assert not compare(opener(ours), opener(theirs)).same
