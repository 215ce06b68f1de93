"""Cine, scale bar, palette, window, corner text, the worker, frames for the screen."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from lightbox.dicom.image_plane import ImagePlane
from lightbox.dicom.voi import Voi, VoiKind
from lightbox.findings.model import Finding, FindingType, Producer, ResultSet
from lightbox.library.records import StudyRecord
from lightbox.viewer import corner_text, window
from lightbox.viewer.cine import Cine, FrameTiming
from lightbox.viewer.display_sets_model import DisplaySet, DisplaySetKind, FrameRef
from lightbox.viewer.frame_view import FrameView, reduction_for
from lightbox.viewer.hanging import hang, latest_prior, prior_match, same_person
from lightbox.viewer.latest import LatestWorker
from lightbox.viewer.layout import FOUR, MPR, ONE, TWO, by_key
from lightbox.viewer.palette import PALETTE, assign_colours, is_readable
from lightbox.viewer.scale_bar import scale_bar
from lightbox.viewer.tools import frames_of_drag
from lightbox.viewer.transforms import FrameShape


def display_set(uid: str = "1.1/1", frames: int = 10, **changes: object) -> DisplaySet:
    made = DisplaySet(
        uid=uid,
        study_instance_uid="1",
        series_instance_uid=uid.split("/")[0],
        title=uid,
        modality="CT",
        kind=DisplaySetKind.STACK,
        frames=tuple(FrameRef(f"{uid}.{n}") for n in range(frames)),
        series_number=1,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


# -- cine ----------------------------------------------------------------------------------------------------------
def test_cine_drops_frames_rather_than_playing_slower() -> None:
    cine = Cine(FrameTiming.of(display_set(rate_fps=30.0, frames=60)), 0, moment=100.0)
    assert cine.frame_at(100.0) == 0
    assert cine.frame_at(100.5) == 15
    assert cine.frame_at(101.999) == 59
    assert cine.frame_at(102.001) == 0


def test_cine_follows_frame_times() -> None:
    timing = FrameTiming.of(display_set(frames=3, frame_times_ms=(100.0, 300.0, 100.0)))
    assert [timing.frame_at(t) for t in (0.0, 0.09, 0.11, 0.39, 0.41, 0.51)] == [0, 0, 1, 1, 2, 0]


def test_cine_starts_at_the_frame_on_screen() -> None:
    cine = Cine(FrameTiming.of(display_set(frames=30)), 12, moment=5.0)
    assert cine.frame_at(5.0001) == 12


# -- scale bar, numbers, text --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mm", "longest", "label", "pixels"),
    [(0.5, 150, "5 cm", 100), (0.01, 150, "1 mm", 100), (0.001, 150, "100 µm", 100), (1.0, 60, "5 cm", 50)],
)
def test_scale_bar_is_round(mm: float, longest: float, label: str, pixels: float) -> None:
    bar = scale_bar(mm, longest)
    assert bar is not None
    assert (bar.label, bar.pixels) == (label, pytest.approx(pixels))


def test_no_calibration_no_bar() -> None:
    assert scale_bar(None, 100) is None


def test_numbers_for_people() -> None:
    assert [window.number(value) for value in (-38, 0.0, -0.0, 1234.5, 0.00012, 12.50)] == [
        "−38",
        "0",
        "0",
        "1234",
        "0.00012",
        "12.5",
    ]
    assert window.describe(Voi(VoiKind.LINEAR, 40, 400)) == "W 400 · L 40"


def test_presets_only_where_values_mean_something() -> None:
    assert window.modality_presets("CT", "HU")
    assert not window.modality_presets("CT", "")
    assert not window.modality_presets("MR", "")


def test_corner_text_names_patient_and_place() -> None:
    study = StudyRecord("1", "204418", patient_name="DOE^Jane", patient_birth_date="19610412", patient_sex="F")
    name, identity, _ = corner_text.patient_lines(study)
    assert "DOE" in name and "Jane" in name
    assert identity == "ID 204418 · 1961-04-12 F"
    plane = ImagePlane((0, 0, -142), (1, 0, 0), (0, 1, 0), 1, 1, 4, 4)
    assert corner_text.series_lines("3: Axial", 54, 98, plane)[1] == "Im 55 / 98 · z −142.0 mm"
    assert corner_text.value_line("−38 HU", (214, 301)) == "−38 HU at (214, 301)"
    assert corner_text.value_line("−38 HU", None) == ""


def test_prior_says_how_long_ago() -> None:
    line = corner_text.prior_line(StudyRecord("1", study_date="20250503"), StudyRecord("2", study_date="20261118"))
    assert line == "PRIOR · 2025-05-03 · 18 months earlier"


def test_scroll_drag_uses_the_whole_height() -> None:
    assert frames_of_drag(400, 500, 100) == 100
    assert frames_of_drag(3, 500, 10) == 0
    assert frames_of_drag(-50, 500, 1) == 0


# -- palette -------------------------------------------------------------------------------------------------------
def test_colours_are_kept_when_readable_and_differ_otherwise() -> None:
    producer = Producer("algorithm")

    def finding(name: str, colour: tuple[int, int, int] | None, group: str = "") -> Finding:
        return Finding(name, name, FindingType.SEGMENT, producer, "1", colour=colour, group_id=group)

    found = assign_colours(
        [
            ResultSet(
                "1",
                "2",
                "3",
                "SEG",
                "",
                producer,
                findings=[
                    finding("a", (10, 200, 30)),
                    finding("dark", (20, 0, 0)),
                    finding("grey", (200, 200, 200)),
                    finding("same", (12, 198, 33)),
                    finding("g1", None, "g"),
                    finding("g2", None, "g"),
                ],
            )
        ]
    )
    assert found["a"] == (10, 200, 30)
    assert found["g1"] == found["g2"]
    different = [found[name] for name in ("a", "dark", "grey", "same", "g1")]
    assert len(set(different)) == 5
    assert all(is_readable(colour) for colour in different)
    assert (0xB4, 0x8C, 0xFF) not in PALETTE


# -- hanging -------------------------------------------------------------------------------------------------------
def test_main_series_first_prior_beside() -> None:
    main, other = display_set("1.1/1", 50, kind=DisplaySetKind.VOLUME, is_volume=True), display_set("1.2/1", 3)
    scout = display_set("1.0/1", 1, is_localizer=True)
    prior = display_set("2.1/1", 40, kind=DisplaySetKind.VOLUME, is_volume=True)
    assert hang(ONE, [scout, other, main], [prior]) == [(main, False)]
    assert hang(TWO, [scout, other, main], [prior]) == [(main, False), (prior, True)]
    assert hang(FOUR, [scout, other, main], [prior]) == [
        (main, False),
        (prior, True),
        (other, False),
        (scout, False),
    ]
    assert [entry for entry, _ in hang(MPR, [scout, main])] == [main] * 4


def test_prior_of_the_same_kind_is_preferred() -> None:
    current = display_set("1.1/1", 50, series_description="Axial 1.0")
    same, other = display_set("2.1/1", 48, series_description="axial 1.0"), display_set("2.2/1", 50)
    assert prior_match(current, [other, same]) is same
    assert prior_match(current, []) is None


def test_unknown_layout_is_one_image() -> None:
    assert by_key("nonsense") is ONE
    assert by_key("mpr") is MPR


# -- worker --------------------------------------------------------------------------------------------------------
def test_only_the_newest_request_of_a_slot_is_done() -> None:
    worker = LatestWorker("test")
    begun, go_on = threading.Event(), threading.Event()
    done: list[object] = []

    def slow() -> str:
        begun.set()
        assert go_on.wait(10)
        return "first"

    try:
        worker.ask("other", slow, lambda result, error: done.append(result))
        assert begun.wait(10)
        for number in range(50):
            worker.ask("slot", lambda number=number: number, lambda result, error: done.append(result))
        go_on.set()
        assert worker.wait_idle(10)
        assert done == ["first", 49]
    finally:
        worker.close()


def test_error_is_handed_over_and_the_worker_lives_on() -> None:
    worker = LatestWorker("test")
    told: list[object] = []
    try:
        worker.ask("a", lambda: 1 / 0, lambda result, error: told.append(type(error)))
        worker.ask("b", lambda: 2, lambda result, error: told.append(result))
        assert worker.wait_idle(10)
        assert told == [ZeroDivisionError, 2]
    finally:
        worker.close()


# -- frame view ----------------------------------------------------------------------------------------------------
def test_large_images_are_averaged_not_skipped() -> None:
    pixels = np.zeros((8, 8), np.int16)
    pixels[:, ::2] = 100
    view = FrameView(
        pixels, FrameShape(8, 8), lambda column, row: "", to_grey=lambda p, voi, invert: p.astype(np.uint8)
    )
    assert view.reduced(2).dtype == np.int16
    assert (view.reduced(2) == 50).all()
    assert view.reduced(1) is pixels


def test_colour_is_inverted_when_asked() -> None:
    view = FrameView(np.full((2, 2, 3), 10, np.uint8), FrameShape(2, 2), lambda column, row: "")
    assert (view.display(None, invert=True) == 245).all()


@pytest.mark.parametrize(("scale", "factor"), [(2.0, 1), (1.0, 1), (0.6, 1), (0.5, 2), (0.3, 2), (0.25, 4), (0.01, 16)])
def test_reduction_never_loses_detail_that_fits(scale: float, factor: int) -> None:
    assert reduction_for(scale) == factor


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("DOE^JANE", "19620414"), ("ROE^JANE", "19620414"), True),
        (("DOE^JANE", "19620414"), ("DOE^JANE", "19700101"), False),
        (("DOE^JANE", ""), ("Doe^Jane", "19620414"), True),
        (("DOE^JANE", ""), ("SMITH^ANNA", "19620414"), False),
        (("山田^太郎=やまだ", ""), ("山田^太郎", ""), True),
    ],
)
def test_a_number_given_twice_does_not_make_one_person(
    one: tuple[str, str], other: tuple[str, str], same: bool
) -> None:
    studies = [StudyRecord("1", patient_name=name, patient_birth_date=born) for name, born in (one, other)]
    assert same_person(*studies) is same


def test_latest_prior_is_earlier_of_the_same_person_and_modality() -> None:
    def made(uid: str, date: str, *modalities: str, name: str = "DOE^JANE") -> StudyRecord:
        return StudyRecord(uid, patient_name=name, study_date=date, modalities_in_study=modalities)

    now = made("1", "20260312", "CT", "SEG")
    old, older = made("2", "20250101", "CT"), made("3", "20240101", "CT")
    radiograph, later = made("4", "20260101", "CR"), made("5", "20260401", "CT")
    stranger = made("6", "20260301", "CT", name="ROE^MAX")
    assert latest_prior(now, [now, older, old, radiograph, later, stranger]) is old
    assert latest_prior(now, [radiograph, later]) is radiograph
    assert latest_prior(now, [now, later, stranger]) is None


def test_a_busy_worker_gives_back_what_is_its_own_on_its_own_thread() -> None:
    worker = LatestWorker("test")
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    threads: list[str] = []

    def work() -> None:
        begun.set()
        go_on.wait(10)
        threads.append(threading.current_thread().name)

    def last() -> None:
        threads.append(threading.current_thread().name)
        ended.set()

    worker.ask("picture", work, lambda _result, _error: None)
    assert begun.wait(5)
    worker.close(0.01, last=last)
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(5)
    assert threads == ["test", "test"]
