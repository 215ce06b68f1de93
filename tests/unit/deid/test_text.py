"""The lexicon of a patient and the cleaning of descriptions."""

from __future__ import annotations

import pytest

from lightbox.deid.descriptors import clean, replace_identifiers
from lightbox.deid.lexicon import Lexicon
from lightbox.deid.needles import forms


@pytest.fixture
def lexicon() -> Lexicon:
    out = Lexicon()
    out.add_name("Müller^Jürgen^K=山田^太郎=やまだ^たろう")
    out.add_identifier("MRN-123456")
    out.add_phrase("Redlands Clinic, 12 Orchard Way")
    return out


@pytest.mark.parametrize(
    "text",
    [
        "Müller", "MÜLLER", "mueller", "Muller", "Jürgen Müller", "Mueller, Juergen", "müller^jürgen", "MuellerJuergen",
        "JuergenMueller", "JMueller", "山田太郎", "太郎", "山田 太郎", "やまだ", "MRN-123456", "mrn123456",
        "Redlands  Clinic", "12 Orchard Way", "scan_Müller_2", "Müller's",
    ],
)  # fmt: skip
def test_forms_of_identifiers_are_found(lexicon: Lexicon, text: str) -> None:
    assert lexicon.pattern.search(text.lower())
    assert lexicon.may_contain(text.lower())
    assert replace_identifiers(f"CT {text}", lexicon) is not None


@pytest.mark.parametrize("text", ["Mull", "amuller", "Mullerian duct", "123456789", "clinic", "Orchard", "CT thorax"])
def test_other_words_are_not(lexicon: Lexicon, text: str) -> None:
    assert lexicon.pattern.search(text.lower()) is None


def test_forms() -> None:
    assert forms("Weiß") == {"weiß", "weiss"}
    assert {"østergård", "oestergaard", "ostergard"} <= forms("Østergård")
    assert {"jose", "josé"} <= forms("José")


@pytest.mark.parametrize("name", ["ANONYMOUS", "Test^Patient", "", "^", "=", "Dr.", "X", "J^D"])
def test_nobody_is_no_name(name: str) -> None:
    out = Lexicon()
    out.add_name(name)
    assert out.words == set()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CT Abdomen/Pelvis w/o contrast for Mueller, Juergen MRN123456", "CT Abdomen/Pelvis w/o contrast for"),
        ("t1_mprage_sag_p2_iso_1.0", "t1_mprage_sag_p2_iso_1.0"),
        ("Thorax 5.0 B30f", "Thorax 5.0 B30f"),
        ("AxT2 FLAIR 3mm", "AxT2 FLAIR 3mm"),
        ("t1sagknee", "t1sagknee"),
        ("CT NECK SOFT TISSUE  W/ CONTR", "CT NECK SOFT TISSUE  W/ CONTR"),
        ("DTI b1000 64dir", "DTI b1000 64dir"),
        ("Chest 12/03/2019", "Chest"),
        ("Chest 2019-03-12", "Chest"),
        ("Chest seen 12.03.2019.", "Chest seen"),
        ("Chest seen on 2019-03-12.", "Chest seen on"),
        ("Chest 20190312", "Chest"),
        ("Chest 12 MAR 2019", "Chest"),
        ("Chest March 3rd, 2020", "Chest"),
        ("Chest tel 555-123-4567", "Chest"),
        ("Chest jm@example.org", "Chest"),
        ("Knee Unbekanntsson", "Knee"),
        ("Knee 12345678", "Knee"),
        ("山田太郎 chest", "chest"),
        ("Seen by Dr. Fisher today", "Seen by Dr. today"),
        ("compression ratio 2.7393", "compression ratio 2.7393"),
        ("range -2048 to +2047", "range -2048 to +2047"),
        ("She lives with her husband and does not smoke.", "She lives with her husband and does not smoke."),
        ("seen in Redlands Clinic with pain", "seen in with pain"),
    ],
)
def test_clean(lexicon: Lexicon, text: str, left: str) -> None:
    assert clean(text, lexicon).text == left


def test_a_name_that_is_a_word_of_radiology_goes_only_where_it_looks_like_a_name() -> None:
    lexicon = Lexicon()
    lexicon.add_name("Lung^Heidrun")
    assert clean("CT LUNG", lexicon).text == "CT LUNG"
    assert clean("CT chest, Lung Heidrun", lexicon).text == "CT chest"
    assert clean("the left lung is clear but Lung has pain", lexicon).text == "the left lung is clear but has pain"


def test_a_common_english_word_that_is_the_name_always_goes() -> None:
    lexicon = Lexicon()
    lexicon.add_name("Baker^Cook")
    assert clean("CT CHEST BAKER", lexicon).text == "CT CHEST"


def test_short_numbers_and_names_do_not_wipe_out_everything() -> None:
    lexicon = Lexicon()
    lexicon.add_identifier("1")
    lexicon.add_identifier("42")
    lexicon.add_name("Li^Xu")
    assert clean("CT Chest 1 42 mm", lexicon).text == "CT Chest 1 42 mm"
    assert clean("CT Chest Li Xu", lexicon).text == "CT Chest"
