"""SR documents: measurement reports in all their habits, broken trees, and documents of other templates."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.sequence import Sequence as Items

from builders import results as build
from lightbox.findings.model import FindingType, GraphicType
from lightbox.findings.read_sr import read_sr
from lightbox.findings.sr_tree import read_tree

FINDING, SITE = ("121071", "DCM", "Finding"), ("363698007", "SCT", "Finding Site")
NODULE, LUNG = ("27925004", "SCT", "Nodule"), ("90572001", "SCT", "Lower lobe of lung")
DIAMETER, VOLUME = ("81827009", "SCT", "Diameter"), ("118565006", "SCT", "Volume")
MM, MM3 = ("mm", "UCUM", "millimeter"), ("mm3", "UCUM", "cubic millimeter")
TRACKING = ("112039", "DCM", "Tracking Identifier"), ("112040", "DCM", "Tracking Unique Identifier")
SOURCE = ("111040", "DCM", "Original Source")
LEFT = build.code(("272741003", "SCT", "Laterality"), ("7771000", "SCT", "Left"), relationship="HAS CONCEPT MOD")


def tracking(name: str = "Nodule 1", uid: str = "1.2.3.500"):
    return build.text(TRACKING[0], name, "HAS OBS CONTEXT"), build.uidref(TRACKING[1], uid)


def algorithm(name: str = "Net", version: str = "2.0"):
    return (
        build.text(("111001", "DCM", "Algorithm Name"), name, "HAS CONCEPT MOD"),
        build.text(("111003", "DCM", "Algorithm Version"), version, "HAS CONCEPT MOD"),
    )


def nodule(*more):
    return build.group(*tracking(), build.code(FINDING, NODULE), build.code(SITE, LUNG, LEFT), *more)


def test_planar_roi_with_one_number_is_one_measurement_with_its_outline():
    circle = build.scoord("CIRCLE", (10.5, 20.5, 14.5, 20.5), build.image("1.2.9.1", frames=(3,), concept=SOURCE))
    result = read_sr(build.reread(build.report(nodule(*algorithm(), build.number(DIAMETER, "8.0", MM), circle))))
    assert result.problems == []
    (finding,) = result.findings
    assert finding.label == "Nodule, left lower lobe of lung: Diameter"
    assert (finding.type, finding.value, finding.unit) == (FindingType.MEASUREMENT, 8.0, "mm")
    assert (finding.producer.kind, finding.producer.name, finding.producer.version) == ("algorithm", "Net", "2.0")
    assert (finding.tracking_id, finding.tracking_uid) == ("Nodule 1", "1.2.3.500")
    assert finding.site == "left lower lobe of lung"
    (graphic,) = finding.graphics
    assert graphic.graphic_type is GraphicType.CIRCLE
    np.testing.assert_allclose(graphic.points, [[10.5, 20.5], [14.5, 20.5]])
    assert graphic.image is not None
    assert (graphic.image.sop_instance_uid, graphic.image.frame_numbers) == ("1.2.9.1", (3,))
    assert finding.referenced_images == (graphic.image,)


def test_several_numbers_share_one_region():
    line = build.scoord("POLYLINE", (1, 1, 5, 1, 5, 5, 1, 1), build.image("1.2.9.1", concept=SOURCE))
    group = nodule(build.number(DIAMETER, "8.0", MM), build.number(VOLUME, "268", MM3), line)
    findings = read_sr(build.reread(build.report(group))).findings
    assert [(f.type.value, f.label, f.value, len(f.graphics)) for f in findings] == [
        ("region", "Nodule, left lower lobe of lung", None, 1),
        ("measurement", "Nodule, left lower lobe of lung: Diameter", 8.0, 0),
        ("measurement", "Nodule, left lower lobe of lung: Volume", 268.0, 0),
    ]
    assert len({f.group_id for f in findings}) == 1
    assert all(f.referenced_images[0].sop_instance_uid == "1.2.9.1" for f in findings)


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("POINT", (3.25, 4.75)),
        ("MULTIPOINT", (1, 2, 3, 4, 5, 6)),
        ("POLYLINE", (1, 1, 4, 1, 4, 4)),
        ("CIRCLE", (5, 5, 8, 5)),
        ("ELLIPSE", (1, 5, 9, 5, 5, 3, 5, 7)),
    ],
)
def test_every_graphic_type_of_images(kind, points):
    shape = build.scoord(kind, points, build.image("1.2.9.1", concept=SOURCE))
    (finding,) = read_sr(build.reread(build.report(build.group(*tracking(), shape)))).findings
    assert finding.type is FindingType.REGION
    assert finding.label == "Nodule 1"
    assert finding.graphics[0].graphic_type.value == kind
    np.testing.assert_allclose(finding.graphics[0].points.ravel(), points)


@pytest.mark.parametrize("kind", ["POINT", "MULTIPOINT", "POLYLINE", "POLYGON", "ELLIPSE", "ELLIPSOID"])
def test_graphics_in_the_patient(kind):
    shape = build.scoord3d(kind, range(18))
    (finding,) = read_sr(build.reread(build.report(build.group(*tracking(), shape)))).findings
    (graphic,) = finding.graphics
    assert graphic.graphic_type.value == kind
    assert graphic.frame_of_reference_uid == build.FRAME_OF_REFERENCE
    np.testing.assert_allclose(graphic.points, np.arange(18.0).reshape(6, 3))
    assert finding.referenced_images == ()


def test_volumetric_roi_by_referenced_segment():
    segment = build.image(
        "1.2.9.77", segments=(3,), concept=("121191", "DCM", "Referenced Segment"), relationship="CONTAINS"
    )
    source = build.image("1.2.9.1", concept=("121233", "DCM", "Source image for segmentation"), relationship="CONTAINS")
    (finding,) = read_sr(build.reread(build.report(nodule(segment, source, build.number(VOLUME, "268", MM3))))).findings
    assert finding.segment is not None
    assert (finding.segment.source_sop_instance_uid, finding.segment.segment_number) == ("1.2.9.77", 3)
    assert [image.sop_instance_uid for image in finding.referenced_images] == ["1.2.9.1"]


def test_shape_below_a_number_belongs_to_the_number():
    line = build.scoord("POLYLINE", (1, 1, 5, 1), build.image("1.2.9.1", concept=SOURCE))
    line.RelationshipType = "INFERRED FROM"
    group = nodule(build.number(DIAMETER, "4", MM, line), build.number(VOLUME, "30", MM3))
    first, second = read_sr(build.reread(build.report(group))).findings
    assert (len(first.graphics), len(second.graphics)) == (1, 0)
    assert first.graphics[0].image is not None
    assert first.referenced_images[0].sop_instance_uid == "1.2.9.1"


def test_number_without_value_says_why_and_number_without_unit_has_none():
    qualifier = ("114007", "DCM", "Measurement not attempted")
    group = build.group(
        build.number(DIAMETER, None, qualifier=qualifier), build.number(VOLUME, "5", ("1", "UCUM", "no units"))
    )  # fmt: skip
    first, second = read_sr(build.reread(build.report(group))).findings
    assert first.value == "(Measurement not attempted)"
    assert first.unit is None
    assert (second.value, second.unit) == (5.0, None)


def test_coded_and_written_answers_are_qualitative():
    group = nodule(
        build.code(("121403", "DCM", "Level of Significance"), ("371928007", "SCT", "Not significant")),
        build.text(("121106", "DCM", "Comment"), "calcified"),
    )
    outside = build.code(("276214006x", "99X", "Image quality"), ("1", "99X", "good"))
    findings = read_sr(build.reread(build.report(group, outside))).findings
    assert [(f.type.value, f.label, f.value) for f in findings] == [
        ("qualitative", "Nodule, left lower lobe of lung: Level of Significance", "Not significant"),
        ("qualitative", "Nodule, left lower lobe of lung: Comment", "calcified"),
        ("qualitative", "Image quality", "good"),
    ]


def test_group_that_only_names_a_finding_is_not_lost():
    (finding,) = read_sr(build.reread(build.report(nodule()))).findings
    assert (finding.type, finding.value) == (FindingType.QUALITATIVE, "Nodule, left lower lobe of lung")


def test_who_made_it():
    person = (
        build.code(("121005", "DCM", "Observer Type"), ("121006", "DCM", "Person"), relationship="HAS OBS CONTEXT"),
        build.item("HAS OBS CONTEXT", "PNAME", ("121008", "DCM", "Person Observer Name"), PersonName="Roe^Jane^X"),
    )
    device = (
        build.code(("121005", "DCM", "Observer Type"), ("121007", "DCM", "Device"), relationship="HAS OBS CONTEXT"),
        build.text(("121015", "DCM", "Device Observer Model Name"), "Box", "HAS OBS CONTEXT"),
        build.text(("121014", "DCM", "Device Observer Manufacturer"), "Maker", "HAS OBS CONTEXT"),
    )
    number = build.number(DIAMETER, "1", MM)
    by_person = read_sr(build.reread(build.report(nodule(number), context=person)))
    assert (by_person.producer.kind, by_person.producer.name) == ("person", "Jane Roe")
    made = build.report(nodule(number), context=device)
    made.ManufacturerModelName, made.SoftwareVersions = "Box", "7.1"
    by_device = read_sr(build.reread(made))
    assert by_device.producer == by_device.findings[0].producer
    assert (by_device.producer.kind, by_device.producer.name, by_device.producer.version) == ("algorithm", "Box", "7.1")
    both = read_sr(build.reread(build.report(nodule(number, *algorithm("Inner", "9")), context=person)))
    assert both.producer.kind == "person"
    assert (both.findings[0].producer.kind, both.findings[0].producer.name) == ("algorithm", "Inner")


def test_graphic_by_reference_and_reference_to_nothing():
    shape = build.scoord("POINT", (3, 4), build.reference("SELECTED FROM", 1, 1, 1))
    shape.ContentSequence[0].RelationshipType = "SELECTED FROM"
    library = build.container(
        "CONTAINS", ("111028", "DCM", "Image Library"), build.image("1.2.9.5", relationship="CONTAINS")
    )
    root = build.container(
        "", ("126000", "DCM", "Imaging Measurement Report"), library,
        build.container("CONTAINS", ("126010", "DCM", "Imaging Measurements"), build.group(*tracking(), shape)),
    )  # fmt: skip
    result = read_sr(build.reread(build.document(root)))
    assert result.problems == []
    assert result.findings[0].referenced_images[0].sop_instance_uid == "1.2.9.5"
    lost = build.scoord("POINT", (3, 4), build.reference("SELECTED FROM", 1, 9, 9))
    result = read_sr(build.reread(build.report(build.group(*tracking(), lost))))
    assert {p.code for p in result.problems} == {"sr.reference", "sr.image"}
    assert len(result.findings[0].graphics) == 1


def test_cycles_end_and_are_said():
    inner = build.text(("121106", "DCM", "Comment"), "x")
    inner.ContentSequence = Items([build.reference("INFERRED FROM", 1, 1), build.reference("INFERRED FROM", 1)])
    result = read_sr(build.reread(build.document(build.container("", ("18748-4", "LN", "Report"), inner))))
    assert [p.code for p in result.problems] == ["sr.cycle", "sr.cycle"]
    assert "Comment: x" in result.document


@pytest.mark.slow
def test_ten_thousand_items_and_deep_trees():
    lines = [build.text(("2", "99X", "Line"), "text")] * 10_000
    result = read_sr(build.reread(build.document(build.container("", ("1", "99X", "Wide"), *lines))))
    assert result.document.count("\n") == 10_000
    node = build.text(("2", "99X", "Leaf"), "bottom")
    for _ in range(120):
        node = build.container("CONTAINS", ("3", "99X", "Level"), node)
    deep = read_sr(build.reread(build.document(build.container("", ("1", "99X", "Deep"), node))))
    assert "Leaf: bottom" in deep.document


def test_text_in_other_alphabets():
    report = build.report(build.group(build.text(("121106", "DCM", "Bemerkung"), "größer als früher, 結節")))
    report.SpecificCharacterSet = "ISO_IR 192"
    result = read_sr(build.reread(report))
    assert result.findings[0].value == "größer als früher, 結節"


def test_empty_and_broken_documents_never_raise():
    empty = build.document(build.item("", ""))
    assert [p.code for p in read_sr(build.reread(empty)).problems] == ["sr.empty"]
    odd = build.group(
        build.item("CONTAINS", "HOLOGRAM", ("1", "99X", "New type"), TextValue="kept"),
        build.item("CONTAINS", "NUM", DIAMETER),
        build.item("CONTAINS", "CODE", FINDING),
        build.item("CONTAINS", "SCOORD", GraphicType="SPIRAL", GraphicData=[1.0, 2.0, 3.0]),
        build.scoord("POINT", ()),
        build.item("CONTAINS", "IMAGE"),
        build.item("", ""),
    )
    result = read_sr(build.reread(build.report(odd)))
    assert "New type: kept" in result.document
    assert {p.code for p in result.problems} == {"sr.graphic", "sr.image"}
    assert [f.value for f in result.findings] == ["no value"]


def test_other_template_is_shown_as_text_with_its_graphics():
    shape = build.scoord("POLYLINE", (1, 1, 2, 2), build.image("1.2.9.8"), concept=("111010", "DCM", "Center"))
    report = build.document(
        build.container(
            "",
            ("18748-4", "LN", "Diagnostic imaging report"),
            build.text(("121070", "DCM", "Findings"), "clear"),
            shape,
        )
    )
    result = read_sr(build.reread(report))
    text, region = result.findings
    assert (text.type, text.label) == (FindingType.QUALITATIVE, "Diagnostic imaging report")
    assert "Findings: clear" in str(text.value)
    assert (region.type, region.label, len(region.graphics)) == (FindingType.REGION, "Center", 1)
    assert region.referenced_images[0].sop_instance_uid == "1.2.9.8"


def test_certainty_and_predecessors():
    certainty = build.number(("111012", "DCM", "Certainty of Finding"), "87", ("%", "UCUM", "percent"))
    report = build.report(nodule(certainty, build.number(DIAMETER, "8", MM)))
    instance, series, study = build.Dataset(), build.Dataset(), build.Dataset()
    instance.ReferencedSOPInstanceUID = "1.2.3.4.55"
    series.ReferencedSOPSequence = Items([instance])
    study.ReferencedSeriesSequence = Items([series])
    report.PredecessorDocumentsSequence = Items([study])
    result = read_sr(build.reread(report))
    assert result.predecessors == ("1.2.3.4.55",)
    measured = [f for f in result.findings if f.label.endswith("Diameter")]
    assert measured[0].certainty == pytest.approx(0.87)


def test_paths_follow_the_content_item_identifiers():
    root, problems = read_tree(build.reread(build.report(nodule(build.number(DIAMETER, "8", MM)))))
    assert problems == []
    assert [node.path for node in root.walk()][:4] == [(1,), (1, 1), (1, 1, 1), (1, 1, 1, 1)]
