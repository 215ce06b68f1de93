"""SR documents of other makers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from lightbox.findings.model import FindingType, ResultSet
from lightbox.findings.reader import read_results
from lightbox.viewer.graphics import image_strokes

SHAPES = {"arrow": "POINT", "circle": "CIRCLE", "ellipse": "ELLIPSE", "protractor": "POLYLINE", "rectangle": "POLYLINE",
          "roi": "POLYLINE", "ruler": "POLYLINE"}  # fmt: skip


def read(path: Path) -> ResultSet:
    (result,) = read_results([("1.2.3", lambda: path.open("rb"))])
    return result


@pytest.mark.parametrize("prefix", ["", "tid1500-0__"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_dwv_lies_on_its_square(data, name, prefix):
    """Each of the three shapes of a file was drawn on one of the grey squares of the image."""
    folder = data / "overlays-sr/dwv"
    result = read(folder / f"{prefix}sr-{name}.dcm")
    assert result.problems == []
    image = dcmread(folder / "squares.dcm")
    drawn = [f for f in result.findings if f.graphics]
    assert len(drawn) == 3
    values = []
    for finding in drawn:
        graphic = finding.graphics[0]
        assert graphic.graphic_type.value == SHAPES[name]
        assert graphic.image is not None
        assert graphic.image.sop_instance_uid == image.SOPInstanceUID
        assert finding.referenced_images[0].sop_instance_uid == image.SOPInstanceUID
        (stroke,) = image_strokes(graphic)
        line = stroke.points - 0.5
        middle = (line.min(axis=0) + line.max(axis=0)) / 2
        values.append(int(image.pixel_array[int(np.rint(middle[1])), int(np.rint(middle[0]))]))
        assert finding.colour in ((255, 255, 128), (255, 163, 72), (237, 51, 59))
        assert stroke.closed == (name in ("circle", "ellipse", "rectangle", "roi"))
    if name in ("circle", "ellipse", "rectangle", "roi"):
        assert sorted(values) == [25, 50, 100]
    if name == "ruler":
        lengths = [np.linalg.norm(np.diff(f.graphics[0].points, axis=0)) for f in drawn]
        np.testing.assert_allclose(lengths, [f.value for f in drawn], atol=1e-3)
        assert {f.unit for f in drawn} == {"mm"}


def test_numbers_of_dwv_belong_to_their_shape(data):
    for prefix in ("", "tid1500-0__"):
        result = read(data / f"overlays-sr/dwv/{prefix}sr-circle.dcm")
        groups: dict[str, dict[str, object]] = {}
        for finding in result.findings:
            groups.setdefault(finding.group_id, {})[finding.label] = finding.value
        assert len(groups) == 3
        assert sorted(values["Pixel by pixel Maximum"] for values in groups.values()) == [25.0, 50.0, 100.0]


def test_groups_of_highdicom(data):
    result = read(data / "overlays-sr/highdicom/sr_document_with_multiple_groups.dcm")
    assert result.problems == []
    shown = [
        (f.type.value, f.label, f.value, f.unit, [g.graphic_type.value for g in f.graphics]) for f in result.findings
    ]
    assert shown[2] == ("measurement", "Nodule, lung: Diameter", 10.0, "mm", ["CIRCLE"])
    assert shown[4] == ("measurement", "Aorta: Diameter", 20.0, "mm", ["POLYLINE"])
    assert shown[5] == ("measurement", "Vertebra: Volume", 200.0, "mm3", ["POINT"])
    assert result.findings[5].graphics[0].points.shape == (1, 3)
    assert result.findings[5].graphics[0].frame_of_reference_uid
    assert result.producer.name == "John Doe"
    (lone,) = read(data / "overlays-sr/highdicom/sr_document.dcm").findings
    assert (lone.value, lone.unit, lone.tracking_id) == (1.7, "cm2", "Planar ROI Measurements")
    assert "cervico-thoracic spine vertebral foramen" in lone.label


def sr_files(folder: Path) -> list[Path]:
    found = [p for p in sorted((folder / "overlays-sr").rglob("*")) if p.is_file() and p.name != "squares.dcm"]
    extra = ["transfer-syntaxes/deflated/report_dfl"]
    xa30 = "enhanced/xa30/0001_1.3.12.2.1107.5.2.43.67093.2022071112050461360434354.dcm"
    return [*found, *(folder / name for name in (*extra, xa30))]


def test_no_document_raises_and_all_text_is_kept(data):
    paths = sr_files(data)
    assert len(paths) == 30
    for path, result in zip(paths, read_results((p.name, lambda p=p: p.open("rb")) for p in paths), strict=True):
        dataset = dcmread(path, force=True, stop_before_pixels=True)
        if "ContentSequence" not in dataset:
            continue
        assert result.findings, path
        assert all(problem.code != "result.unreadable" for problem in result.problems)
        for item in dataset.iterall():
            if item.keyword == "TextValue" and item.value:
                assert str(item.value).strip() in result.document, path
        json.dumps([finding.as_dict() for finding in result.findings])


def test_images_given_as_documents_have_no_content_and_say_so(data):
    result = read(data / "overlays-sr/dwv/squares.dcm")
    assert result.findings == []
    assert [p.code for p in result.problems] == ["sr.empty"]


def test_dose_report_is_one_text(data):
    result = read(data / "overlays-sr/other/1.3.6.1.4.1.5962.99.1.575378522.1063224325.1289065600090.2.0")
    (finding,) = result.findings
    assert finding.type is FindingType.QUALITATIVE
    assert "CT Dose Length Product Total: 1569.74 mGycm" in str(finding.value)
