"""Reconciled copies of real files: what changed, what is kept, and that everything else is the same bytes."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from lightbox.dicom import reading
from lightbox.network import reply
from lightbox.network.worklist import changes, coerce
from lightbox.network.worklist.changes import ReconcileError
from lightbox.network.worklist.entries import Code, ScheduledStep, WorklistEntry

ENTRY = WorklistEntry(
    study_instance_uid="1.2.826.0.1.3680043.8.498.100",
    patient_name="Local^Name",
    patient_id="HOSP-1",
    issuer_of_patient_id="HOSPITAL",
    patient_birth_date="19300101",
    patient_sex="F",
    accession_number="ACC100",
    requested_procedure_id="RP1",
    requested_procedure_description="Import of outside CT",
    referring_physician_name="Ref^Doctor",
    requested_procedure_codes=(Code("IMP", "99LOCAL", "Import"),),
    steps=(ScheduledStep("CT", step_id="SPS1", description="CT CHEST"),),
    source="ris",
)

FILES = (
    "ct-volume/ge-head-gantry-tilt-28",
    "mr-volume/siemens-2studies",
    "overlays-seg/dcmqi",
    "overlays-sr/highdicom",
    "ultrasound",
    "enhanced",
    "charsets",
    "encodings",
    "transfer-syntaxes",
    "projection",
    "presentation-states",
)


def samples(data: Path) -> list[Path]:
    """Return a few readable files of each folder."""
    found: list[Path] = []
    for folder in FILES:
        paths = (
            [path for path in sorted((data / folder).rglob("*")) if path.is_file()] if (data / folder).exists() else []
        )
        found += paths[:6]
    return found


def reconciled(
    path: Path, entry: WorklistEntry = ENTRY, **options: object
) -> tuple[bytes, coerce.Applied, changes.Plan]:
    plan = changes.plan([lambda: path.open("rb")], entry, **options)  # type: ignore[arg-type]
    target = io.BytesIO()
    with path.open("rb") as source:
        applied = coerce.apply(source, target, plan, system="LIGHTBOX", confirmed=True)
    return target.getvalue(), applied, plan


@pytest.mark.data
def test_real_files_keep_their_pixels_and_all_that_is_not_of_patient_or_order(data: Path) -> None:
    checked = 0
    for path in samples(data):
        try:
            before = reading.read_dataset(io.BytesIO(path.read_bytes()))
        except reading.NotDicomError:
            continue
        result, applied, plan = reconciled(path)
        after = reading.read_dataset(io.BytesIO(result))
        touched = {pydicom.datadict.tag_for_keyword(word) for word in applied.changed} | {
            pydicom.datadict.tag_for_keyword(word)
            for word in (
                "InstanceOriginStatus",
                "InstanceCoercionDateTime",
                "ContributingEquipmentSequence",
                "OriginalAttributesSequence",
            )
        }
        utf8 = "SpecificCharacterSet" in applied.changed
        for tag in list(before.keys()):
            if tag in touched or tag.element == 0 or tag.group == 0xFFFE or (utf8 and tag not in reading.PIXEL_TAGS):
                continue
            one, other = before.get_item(tag), after.get_item(tag)
            assert other is not None, f"{path.name} lost {tag}"
            if str(one.VR) == "SQ":
                assert before[tag].value == after[tag].value, f"{path.name} changed {tag}"
            if isinstance(getattr(one, "value", None), bytes) and isinstance(other.value, bytes):
                assert one.value == other.value, f"{path.name} changed {tag}"
        assert reply.text(after, "PatientName") == "Local^Name"
        assert reply.text(after, "PatientID") == "HOSP-1"
        assert reply.text(after, "AccessionNumber") == "ACC100"
        assert reply.text(after, "SOPInstanceUID") == reply.text(before, "SOPInstanceUID")
        assert reply.text(after, "StudyInstanceUID") == reply.text(before, "StudyInstanceUID")
        item = after.OriginalAttributesSequence[-1]
        prior = item.ModifiedAttributesSequence[0]
        assert reply.row(prior, before).get("PatientName", "") == reply.text(before, "PatientName")
        assert item.ReasonForTheAttributeModification == "COERCE"
        assert item.ModifyingSystem == "LIGHTBOX"
        assert plan.objects == 1
        checked += 1
    assert checked >= 40


def make(charset: str | None = None, **values: object) -> io.BytesIO:
    """Return a small Part 10 file."""
    dataset = Dataset()
    if charset:
        dataset.SpecificCharacterSet = charset
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = "1.2.3.1"
    dataset.PatientName = "Outside^Name"
    dataset.PatientID = "OUT-9"
    dataset.IssuerOfPatientID = "OTHER CLINIC"
    dataset.PatientBirthDate = "19300101"
    dataset.PatientSex = "F"
    dataset.AccessionNumber = "OLD1"
    dataset.Rows = dataset.Columns = 2
    dataset.BitsAllocated = dataset.BitsStored = 8
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = b"\x01\x02\x03\x04"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return io.BytesIO(stream.getvalue())


def run(stream: io.BytesIO, entry: WorklistEntry, **options: object) -> tuple[Dataset, coerce.Applied]:
    plan = changes.plan([lambda: io.BytesIO(stream.getvalue())], entry, **options)  # type: ignore[arg-type]
    target = io.BytesIO()
    applied = coerce.apply(stream, target, plan, system="LIGHTBOX", confirmed=True)
    return pydicom.dcmread(io.BytesIO(target.getvalue())), applied


def test_the_issuer_of_the_former_id_does_not_stay_with_the_new_id() -> None:
    after, _ = run(make(), replace(ENTRY, issuer_of_patient_id=""))
    assert "IssuerOfPatientID" not in after
    prior = after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert prior.PatientID == "OUT-9"
    assert prior.IssuerOfPatientID == "OTHER CLINIC"


def test_what_the_order_leaves_empty_stays() -> None:
    after, applied = run(make(), replace(ENTRY, patient_birth_date="", patient_sex="", accession_number=""))
    assert after.PatientBirthDate == "19300101"
    assert after.PatientSex == "F"
    assert after.AccessionNumber == "OLD1"
    assert "AccessionNumber" not in applied.changed


def test_a_name_in_other_letters_turns_the_object_into_utf8_and_keeps_the_former_bytes() -> None:
    stream = make("ISO_IR 100", PatientName="Müller^Jörg", StudyDescription="Schädel")
    after, applied = run(stream, replace(ENTRY, patient_name="山田^太郎"))
    assert after.SpecificCharacterSet == "ISO_IR 192"
    assert str(after.PatientName) == "山田^太郎"
    assert after.StudyDescription == "Schädel"
    prior = after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert prior.SpecificCharacterSet == "ISO_IR 100"
    assert str(prior.PatientName) == "Müller^Jörg"
    assert prior.get_item("PatientName") is not None
    assert any("UTF-8" in note for note in applied.notes)
    assert after.PixelData == b"\x01\x02\x03\x04"


def test_text_in_sequences_is_converted_too_and_other_elements_stay_as_they_are() -> None:
    inner = Dataset()
    inner.RequestedProcedureDescription = "Größe"
    declared = Dataset()
    declared.SpecificCharacterSet = "ISO_IR 144"
    declared.RequestedProcedureDescription = "Москва"
    stream = make("ISO_IR 100", ReferencedRequestSequence=Sequence([inner, declared]), KVP="120.50 ")
    before = pydicom.dcmread(io.BytesIO(stream.getvalue()))
    after, _ = run(stream, replace(ENTRY, patient_name="山田^太郎"))
    assert [item.RequestedProcedureDescription for item in after.ReferencedRequestSequence] == ["Größe", "Москва"]
    assert after.ReferencedRequestSequence[1].SpecificCharacterSet == "ISO_IR 192"
    assert after.get_item("KVP").value == before.get_item("KVP").value


@pytest.mark.data
@pytest.mark.parametrize(
    ("entry", "options"), [(replace(ENTRY, patient_name="山田^太郎"), {}), (ENTRY, {"new_uids": True})]
)
def test_real_files_in_other_letters_and_with_new_uids(data: Path, entry: WorklistEntry, options: dict) -> None:
    checked = 0
    for path in samples(data):
        try:
            before = reading.read_dataset(io.BytesIO(path.read_bytes()))
        except reading.NotDicomError:
            continue
        result, applied, plan = reconciled(path, entry, **options)
        after = reading.read_dataset(io.BytesIO(result))
        assert reply.text(after, "PatientName") == entry.patient_name
        assert reply.text(after, "SOPInstanceUID") == plan.uids.get(
            applied.before.get("SOPInstanceUID", ""), reply.text(before, "SOPInstanceUID")
        )
        for tag in reading.PIXEL_TAGS:
            assert (tag in before) == (tag in after)
            if tag in before:
                assert before.get_item(tag).value == after.get_item(tag).value
        assert len(after) >= len([tag for tag in before.keys() if tag.element and tag.group != 0xFFFE]) - 2  # noqa: SIM118
        checked += 1
    assert checked >= 40


def test_text_of_an_undeclared_character_set_is_not_lost() -> None:
    stream = make()
    raw = stream.getvalue().replace(b"Outside^Name", "Outsid\u00e9^Nam".encode("latin-1") + b" ")
    after, applied = run(io.BytesIO(raw), replace(ENTRY, patient_name="Łukasz^Ünal"))
    assert str(after.PatientName) == "Łukasz^Ünal"
    assert after.SpecificCharacterSet == "ISO_IR 192"
    assert any("UTF-8" in note for note in applied.notes)


def test_a_prior_value_that_breaks_its_vr_is_kept_as_bytes() -> None:
    raw = make().getvalue().replace(b"19300101", b"01.01.30")
    after, _ = run(io.BytesIO(raw), ENTRY)
    item = after.OriginalAttributesSequence[0]
    assert item.ModifiedAttributesSequence[0].PatientBirthDate == ""
    broken = item.NonconformingModifiedAttributesSequence[0]
    assert broken.NonconformingDataElementValue == b"01.01.30"
    assert broken.SelectorAttribute == 0x00100030


def test_doing_it_twice_changes_nothing_more() -> None:
    stream = make()
    plan = changes.plan([lambda: io.BytesIO(stream.getvalue())], ENTRY)
    first = io.BytesIO()
    coerce.apply(stream, first, plan, system="LIGHTBOX", confirmed=True)
    second = io.BytesIO()
    again = changes.plan([lambda: io.BytesIO(first.getvalue())], ENTRY)
    assert not any(change.effective for change in again.changes)
    applied = coerce.apply(first, second, again, system="LIGHTBOX", confirmed=True)
    assert applied.changed == []
    assert second.getvalue() == first.getvalue()


def test_earlier_original_attributes_stay() -> None:
    older = Dataset()
    older.SourceOfPreviousValues, older.ModifyingSystem = "First clinic", "PACS"
    older.AttributeModificationDateTime = "20200101"
    older.ReasonForTheAttributeModification = "CORRECT"
    prior = Dataset()
    prior.PatientName = "Very^Old"
    older.ModifiedAttributesSequence = Sequence([prior])
    after, _ = run(make(OriginalAttributesSequence=Sequence([older])), ENTRY)
    assert len(after.OriginalAttributesSequence) == 2
    assert str(after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].PatientName) == "Very^Old"


def test_the_study_uid_of_the_order_goes_into_every_reference() -> None:
    reference = Dataset()
    reference.StudyInstanceUID = "1.2.3"
    inner = Dataset()
    inner.SeriesInstanceUID = "1.2.3.1"
    reference.ReferencedSeriesSequence = Sequence([inner])
    stream = make(CurrentRequestedProcedureEvidenceSequence=Sequence([reference]))
    after, applied = run(stream, ENTRY, map_study_uid=True)
    assert after.StudyInstanceUID == ENTRY.study_instance_uid
    evidence = after.CurrentRequestedProcedureEvidenceSequence[0]
    assert evidence.StudyInstanceUID == ENTRY.study_instance_uid
    assert evidence.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.1"
    prior = after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert prior.StudyInstanceUID == "1.2.3"
    assert prior.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID == "1.2.3"
    assert "CurrentRequestedProcedureEvidenceSequence" in applied.changed


def test_new_uids_are_the_same_every_time_and_reach_the_file_meta() -> None:
    one, _ = run(make(), ENTRY, new_uids=True)
    other, _ = run(make(), ENTRY, new_uids=True)
    assert one.SOPInstanceUID == other.SOPInstanceUID != "1.2.3.4"
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert one.StudyInstanceUID.startswith("2.25.")
    assert one.SeriesInstanceUID != "1.2.3.1"


def test_deflated_objects_stay_deflated(data: Path) -> None:
    found = [path for path in sorted(data.rglob("*")) if path.is_file() and _syntax(path) == "1.2.840.10008.1.2.1.99"]
    assert found
    before = reading.read_dataset(io.BytesIO(found[0].read_bytes()))
    result, _, _ = reconciled(found[0])
    after = reading.read_dataset(io.BytesIO(result))
    assert after.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1.99"
    assert after.get("PixelData") == before.get("PixelData")
    assert reply.text(after, "PatientID") == "HOSP-1"


def _syntax(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(600)
    return "1.2.840.10008.1.2.1.99" if b"1.2.840.10008.1.2.1.99" in head else ""


def test_nothing_is_written_without_confirmation_when_the_patient_seems_to_be_another() -> None:
    stream = make(PatientName="Somebody^Else", PatientBirthDate="19790401")
    plan = changes.plan([lambda: io.BytesIO(stream.getvalue())], ENTRY)
    assert plan.needs_confirmation
    assert {problem.code for problem in plan.problems} >= {"reconcile.name", "reconcile.birth-date"}
    target = io.BytesIO()
    with pytest.raises(ReconcileError, match="do not agree"):
        coerce.apply(stream, target, plan, system="LIGHTBOX")
    assert target.getvalue() == b""
    # the words name no value
    assert "Somebody" not in str(plan.problems)
    assert "19790401" not in str(plan.problems)


def test_patients_are_not_mixed() -> None:
    one, other = make(), make(PatientID="OUT-10", PatientName="Third^Person", PatientBirthDate="19500505")
    openers = [lambda: io.BytesIO(one.getvalue()), lambda: io.BytesIO(other.getvalue())]
    with pytest.raises(ReconcileError, match="2 different patients"):
        changes.plan(openers, ENTRY)


def test_studies_are_not_mixed_into_one() -> None:
    one, other = make(), make(StudyInstanceUID="1.2.99", SOPInstanceUID="1.2.99.1")
    openers = [lambda: io.BytesIO(one.getvalue()), lambda: io.BytesIO(other.getvalue())]
    assert len(changes.plan(openers, ENTRY).studies) == 2
    with pytest.raises(ReconcileError, match="2 studies"):
        changes.plan(openers, ENTRY, map_study_uid=True)


def test_an_entry_without_patient_is_refused() -> None:
    stream = make()
    with pytest.raises(ReconcileError, match="names no patient"):
        changes.plan([lambda: io.BytesIO(stream.getvalue())], replace(ENTRY, patient_id=""))
