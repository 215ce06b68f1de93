from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.library_objects import write
from lightbox.core.errors import UsageError
from lightbox.library.library import Library
from lightbox.library.queries import SORT_COLUMNS
from lightbox.library.records import StudyQuery, StudyRecord
from lightbox.library.text import fold, full_text_query

PEOPLE = [
    ("Müller^Jürgen", "ID-001", "CT", "Thorax mit KM", "20260101", "ACC1"),
    ("Mueller^Anna", "ID-002", "MR", "Schädel nativ", "20260215", "ACC2"),
    ("山田^太郎", "X_100%", "CR", "Hand links", "20251231", ""),
    ("O'Brien^Pat", "id-003", "PT", 'Whole "body" PET', "", "ACC*3"),
    ("smith^zoë", "", "CT", "", "20260301", "A-4"),
]


@pytest.fixture
def people(library: Library, tmp_path: Path) -> Library:
    for number, (name, patient_id, modality, description, date, accession) in enumerate(PEOPLE):
        write(
            tmp_path / "in" / f"{number}.dcm",
            PatientName=name,
            PatientID=patient_id,
            PatientBirthDate=f"19{50 + number}0101",
            Modality=modality,
            StudyDescription=description,
            StudyDate=date,
            AccessionNumber=accession,
            SeriesDescription=f"series {number} recon",
        )
    assert library.import_paths([tmp_path / "in"]).added == len(PEOPLE)
    return library


def names(library: Library, **query: object) -> list[str]:
    asked = StudyQuery(**query)  # type: ignore[arg-type]
    rows = library.page_studies(asked).rows
    assert library.count_studies(asked) == len(rows)
    return sorted(row.patient_name for row in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("muller", ["Müller^Jürgen"]),
        ("MÜLL", ["Müller^Jürgen"]),
        ("mu", ["Mueller^Anna", "Müller^Jürgen"]),
        ("jurg mull", ["Müller^Jürgen"]),
        ("schadel", ["Mueller^Anna"]),
        ("recon", sorted(person[0] for person in PEOPLE)),
        ("recon thorax", ["Müller^Jürgen"]),
        ("山田", ["山田^太郎"]),
        ("o'brien", ["O'Brien^Pat"]),
        ("ID-00", ["Mueller^Anna", "Müller^Jürgen", "O'Brien^Pat"]),
        ("2026-02-15", ["Mueller^Anna"]),
        ("202602", ["Mueller^Anna"]),
        ("zoe", ["smith^zoë"]),
        ("nobody", []),
        ("ct", ["Müller^Jürgen", "smith^zoë"]),
    ],
)
def test_full_text(people: Library, text: str, expected: list[str]):
    assert names(people, text=text) == expected


def test_a_uid_finds_its_study_on_every_level(people: Library):
    row = people.page_studies().rows[0]
    series = people.series_of(row.study_instance_uid)[0]
    instance = people.instances_of(series.series_instance_uid)[0]
    for uid in (row.study_instance_uid, series.series_instance_uid, instance.sop_instance_uid):
        found = people.page_studies(StudyQuery(text=uid)).rows
        assert [entry.study_instance_uid for entry in found] == [row.study_instance_uid]


def test_nothing_typed_ever_raises(people: Library):
    random.seed(5)
    alphabet = "ab\"'*()^-:+{}[]~ANDORNOTNEAR \0\n\t\\%_?.,;äß山\u0301\U0001f600"
    texts = ['"', "AND", "NOT x", "NEAR(", "a OR", "*", "^", "patient:", "-", "'; DROP TABLE study; --", "\0", "a*b"]
    texts += ["".join(random.choices(alphabet, k=random.randrange(1, 12))) for _ in range(300)]
    for text in texts:
        for field in ("text", "patient_name", "patient_id", "accession_number"):
            query = StudyQuery(**{field: text})
            assert people.count_studies(query) == len(people.page_studies(query).rows)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"patient_name": "muller*"}, ["Müller^Jürgen"]),
        ({"patient_name": "*anna"}, ["Mueller^Anna"]),
        ({"patient_name": "m?ller^*"}, ["Müller^Jürgen"]),
        ({"patient_name": "Muller Jurg"}, ["Müller^Jürgen"]),
        ({"patient_id": "ID-00?"}, ["Mueller^Anna", "Müller^Jürgen", "O'Brien^Pat"]),
        ({"patient_id": "X_100%"}, ["山田^太郎"]),
        ({"patient_id": "X_1*"}, ["山田^太郎"]),
        ({"patient_id": "X?1*"}, ["山田^太郎"]),
        ({"patient_id": "XA100*"}, []),
        ({"accession_number": "ACC2"}, ["Mueller^Anna"]),
        ({"modalities": ("CT", "PT")}, ["Müller^Jürgen", "O'Brien^Pat", "smith^zoë"]),
        ({"study_date_from": "20260101"}, ["Mueller^Anna", "Müller^Jürgen", "smith^zoë"]),
        ({"study_date_from": "20260101", "study_date_to": "20260215"}, ["Mueller^Anna", "Müller^Jürgen"]),
        ({"study_date_to": "20251231"}, ["山田^太郎"]),
        ({"text": "recon", "modalities": ("CT",), "study_date_from": "20260201"}, ["smith^zoë"]),
    ],
)
def test_filters(people: Library, query: dict[str, object], expected: list[str]):
    assert names(people, **query) == expected


KEYS: dict[str, Callable[[StudyRecord], object]] = {
    "study_date": lambda row: f"{row.study_date} {row.study_time}",
    "patient_name": lambda row: fold(row.patient_name),
    "modality": lambda row: "\\".join(row.modalities_in_study),
    "modalities_in_study": lambda row: "\\".join(row.modalities_in_study),
    "description": lambda row: fold(row.study_description),
    "study_description": lambda row: fold(row.study_description),
    "accession": lambda row: row.accession_number,
}


@pytest.mark.parametrize("sort_by", sorted(SORT_COLUMNS))
@pytest.mark.parametrize("descending", [True, False])
def test_pages_by_key_give_every_row_once_in_order(people: Library, sort_by: str, descending: bool):
    query = StudyQuery(sort_by=sort_by, descending=descending)
    key = KEYS.get(sort_by, lambda row: getattr(row, sort_by))
    rows: list[StudyRecord] = []
    after = None
    while True:
        page = people.page_studies(query, after, limit=2)
        rows += page.rows
        after = page.next
        if after is None:
            break
    expected = sorted(people.page_studies().rows, key=lambda row: (key(row), row.row_id), reverse=descending)
    assert [row.row_id for row in rows] == [row.row_id for row in expected]


def test_an_unknown_sort_is_a_usage_error(people: Library):
    with pytest.raises(UsageError):
        people.page_studies(StudyQuery(sort_by="1; DROP TABLE study"))


def test_every_word_becomes_a_quoted_prefix():
    assert full_text_query('ab "c') == '"ab"* " c"*'
    assert full_text_query("- ^ *") == ""
