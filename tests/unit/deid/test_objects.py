"""Objects other than plain images: reports, segmentations, presentation states, structure sets; risks of pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from builders import phi
from lightbox.deid import burned_in, part10
from lightbox.deid.burned_in import Risk
from lightbox.deid.engine import Engine, Outcome
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import PRESETS, preset
from lightbox.deid.streams import blank_comments

KEY = ProjectKey(bytes(range(32)))


def report(person: phi.Person) -> bytes:
    """Return a Comprehensive SR with names, dates, texts and references in its content tree."""
    ds = pydicom.dcmread(io.BytesIO(phi.ct(person, extras=False).data))
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(ds, keyword)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    ds.Modality = "SR"

    def item(kind: str, **values: object) -> Dataset:
        out = Dataset()
        out.RelationshipType, out.ValueType = "CONTAINS", kind
        for keyword, value in values.items():
            setattr(out, keyword, value)
        return out

    measured = Dataset()
    measured.NumericValue = "12.5"
    inner = item("NUM", MeasuredValueSequence=[measured])
    image = item("IMAGE", ReferencedSOPSequence=[phi.reference(pydicom.uid.CTImageStorage, f"{person.root}.1.1.1")])
    ds.ValueType = "CONTAINER"
    ds.ContentSequence = [
        item("PNAME", PersonName=person.physician),
        item("TEXT", TextValue="Right lung nodule of 12.5 mm, Mr Müßigbrödt was told on 26.03.2018."),
        item("TEXT", TextValue="Known to Dr. Quackenbush. No pleural effusion."),
        item("DATE", Date=person.study_date),
        item("DATETIME", DateTime=f"{person.study_date}101112.25+0200"),
        item("UIDREF", UID=f"{person.root}.1.1.1"),
        item("CONTAINER", ContentSequence=[image, inner]),
    ]
    verifier = Dataset()
    verifier.VerifyingObserverName, verifier.VerifyingOrganization = person.physician, person.institution
    verifier.VerificationDateTime = "20180326120000"
    ds.VerifyingObserverSequence = [verifier]
    ds.ReferencedRequestSequence = []
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue()


def run(data: bytes, name: str, *, accept: bool = False) -> tuple[Dataset, bytes]:
    result, clean, _ = Engine(preset(name), KEY, accept_burned_in=accept).transform(data)
    assert result.outcome is Outcome.EXPORTED, result.reason
    assert clean is not None
    return pydicom.dcmread(io.BytesIO(clean)), clean


def test_a_report_is_cleaned_in_place() -> None:
    person = phi.Person()
    ds, data = run(report(person), "research-modified-dates")
    assert phi.leaks(data, person.needles) == []
    content = ds.ContentSequence
    assert [item.ValueType for item in content] == ["PNAME", "TEXT", "TEXT", "DATE", "DATETIME", "UIDREF", "CONTAINER"]
    assert content[0].PersonName == "Removed^"
    assert content[1].TextValue.startswith("Right lung nodule of 12.5 mm")
    assert content[2].TextValue.endswith("No pleural effusion.") or content[2].TextValue.endswith("No pleural effusion")
    assert content[3].Date == ds.StudyDate
    assert content[4].DateTime == f"{ds.StudyDate}101112.25+0200"
    image, number = content[6].ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == content[5].UID
    assert number.MeasuredValueSequence[0].NumericValue == 12.5
    assert ds.VerifyingObserverSequence[0].VerifyingObserverName == "Removed^"
    assert "113104" in [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]


def test_without_cleaning_the_content_of_a_report_is_replaced() -> None:
    person = phi.Person()
    ds, data = run(report(person), "basic")
    assert phi.leaks(data, person.needles) == []
    assert [item.TextValue for item in ds.ContentSequence] == ["REMOVED"]
    assert [item.CodeValue for item in ds.DeidentificationMethodCodeSequence] == ["113100"]


@pytest.mark.data
@pytest.mark.parametrize("name", PRESETS)
def test_segmentations_point_to_the_new_images(data: Path, name: str) -> None:
    engine = Engine(preset(name), KEY)
    folder = data / "overlays-seg" / "ct-3slice-liver"
    clean = {}
    for path in sorted(folder.iterdir()):
        result, out, _ = engine.transform(path.read_bytes())
        assert out is not None, (path, result.reason)
        clean[path.name] = pydicom.dcmread(io.BytesIO(out))
    images = {ds.SOPInstanceUID for ds in clean.values() if ds.Modality == "CT"}
    segmentations = [ds for ds in clean.values() if ds.Modality == "SEG"]
    assert images
    assert segmentations
    for ds in segmentations:
        referred = {
            source.ReferencedSOPInstanceUID
            for frame in ds.PerFrameFunctionalGroupsSequence
            for derivation in frame.DerivationImageSequence
            for source in derivation.SourceImageSequence
        }
        assert referred
        assert referred <= images
        assert ds.ReferencedSeriesSequence[0].SeriesInstanceUID in {i.SeriesInstanceUID for i in clean.values()}
        assert ds.pixel_array.any()


@pytest.mark.data
def test_presentation_states_keep_working(data: Path) -> None:
    engine = Engine(preset("basic"), KEY, accept_burned_in=True)
    folder = data / "presentation-states" / "09-graphic-annotation"
    clean = [engine.transform(path.read_bytes())[1] for path in sorted(folder.iterdir())]
    sets = [pydicom.dcmread(io.BytesIO(one)) for one in clean if one is not None]
    assert len(sets) == 21
    known = {ds.SOPInstanceUID for ds in sets}
    states = [ds for ds in sets if ds.Modality == "PR"]
    assert states
    for ds in states:
        for series in ds.ReferencedSeriesSequence:
            assert {image.ReferencedSOPInstanceUID for image in series.ReferencedImageSequence} <= known


@pytest.mark.data
def test_contours_of_structure_sets_stay(data: Path) -> None:
    engine = Engine(preset("research-modified-dates"), KEY)
    path = next(
        path
        for path in sorted((data / "overlays-rt" / "ct98-rtstruct-rtplan").iterdir())
        if b"RTSTRUCT" in path.read_bytes()[:4000]
    )
    before = pydicom.dcmread(path)
    _, out, _ = engine.transform(path.read_bytes())
    assert out is not None
    after = pydicom.dcmread(io.BytesIO(out))
    assert [c.ContourData for r in after.ROIContourSequence for c in r.get("ContourSequence", [])] == [
        c.ContourData for r in before.ROIContourSequence for c in r.get("ContourSequence", [])
    ]
    names = {roi.ROIName for roi in before.StructureSetROISequence}
    kept = {roi.ROIName for roi in after.StructureSetROISequence}
    assert len(names & kept) >= len(names) // 2


@pytest.mark.parametrize(
    ("values", "risk"),
    [
        ({}, Risk.LOW),
        ({"BurnedInAnnotation": "YES"}, Risk.HIGH),
        ({"Modality": "US", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, Risk.HIGH),
        ({"Modality": "US", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1", "BurnedInAnnotation": "NO"}, Risk.MEDIUM),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, Risk.HIGH),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, Risk.HIGH),
        ({"ConversionType": "WSD"}, Risk.HIGH),
        ({"ConversionType": "DI"}, Risk.LOW),
        ({"Modality": "DX"}, Risk.MEDIUM),
        ({"Modality": "DX", "BurnedInAnnotation": "NO"}, Risk.LOW),
    ],
)
def test_risk_of_burned_in_text(values: dict[str, object], risk: Risk) -> None:
    ds = pydicom.dcmread(io.BytesIO(phi.ct(extras=False).data))
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    out = io.BytesIO()
    ds.save_as(out)
    assert burned_in.assess(part10.read(out.getvalue())).risk is risk
    result, data, _ = Engine(preset("basic"), KEY).transform(out.getvalue())
    assert (data is None) is (risk is Risk.HIGH)
    assert (result.code == "burned-in-risk") is (risk is Risk.HIGH)
    accepted, data, _ = Engine(preset("basic"), KEY, accept_burned_in=True).transform(out.getvalue())
    assert data is not None
    assert any(flag.startswith(f"burned-in:{risk.value}") for flag in accepted.flags) is (risk is not Risk.LOW)


@pytest.mark.parametrize(
    ("sop_class", "code"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", "encapsulated-document"),
        ("1.2.840.10008.5.1.4.1.1.66", "raw-data"),
        ("1.2.840.10008.5.1.4.1.1.9.4.1", "audio"),
        ("1.2.840.10008.1.3.10", "dicomdir"),
        ("1.3.12.2.1107.5.9.1", "private-sop-class"),
    ],
)
def test_objects_that_cannot_be_cleaned_are_withheld_whatever_is_accepted(sop_class: str, code: str) -> None:
    ds = pydicom.dcmread(io.BytesIO(phi.ct(extras=False).data))
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    out = io.BytesIO()
    ds.save_as(out)
    result, data, _ = Engine(preset("basic"), KEY, accept_burned_in=True).transform(out.getvalue())
    assert (result.outcome, result.code, data) == (Outcome.QUARANTINED, code, None)


def fragment(stream: bytes) -> bytes:
    stream += b"\0" * (len(stream) % 2)
    return b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0" + len(stream).to_bytes(4, "little") + stream


def segment(marker: bytes, payload: bytes) -> bytes:
    return marker + (len(payload) + 2).to_bytes(2, "big") + payload


@pytest.mark.parametrize(
    ("syntax", "stream"),
    [
        (
            JPEGBaseline8Bit,
            b"\xff\xd8" + segment(b"\xff\xfe", b"MRN-00471182") + b"\xff\xda\0\x02data\xff\xd9",
        ),
        (
            JPEGBaseline8Bit,
            b"\xff\xd8" + segment(b"\xff\xe1", b"Exif\0\0 of MRN-00471182") + b"\xff\xda\0\x02x\xff\xd9",
        ),
        (JPEG2000Lossless, b"\xff\x4f" + segment(b"\xff\x64", b"\0\1Quackenbush") + b"\xff\x90\0\x0a12345678\xff\xd9"),
    ],
)
def test_comments_in_compressed_frames_are_blanked(syntax: str, stream: bytes) -> None:
    person = phi.Person()
    ds = pydicom.dcmread(io.BytesIO(phi.ct(person, extras=False).data))
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = fragment(stream)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    out = io.BytesIO()
    ds.save_as(out)
    clean, data = run(out.getvalue(), "basic")
    assert phi.leaks(data, person.needles) == []
    assert len(clean.PixelData) == len(ds.PixelData)


def test_comments_without_identifiers_stay() -> None:
    value = fragment(b"\xff\xd8" + segment(b"\xff\xfe", b"made by a codec") + b"\xff\xda\0\x02data\xff\xd9")
    assert blank_comments(value, lambda text: False) is None
    blanked = blank_comments(value, lambda text: b"codec" in text)
    assert blanked is not None
    assert blanked.replace(b" " * 15, b"made by a codec") == value


def test_an_overlay_embedded_in_compressed_pixels_is_withheld() -> None:
    ds = pydicom.dcmread(io.BytesIO(phi.ct(extras=False).data))
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.PixelData = fragment(b"\xff\x4f\xff\x90\0\x0a12345678\xff\xd9")
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 15)
    out = io.BytesIO()
    ds.save_as(out)
    result, _, _ = Engine(preset("basic"), KEY).transform(out.getvalue())
    assert result.code == "embedded-overlay"


def test_pixels_of_signed_images_with_sign_extension_are_not_touched() -> None:
    ds = pydicom.dcmread(io.BytesIO(phi.ct(extras=False).data))
    ds.PixelRepresentation = 1
    values = (np.arange(64, dtype=np.int16).reshape(8, 8) - 32) * 20
    ds.PixelData = values.tobytes()
    out = io.BytesIO()
    ds.save_as(out)
    clean, _ = run(out.getvalue(), "basic")
    assert clean.PixelData == values.tobytes()
