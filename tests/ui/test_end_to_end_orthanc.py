"""The main job against a real archive: query, retrieve, open, see the AI result without a click, export clean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from builders import peer_servers
from builders.peer_servers import Server

pytestmark = [pytest.mark.ui, pytest.mark.peers, pytest.mark.slow, pytest.mark.xdist_group("peers")]
WAIT = 120_000
NAME = "Main archive"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A small form of the sample study: chest CT with AI SEG and AI SR, and its prior."""
    from lightbox.core import resources

    folder = tmp_path_factory.mktemp("sample")
    return folder, resources.package("sample_study").make(folder, size=160, slices=60)


@pytest.fixture(scope="module")
def orthanc(sample: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Orthanc that holds the sample study."""
    peer_servers.require("Orthanc")
    folder, _ = sample
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix == ".dcm"]
    with peer_servers.start_orthanc(tmp_path_factory.mktemp("orthanc"), own_port=peer_servers.free_port()) as server:
        assert server.load(files) == len(files)
        yield server


def pixels(widget: Any) -> np.ndarray:
    """Return what a widget shows as uint8 (rows, columns, RGB)."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return lines[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def coloured(picture: np.ndarray) -> int:
    """Return how many pixels are no grey; the frame of the active viewport does not count."""
    wide = picture[4:-4, 4:-4].astype(np.int16)
    return int(((wide.max(axis=2) - wide.min(axis=2)) > 40).sum())


def stacks(page: Any) -> list[Any]:
    from lightbox.ui.viewer.viewport_widget import ViewportWidget

    return [item for item in page.widgets if isinstance(item, ViewportWidget) and item.state.display_set is not None]


def test_the_main_job(
    make_window: Callable[..., Any], orthanc: Server, sample: tuple[Path, Any], tmp_path: Path, qtbot: Any
) -> None:
    from lightbox.ui.studies.search import SourceState
    from lightbox.viewer.results import ResultsState

    _, manifest = sample

    def prepare(workstation: Any) -> None:
        orthanc.identity().save(workstation.settings)
        workstation.peers.add(orthanc.peer(NAME))

    window = make_window(prepare, (1920, 1080))
    page = window.studies

    # Query: the archive is asked while the person types
    qtbot.keyClicks(page.box, manifest.patient_id)
    source = page.search.sources[NAME]
    qtbot.waitUntil(lambda: source.state is SourceState.ANSWERED, timeout=WAIT)
    qtbot.waitUntil(lambda: len(page.model.rows) == 2, timeout=WAIT)
    assert [row.badge()[0] for row in page.model.rows] == ["at archive", "at archive"]
    newest = page.model.rows[0]
    assert newest.uid == manifest.current_study_uid
    announced = newest.expected
    assert announced > 40

    # The series at the archive are listed before anything is retrieved
    page.table.select_line(0)
    qtbot.waitUntil(lambda: len(page.detail.cards) >= 3, timeout=WAIT)

    # The prior first, by the button; then Enter opens the study, which is retrieved for it
    page.table.select_line(1)
    page.retrieve_button.click()
    qtbot.waitUntil(lambda: not window.center.running(), timeout=WAIT)
    page.table.select_line(0)
    page.table.setFocus()
    qtbot.keyClick(page.table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.places.currentWidget() is window._viewer, timeout=WAIT)
    qtbot.waitUntil(lambda: not window.center.running(), timeout=WAIT)
    assert all(transfer.verdict() == "complete" for transfer in window.center.transfers), [
        (transfer.amount(), transfer.message) for transfer in window.center.transfers
    ]
    record = window.workstation.library.study(manifest.current_study_uid)
    assert record.number_of_instances == announced

    # Nothing is clicked: the result is drawn on the images
    viewer = window.viewer_page()
    qtbot.waitUntil(lambda: viewer.session.results_state is ResultsState.READY, timeout=WAIT)
    qtbot.waitUntil(lambda: bool(stacks(viewer)), timeout=WAIT)
    qtbot.waitUntil(lambda: all(item.feed.view is not None for item in stacks(viewer)), timeout=WAIT)
    assert {result.modality for _, result in viewer.session.findings} == {"SEG", "SR"}
    first = stacks(viewer)[0]
    qtbot.waitUntil(lambda: coloured(pixels(first)) > 200, timeout=WAIT)
    shown = pixels(first)
    QTest.keyClick(viewer, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: coloured(pixels(first)) < coloured(shown) / 4, timeout=WAIT)
    hidden = pixels(first)
    inside = np.s_[shown.shape[0] // 6 : -shown.shape[0] // 6, shown.shape[1] // 6 : -shown.shape[1] // 6]
    changed = np.abs(shown[inside].astype(int) - hidden[inside].astype(int)).max(axis=2) > 30
    assert changed.sum() > 200, "the overlay lay on the image"
    QTest.keyClick(viewer, Qt.Key.Key_A)

    # Back in the list both are complete, and go through the wizard together
    window.go("studies")
    qtbot.waitUntil(lambda: [row.here for row in page.model.rows] == [True, True], timeout=WAIT)
    qtbot.waitUntil(lambda: page.model.rows[0].badge()[0] == "complete", timeout=WAIT)
    page.table.selectAll()
    page.deidentify_button.click()
    wizard = window.export_page()
    wizard.next_button.click()
    wizard.profile.make_key(tmp_path / "keys" / "project.lightbox-key")
    wizard.next_button.click()
    qtbot.waitUntil(lambda: wizard.plan.inventory is not None, timeout=WAIT)
    wizard.next_button.click()
    out = tmp_path / "out"
    wizard.run_step.field.setText(str(out))
    wizard.next_button.click()
    qtbot.waitUntil(lambda: wizard.plan.report is not None, timeout=WAIT)
    report = wizard.plan.report
    total = sum(window.workstation.library.study(row.uid).number_of_instances for row in page.model.rows)
    assert report.total == total
    assert report.exported == total, [(item.code, item.reason) for item in report.withheld]
    files = list(out.rglob("*.dcm"))
    assert len(files) == total
    family = manifest.patient_name.split("^")[0].encode()
    for path in files:
        data = path.read_bytes()
        assert manifest.patient_id.encode() not in data
        assert family not in data
        assert manifest.current_study_uid.encode() not in data
    patients = {str(pydicom.dcmread(path, stop_before_pixels=True).PatientID) for path in files}
    assert len(patients) == 1, "the prior stays with its patient"
