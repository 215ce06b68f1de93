"""Overlays lie where their own geometry says, and nowhere else."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest

from builders import reading_room
from lightbox.dicom.image_plane import ImagePlane
from lightbox.findings.model import (
    Finding,
    FindingType,
    Graphic,
    GraphicType,
    ImageReference,
    Producer,
    ResultSet,
)
from lightbox.findings.reader import read_results
from lightbox.library.records import StudyQuery
from lightbox.viewer import overlays, scenes
from lightbox.viewer.display_sets_model import DisplaySet, DisplaySetKind, FrameRef
from lightbox.viewer.latest import LatestWorker
from lightbox.viewer.overlays import OverlayStyle
from lightbox.viewer.results import locate
from lightbox.workstation import Workstation

ALGORITHM = Producer("algorithm", "Finder", "1.0")


def seg_of(folder: Path) -> list[ResultSet]:
    return read_results([("seg", partial((folder / "seg.dcm").open, "rb"))])


def plane_of(study: reading_room.Study, k: int) -> ImagePlane:
    x, y, z = reading_room.ORIGIN
    return ImagePlane(
        (x, y, z + k * reading_room.STEP),
        (1, 0, 0),
        (0, 1, 0),
        *reading_room.SPACING,
        reading_room.ROWS,
        reading_room.COLUMNS,
        study.slices[0].FrameOfReferenceUID,
    )


def painted(results: list[ResultSet], scene: overlays.OverlayScene) -> np.ndarray:
    """Return which segment covers which pixel, by the finding that a region belongs to."""
    numbers = {
        finding.finding_id: finding.segment.segment_number
        for result in results
        for finding in result.findings
        if finding.segment is not None
    }
    covered = np.zeros((reading_room.ROWS, reading_room.COLUMNS), np.uint8)
    for layer in scene.layers:
        for label, region in layer.regions.items():
            covered[layer.labels == label] = numbers[region.finding_id]
    return covered


def test_each_slice_shows_exactly_its_mask(block: tuple[reading_room.Study, Path]) -> None:
    study, folder = block
    results = seg_of(folder)
    for k, ds in enumerate(study.slices):
        scene = overlays.for_image(
            results, ds.SOPInstanceUID, 0, reading_room.ROWS, reading_room.COLUMNS, plane_of(study, k)
        )
        assert np.array_equal(painted(results, scene), study.mask[k]), f"slice {k}"
        assert scene.empty == (not study.mask[k].any())


def test_another_frame_of_reference_shows_nothing(block: tuple[reading_room.Study, Path]) -> None:
    study, folder = block
    plane = replace(plane_of(study, 2), frame_of_reference_uid="1.2.3.4.5")
    scene = overlays.for_image(seg_of(folder), "9.9", 0, reading_room.ROWS, reading_room.COLUMNS, plane)
    assert scene.empty


def test_coronal_plane_cuts_the_same_masks(block: tuple[reading_room.Study, Path]) -> None:
    study, folder = block
    results = seg_of(folder)
    x, y, z = reading_room.ORIGIN
    row = 15
    plane = ImagePlane(
        (x, y + row * 2.0, z),
        (1, 0, 0),
        (0, 0, 1),
        reading_room.STEP,
        1.0,
        reading_room.SLICES,
        reading_room.COLUMNS,
        study.slices[0].FrameOfReferenceUID,
    )
    scene = overlays.for_plane(results, plane)
    (layer,) = scene.layers
    assert np.array_equal(layer.labels > 0, study.mask[:, row, :] > 0)


def line(image: str, *, frame: int = 0, group: str = "", label: str = "Length", value: float | None = 8.4) -> Finding:
    frames = (frame,) if frame else ()
    return Finding(
        f"{image}-{label}-{frame}",
        label,
        FindingType.MEASUREMENT,
        ALGORITHM,
        "1.9",
        value=value,
        unit="mm",
        group_id=group,
        graphics=(Graphic(GraphicType.POLYLINE, np.array([[1.0, 2], [5, 2]]), ImageReference(image, frames)),),
    )


def result(*findings: Finding) -> ResultSet:
    return ResultSet("1.9", "1.8", "1.7", "SR", "Report", ALGORITHM, findings=list(findings))


def test_graphics_lie_on_their_image_only() -> None:
    results = [result(line("1.1"))]
    (shape,) = overlays.for_image(results, "1.1", 0, 10, 10, None).shapes
    assert shape.strokes[0].points.tolist() == [[1, 2], [5, 2]]
    assert shape.lines_of_text == ("Length 8.4 mm",)
    assert overlays.for_image(results, "1.2", 0, 10, 10, None).empty


def test_graphics_lie_on_their_frame_only() -> None:
    results = [result(line("1.1", frame=3))]
    assert overlays.for_image(results, "1.1", 0, 10, 10, None).empty
    assert not overlays.for_image(results, "1.1", 2, 10, 10, None).empty


def test_values_of_a_group_stand_beside_its_one_shape() -> None:
    shaped = line("1.1", group="g", label="Area", value=None)
    value = replace(line("1.1", group="g", label="Mean"), graphics=(), value=-12.5, unit="[hnsf'U]")
    (shape,) = overlays.for_image([result(shaped, value)], "1.1", 0, 10, 10, None).shapes
    assert shape.lines_of_text == ("Mean −12.5 HU",)
    assert set(shape.finding_ids) == {shaped.finding_id, value.finding_id}


def test_graphic_on_an_image_is_seen_in_a_plane_through_it() -> None:
    home = ImagePlane((0, 0, 0), (1, 0, 0), (0, 1, 0), 1.0, 1.0, 10, 10, "1.5")
    coronal = ImagePlane((0, 1.5, -5), (1, 0, 0), (0, 0, 1), 1.0, 1.0, 10, 10, "1.5")
    results = [result(line("1.1"))]
    assert not overlays.for_plane(results, home, plane_of=lambda uid, frame: home).empty
    assert not overlays.for_plane(results, coronal, plane_of=lambda uid, frame: home).empty
    assert overlays.for_plane(results, replace(coronal, position=(0, 4.0, -5)), plane_of=lambda uid, frame: home).empty
    assert overlays.for_plane(results, home).empty


def test_fill_follows_visibility_and_opacity(block: tuple[reading_room.Study, Path]) -> None:
    study, folder = block
    results = seg_of(folder)
    scene = overlays.for_image(results, "", 0, reading_room.ROWS, reading_room.COLUMNS, plane_of(study, 2))
    style = OverlayStyle(opacity=0.5)
    style.adopt(results)
    (layer,) = scene.layers
    fill = style.fill(layer)
    assert fill is not None
    assert np.array_equal(fill != 0, study.mask[2] > 0)
    alpha, red = int(fill[15, 25]) >> 24, (int(fill[15, 25]) >> 16) & 255
    colour = style.colour(next(iter(layer.regions.values())).finding_id)
    assert (alpha, red) == (128, round(colour[0] * 128 / 255))
    style.hidden = {region.finding_id for region in layer.regions.values()}
    assert style.fill(layer) is None
    style.hidden, style.shown = set(), False
    assert style.fill(layer) is None


def test_projection_shows_no_cut_through_a_mask(block: tuple[reading_room.Study, Path]) -> None:
    study, folder = block
    results = seg_of(folder)
    frame = FrameRef(study.slices[2].SOPInstanceUID, 0, plane_of(study, 2))
    shown = DisplaySet("1/1", "1", "1", "CT", "CT", DisplaySetKind.SINGLE, (frame,))
    assert not scenes.make(results, shown, 0, reading_room.ROWS, reading_room.COLUMNS).empty
    foreign = replace(frame, sop_instance_uid="9.9.9")
    scout = replace(shown, frames=(foreign,), is_localizer=True)
    assert scenes.make(results, scout, 0, reading_room.ROWS, reading_room.COLUMNS).empty


def test_two_viewports_on_one_series_both_get_their_overlays(block: tuple[reading_room.Study, Path]) -> None:
    study, folder = block
    frames = tuple(FrameRef(s.SOPInstanceUID, 0, plane_of(study, k)) for k, s in enumerate(study.slices))
    shown = DisplaySet("1/1", "1", "1", "CT", "CT", DisplaySetKind.STACK, frames)
    results, begun, go = seg_of(folder), threading.Event(), threading.Event()
    worker = LatestWorker("test")
    try:
        store = scenes.SceneStore(worker, lambda call: call())
        ready: list[int] = []
        store.ready.connect(lambda _uid, index: ready.append(index))
        worker.ask("busy", lambda: (begun.set(), go.wait(20)), lambda *_: None)
        assert begun.wait(20)
        for channel, index in (("left", 0), ("right", 1), ("right", 3)):
            assert store.scene(results, shown, index, reading_room.ROWS, reading_room.COLUMNS, channel) is None
        go.set()
        assert worker.wait_idle(20)
        assert ready == [0, 3]
    finally:
        worker.close()


def test_a_graphic_in_space_is_found_there_although_it_names_an_image(
    block: tuple[reading_room.Study, Path],
) -> None:
    study, _ = block
    reference = ImageReference(study.slices[2].SOPInstanceUID)
    centre = plane_of(study, 2).to_patient(3, 4)
    graphic = Graphic(
        GraphicType.POINT, np.array([centre]), reference, str(study.slices[0].FrameOfReferenceUID), "point"
    )
    finding = Finding("f", "Nodule", FindingType.REGION, ALGORITHM, "9.9", graphics=(graphic,))
    frames = tuple(FrameRef(s.SOPInstanceUID, 0, plane_of(study, k)) for k, s in enumerate(study.slices))
    shown = DisplaySet(
        "1/1", "1", "1", "CT", "CT", DisplaySetKind.VOLUME, frames,
        frame_of_reference_uid=str(study.slices[0].FrameOfReferenceUID), spacing_mm=reading_room.STEP,
    )  # fmt: skip
    target = locate(finding, ResultSet("9.9", "9.8", "9.7", "SR", "Report", ALGORITHM, findings=[finding]), [shown])
    assert target is not None
    assert target.frame_index == 2
    assert target.point == pytest.approx(tuple(centre))
    assert target.image_point == pytest.approx((3.5, 4.5))


@pytest.mark.data
def test_dcmqi_masks_lie_on_the_slices_they_name(data: Path, station: Workstation) -> None:
    """Compared with the frames of the SEG as pydicom reads them, found by Image Position (Patient) alone."""
    folder = data / "overlays-seg" / "dcmqi"
    expected: dict[tuple[str, float], np.ndarray] = {}
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        if ds.Modality == "SEG":
            for group, mask in zip(ds.PerFrameFunctionalGroupsSequence, ds.pixel_array):
                z = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
                expected[ds.StudyInstanceUID, z] = mask > 0
    station.library.import_paths([folder], link=True)
    checked, drawn = 0, 0
    for row in station.library.page_studies(StudyQuery()).rows:
        results = station.results(row.study_instance_uid)
        for item in station.display_sets(row.study_instance_uid):
            for frame in item.frames:
                assert frame.plane is not None
                mask = expected[row.study_instance_uid, frame.plane.position[2]]
                scene = overlays.for_image(results, frame.sop_instance_uid, frame.frame_index, *mask.shape, frame.plane)
                covered = np.zeros(mask.shape, bool)
                for layer in scene.layers:
                    covered |= layer.labels > 0
                assert np.array_equal(covered, mask)
                checked += 1
                drawn += bool(covered.any())
    assert (checked, drawn) == (12, 8)
