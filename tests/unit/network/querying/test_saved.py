from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest

from lightbox.core.errors import LightboxError, NotFoundError, UsageError
from lightbox.network.querying import phrases
from lightbox.network.querying.saved import SavedQueries, SavedQuery


def test_dates_are_resolved_when_it_runs(home: Path) -> None:
    queries = SavedQueries(home)
    queries.save(
        SavedQuery("Chest", patient_id="12345", dates="past 6 months", modalities=("CR", "DX"), region="chest")
    )
    kept = SavedQueries(home).get("chest")
    assert kept.question(date(2026, 11, 20)).study.study_date_from == "20260520"
    assert kept.question(date(2027, 1, 31)).study.study_date_from == "20260731"
    question = kept.question(date(2026, 11, 20))
    assert question.study.modalities == ("CR", "DX")
    assert (question.study.patient_id, question.region) == ("12345", "chest")


def test_they_may_name_patients_so_only_the_owner_may_read_them(home: Path) -> None:
    SavedQueries(home).save(SavedQuery("One", patient_id="12345"))
    path = home / "network" / "saved_queries.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not (home / "settings.json").exists()


def test_replace_and_remove(home: Path) -> None:
    queries = SavedQueries(home)
    queries.save(SavedQuery("One", text="a"))
    queries.save(SavedQuery("Two", text="b"))
    queries.save(SavedQuery("ONE", text="c"))
    assert [(entry.name, entry.text) for entry in queries.all()] == [("ONE", "c"), ("Two", "b")]
    with pytest.raises(LightboxError, match="already"):
        queries.save(SavedQuery("two"), replace_same=False)
    queries.remove("one")
    assert [entry.name for entry in queries.all()] == ["Two"]
    with pytest.raises(NotFoundError, match="Two"):
        queries.get("one")


def test_a_query_that_cannot_run_is_not_kept() -> None:
    with pytest.raises(UsageError):
        SavedQuery("x", dates="whenever")
    with pytest.raises(UsageError):
        SavedQuery("x", region="soul")
    with pytest.raises(UsageError):
        SavedQuery(" ")


def test_a_damaged_file_is_told(home: Path) -> None:
    (home / "network").mkdir()
    (home / "network" / "saved_queries.json").write_text("[1, 2")
    with pytest.raises(LightboxError, match="cannot be read"):
        SavedQueries(home).all()


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        (
            "all chest X-rays of patient 12345, past 6 months",
            SavedQuery("q", patient_id="12345", dates="past 6 months", modalities=("CR", "DX"), region="chest"),
        ),
        (
            "All chest x-rays for patient 12345, past 6 months",
            SavedQuery("q", patient_id="12345", dates="past 6 months", modalities=("CR", "DX"), region="chest"),
        ),
        ("CT of the abdomen", SavedQuery("q", modalities=("CT",), region="abdomen")),
        ("MRI brain this month", SavedQuery("q", modalities=("MR",), region="head", dates="this month")),
        ("mammograms of Jane Doe", SavedQuery("q", modalities=("MG",), patient_name="Doe^Jane")),
        ("yesterday", SavedQuery("q", dates="yesterday")),
        ("CT accession A-77", SavedQuery("q", modalities=("CT",), accession_number="A-77")),
    ],
)
def test_phrases(phrase: str, expected: SavedQuery) -> None:
    assert phrases.parse("q", phrase) == expected


@pytest.mark.parametrize("phrase", ["all blurry chest X-rays", "", "all of the studies"])
def test_words_that_are_not_understood_are_never_left_out(phrase: str) -> None:
    with pytest.raises(UsageError):
        phrases.parse("q", phrase)
