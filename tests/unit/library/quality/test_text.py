"""Character sets and names."""

from __future__ import annotations

import io

import pytest

from builders.quality_objects import codes, good_ct, issues, one, part10, raw
from lightbox.core.errors import Severity
from lightbox.library.quality import check


def without_charset(name: bytes, declared: str | list[str] | None = None) -> bytes:
    """Return the file of an object whose Patient's Name has these bytes."""
    stand_in = "N" * (len(name) + len(name) % 2)
    ds = good_ct(PatientName=stand_in, SpecificCharacterSet=declared)
    return part10(ds).replace(stand_in.encode(), name.ljust(len(stand_in)))


def test_undeclared_latin() -> None:
    found = one(check(io.BytesIO(without_charset("Müller^A".encode("latin-1")))), "charset.undeclared")
    assert "PatientName" in found.found
    assert found.severity is Severity.ERROR
    assert found.change is None, "which 8 bit character set it is cannot be known"


def test_undeclared_utf8_can_be_declared() -> None:
    found = one(check(io.BytesIO(without_charset("Müller^A".encode()))), "charset.undeclared")
    assert found.change is not None
    assert found.change.value == "ISO_IR 192"


def test_utf8_under_latin() -> None:
    found = one(check(io.BytesIO(without_charset("Müller^A".encode(), "ISO_IR 100"))), "charset.utf8-undeclared")
    assert found.change is not None
    assert found.change.value == "ISO_IR 192"


def test_latin_under_latin_is_good() -> None:
    assert check(io.BytesIO(without_charset("Müller^Anna".encode("latin-1"), "ISO_IR 100"))) == []


def test_bytes_that_utf8_does_not_have() -> None:
    found = one(check(io.BytesIO(without_charset("Müller^A".encode("latin-1"), "ISO_IR 192"))), "charset.undecodable")
    assert "PatientName" in found.found


def test_text_that_was_encoded_twice() -> None:
    found = one(issues(good_ct(PatientName="MÃ¼ller^Anna")), "charset.double-encoded")
    assert found.expected == "Müller^Anna"
    assert found.change is not None
    assert found.change.value == "Müller^Anna"


@pytest.mark.parametrize("name", ["Müller^Anna", "Ångström^Åsa", "Ólafur^Ö", "Иванов^И"])
def test_good_utf8_is_not_called_double(name: str) -> None:
    assert codes(good_ct(PatientName=name)) == []


@pytest.mark.parametrize(
    ("term", "better"),
    [("ISO-IR 100", "ISO_IR 100"), ("ISO IR 192", "ISO_IR 192"), ("UTF-8", "ISO_IR 192"), ("latin1", "ISO_IR 100")],
)
def test_misspelled_terms(term: str, better: str) -> None:
    ds = good_ct(SpecificCharacterSet="X" * (len(term) + len(term) % 2))
    data = part10(ds).replace(ds.SpecificCharacterSet.encode(), term.encode().ljust(len(ds.SpecificCharacterSet)))
    found = one(check(io.BytesIO(data)), "charset.unknown-term")
    assert found.change is not None
    assert found.change.value == better


def test_an_unknown_term_has_no_repair() -> None:
    data = raw(good_ct(SpecificCharacterSet="ISO_IR 144"), b"ISO_IR 144", b"KLINGON  1")
    assert one(check(io.BytesIO(data)), "charset.unknown-term").change is None


def test_japanese_with_code_extensions_is_good() -> None:
    ds = good_ct(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")
    assert codes(ds) == []


def test_a_name_of_exactly_64_characters_was_probably_cut() -> None:
    found = one(issues(good_ct(PatientName="A" * 60 + "^BCD")), "patient.name-truncated")
    assert found.severity is Severity.WARNING
    assert codes(good_ct(PatientName="A" * 59 + "^BCD")) == []


def test_a_name_of_64_bytes_that_are_not_ascii() -> None:
    assert codes(good_ct(PatientName="Ä" * 30 + "^BCD")) == ["patient.name-truncated"]


def test_a_longer_group_is_too_long() -> None:
    assert codes(good_ct(PatientName="A" * 65)) == ["vr.too-long"]


def test_three_groups_count_each() -> None:
    assert codes(good_ct(PatientName="=".join(["A" * 30 + "^B"] * 3))) == []


@pytest.mark.parametrize("name", ["A^B^C^D^E^F", "A=B=C=D"])
def test_too_many_parts(name: str) -> None:
    assert "patient.name-structure" in codes(good_ct(PatientName=name))


def test_name_without_carets() -> None:
    assert one(issues(good_ct(PatientName="DOE, JANE")), "patient.name-form").severity is Severity.INFO


def test_chinese_and_korean_code_extensions_are_good() -> None:
    name = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    assert check(io.BytesIO(without_charset(name, ["", "ISO 2022 IR 58"]))) == []
    name = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"
    assert check(io.BytesIO(without_charset(name, ["", "ISO 2022 IR 149"]))) == []


def test_a_switch_to_a_character_set_that_is_not_declared() -> None:
    name = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"
    found = check(io.BytesIO(without_charset(name, ["", "ISO 2022 IR 87"])))
    assert [issue.code for issue in found] == ["charset.undecodable"]
