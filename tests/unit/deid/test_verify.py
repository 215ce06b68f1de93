"""Verification finds what an engine might have missed, wherever it stands and however it is encoded."""

from __future__ import annotations

import io
from collections.abc import Callable

import pydicom
import pytest
from pydicom.dataset import Dataset

from builders import phi
from lightbox.deid.engine import Engine
from lightbox.deid.key import ProjectKey
from lightbox.deid.lexicon import Lexicon
from lightbox.deid.profile import preset
from lightbox.deid.verify import Leak, in_pixels, verify

ENGINE = Engine(preset("research-modified-dates"), ProjectKey(bytes(32)))
PERSON = phi.Person()
SUBJECT = ENGINE.pseudonyms.subject(PERSON.patient_id, PERSON.institution)


def lexicon() -> Lexicon:
    out = Lexicon()
    out.add_name(PERSON.name)
    out.add_name("Yamada^Tarou=山田^太郎")
    out.add_identifier(PERSON.patient_id)
    out.add_uid(f"{PERSON.root}.1")
    out.add_date(PERSON.study_date)
    return out


def clean_data_set() -> Dataset:
    result, data, _ = ENGINE.transform(phi.ct(extras=False).data)
    assert data is not None, result.reason
    return pydicom.dcmread(io.BytesIO(data))


def check(change: Callable[[Dataset], None]) -> list[Leak]:
    ds = clean_data_set()
    change(ds)
    out = io.BytesIO()
    ds.save_as(out)
    return verify(out.getvalue(), lexicon(), SUBJECT, new_uid=ENGINE.pseudonyms.uid)


def test_a_clean_file_passes() -> None:
    assert check(lambda ds: None) == []


def nested(ds: Dataset) -> None:
    item = Dataset()
    item.CodeMeaning = "protocol of Muessigbroedt"
    ds.ProcedureCodeSequence = [item]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda ds: setattr(ds, "SoftwareVersions", "for MRN-00471182"), "identifier"),
        (lambda ds: setattr(ds, "SoftwareVersions", "mussigbrodt"), "identifier"),
        (lambda ds: setattr(ds, "ImageComments", "JOERG MUESSIGBROEDT"), "identifier"),
        (nested, "identifier"),
        (lambda ds: ds.add_new(0x00282000, "OB", "xxMüßigbrödtxx".encode("latin-1")), "identifier"),
        (lambda ds: ds.add_new(0x00282000, "OB", "xxMüßigbrödtxx".encode()), "identifier"),
        (lambda ds: ds.add_new(0x00282000, "OB", "MRN-00471182".encode("utf-16-le")), "identifier"),
        (lambda ds: ds.add_new(0x00282000, "OB", "MRN-00471182".encode("utf-16-be")), "identifier"),
        (lambda ds: ds.add_new(0x00282000, "OB", "山田".encode("shift_jis")), "identifier"),
        (lambda ds: ds.add_new(0x00282000, "OB", "山田".encode("iso2022_jp")), "identifier"),
        (lambda ds: ds.add_new(0x00282000, "OB", "山田".encode("utf-16-le")), "identifier"),
        (lambda ds: ds.add_new(0x7FE00010, "OW", b"\xff\xd8\xff\xfe\0\x10MRN-00471182" + bytes(50)), "identifier"),
        (lambda ds: setattr(ds, "FrameOfReferenceUID", f"{PERSON.root}.1"), "uid"),
        (lambda ds: setattr(ds, "SoftwareVersions", f"v {PERSON.root}.1.5"), "uid"),
        (lambda ds: setattr(ds, "AcquisitionDate", PERSON.study_date), "date"),
        (lambda ds: setattr(ds, "SoftwareVersions", f"built {PERSON.study_date}"), "date"),
        (lambda ds: ds.add_new(0x00091001, "LO", "private"), "private"),
        (lambda ds: setattr(ds, "preamble", b"x" * 128), "structure"),
    ],
)
def test_leaks_are_found(change: Callable[[Dataset], None], kind: str) -> None:
    assert kind in {leak.kind for leak in check(change)}


def test_a_leak_in_deflated_data_is_found() -> None:
    data = phi.ct(syntax="deflated", extras=False).data
    leaks = verify(data, lexicon(), SUBJECT, new_uid=ENGINE.pseudonyms.uid)
    assert {"identifier", "uid", "date"} <= {leak.kind for leak in leaks}


def test_a_file_that_cannot_be_read_again_does_not_pass() -> None:
    ds = clean_data_set()
    out = io.BytesIO()
    ds.save_as(out)
    leaks = verify(out.getvalue()[:-30], lexicon(), SUBJECT, new_uid=ENGINE.pseudonyms.uid)
    assert [leak.kind for leak in leaks] == ["unreadable"]


def test_numbers_within_other_numbers_in_pixels_are_no_leak() -> None:
    words = Lexicon()
    words.add_identifier("123456")
    assert in_pixels(b"\x01\x02123456\x03\x04", words)
    assert not in_pixels(b"\x01\x0201234567\x03\x04", words)
    assert not in_pixels(b"\x01\x021234567\x03\x04", words)


def test_text_across_blocks_of_pixels_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightbox.deid.verify.PIXEL_BLOCK", 64)
    words = Lexicon()
    words.add_name("Quackenbush^Ottilie")
    for offset in range(40, 80):
        assert in_pixels(bytes(offset) + b"QUACKENBUSH" + bytes(100), words), offset


def test_leaks_do_not_tell_what_they_are() -> None:
    leaks = check(lambda ds: setattr(ds, "SoftwareVersions", "MRN-00471182"))
    assert "00471182" not in repr(leaks)
