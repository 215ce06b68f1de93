from __future__ import annotations

import random

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from builders.library_objects import ct, encode
from lightbox.library import header_scan
from lightbox.library.header_scan import Memory, NotDicom, scan
from lightbox.library.layouts import Layouts
from lightbox.library.validate import refusal

UID = "1.2.826.0.1.3680043.8.498.{:037d}"


def same_layout(number: int, **attributes: object) -> bytes:
    return encode(
        ct(
            SOPInstanceUID=UID.format(number),
            StudyInstanceUID=UID.format(1),
            SeriesInstanceUID=UID.format(2),
            InstanceNumber=10 + number,
            **attributes,
        )
    )


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> Layouts:
    """Layouts that have met the objects of `same_layout`."""
    fresh = Layouts()
    monkeypatch.setattr(header_scan, "_layouts", fresh)
    for number in range(2):
        scan(Memory(same_layout(number)))
    return fresh


def test_the_second_of_a_kind_makes_a_layout_that_fits_the_third(layouts: Layouts):
    data = same_layout(7)
    layout = layouts.find(data)
    assert layout is not None
    result = scan(Memory(data))
    assert result.header.code("SOPInstanceUID") == UID.format(7)
    assert result.header.integer("InstanceNumber") == 17
    assert result.header.unsigned("Columns") == 8
    assert result.pixels is not None
    assert data[result.pixels.offset :] == bytes(range(96))
    assert refusal(result) is None


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_transfer_syntaxes_have_layouts_of_their_own(layouts: Layouts, syntax: str):
    for number in range(4):
        ds = ct(SOPInstanceUID=UID.format(number), StudyInstanceUID=UID.format(1), SeriesInstanceUID=UID.format(2))
        data = encode(ds, syntax)
        assert (layouts.find(data) is not None) == (number >= 2)
        header = scan(Memory(data)).header
        assert header.transfer_syntax_uid == syntax
        assert (header.unsigned("Rows"), header.code("SOPInstanceUID")) == (6, UID.format(number))


def test_with_and_without_layouts_the_same_is_read(layouts: Layouts, monkeypatch: pytest.MonkeyPatch):
    """Also from damaged objects: a layout is exact, or it does not fit."""
    random.seed(11)
    whole = same_layout(3)
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(random.randrange(0, 4)):
            damaged[random.randrange(128, len(damaged))] = random.randrange(256)
        del damaged[random.choice((len(damaged), random.randrange(132, len(damaged)))) :]
        outcomes = []
        for cache in (layouts, Layouts()):
            monkeypatch.setattr(header_scan, "_layouts", cache)
            try:
                result = scan(Memory(bytes(damaged)))
            except NotDicom as error:
                outcomes.append(str(error))
                continue
            values = dict(sorted(result.header.values.items()))
            outcomes.append((result.header.transfer_syntax_uid, values, result.pixels, result.damage))
        assert outcomes[0] == outcomes[1]


def test_another_length_or_representation_does_not_fit(layouts: Layouts):
    assert layouts.find(same_layout(4)) is not None
    assert layouts.find(same_layout(4, PatientName="Another^Length")) is None
    data = bytearray(same_layout(4))
    at = data.index(b"\x10\x00\x20\x00LO")
    data[at + 4 : at + 6] = b"SH"
    assert layouts.find(bytes(data)) is None
    assert layouts.find(bytes(data)[:200]) is None


def test_a_layout_belongs_to_its_transfer_syntax(layouts: Layouts):
    data = same_layout(5)
    other = ExplicitVRLittleEndian[:-1] + "9"
    assert layouts.find(data.replace(ExplicitVRLittleEndian.encode(), other.encode(), 1)) is None
