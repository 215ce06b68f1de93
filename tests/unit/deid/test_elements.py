"""Reading and writing data sets as raw elements."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pydicom
import pytest

from builders import phi
from lightbox.deid import part10
from lightbox.deid.elements import Element, MalformedError, Parser, Writer, find, walk


def forget(elements: list[Element]) -> None:
    """Make the writer encode everything anew."""
    for _, element in walk(elements):
        element.raw = None


@pytest.mark.parametrize("syntax", phi.SYNTAXES)
def test_what_is_read_is_written_alike(syntax: str) -> None:
    planted = phi.ct(syntax=syntax, extras=False)
    file = part10.read(planted.data)
    whole = part10.read(part10.write(file, file.elements, "1.2.3", "1.2.4"))
    assert [bytes(e.raw or b"") for e in whole.elements] == [bytes(e.raw or b"") for e in file.elements]
    forget(file.elements)
    anew = pydicom.dcmread(io.BytesIO(part10.write(file, file.elements, "1.2.3", "1.2.4")))
    assert anew == pydicom.dcmread(io.BytesIO(planted.data))
    assert anew.file_meta.TransferSyntaxUID == phi.SYNTAXES[syntax]


@pytest.mark.data
def test_shared_files_survive_reading_and_writing(data: Path) -> None:
    """Every element of every readable shared file has the same value after its encoding was made anew."""
    compared = 0
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.stat().st_size > 2_000_000 or path.parent.name == "siemens-neck-295":
            continue
        try:
            file = part10.read(path.read_bytes())
        except MalformedError:
            continue
        if file.notes & {"trailing-bytes", "no-meta", "no-transfer-syntax", "uid-filled-in", "stray-delimiter"}:
            continue
        before = {(p, e.tag): bytes(e.value) for p, e in walk(file.elements) if e.items is None}
        forget(file.elements)
        again = part10.read(part10.write(file, file.elements, "1.2.3", "1.2.4"))
        assert {(p, e.tag): bytes(e.value) for p, e in walk(again.elements) if e.items is None} == before
        compared += 1
    assert compared > 500


@pytest.mark.data
def test_the_parser_agrees_with_pydicom(data: Path) -> None:
    for folder in ("enhanced", "overlays-sr", "private-tags", "charsets", "overlays-seg"):
        for path in sorted((data / folder).rglob("*"))[::3]:
            if not path.is_file():
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = pydicom.dcmread(path, force=True)
                mine = part10.read(path.read_bytes())
                tags = list(expected.keys())
                if "uid-filled-in" not in mine.notes:
                    assert [e.tag for e in mine.elements if e.tag & 0xFFFF] == [t for t in tags if t.element], path


def test_lengths_undefined_and_defined_give_the_same() -> None:
    item = b"\x08\x00\x50\x11UI\x04\x001.2\0"
    undefined = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" + item
    undefined += b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    defined = b"\x08\x00\x40\x11SQ\0\0\x14\0\0\0\xfe\xff\x00\xe0\x0c\0\0\0" + item
    one, two = (Parser(memoryview(b), explicit=True, little=True).parse().elements for b in (undefined, defined))
    forget(one)
    assert Writer(explicit=True, little=True).encode(one) == defined
    assert Writer(explicit=True, little=True).encode(two) == defined


def test_a_changed_item_changes_the_lengths_around_it() -> None:
    planted = phi.ct(extras=True)
    file = part10.read(planted.data)
    sequence = find(file.elements, 0x00400275)
    assert sequence is not None
    assert sequence.items is not None
    sequence.items[0] = [e for e in sequence.items[0] if e.tag != 0x00400008]
    sequence.raw = None
    again = pydicom.dcmread(io.BytesIO(part10.write(file, file.elements, "1.2.3", "1.2.4")))
    assert "ScheduledProtocolCodeSequence" not in again.RequestAttributesSequence[0]
    assert again.Rows == 8


def test_values_longer_than_their_vr_allows_are_written_as_un() -> None:
    written = Writer(explicit=True, little=True).encode([Element(0x00104000, "LT", b"x" * 70000)])
    assert written[4:6] == b"UN"
    assert Parser(memoryview(written), explicit=True, little=True).parse().elements[0].length == 70000


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-dicom"),
        (b"hello, this is a text file with a few words in it", "not-dicom"),
        (bytes(200), "not-dicom"),
        (bytes(128) + b"DICM", "not-dicom"),
        (b"PK\x03\x04" + bytes(300), "not-dicom"),
    ],
)
def test_what_is_no_dicom_file_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        part10.read(data)
    assert caught.value.code == code


def test_any_truncation_is_noticed_or_harmless() -> None:
    data = phi.ct(extras=False).data
    whole = part10.read(data)
    for cut in range(140, len(data) - 1, 7):
        try:
            part = part10.read(data[:cut])
        except MalformedError:
            continue
        tags = [e.tag for e in part.elements if e.tag != 0x7FE00010]
        assert "uid-filled-in" in part.notes or tags == [e.tag for e in whole.elements][: len(tags)]


def test_deep_nesting_is_refused_not_a_crash() -> None:
    body = b"\x08\x00\x50\x11UI\x04\x001.2\0"
    for _ in range(200):
        item = b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body
        body = b"\x08\x00\x40\x11SQ\0\0" + len(item).to_bytes(4, "little") + item
    with pytest.raises(MalformedError):
        Parser(memoryview(body), explicit=True, little=True).parse()
