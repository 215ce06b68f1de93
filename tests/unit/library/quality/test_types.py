"""Attributes of type 1, 1C, 2 and 2C; functional groups; content trees."""

from __future__ import annotations

import json

import pytest
from pydicom.sequence import Sequence

from builders.quality_objects import codes, enhanced_mr, good_ct, issues, item, one
from lightbox.core import resources
from lightbox.core.errors import Severity
from lightbox.library.quality.iod import iod_of, rules_of


@pytest.mark.parametrize("keyword", ["Rows", "ImageType", "PixelSpacing", "RescaleSlope", "FrameOfReferenceUID"])
def test_missing_type_1(keyword: str) -> None:
    found = one(issues(good_ct(**{keyword: None})), "type1.missing")
    assert found.severity is Severity.ERROR
    assert found.where.endswith(keyword)


def test_empty_type_1() -> None:
    assert one(issues(good_ct(ImageType="")), "type1.empty").severity is Severity.ERROR


@pytest.mark.parametrize("keyword", ["PatientID", "PatientBirthDate", "StudyDate", "KVP", "AcquisitionNumber"])
def test_what_sounds_mandatory_is_type_2(keyword: str) -> None:
    """Patient ID, dates and acquisition parameters may be empty, and only warn when they are absent."""
    found = one(issues(good_ct(**{keyword: None})), "type2.missing")
    assert found.severity is Severity.WARNING
    assert found.change is not None
    assert found.change.value == ""
    assert "type2.missing" not in codes(good_ct(**{keyword: ""}))


def test_type_3_is_never_asked_for() -> None:
    assert codes(good_ct(PatientAge=None)) == []


def test_conditions() -> None:
    assert codes(good_ct(PixelPaddingRangeLimit=5)) == ["type1c.missing"], "then Pixel Padding Value is needed"
    assert codes(good_ct(PatientIdentityRemoved="YES")) == ["type1c.missing", "type1c.missing"]
    assert codes(good_ct(PatientIdentityRemoved="YES", DeidentificationMethod="by hand")) == []
    assert codes(good_ct(PatientPosition=None)) == ["type2c.missing"]


def test_an_empty_1c_that_was_not_needed_is_a_warning() -> None:
    found = one(issues(good_ct(PixelAspectRatio="")), "type1c.empty")
    assert found.severity is Severity.WARNING


def test_items() -> None:
    ds = good_ct()
    ds.ReferencedStudySequence = Sequence([item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1")])
    found = one(issues(ds), "type1.missing")
    assert found.where == "(0008,1110) ReferencedStudySequence[1] > (0008,1155) ReferencedSOPInstanceUID"


def test_a_code_needs_value_scheme_and_meaning() -> None:
    ds = good_ct()
    ds.ProcedureCodeSequence = Sequence([item(CodeMeaning="CT of chest")])
    assert codes(ds) == ["type1c.missing"]
    ds.ProcedureCodeSequence = Sequence([item(CodeValue="1", CodeMeaning="CT of chest")])
    assert one(issues(ds), "type1c.missing").where.endswith("CodingSchemeDesignator")
    ds.ProcedureCodeSequence = Sequence([item(URNCodeValue="urn:x", CodeMeaning="CT of chest")])
    assert codes(ds) == []


def groups_missing(ds) -> list[str]:
    return [issue.where.split()[-1] for issue in issues(ds) if issue.code == "group.missing"]


def test_functional_groups_shared_or_in_every_frame() -> None:
    assert groups_missing(enhanced_mr()) == []
    ds = enhanced_mr()
    del ds.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    found = one(issues(ds), "group.missing")
    assert found.where.endswith("PlanePositionSequence")
    assert "1 of 3 frames, first in frame 2" in found.found
    del ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert groups_missing(ds) == ["PixelMeasuresSequence", "PlanePositionSequence"]


def test_conditional_functional_groups() -> None:
    ds = enhanced_mr()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    assert "MREchoSequence" in groups_missing(ds)


def test_functional_groups_do_not_match_the_frames() -> None:
    ds = enhanced_mr()
    del ds.PerFrameFunctionalGroupsSequence[2]
    assert "2 items" in one(issues(ds), "group.frames").found


def report(**value) -> list[str]:
    ds = good_ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", PixelData=None)
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    name = item(CodeValue="1", CodingSchemeDesignator="99X", CodeMeaning="Report")
    ds.ConceptNameCodeSequence = Sequence([name])
    ds.ContentSequence = Sequence(
        [item(RelationshipType="CONTAINS", ConceptNameCodeSequence=Sequence([name]), **value)]
    )
    return [issue.where for issue in issues(ds) if "ContentSequence" in issue.where]


def test_content_items_by_value_type() -> None:
    assert report(ValueType="TEXT", TextValue="no finding") == []
    assert report(ValueType="TEXT") == ["(0040,A730) ContentSequence[1] > (0040,A160) TextValue"]
    assert report(ValueType="CODE")[0].endswith("ConceptCodeSequence")
    assert report(TextValue="x")[0].endswith("ValueType")
    assert len(report(ValueType="SCOORD")) == 2


def test_tables_name_known_attributes_and_modules() -> None:
    tables = json.loads(resources.read_text("iod/iods.json"))
    assert iod_of("1.2.840.10008.5.1.4.1.1.2") == "ct-image"
    for iod in set(tables["sop_classes"].values()):
        rules = rules_of(iod)
        assert rules.modules, iod
    assert len(rules_of("ct-image").rules) > 40


def test_groups_name_known_sequences() -> None:
    from pydicom.datadict import tag_for_keyword

    from lightbox.library.quality.conditions import GROUPS

    table = json.loads(resources.read_text("iod/functional_groups.json"))["groups"]
    tables = json.loads(resources.read_text("iod/iods.json"))
    for iod, groups in table.items():
        assert iod in tables["iods"]
        for keyword, condition in groups.items():
            assert tag_for_keyword(keyword) is not None, keyword
            assert condition in GROUPS


def test_conditions_name_known_attributes_and_modules() -> None:
    """A misspelled keyword would be a condition that never holds."""
    from pydicom.datadict import tag_for_keyword

    from lightbox.library.quality.conditions import ATTRIBUTES, MODULES

    tables = json.loads(resources.read_text("iod/iods.json"))
    for module, keyword in ATTRIBUTES:
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        if module:
            entry = tables["modules"][module].get(f"{tag:08x}")
            assert entry, (module, keyword)
            kind = entry[0] if isinstance(entry, list) else entry
            assert kind in ("1C", "2C"), (module, keyword, kind)
    for iod, module in MODULES:
        assert module in tables["modules"], module
        assert not iod or [module, "C"] in tables["iods"][iod], (iod, module)
