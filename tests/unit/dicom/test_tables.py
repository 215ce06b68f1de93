"""Look-up tables, windows, rescale, padding and palettes as the file describes them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pydicom.dataset import Dataset

from builders.images import group, lut_item, make_enhanced, make_image
from lightbox.dicom import lookup_table, modality_lut, padding, palette, voi
from lightbox.dicom.lookup_table import LookupTable
from lightbox.dicom.voi import Voi, VoiKind


def test_inputs_outside_a_table_get_its_ends():
    table = LookupTable(10, np.array([5, 6, 7], np.uint16), 8)
    assert table.apply(np.array([-100, 10, 11, 12, 9999])).tolist() == [5, 5, 6, 7, 7]
    assert table.apply(np.array([10.6])).tolist() == [6]


def test_tables_are_equal_by_content():
    first, second = (LookupTable(0, np.arange(4, dtype=np.uint16), 8) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != LookupTable(1, np.arange(4, dtype=np.uint16), 8)


def test_zero_entries_mean_65536():
    item = lut_item(0, range(65536), 16)
    assert item.LUTDescriptor[0] == 0
    table = lookup_table.from_item(item, signed_input=False)
    assert table is not None
    assert (table.entries.size, table.bits) == (65536, 16)


def test_8_bit_entries_come_packed_or_one_a_word():
    packed = lookup_table.build(4, 0, 8, bytes([0, 80, 160, 255]))
    words = lookup_table.build(4, 0, 8, struct.pack("<4H", 0, 80, 160, 255))
    assert packed is not None
    assert words is not None
    assert packed.entries.tolist() == words.entries.tolist() == [0, 80, 160, 255]
    assert packed.maximum == words.maximum == 255


def test_a_descriptor_with_too_few_bits_is_corrected():
    table = lookup_table.build(3, 0, 8, struct.pack("<3H", 0, 500, 1023))
    assert table is not None
    assert table.bits == 10


def test_signed_first_value_depends_on_the_input():
    ds = make_image(voi_luts=[(-1024, range(8), 8)])
    assert voi.tables(ds, signed_input=True)[0].low == -1024
    assert voi.tables(ds, signed_input=False)[0].low == 65536 - 1024


def test_windows_keep_order_explanation_and_function():
    ds = make_image(
        windows=[(40, 400), (300, 0.5), (-600, 1500)],
        window_explanations=["SOFT", "BAD", "LUNG"],
        voi_function="LINEAR",
    )
    found = voi.windows(ds)
    assert [(item.center, item.width, item.explanation) for item in found] == [(40, 400, "SOFT"), (-600, 1500, "LUNG")]
    exact = voi.windows(make_image(windows=[(0.5, 0.5)], voi_function="LINEAR_EXACT"))
    assert exact[0].kind is VoiKind.LINEAR_EXACT
    assert voi.windows(make_image(windows=[(1, 2)], voi_function="NONSENSE"))[0].kind is VoiKind.LINEAR


def test_widths_that_the_standard_forbids_are_rejected():
    with pytest.raises(ValueError, match="at least 1"):
        Voi(VoiKind.LINEAR, 0, 0.99)
    with pytest.raises(ValueError, match="above 0"):
        Voi(VoiKind.SIGMOID, 0, 0)
    with pytest.raises(ValueError, match="table"):
        Voi(VoiKind.TABLE)
    assert Voi(VoiKind.LINEAR, 0, 1).width == 1
    assert Voi(VoiKind.LINEAR_EXACT, 0, 0.01).width == 0.01


def test_limits_of_windows():
    linear, exact = Voi(VoiKind.LINEAR, 50, 100), Voi(VoiKind.LINEAR_EXACT, 50, 100)
    assert (linear.low, linear.high) == (0, 99)
    assert (exact.low, exact.high) == (0, 100)
    assert linear.with_window(10, 0.1).width == 1


def test_rescale_and_unit():
    ct = modality_lut.of(make_image(rescale=(1, -1024)))
    assert ct.unit == "HU"
    assert ct.apply(np.array([0, 1024], np.uint16)).tolist() == [-1024, 0]
    assert modality_lut.of(make_image()).unit == ""
    assert modality_lut.of(make_image(rescale=(1, 0), rescale_type="US")).unit == ""
    assert modality_lut.of(make_image(modality="MR", rescale=(2, 0), rescale_type="ms")).unit == "ms"
    assert modality_lut.of(make_image(modality="PT", rescale=(0.5, 0), Units="BQML")).unit == "Bq/ml"
    assert modality_lut.of(make_image(rescale=(0, 5))).slope == 1


def test_modality_values_keep_integers_and_precision():
    assert modality_lut.ModalityLut(1, -1024).apply(np.array([0], np.int16)).dtype == np.int32
    assert modality_lut.ModalityLut(0.5, 0).apply(np.array([3], np.int16)).dtype == np.float32
    big = np.array([2**31 + 1], np.uint32)
    assert modality_lut.ModalityLut(1, 0).apply(big).tolist() == [2**31 + 1]
    assert modality_lut.ModalityLut(1e-4, 0).apply(big)[0] == pytest.approx((2**31 + 1) * 1e-4, rel=1e-12)


def test_a_table_wins_over_a_rescale_and_they_never_add_up():
    ds = make_image(modality_lut=(0, [100, 200, 300], 16), rescale=(1, 7))
    assert modality_lut.of(ds).apply(np.array([0, 1, 2, 3], np.uint16)).tolist() == [100, 200, 300, 300]


def test_frames_have_their_own_rescale():
    ds = make_enhanced(
        np.zeros((2, 4, 4), np.uint16),
        rescale=(9, 9),
        per_frame=[
            group(PixelValueTransformationSequence={"RescaleSlope": s, "RescaleIntercept": i, "RescaleType": "US"})
            for s, i in ((2, 0), (3, -5))
        ],
    )
    assert [(modality_lut.of(ds, frame).slope, modality_lut.of(ds, frame).intercept) for frame in range(2)] == [
        (2, 0),
        (3, -5),
    ]


def test_padding_value_and_range():
    signed = padding.of(make_image(np.zeros((2, 2), np.int16), padding=-2000), modality_lut.ModalityLut())
    assert (signed.low, signed.high) == (-2000, -2000)  # type: ignore[union-attr]
    limits = padding.of(make_image(padding=0, padding_limit=10), modality_lut.ModalityLut())
    assert limits is not None
    assert limits.mask(np.array([0, 5, 10, 11], np.uint16)).tolist() == [True, True, True, False]
    assert padding.of(make_image(), modality_lut.ModalityLut()) is None


def test_a_ct_padding_value_that_is_tissue_is_not_believed():
    ds = make_image(np.zeros((2, 2), np.int16), padding=0, rescale=(1, 0))
    assert padding.of(ds, modality_lut.of(ds)) is None
    air = make_image(np.zeros((2, 2), np.int16), padding=0, rescale=(1, -1024))
    assert padding.of(air, modality_lut.of(air)) is not None


def test_palettes_of_8_and_16_bits():
    ramp = np.array([[0, 0, 0], [255, 0, 10], [0, 128, 255]])
    for entries, bits in ((ramp, 8), (ramp * 257, 16), (ramp, 16)):
        found = palette.of(make_image(photometric="PALETTE COLOR", palette=(0, entries, bits)))
        assert found is not None
        assert found.apply(np.array([[0, 1], [2, 9]])).tolist() == [[[0, 0, 0], [255, 0, 10]], [[0, 128, 255]] * 2]


def test_a_dark_channel_of_a_16_bit_palette_stays_dark():
    entries = np.array([[65535, 200, 0], [0, 100, 0]])
    found = palette.of(make_image(photometric="PALETTE COLOR", palette=(0, entries, 16)))
    assert found is not None
    assert found.colours.tolist() == [[255, 0, 0], [0, 0, 0]]


def test_palette_begins_at_its_first_value():
    found = palette.of(make_image(photometric="PALETTE COLOR", palette=(100, np.array([[1, 2, 3], [4, 5, 6]]), 8)))
    assert found is not None
    assert found.apply(np.array([0, 100, 101])).tolist() == [[1, 2, 3], [1, 2, 3], [4, 5, 6]]


def test_segmented_palettes_expand():
    # two discrete entries, four steps to 8, then the first segment again by reference
    data = struct.pack("<4H3H4H", 0, 2, 0, 4, 1, 4, 8, 2, 1, 0, 0)
    assert struct.unpack("<8H", palette.expand_segments(data, 16, 8)) == (0, 4, 5, 6, 7, 8, 0, 4)
    eight = bytes([0, 2, 10, 20, 1, 5, 30])
    assert list(palette.expand_segments(eight, 8, 7)) == [10, 20, 22, 24, 26, 28, 30]
    for damaged in (struct.pack("<2H", 0, 9), struct.pack("<3H", 1, 2, 3), struct.pack("<2H", 7, 1)):
        with pytest.raises(ValueError, match="segment"):
            palette.expand_segments(damaged, 16, 8)


def test_a_segmented_palette_in_a_data_set():
    ds = make_image(photometric="PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        ds.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 8])
        ds.add_new(f"Segmented{name}PaletteColorLookupTableData", "OW", bytes([0, 1, 0, 1, 255, 255]))
    found = palette.of(ds)
    assert found is not None
    assert found.colours[:, 0].tolist() == list(range(256))


def test_an_incomplete_palette_is_none():
    ds = make_image(photometric="PALETTE COLOR", palette=(0, np.zeros((4, 3), int), 8))
    del ds.BluePaletteColorLookupTableData
    assert palette.of(ds) is None
    assert palette.of(Dataset()) is None
