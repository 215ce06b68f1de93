"""Data sets of odd length, evened out for the wire."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames, parse_basic_offsets
from pydicom.uid import UID

from builders import network_objects
from lightbox.network import even
from lightbox.network.stored import describe

JPEG_2000 = "1.2.840.10008.1.2.4.90"


def encapsulated(frames: list[bytes], *, has_table: bool) -> bytes:
    """Return a multi-frame file whose fragments have the lengths of `frames`, odd ones included."""
    dataset: Dataset = network_objects.ct("study", "a", 1)
    dataset.file_meta.TransferSyntaxUID = UID(JPEG_2000)
    dataset.NumberOfFrames = len(frames)
    del dataset.PixelData
    head = BytesIO()
    dataset.save_as(head, implicit_vr=False, little_endian=True, enforce_file_format=True)
    table, at = b"", 0
    for frame in frames:
        table += at.to_bytes(4, "little")
        at += 8 + len(frame)
    items = [table if has_table else b"", *frames]
    body = b"".join(b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item for item in items)
    header = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"
    return head.getvalue() + header + body + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


def evened(file: bytes) -> tuple[bytes, Dataset]:
    """Return what would be sent of a file, and that read by pydicom."""
    source = BytesIO(file)
    description = describe(source)
    sent = even.data_set(source, description).read()
    whole = BytesIO(file[: description.offset] + sent)
    return sent, pydicom.dcmread(whole)


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("lengths", [[101], [100, 7, 33, 9], [33, 100, 100], [100, 100, 33]])
def test_fragments_are_padded_and_offsets_follow(lengths: list[int], has_table: bool) -> None:
    frames = [bytes([number + 1]) * length for number, length in enumerate(lengths)]
    file = encapsulated(frames, has_table=has_table)
    assert len(file) % 2
    sent, dataset = evened(file)
    assert len(sent) % 2 == 0
    padded = [frame + b"\x00" * (len(frame) % 2) for frame in frames]
    assert list(generate_frames(dataset.PixelData, number_of_frames=len(frames))) == padded
    assert dataset.PixelData == encapsulate(padded, has_bot=has_table)
    assert len(parse_basic_offsets(dataset.PixelData)) == (len(frames) if has_table else 0)


def test_what_is_even_stays_as_it_is() -> None:
    file = encapsulated([b"\x01" * 7, b"\x02" * 9], has_table=True)
    source = BytesIO(file)
    assert even.data_set(source, describe(source)) is source
    assert source.read() == file[describe(BytesIO(file)).offset :]


def test_what_is_damaged_stays_as_it_is() -> None:
    file = encapsulated([b"\x01" * 7], has_table=False)[:-12]
    source = BytesIO(file)
    description = describe(source)
    assert even.is_odd(source, description)
    assert even.data_set(source, description).read() == file[description.offset :]


def test_a_source_that_is_cut_off_meanwhile() -> None:
    file = encapsulated([b"\x01" * 7001], has_table=False)
    source = BytesIO(file)
    data = even.data_set(source, describe(source))
    source.truncate(len(file) - 500)
    with pytest.raises(Exception, match="cannot be sent"):
        data.read()


def test_a_real_series(data: Path) -> None:
    odd = [path for path in sorted((data / "ct-volume" / "siemens-neck-295").iterdir()) if path.stat().st_size % 2]
    assert odd
    for path in odd[:3]:
        _, dataset = evened(path.read_bytes())
        original = pydicom.dcmread(path)
        assert np.array_equal(dataset.pixel_array, original.pixel_array)
        del dataset.PixelData, original.PixelData
        assert dataset == original
