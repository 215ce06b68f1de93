"""The engine on objects with planted identifiers: nothing leaks, what is useful stays, references hold together."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pydicom
import pytest

from builders import phi
from lightbox.deid.engine import Engine, Outcome
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import PRESETS, Option, preset

KEY = ProjectKey(bytes(range(32)))


def run(planted: phi.Planted, name: str = "basic") -> tuple[bytes, pydicom.Dataset]:
    engine = Engine(preset(name), KEY)
    engine.learn(planted.data)
    result, data, _ = engine.transform(planted.data)
    assert result.outcome is Outcome.EXPORTED, (result.code, result.reason)
    assert data is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return data, pydicom.dcmread(io.BytesIO(data))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("syntax", phi.SYNTAXES)
def test_planted_identifiers_are_gone(name: str, syntax: str) -> None:
    planted = phi.ct(syntax=syntax)
    assert len(phi.leaks(planted.data, planted.person.needles)) > 15  # the search does find what is there
    data, _ = run(planted, name)
    assert phi.leaks(data, planted.person.needles) == []


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    ("charset", "patient"),
    [
        ("ISO_IR 192", "Müßigbrödt^Jörg=山田^太郎=やまだ^たろう"),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 144", "Люкceмбypг^Анна"),
        ("ISO_IR 126", "Διονυσιος^Νικος"),
    ],
)
def test_names_in_other_scripts_are_gone(name: str, charset: str, patient: str) -> None:
    person = phi.Person(name=patient, physician="Quackenbush^Ottilie", charset=charset, address="Drosselbartgasse 17b")
    planted = phi.ct(person)
    data, _ = run(planted, name)
    assert phi.leaks(data, person.needles) == []


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("syntax", phi.SYNTAXES)
def test_what_is_useful_stays(name: str, syntax: str) -> None:
    planted = phi.ct(syntax=syntax)
    _, clean = run(planted, name)
    lost = {word: clean.get(word) for word, value in planted.benign.items() if clean.get(word) != value}
    assert lost == {}


def test_descriptions_keep_the_words_of_radiology() -> None:
    _, clean = run(phi.ct(), "research-modified-dates")
    assert clean.StudyDescription == "CT Thorax"
    assert clean.SeriesDescription == "Thorax 5.0 B30f"
    assert clean.ProtocolName == "ThoraxRoutine"
    assert clean.ContrastBolusAgent == "Omnipaque for"
    _, basic = run(phi.ct(), "basic")
    assert "StudyDescription" not in basic
    assert "SeriesDescription" not in basic


def test_dates_move_together_and_keep_zone_and_fraction() -> None:
    _, clean = run(phi.ct(), "research-modified-dates")
    shift = (
        Engine(preset("research-modified-dates"), KEY)
        .pseudonyms.subject("MRN-00471182", phi.Person().institution)
        .shift_days
    )
    assert shift != 0
    moved = (np.datetime64("2018-03-26") + shift).item().strftime("%Y%m%d")
    assert clean.StudyDate == clean.SeriesDate == clean.ContentDate == moved
    assert clean.AcquisitionDateTime == f"{moved}101314.123456+0100"
    assert clean.ContributingEquipmentSequence[0].ContributionDateTime == f"{moved}235959.999999-0730"
    assert clean.StudyTime == "101112"
    assert clean.AcquisitionTime == "101314.123456"
    assert clean.LongitudinalTemporalInformationModified == "MODIFIED"


def test_basic_leaves_no_date() -> None:
    _, clean = run(phi.ct(), "basic")
    assert clean.StudyDate == ""
    assert clean.StudyTime == ""
    assert clean.LongitudinalTemporalInformationModified == "REMOVED"
    assert "SeriesDate" not in clean  # X/D, type 3 in CT


def test_structures_are_removed_at_every_level() -> None:
    _, clean = run(phi.ct(), "research-modified-dates")
    for element in clean.iterall():
        assert not element.tag.is_private
        assert not 0x5000 <= element.tag.group <= 0x50FF
        assert not 0x6000 <= element.tag.group <= 0x60FF
        assert element.tag not in (0x3C0A2D20, 0xFFFCFFFC)
    for keyword in (
        "IconImageSequence",
        "DigitalSignaturesSequence",
        "MACParametersSequence",
        "OriginalAttributesSequence",
    ):
        assert keyword not in clean


def test_file_meta_and_preamble_are_made_anew() -> None:
    data, clean = run(phi.ct())
    assert data[:128] == bytes(128)
    assert clean.file_meta.MediaStorageSOPInstanceUID == clean.SOPInstanceUID
    assert {element.keyword for element in clean.file_meta} == {
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
        "ImplementationVersionName",
    }


@pytest.mark.parametrize("syntax", phi.SYNTAXES)
def test_pixels_stay_but_not_the_overlay_in_their_high_bits_nor_bytes_after_them(syntax: str) -> None:
    planted = phi.ct(syntax=syntax)
    _, clean = run(planted)
    expected = (np.arange(64, dtype=np.uint16).reshape(8, 8) * 31) & 0x0FFF
    assert np.array_equal(clean.pixel_array, expected)
    assert len(clean.PixelData) == 128


def test_references_and_multi_valued_uids_are_mapped_alike() -> None:
    engine = Engine(preset("basic"), KEY)
    person = phi.Person()
    clean = {}
    for number in (1, 2, 3):
        _, data, _ = engine.transform(phi.ct(person, number=number).data)
        assert data is not None
        clean[number] = pydicom.dcmread(io.BytesIO(data))
    first = clean[1]
    referred = [item.ReferencedSOPInstanceUID for item in first.ReferencedImageSequence]
    assert referred == [clean[1].SOPInstanceUID, clean[2].SOPInstanceUID]
    assert first.SourceImageSequence[0].ReferencedSOPInstanceUID == clean[3].SOPInstanceUID
    assert len({ds.StudyInstanceUID for ds in clean.values()}) == 1
    assert len({ds.FrameOfReferenceUID for ds in clean.values()}) == 1
    assert len(set(first.IrradiationEventUID)) == 2
    assert all(uid.startswith("2.25.") for uid in (*first.IrradiationEventUID, first.SOPInstanceUID, first.DeviceUID))
    assert first.SOPClassUID == pydicom.uid.CTImageStorage
    assert first.ReferencedImageSequence[0].ReferencedSOPClassUID == pydicom.uid.CTImageStorage


def test_objects_say_what_was_done_to_them() -> None:
    _, basic = run(phi.ct())
    assert basic.PatientIdentityRemoved == "YES"
    assert [item.CodeValue for item in basic.DeidentificationMethodCodeSequence] == ["113100"]
    _, research = run(phi.ct(), "research-modified-dates")
    codes = [item.CodeValue for item in research.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113105", "113107"]  # no structured content here: 113104 is not claimed


def test_the_same_in_gives_the_same_out_and_another_key_something_else() -> None:
    planted = phi.ct()
    one, _ = run(planted, "research-modified-dates")
    two, _ = run(planted, "research-modified-dates")
    assert one == two
    other = Engine(preset("research-modified-dates"), ProjectKey(bytes(32))).transform(planted.data)[1]
    assert other is not None
    assert other != one


def test_process_reads_only_and_writes_only_what_is_clean() -> None:
    planted = phi.ct()
    target = io.BytesIO()
    result = Engine(preset("basic"), KEY).process(io.BytesIO(planted.data), target)
    assert result.outcome is Outcome.EXPORTED
    assert result.target_sha256
    assert result.size == len(target.getvalue())
    refused = io.BytesIO()
    result = Engine(preset("basic"), KEY).process(io.BytesIO(b"not a DICOM file, but Mueller"), refused)
    assert (result.outcome, result.code, refused.getvalue()) == (Outcome.QUARANTINED, "not-dicom", b"")


def test_truncated_files_are_quarantined() -> None:
    planted = phi.ct(extras=False)
    result, data, _ = Engine(preset("basic"), KEY).transform(planted.data[:-40])
    assert (result.outcome, result.code, data) == (Outcome.QUARANTINED, "truncated", None)


def test_changes_never_hold_old_values() -> None:
    planted = phi.ct()
    result, _, _ = Engine(preset("basic"), KEY).transform(planted.data)
    text = repr(result)
    assert [needle for needle in planted.person.needles if needle in text] == []
    assert {"removed", "emptied", "replaced", "mapped", "masked", "added"} <= {
        change.action for change in result.changes
    }


def test_a_name_of_another_object_of_the_patient_is_found_too() -> None:
    person = phi.Person()
    plain = pydicom.dcmread(io.BytesIO(phi.ct(person, extras=False).data))
    plain.SoftwareVersions = "patched by Zwetschgenmus"
    plain.OperatorsName = ""
    plain.ImageComments = ""
    out = io.BytesIO()
    plain.save_as(out)
    engine = Engine(preset("basic"), KEY)
    engine.learn(phi.ct(person, number=2).data)  # here the operator is named
    engine.learn(out.getvalue())
    _, data, _ = engine.transform(out.getvalue())
    assert data is not None
    assert phi.leaks(data, ["Zwetschgenmus"]) == []


def test_results_without_an_issuer_stay_with_their_patient() -> None:
    with_issuer, without = phi.ct(extras=False), phi.ct(number=2, extras=False)
    ds = pydicom.dcmread(io.BytesIO(without.data))
    del ds.IssuerOfPatientID
    out = io.BytesIO()
    ds.save_as(out)
    engine = Engine(preset("basic"), KEY)
    engine.learn(with_issuer.data)
    engine.learn(out.getvalue())
    assert engine.transform(with_issuer.data)[0].subject == engine.transform(out.getvalue())[0].subject


def test_two_patients_get_two_names_and_two_offsets() -> None:
    engine = Engine(preset("research-modified-dates"), KEY)
    one = engine.pseudonyms.subject("A1")
    two = engine.pseudonyms.subject("A2")
    assert one.pseudonym != two.pseudonym
    assert one.shift_days != two.shift_days
    assert Option.RETAIN_MODIFIED_DATES in engine.profile.options
