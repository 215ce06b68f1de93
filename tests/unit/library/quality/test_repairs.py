"""Repairs on a copy, with what was there before."""

from __future__ import annotations

import io

from builders.quality_objects import good_ct, part10, raw
from lightbox.dicom.reading import read_dataset
from lightbox.library.quality import apply_repairs, check


def repaired(data: bytes):
    """Check, repair, write, and read again."""
    ds = read_dataset(io.BytesIO(data))
    fixed, done = apply_repairs(ds, check(io.BytesIO(data)))
    buffer = io.BytesIO()
    fixed.save_as(buffer, enforce_file_format=True)
    return read_dataset(io.BytesIO(buffer.getvalue())), done, buffer.getvalue()


def codes(data: bytes) -> list[str]:
    return [issue.code for issue in check(io.BytesIO(data))]


def test_a_missing_type_2_attribute_is_added() -> None:
    data = part10(good_ct(StudyID=None))
    ds, done, written = repaired(data)
    assert [issue.code for issue in done] == ["type2.missing"]
    assert ds.StudyID in ("", None)
    assert codes(written) == []
    note = ds.OriginalAttributesSequence[0]
    assert note.ReasonForTheAttributeModification == "CORRECT"
    assert note.ModifyingSystem == "Lightbox"
    assert "StudyID" in note.ModifiedAttributesSequence[0]


def test_the_given_data_set_stays_as_it_is() -> None:
    data = raw(good_ct(StudyDate="20250102"), b"20250102", b"2025.1.2")
    ds = read_dataset(io.BytesIO(data))
    before = part10(read_dataset(io.BytesIO(data)))
    apply_repairs(ds, check(io.BytesIO(data)))
    assert part10(ds) == before


def test_a_faulty_value_is_kept_byte_for_byte() -> None:
    data = raw(good_ct(BodyPartExamined="CHEST "), b"CHEST ", b"chest ")
    ds, done, written = repaired(data)
    assert ds.BodyPartExamined == "CHEST"
    assert [issue.code for issue in done] == ["vr.code"]
    kept = ds.OriginalAttributesSequence[0].NonconformingModifiedAttributesSequence[0]
    assert kept.NonconformingDataElementValue == b"chest "
    assert kept.SelectorAttribute == 0x00180015
    assert codes(written) == []


def test_declaring_utf8_makes_the_name_readable() -> None:
    name = "Müller^Änne"
    stand_in = "N" * len(name.encode())
    ds = good_ct(PatientName=stand_in, SpecificCharacterSet=None)
    data = part10(ds).replace(stand_in.encode(), name.encode())
    fixed, done, written = repaired(data)
    assert [issue.code for issue in done] == ["charset.undeclared"]
    assert fixed.SpecificCharacterSet == "ISO_IR 192"
    assert str(fixed.PatientName) == name
    assert name.encode() in written
    assert codes(written) == []


def test_a_name_that_was_encoded_twice() -> None:
    fixed, done, written = repaired(part10(good_ct(PatientName="MÃ¼ller^Anna")))
    assert str(fixed.PatientName) == "Müller^Anna"
    assert "Müller^Anna".encode() in written
    assert [issue.code for issue in done] == ["charset.double-encoded"]
    assert str(fixed.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName) == "MÃ¼ller^Anna"


def test_meta_is_repaired_without_a_note() -> None:
    data = part10(good_ct(), MediaStorageSOPInstanceUID="1.2.3")
    fixed, done, written = repaired(data)
    assert [issue.code for issue in done] == ["meta.sop-instance-mismatch"]
    assert fixed.file_meta.MediaStorageSOPInstanceUID == fixed.SOPInstanceUID
    assert "OriginalAttributesSequence" not in fixed
    assert codes(written) == []


def test_a_second_repair_adds_a_second_note() -> None:
    _, _, once = repaired(part10(good_ct(StudyID=None)))
    ds = read_dataset(io.BytesIO(once))
    del ds.AccessionNumber
    twice, _, _ = repaired(part10(ds))
    assert len(twice.OriginalAttributesSequence) == 2


def test_what_needs_judgement_is_left() -> None:
    fixed, done, _ = repaired(part10(good_ct(StudyInstanceUID="1.2.03", Rows=None)))
    assert done == []
    assert fixed.StudyInstanceUID == "1.2.03"
    assert "Rows" not in fixed
