"""Encapsulated masks of every kind that a SEG may come in."""

from __future__ import annotations

import io
import zlib

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from builders.results import Frame, Segment, SegPlan, seg
from lightbox.findings.reader import read_results

ROWS, COLUMNS = 9, 14


def rle(frame: np.ndarray) -> bytes:
    planes = [p.tobytes() for p in frame.reshape(-1, 1).view(np.uint8).reshape(frame.size, -1).T[::-1]]
    segments = [imagecodecs.packbits_encode(plane) for plane in planes]
    segments = [bytes(one) + b"\0" * (len(one) % 2) for one in segments]
    starts = [64 + sum(map(len, segments[:k])) for k in range(len(segments))]
    header = np.zeros(16, dtype="<u4")
    header[: len(starts) + 1] = [len(starts), *starts]
    return header.tobytes() + b"".join(segments)


def deflate(frame: np.ndarray) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(frame.tobytes()) + engine.flush()


DEFLATED = "1.2.840.10008.1.2.8.1"
CODECS = {
    "1.2.840.10008.1.2.5": rle,
    DEFLATED: deflate,
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_encode,
    "1.2.840.10008.1.2.4.90": lambda frame: imagecodecs.jpeg2k_encode(
        frame, codecformat="j2k", reversible=True, level=0
    ),
    "1.2.840.10008.1.2.4.70": imagecodecs.ljpeg_encode,
}


def file_of(plan: SegPlan, pixels: np.ndarray, syntax: str) -> bytes:
    dataset = seg(plan)
    pieces = [bytes(CODECS[syntax](np.ascontiguousarray(frame))) for frame in pixels]
    dataset.PixelData = encapsulate([piece + b"\0" * (len(piece) % 2) for piece in pieces])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = FileMetaDataset()
    # pydicom does not know the deflated image frame syntax yet: it is put in afterwards under a name of equal length.
    known = "1.2.840.10008.1.2.4.90" if syntax == DEFLATED else syntax
    dataset.file_meta.TransferSyntaxUID = UID(known)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True, enforce_file_format=True)
    data = buffer.getvalue()
    return data if known == syntax else data.replace(known.encode(), syntax.encode() + b"\0", 1)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("syntax", CODECS)
def test_label_maps(syntax, bits):
    numbers = (1, 2, 250) if bits == 8 else (1, 258, 4000)
    kind = np.uint8 if bits == 8 else np.uint16
    values = np.array([0, *numbers], dtype=kind)[np.random.default_rng(7).integers(0, 4, (3, ROWS, COLUMNS))]
    frames = [Frame(None, v, (0.0, 0.0, 2.0 * k)) for k, v in enumerate(values)]
    plan = SegPlan(frames, [Segment(n, f"S{n}") for n in numbers], kind="LABELMAP", bits=bits)
    data = file_of(plan, values, syntax)
    (result,) = read_results([("x", lambda: io.BytesIO(data))])
    assert result.problems == []
    assert result.labelmap is not None
    shown = np.stack([result.labelmap.sample(p)[0] for p in result.labelmap.planes_of(numbers[0])])
    np.testing.assert_array_equal(shown, values)


@pytest.mark.parametrize("syntax", CODECS)
def test_fractions(syntax):
    values = np.random.default_rng(8).integers(0, 256, (2, ROWS, COLUMNS)).astype(np.uint8)
    frames = [Frame(1, v, (0.0, 0.0, 2.0 * k)) for k, v in enumerate(values)]
    data = file_of(SegPlan(frames, kind="FRACTIONAL", bits=8), values, syntax)
    (result,) = read_results([("x", lambda: io.BytesIO(data))])
    assert result.problems == []
    assert result.labelmap is not None
    plane = result.labelmap.planes_of(1)[1]
    np.testing.assert_array_equal(result.labelmap.sample(plane)[0], values[1] >= 127.5)
    np.testing.assert_allclose(result.labelmap.fraction(1, plane), values[1] / 255, atol=1e-6)


def test_one_damaged_frame_does_not_hide_the_others():
    values = np.random.default_rng(9).integers(0, 2, (3, ROWS, COLUMNS)).astype(np.uint8)
    frames = [Frame(None, v, (0.0, 0.0, 2.0 * k)) for k, v in enumerate(values)]
    plan = SegPlan(frames, kind="LABELMAP", bits=8, between=2.0)
    syntax = "1.2.840.10008.1.2.4.80"
    dataset_bytes = file_of(plan, values, syntax)
    middle = bytes(imagecodecs.jpegls_encode(values[1]))
    damaged = dataset_bytes.replace(middle[:-2], b"\xff\xd8" + b"\x55" * (len(middle) - 4))
    assert damaged != dataset_bytes
    (result,) = read_results([("x", lambda: io.BytesIO(damaged))])
    assert [p.code for p in result.problems] == ["seg.frame"]
    assert "Frame 2" in result.problems[0].what
    assert result.labelmap is not None
    assert [p.position[2] for p in result.labelmap.planes_of(1)] == [0.0, 4.0]


def test_a_transfer_syntax_for_films_is_refused_in_words():
    values = np.ones((1, ROWS, COLUMNS), dtype=np.uint8)
    plan = SegPlan([Frame(1, values[0], (0.0, 0.0, 0.0))])
    data = file_of(plan, values, "1.2.840.10008.1.2.5").replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.9\0")
    (result,) = read_results([("x", lambda: io.BytesIO(data))])
    assert [p.code for p in result.problems] == ["seg.unreadable"]
    assert "transfer syntax" in result.problems[0].why
    assert len(result.findings) == 1
