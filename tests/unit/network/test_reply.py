from __future__ import annotations

import struct
from io import BytesIO

import pytest

from lightbox.network.reply import decode_identifier, row

NAMES = {
    "ISO_IR 100": ("Müller^Jörg", "latin-1"),
    "ISO_IR 192": ("山田^太郎", "utf-8"),
    "ISO_IR 126": ("Διονυσιος", "iso8859-7"),
    "ISO_IR 138": ("שרון^דבורה", "iso8859-8"),
    "GB18030": ("王^小东", "gb18030"),
}


def implicit(*elements: tuple[int, int, bytes]) -> BytesIO:
    body = b""
    for group, element, value in elements:
        value += b" " * (len(value) % 2)
        body += struct.pack("<HHI", group, element, len(value)) + value
    return BytesIO(body)


@pytest.mark.parametrize("charset", NAMES)
def test_names_by_their_own_character_set(charset: str) -> None:
    name, codec = NAMES[charset]
    data = implicit((0x0008, 0x0005, charset.encode()), (0x0010, 0x0010, name.encode(codec)))
    assert row(decode_identifier(data, implicit_vr=True))["PatientName"] == name


def test_japanese_escapes() -> None:
    name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    data = implicit((0x0008, 0x0005, b"\\ISO 2022 IR 87"), (0x0010, 0x0010, name))
    assert row(decode_identifier(data, implicit_vr=True))["PatientName"] == "Yamada^Tarou=山田^太郎"


@pytest.mark.parametrize(("codec", "charset"), [("utf-8", b""), ("latin-1", b""), ("latin-1", b"ISO_IR NONSENSE")])
def test_missing_or_wrong_character_set_loses_no_byte(codec: str, charset: bytes) -> None:
    elements = [(0x0010, 0x0010, "Müller".encode(codec))]
    if charset:
        elements.insert(0, (0x0008, 0x0005, charset))
    assert row(decode_identifier(implicit(*elements), implicit_vr=True))["PatientName"] == "Müller"


def test_values_that_break_the_standard_become_text() -> None:
    data = implicit(
        (0x0008, 0x0020, b"not a date"),
        (0x0008, 0x0061, b"CT\\SR "),
        (0x0020, 0x000D, b"LOCALIZER.1\x00"),
        (0x0020, 0x0013, b"12.5mm"),
        (0x0020, 0x1208, b" 7 "),
        (0x0028, 0x0010, struct.pack("<H", 512)),
    )
    found = row(decode_identifier(data, implicit_vr=True))
    assert found["StudyDate"] == "not a date"
    assert found["ModalitiesInStudy"] == "CT\\SR"
    assert found["StudyInstanceUID"] == "LOCALIZER.1"
    assert found["InstanceNumber"] == "12.5mm"
    assert found["NumberOfStudyRelatedInstances"] == "7"
    assert found["Rows"] == "512"


def test_character_set_and_level_are_no_columns() -> None:
    data = implicit((0x0008, 0x0005, b"ISO_IR 100"), (0x0008, 0x0052, b"STUDY"), (0x0010, 0x0020, b"X"))
    assert row(decode_identifier(data, implicit_vr=True)) == {"PatientID": "X"}
