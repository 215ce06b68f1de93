"""The reading room on screen: what is painted, pixel by pixel, and what mouse and keys do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from builders import library_objects, reading_room
from lightbox.library.records import StudyQuery
from lightbox.ui import theme
from lightbox.ui.viewer.qimage import to_rgb
from lightbox.ui.viewer.viewer_page import ViewerPage
from lightbox.ui.viewer.viewport_widget import ViewportWidget
from lightbox.viewer.layout import MPR, TWO
from lightbox.viewer.results import ResultsState
from lightbox.viewer.tools import Tool
from lightbox.viewer.viewport import Role
from lightbox.workstation import Workstation

pytestmark = pytest.mark.ui
WAIT_MS = 20_000


class Room:
    """A page with a study, and ways to look at it."""

    def __init__(self, qtbot: QtBot, station: Workstation) -> None:
        self.qtbot = qtbot
        self.station = station
        self.page = ViewerPage(station)
        qtbot.addWidget(self.page)
        self.page.resize(1300, 800)
        self.page.show()
        qtbot.waitExposed(self.page)

    def open(self, uid: str) -> None:
        self.page.open_study(uid)
        session = self.page.session
        self.qtbot.waitUntil(
            lambda: session.results_state in (ResultsState.READY, ResultsState.FAILED), timeout=WAIT_MS
        )
        self.settle()
        session.style.labels = False

    def settle(self) -> None:
        """Wait until every viewport shows what it was asked for, overlays included."""
        session = self.page.session

        def still() -> bool:
            feeds = [item.feed for item in self.page.widgets if isinstance(item, ViewportWidget)]
            ready = all(feed.is_current or (feed.notice is not None and feed.notice.kind != "wait") for feed in feeds)
            return ready and session.worker.wait_idle(0.0)

        self.qtbot.waitUntil(still, timeout=WAIT_MS)
        for _ in range(5):
            QApplication.processEvents()
        self.qtbot.waitUntil(still, timeout=WAIT_MS)

    @property
    def widget(self) -> ViewportWidget:
        found = self.page.active_widget
        assert isinstance(found, ViewportWidget)
        return found

    def pixels(self, widget: ViewportWidget | None = None) -> NDArray[np.uint8]:
        return to_rgb((widget or self.widget).grab().toImage())

    def at_centres(self, widget: ViewportWidget | None = None) -> NDArray[np.uint8]:
        """Return what is painted at the centre of every image pixel: (rows, columns, 3)."""
        target = widget or self.widget
        screen, transform, view = self.pixels(target), target.state.transform, target.feed.view
        assert transform is not None and view is not None
        rows, columns = view.shape.rows, view.shape.columns
        y, x = np.mgrid[:rows, :columns] + 0.5
        points = np.floor(transform.points_to_viewport(np.column_stack([x.ravel(), y.ravel()]))).astype(int)
        inside = (points >= 0).all(1) & (points[:, 0] < screen.shape[1]) & (points[:, 1] < screen.shape[0])
        assert inside.all(), "the whole image is meant to be visible"
        return screen[points[:, 1], points[:, 0]].reshape(rows, columns, 3)

    def tinted(self, widget: ViewportWidget | None = None) -> NDArray[np.bool_]:
        """Return at which image pixels overlays change what is painted."""
        session = self.page.session
        assert session.style.shown
        with_overlays = self.at_centres(widget)
        session.toggle_overlays()
        without = self.at_centres(widget)
        session.toggle_overlays()
        return (with_overlays != without).any(axis=2)

    def key(self, key: Qt.Key) -> None:
        self.qtbot.keyClick(self.page.active_widget, key)

    def drag(self, button: Qt.MouseButton, start: QPoint, end: QPoint) -> None:
        widget = self.widget
        self.qtbot.mousePress(widget, button, pos=start)
        from PySide6.QtCore import QEvent
        from PySide6.QtGui import QMouseEvent

        for step in range(1, 5):
            place = QPointF(start) + (QPointF(end) - QPointF(start)) * step / 4
            move = QMouseEvent(
                QEvent.Type.MouseMove,
                place,
                widget.mapToGlobal(place),
                Qt.MouseButton.NoButton,
                button,
                Qt.KeyboardModifier.NoModifier,
            )
            QApplication.sendEvent(widget, move)
        self.qtbot.mouseRelease(widget, button, pos=end)

    def wheel(self, notches: int, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        place = QPointF(self.widget.rect().center())
        event = QWheelEvent(
            place,
            self.widget.mapToGlobal(place),
            QPoint(),
            QPoint(0, 120 * notches),
            Qt.MouseButton.NoButton,
            modifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.widget, event)


@pytest.fixture
def room(qtbot: QtBot, home: Path, qapp: QApplication) -> Iterator[Room]:
    theme.apply(qapp)
    station = Workstation(home)
    made = Room(qtbot, station)
    yield made
    made.page.shutdown()
    station.close()


@pytest.fixture
def block(room: Room, tmp_path: Path) -> reading_room.Study:
    """The block study, open."""
    study = reading_room.write(tmp_path / "block")
    room.station.library.import_paths([tmp_path / "block"])
    room.open(study.uid)
    return study


def grey(values: NDArray[np.integer], center: float, width: float) -> NDArray[np.float64]:
    """PS3.3 C.11.2.1.2.1, written anew."""
    return np.clip(((values - (center - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)


def test_opening_shows_the_first_finding_without_a_click(room: Room, block: reading_room.Study) -> None:
    session = room.page.session
    assert session.viewport.frame_index == 4  # where the smallest one is
    assert np.array_equal(room.tinted(), block.mask[4] > 0)
    assert [card._title for card in room.page.findings.cards] == ["Box", "Spot"]
    assert room.page.findings.result_cards[0].result.producer.name == "BlockFinder"


def test_each_slice_is_painted_with_its_own_values_and_mask(room: Room, block: reading_room.Study) -> None:
    for k in range(reading_room.SLICES):
        room.page.session.viewport.go_to(k)
        room.settle()
        assert np.array_equal(room.tinted(), block.mask[k] > 0), f"slice {k}"
        room.key(Qt.Key.Key_A)
        painted = room.at_centres().astype(int)
        room.key(Qt.Key.Key_A)
        expected = grey(block.values[k], 40, 400)
        inner = np.s_[9:31, 11:49]
        # Smooth enlargement mixes neighbours a little; inside the block they differ by single HU.
        assert np.abs(painted[inner] - expected[inner][:, :, None]).max() <= 3
        assert (painted[33:36] == 0).all()  # air; further up and down there is text


def test_a_study_opened_in_mpr_gets_its_results_too(room: Room, tmp_path: Path) -> None:
    study = reading_room.write(tmp_path / "block")
    room.station.library.import_paths([tmp_path / "block"])
    room.page.set_layout(MPR)
    room.open(study.uid)
    session = room.page.session
    assert session.results_state is ResultsState.READY
    assert session.findings
    room.qtbot.waitUntil(lambda: session.mpr.planes is not None, timeout=WAIT_MS)
    room.settle()


def test_key_a_hides_everything_and_says_so(room: Room, block: reading_room.Study) -> None:
    before = room.at_centres()
    room.key(Qt.Key.Key_A)
    assert not room.page.session.style.shown
    assert (room.at_centres() != before).any()
    assert room.page.toolbar.ai.text() == "AI hidden"
    assert room.page.findings._hidden.isVisible()
    room.key(Qt.Key.Key_A)
    assert np.array_equal(room.at_centres(), before)


def test_eye_hides_one_finding(room: Room, block: reading_room.Study) -> None:
    card = next(card for card in room.page.findings.cards if card._title == "Spot")
    card.eye.click()
    assert not room.tinted().any()
    card.eye.click()
    assert room.tinted().any()


def test_finding_list_jumps_and_image_click_selects(room: Room, block: reading_room.Study) -> None:
    session = room.page.session
    spot = next(card for card in room.page.findings.cards if card._title == "Spot")
    room.qtbot.mouseClick(spot, Qt.MouseButton.LeftButton, pos=QPoint(60, 15))
    room.settle()
    assert session.viewport.frame_index == 4
    assert spot._selected
    room.key(Qt.Key.Key_P)
    room.settle()
    assert session.viewport.frame_index in (2, 3)
    session.select("")
    transform = room.widget.state.transform
    assert transform is not None
    x, y = transform.to_viewport(27.5, 16.5)
    room.qtbot.mouseClick(room.widget, Qt.MouseButton.LeftButton, pos=QPoint(int(x), int(y)))
    pair = session.finding(session.selected)
    assert pair is not None and pair[0].label == "Box"


def test_value_under_the_cursor_is_the_value_of_the_file(room: Room, block: reading_room.Study) -> None:
    room.page.session.viewport.go_to(5)
    room.settle()
    widget, transform = room.widget, room.widget.state.transform
    assert transform is not None
    for column, row in ((0, 0), (59, 39), (10, 8), (33, 21)):
        x, y = transform.to_viewport(column + 0.5, row + 0.5)
        widget._cursor = QPointF(x, y)
        ds = block.slices[5]
        stored = np.frombuffer(ds.PixelData, "<i2").reshape(ds.Rows, ds.Columns)
        value = int(stored[row, column]) * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        text = widget.corners(widget.feed.view, transform).bottom_left[1]
        assert text == f"{value:.0f} HU at ({column}, {row})".replace("-", "−")


def test_wheel_scrolls_and_ctrl_wheel_zooms(room: Room, block: reading_room.Study) -> None:
    state = room.page.session.viewport
    state.go_to(3)
    room.wheel(-1)
    assert state.frame_index == 4
    room.wheel(2)
    assert state.frame_index == 2
    room.wheel(1, Qt.KeyboardModifier.ControlModifier)
    assert (state.frame_index, state.zoom > 1) == (2, True)


def test_right_drag_windows_and_is_painted(room: Room, block: reading_room.Study) -> None:
    room.page.session.viewport.go_to(5)
    room.settle()
    state = room.widget.state
    room.drag(Qt.MouseButton.RightButton, QPoint(200, 200), QPoint(300, 150))
    assert state.voi is not None
    assert state.voi.width > 400
    assert state.voi.center < 40
    painted = room.at_centres()[9:31, 11:49, 0].astype(int)
    expected = grey(block.values[5], state.voi.center, state.voi.width)[9:31, 11:49]
    assert np.abs(painted - expected).max() <= 3
    room.key(Qt.Key.Key_0)
    assert state.voi is None


def test_left_button_does_what_the_tool_says(room: Room, block: reading_room.Study) -> None:
    state = room.page.session.viewport
    room.key(Qt.Key.Key_M)
    assert room.page.toolbar.tools[Tool.PAN].isChecked()
    room.drag(Qt.MouseButton.LeftButton, QPoint(200, 200), QPoint(240, 230))
    assert state.transform is not None
    assert state.centre is not None
    room.key(Qt.Key.Key_Escape)
    assert room.page.toolbar.tools[Tool.WINDOW].isChecked()


def ink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut a dark picture down to what is bright in it."""
    rows, columns = np.nonzero(pixels.max(axis=2) > 60)
    return pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def test_letters_follow_mirror_and_turn(room: Room, block: reading_room.Study) -> None:
    state = room.page.session.viewport
    # Away with the image, so that only letters are left at the edges.
    state.go_to(6)
    room.settle()
    room.page.session.style.shown = False
    state.zoom_at(0.3, 10, 10)
    state.fit()
    state.zoom_at(0.3, room.widget.width() / 2, room.widget.height() / 2)

    def edges() -> dict[str, NDArray[np.uint8]]:
        screen = room.pixels()
        height, width = screen.shape[:2]
        middle = slice(height // 2 - 14, height // 2 + 14)
        centre = slice(width // 2 - 14, width // 2 + 14)
        return {
            "left": ink(screen[middle, 4:40]),
            "right": ink(screen[middle, width - 40 : width - 4]),
            "top": ink(screen[4:34, centre]),
            "bottom": ink(screen[height - 34 : height - 4, centre]),
        }

    before = edges()
    assert not np.array_equal(before["left"], before["right"])
    room.key(Qt.Key.Key_H)
    after = edges()
    assert np.array_equal(after["left"], before["right"])
    assert np.array_equal(after["right"], before["left"])
    assert np.array_equal(after["top"], before["top"])
    room.key(Qt.Key.Key_H)
    room.key(Qt.Key.Key_R)
    turned = edges()
    assert np.array_equal(turned["right"], before["top"])
    assert np.array_equal(turned["top"], before["left"])


def test_mirrored_image_keeps_its_overlay_on_the_same_pixels(room: Room, block: reading_room.Study) -> None:
    state = room.page.session.viewport
    state.go_to(2)
    room.settle()
    for key in (Qt.Key.Key_H, Qt.Key.Key_R, Qt.Key.Key_V, Qt.Key.Key_R):
        room.key(key)
        assert np.array_equal(room.tinted(), block.mask[2] > 0)


def test_reformatted_planes_show_the_masks(room: Room, block: reading_room.Study) -> None:
    room.page.set_layout(MPR)
    session = room.page.session
    room.qtbot.waitUntil(lambda: session.mpr.planes is not None, timeout=WAIT_MS)
    planes = session.mpr.planes
    assert planes is not None
    x, y, z = reading_room.ORIGIN
    planes.set_point((x + 25, y + 15 * 2.0, z + 2 * reading_room.STEP))
    room.settle()
    volume = planes.volume
    for widget in room.page.widgets:
        if not isinstance(widget, ViewportWidget):
            continue
        plane = widget.feed.plane
        assert plane is not None
        row, column = np.mgrid[: plane.rows, : plane.columns]
        flat = np.stack([column.ravel(), row.ravel(), np.zeros(column.size), np.ones(column.size)])
        index = np.rint((volume.inverse @ plane.affine @ flat)[:3]).astype(int)
        size = np.array(volume.size)[:, None]
        inside = ((index >= 0) & (index < size)).all(axis=0)
        expected = np.zeros(column.size, bool)
        i, j, k = index[:, inside]
        expected[inside] = block.mask[k, j, i] > 0
        expected = expected.reshape(plane.rows, plane.columns)
        assert expected.any(), widget.state.role
        # The lines of the other planes lie over the overlays: what is under them is the same in both pictures.
        x, y = planes.crosshair(widget.state.role)
        clear = (np.abs(column + 0.5 - x) > 1) & (np.abs(row + 0.5 - y) > 1)
        tinted = room.tinted(widget) & clear
        assert not (expected & clear & ~tinted).any(), widget.state.role
        # Half of an outline lies outside; where image pixels are small it reaches the centre of the next one.
        assert not (tinted & ~_grown(expected, 1)).any(), widget.state.role


def test_crosshair_moves_with_the_mouse_and_all_planes_follow(room: Room, block: reading_room.Study) -> None:
    room.page.set_layout(MPR)
    session = room.page.session
    room.qtbot.waitUntil(lambda: session.mpr.planes is not None, timeout=WAIT_MS)
    room.settle()
    planes = session.mpr.planes
    assert planes is not None
    axial = next(item for item in room.page.widgets if item.state.role is Role.AXIAL)
    assert isinstance(axial, ViewportWidget)
    session.activate(room.page.widgets.index(axial))
    room.page.toolbar.choose_tool(Tool.CROSSHAIR)
    transform = axial.state.transform
    assert transform is not None and axial.feed.plane is not None
    goal = axial.feed.plane.to_patient(12.0, 20.0)
    spot = QPoint(*(round(value) for value in transform.to_viewport(12.5, 20.5)))
    room.qtbot.mouseClick(axial, Qt.MouseButton.LeftButton, pos=spot)
    room.settle()
    assert np.linalg.norm((planes.point - goal)[:2]) < 1.0
    for widget in room.page.widgets:
        if isinstance(widget, ViewportWidget):
            assert widget.feed.plane is not None
            assert abs(widget.feed.plane.to_pixel(planes.point)[2]) < 1e-6


def test_study_without_results_says_so(room: Room, tmp_path: Path) -> None:
    study = reading_room.write(tmp_path / "plain", with_seg=False)
    room.station.library.import_paths([tmp_path / "plain"])
    room.open(study.uid)
    texts = [item.text() for item in room.page.findings.findChildren(type(room.page.findings._title))]
    assert "No AI results in this study" in texts
    assert not room.page.toolbar.ai.isVisible()


def test_broken_slice_is_named_and_the_others_go_on(room: Room, tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    study = reading_room.write(tmp_path / "plain", with_seg=False)
    bad = study.slices[3]
    bad.PixelData = encapsulate([b"\xff\x4f\xff\x51 this is no code stream, though it begins like one "])
    bad["PixelData"].VR = "OB"
    (tmp_path / "plain" / "ct3.dcm").write_bytes(library_objects.encode(bad, JPEG2000Lossless))
    report = room.station.library.import_paths([tmp_path / "plain"])
    assert report.added == reading_room.SLICES
    room.open(study.uid)
    state = room.page.session.viewport
    state.go_to(3)
    room.settle()
    notice = room.widget.feed.notice
    assert notice is not None
    assert notice.text == "This image cannot be shown"
    assert notice.detail
    assert room.widget.feed.view is None
    state.go_to(4)
    room.settle()
    assert room.widget.feed.view is not None
    assert room.widget.feed.notice is None


def test_prior_comes_beside_by_itself_with_its_date(room: Room, tmp_path: Path) -> None:
    now = reading_room.write(tmp_path / "now", patient="P88", date="20260601")
    reading_room.write(tmp_path / "then", patient="P88", date="20250601", with_seg=False)
    room.station.library.import_paths([tmp_path])
    room.open(now.uid)
    session = room.page.session
    room.qtbot.waitUntil(lambda: session.prior is not None, timeout=WAIT_MS)
    room.qtbot.waitUntil(lambda: len(room.page.widgets) == 2, timeout=WAIT_MS)
    room.settle()
    left, right = room.page.widgets
    assert isinstance(left, ViewportWidget) and isinstance(right, ViewportWidget)
    assert left.hasFocus(), "the keys of the page go on working"
    assert not left.state.is_prior
    assert right.state.is_prior
    texts = right.corners(right.feed.view, right.state.transform)
    assert texts.banner == "PRIOR · 2025-06-01 · 11 months earlier"
    # The segmentation names its own frame of reference: nothing of it may appear on the prior.
    assert not room.tinted(right).any()
    # A study without a prior fills the room again.
    alone = reading_room.write(tmp_path / "alone", patient="P89", with_seg=False)
    room.station.library.import_paths([tmp_path / "alone"])
    room.open(alone.uid)
    assert len(room.page.widgets) == 1


def test_series_can_be_put_into_a_viewport(room: Room, block: reading_room.Study) -> None:
    room.page.set_layout(TWO)
    uid = room.page.session.display_sets[0].uid
    assert room.page.session.viewports[1].display_set is None
    room.page.widgets[1].dropped.emit(uid)
    room.settle()
    assert room.page.session.viewports[1].display_set is room.page.session.display_sets[0]
    assert room.page.strip.tiles[uid].has_results


def test_another_study_leaves_nothing_of_the_first(room: Room, block: reading_room.Study, tmp_path: Path) -> None:
    other = reading_room.write(tmp_path / "other", with_seg=False, patient="P99")
    room.station.library.import_paths([tmp_path / "other"])
    room.open(other.uid)
    assert room.page.session.findings == []
    assert not room.page.findings.cards
    assert room.page.session.study is not None
    assert room.page.session.study.patient_id == "P99"
    assert not room.tinted().any()


@pytest.mark.data
def test_measurements_of_a_report_lie_on_their_image(room: Room, data: Path) -> None:
    """TID 1500: each line drawn passes through the points that pydicom reads from the report."""
    folder = data / "overlays-sr" / "dwv"
    room.station.library.import_paths([folder], link=True)
    (row,) = room.station.library.page_studies(StudyQuery()).rows
    room.open(row.study_instance_uid)
    transform = room.widget.state.transform
    assert transform is not None
    changed = _changed(room)
    checked = 0
    for path in folder.glob("tid1500*"):
        for kind, points in _scoords(pydicom.dcmread(path)):
            places = points if kind in ("POLYLINE", "ELLIPSE") else points[1:] if kind == "CIRCLE" else []
            for x, y in places:
                column, line = transform.to_viewport(x, y)
                window = changed[int(line) - 3 : int(line) + 4, int(column) - 3 : int(column) + 4]
                assert window.any(), f"{path.name}: {kind} at {x}, {y}"
                checked += 1
    assert checked > 40
    # And far from every graphic nothing is drawn.
    assert changed.mean() < 0.2


def _changed(room: Room) -> NDArray[np.bool_]:
    with_overlays = room.pixels()
    room.page.session.toggle_overlays()
    without = room.pixels()
    room.page.session.toggle_overlays()
    return (with_overlays != without).any(axis=2)


def _scoords(ds: pydicom.Dataset) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    for item in ds.get("ContentSequence", []):
        if item.get("ValueType") == "SCOORD":
            numbers = [float(value) for value in item.GraphicData]
            yield item.GraphicType, list(zip(numbers[::2], numbers[1::2]))
        yield from _scoords(item)


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "sources"),
    [
        ("overlays-seg/highdicom", "dicomdir/pydicom-fileset/77654033"),
        ("overlays-seg/ct-3slice-liver", ""),
        ("overlays-seg/dcmqi", ""),
    ],
)
def test_real_segmentations_are_painted_where_their_frames_say(
    room: Room, data: Path, folder: str, sources: str
) -> None:
    """Every pixel of every SEG frame, found by Image Position or by its source image, with pydicom alone."""
    paths = [data / folder, *([data / sources] if sources else [])]
    if not all(path.is_dir() for path in paths):
        pytest.skip(f"not there: {paths}")
    room.station.library.import_paths(paths, link=True)
    segs = [ds for ds in map(pydicom.dcmread, sorted((data / folder).iterdir())) if ds.get("Modality") == "SEG"]
    checked = 0
    for row in room.station.library.page_studies(StudyQuery()).rows:
        mine = [ds for ds in segs if ds.StudyInstanceUID == row.study_instance_uid]
        if not mine:
            continue
        room.open(row.study_instance_uid)
        session = room.page.session
        session.set_opacity(0.6)
        for item in session.display_sets:
            if not item.frames:
                continue
            room.page.show_display_set(item.uid)
            for index, frame in enumerate(item.frames):
                session.viewport.go_to(index)
                room.settle()
                if room.widget.feed.view is None:
                    continue
                expected = _expected(mine, frame, (item.rows or 0, item.columns or 0))
                if expected is None:
                    continue
                scale = room.widget.state.scale
                tinted = room.tinted()
                assert np.count_nonzero(expected & ~tinted) <= 0.001 * expected.size, (item.title, index)
                if scale > 6:
                    assert np.array_equal(tinted, expected), (item.title, index)
                else:
                    grown = _grown(expected, int(np.ceil(3 / scale)))
                    assert not (tinted & ~grown).any(), (item.title, index)
                checked += 1
    assert checked >= 3


def _grown(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    import cv2

    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)


def _expected(segs: list[pydicom.Dataset], frame: object, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return the union of SEG frames at the place of an image frame; None when nothing can be said this way."""
    from lightbox.viewer.display_sets_model import FrameRef

    assert isinstance(frame, FrameRef)
    union = np.zeros(shape, bool)
    for ds in segs:
        reference = ds.get("FrameOfReferenceUID")
        if reference and frame.plane is not None and reference != frame.plane.frame_of_reference_uid:
            continue
        if (ds.Rows, ds.Columns) != shape:
            return None
        pixels = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
        for group, mask in zip(ds.PerFrameFunctionalGroupsSequence, pixels):
            if "PlanePositionSequence" in group and frame.plane is not None:
                position = [float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient]
                here = np.allclose(position, frame.plane.position, atol=0.01)
            else:
                source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
                here = source == frame.sop_instance_uid
            if here:
                union |= mask > 0
    return union


def test_cine_plays_and_stops(room: Room, block: reading_room.Study) -> None:
    state = room.page.session.viewport
    start = state.frame_index
    room.key(Qt.Key.Key_Space)
    room.qtbot.waitUntil(lambda: state.frame_index != start, timeout=WAIT_MS)
    room.key(Qt.Key.Key_Space)
    assert not room.page.toolbar.cine.isChecked()


def test_volume_view_draws_or_says_why_not(room: Room, block: reading_room.Study) -> None:
    from lightbox.ui.viewer.volume_view import VolumeView

    room.page.set_layout(MPR)
    view = next(item for item in room.page.widgets if isinstance(item, VolumeView))

    def done() -> bool:
        return view._image is not None or (view.notice is not None and view.notice.kind == "warn")

    room.qtbot.waitUntil(done, timeout=90_000)
    if view._image is not None:
        view.choose("Soft tissue")
        room.qtbot.waitUntil(lambda: to_rgb(view._image).max() > 10, timeout=WAIT_MS)
    else:
        assert view.notice is not None
        assert "OpenGL" in view.notice.text
