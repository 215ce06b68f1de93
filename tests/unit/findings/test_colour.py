from __future__ import annotations

import numpy as np
import pytest

from builders.results import Frame, Segment, SegPlan, reread, seg
from lightbox.findings.colour import cielab_to_srgb, hex_colour, srgb_to_cielab
from lightbox.findings.read_seg import read_seg


@pytest.mark.parametrize(
    ("lab", "srgb"),
    [
        ((65535, 32896, 32896), (255, 255, 255)),
        ((0, 32896, 32896), (0, 0, 0)),
        # L* 53.39 of neutral grey in the middle of sRGB.
        ((35100, 32896, 32896), (128, 128, 128)),
        # sRGB red is L* 54.29, a* 80.81, b* 69.89 when adapted to D50.
        ((35579, 53664, 50858), (255, 0, 0)),
        # sRGB green: 87.82, -79.29, 80.99; blue: 29.57, 68.30, -112.03.
        ((57553, 12519, 53711), (0, 255, 0)),
        ((19379, 50450, 4104), (0, 0, 255)),
    ],
)
def test_scaled_cielab_becomes_srgb(lab, srgb):
    np.testing.assert_allclose(cielab_to_srgb(lab), srgb, atol=1)


def test_colours_survive_the_way_there_and_back():
    for colour in np.random.default_rng(1).integers(0, 256, (200, 3)):
        np.testing.assert_allclose(cielab_to_srgb(srgb_to_cielab(colour)), colour, atol=1)


def test_hex_colours():
    assert hex_colour("#ffa348") == (255, 163, 72)
    assert hex_colour("ffa348") == (255, 163, 72)
    assert hex_colour("orange") is None
    assert hex_colour("#gg0000") is None


def test_recommended_colour_or_palette_or_none():
    frame = [Frame(None, np.array([[1, 2], [3, 1]]), (0.0, 0.0, 0.0))]
    segments = [Segment(1, "a", lab=(35579, 53664, 50858)), Segment(2, "b"), Segment(3, "c")]
    plan = SegPlan(frame, segments, kind="LABELMAP", bits=8, thickness=1.0)
    assert [f.colour for f in read_seg(reread(seg(plan))).findings] == [(255, 0, 0), None, None]
    dataset = seg(plan)
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for name, values in (("Red", (0, 9, 20, 30)), ("Green", (0, 9, 21, 31)), ("Blue", (0, 9, 22, 32))):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 8])
        setattr(dataset, f"{name}PaletteColorLookupTableData", bytes(values))
    assert [f.colour for f in read_seg(reread(dataset)).findings] == [(255, 0, 0), (20, 21, 22), (30, 31, 32)]
    for name, values in (("Red", (0, 9, 20, 30)), ("Green", (0, 9, 21, 31)), ("Blue", (0, 9, 22, 32))):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        data = np.array([value * 257 for value in values], dtype="<u2").tobytes()
        setattr(dataset, f"{name}PaletteColorLookupTableData", data)
    assert [f.colour for f in read_seg(reread(dataset)).findings] == [(255, 0, 0), (20, 21, 22), (30, 31, 32)]
