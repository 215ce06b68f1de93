from __future__ import annotations

import json

import pytest

from lightbox.network.web import answers, dicom_json, stow_answer

NAME = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]}}


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Phonetic": "C^D"}]}}, {"PatientName": "A^B==C^D"}),
        (NAME, {"PatientName": "Yamada^Tarou=山田^太郎"}),
        ({"00100010": {"vr": "PN", "Value": ["DOE^JOHN"]}}, {"PatientName": "DOE^JOHN"}),
        ({"00080061": {"vr": "CS", "Value": ["CT", "SR"]}}, {"ModalitiesInStudy": "CT\\SR"}),
        ({"00080061": {"vr": "CS", "Value": ["CT", None]}}, {"ModalitiesInStudy": "CT\\"}),
        ({"00201208": {"vr": "IS", "Value": [12]}}, {"NumberOfStudyRelatedInstances": "12"}),
        ({"00201208": {"vr": "IS", "Value": ["12 "]}}, {"NumberOfStudyRelatedInstances": "12"}),
        ({"00201208": {"vr": "IS", "Value": ["a few"]}}, {"NumberOfStudyRelatedInstances": "a few"}),
        ({"00180050": {"vr": "DS", "Value": [0.48828125]}}, {"SliceThickness": "0.48828125"}),
        ({"00180050": {"vr": "DS", "Value": [5.0]}}, {"SliceThickness": "5"}),
        ({"00280010": {"vr": "US", "Value": 512}}, {"Rows": "512"}),
        ({"00280010": {"Value": [512]}}, {"Rows": "512"}),
        ({"00280010": [512]}, {"Rows": "512"}),
        ({"00080020": {"vr": "DA"}}, {"StudyDate": ""}),
        ({"00080020": {"vr": "DA", "Value": []}}, {"StudyDate": ""}),
        ({"00081110": {"vr": "SQ", "Value": [NAME]}}, {}),
        ({"7FE00010": {"vr": "OW", "BulkDataURI": "http://elsewhere/1"}}, {}),
        ({"00081190": {"vr": "UR", "Value": ["http://x/studies/1"]}}, {}),
        ({"00090010": {"vr": "LO", "Value": ["private"]}, "patient": "x", "0010001": {}}, {}),
    ],
)
def test_rows_are_text(element: dict, expected: dict[str, str]) -> None:
    assert dicom_json.row(element) == expected


def test_one_object_counts_as_an_array() -> None:
    assert dicom_json.rows(json.dumps(NAME).encode()) == ([NAME], 0)
    assert dicom_json.rows(b"") == ([], 0)
    assert dicom_json.rows(b"\xef\xbb\xbf[]") == ([], 0)


def test_rows_that_are_none_are_counted() -> None:
    assert dicom_json.rows(json.dumps([NAME, "text", None, NAME]).encode()) == ([NAME, NAME], 2)


def test_other_encodings_lose_no_character() -> None:
    data = '[{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]}}]'
    for codec in ("utf-8", "latin-1"):
        assert dicom_json.row(dicom_json.rows(data.encode(codec))[0][0]) == {"PatientName": "Müller"}


def test_line_breaks_in_values_are_read() -> None:
    data = b'[{"00081030": {"vr": "LO", "Value": ["a\nb"]}}]'
    assert dicom_json.rows(data)[1] == 0


def rows_with_uid(count: int) -> list[str]:
    return [
        json.dumps({"0020000D": {"vr": "UI", "Value": [f"1.{n}"]}, "00081110": {"vr": "SQ", "Value": [NAME, NAME]}})
        for n in range(count)
    ]


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_one_broken_row_does_not_sink_the_list(broken: int) -> None:
    texts = rows_with_uid(3)
    texts[broken] = texts[broken].replace('"1.', '"1.\\x', 1)
    good, bad = dicom_json.rows(f"[{', '.join(texts)}]".encode())
    found = {dicom_json.text(entry, "StudyInstanceUID") for entry in good} - {""}
    assert found == {f"1.{n}" for n in range(3) if n != broken}
    assert bad


def test_a_list_that_was_cut_gives_its_whole_rows() -> None:
    text = f"[{', '.join(rows_with_uid(3))}]"
    good, bad = dicom_json.rows(text[:-60].encode())
    assert {dicom_json.text(entry, "StudyInstanceUID") for entry in good} >= {"1.0", "1.1"}
    assert bad


@pytest.mark.parametrize("text", [b"<html>", b"no", b'{"a": ', b"12", b'"x"'])
def test_what_is_no_json_is_said_to_be(text: bytes) -> None:
    with pytest.raises(dicom_json.NotJsonError):
        dicom_json.rows(text)


def test_items_and_text() -> None:
    entry = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [272]}}, "junk"]}}
    items = dicom_json.items(entry, "FailedSOPSequence")
    assert [dicom_json.text(item, "FailureReason") for item in items] == ["272"]
    assert dicom_json.items({}, "FailedSOPSequence") == []


@pytest.mark.parametrize("opening", [b"[", b'[{"00081199":{"Value":'])
def test_an_answer_that_is_nested_without_end(opening: bytes) -> None:
    with pytest.raises(dicom_json.NotJsonError):
        dicom_json.rows(opening * 100_000)
    assert answers.plain(opening * 100_000, "application/json") == ""
    assert not stow_answer.read(opening * 100_000, "application/dicom+json").says_anything


def test_xml_that_is_nested_without_end() -> None:
    opening = b'<DicomAttribute tag="00081199" vr="SQ"><Item number="1">'
    closing = b"</Item></DicomAttribute>"
    content = b"<NativeDicomModel>" + opening * 5_000 + closing * 5_000 + b"</NativeDicomModel>"
    assert not stow_answer.read(content, "application/dicom+xml").says_anything
