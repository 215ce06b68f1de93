"""The frame of the window: places, palette, overview, notices, errors, start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSpinBox

from lightbox.core.errors import LightboxError
from lightbox.ui import actions, theme, window_place, words
from lightbox.ui.app import ErrorReporter

pytestmark = pytest.mark.ui
HEAVY = ("pydicom", "numpy", "vtkmodules", "cv2", "pynetdicom", "pyqtgraph", "highdicom", "qtawesome")


def test_nothing_heavy_is_imported_before_the_window_is_shown() -> None:
    code = (
        "import sys, pathlib, tempfile\n"
        "from lightbox.ui import app\n"
        "from lightbox.ui.main_window import MainWindow\n"
        "from lightbox.workstation import Workstation\n"
        "qt = app.application()\n"
        "window = MainWindow(Workstation(pathlib.Path(tempfile.mkdtemp())))\n"
        "window.show(); qt.processEvents()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "window.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]", done.stdout


def test_every_colour_of_the_style_is_a_token() -> None:
    assert "@" not in theme.stylesheet().split("*/", 1)[1]
    assert theme.token("accent").startswith("#")
    with pytest.raises(LightboxError, match="no such colour"):
        theme.token("mauve")


def luminance(name: str) -> float:
    shade = theme.color(name)
    parts = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in shade.getRgbF()[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("text", "window"), ("text", "panel"), ("text", "raised"), ("text-strong", "selection"),
        ("text-secondary", "window"), ("text-secondary", "panel"), ("text-secondary", "raised"),
        ("text-on-accent", "accent"), ("accent", "window"), ("accent", "panel"), ("ok", "ok-tint"),
        ("warn", "warn-tint"),
        ("critical", "critical-tint"), ("critical", "panel"), ("algorithm", "algorithm-tint"), ("warn", "panel"),
    ],
)  # fmt: skip
def test_text_has_enough_contrast(text: str, ground: str) -> None:
    light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_places_and_their_keys(make_window: Any, qtbot: Any) -> None:
    window = make_window()
    assert list(window.rail.buttons) == ["studies", "viewer", "worklist", "transfers", "export", "settings"]
    window.activateWindow()
    for place in ("settings", "transfers", "worklist", "export", "studies"):
        window.rail.buttons[place].click()
        assert window.rail.buttons[place].isChecked()
    keyed = {action.text(): actions.keys_of(action) for action in window.actions()}
    assert keyed["Studies"] == ["Alt+1"]
    assert keyed["Find a command"] == ["Ctrl+K"]
    assert "F1" in keyed["Keyboard overview"]


def test_no_two_actions_of_one_place_share_a_key(make_window: Any) -> None:
    window = make_window()
    for place in ("settings", "export", "worklist", "viewer"):
        window.go(place)
    everywhere = [*window.actions(), window.studies.import_action, window.studies.import_files_action]
    for page in (window.studies, window.transfers, window._settings_page, window._export_page, window._viewer):
        seen: dict[str, str] = {}
        for action in {id(item): item for item in [*everywhere, *actions.listed(page)]}.values():
            for key in actions.keys_of(action):
                assert key not in seen, f"{key}: {seen[key]} and {action.text()}"
                seen[key] = action.text()


def test_palette_finds_and_runs_a_command(make_window: Any, qtbot: Any) -> None:
    window = make_window()
    window.open_palette()
    assert window.palette_sheet.isVisible()
    qtbot.keyClicks(window.palette_sheet.field, "settin")
    qtbot.keyClick(window.palette_sheet.field, Qt.Key.Key_Return)
    assert not window.palette_sheet.isVisible()
    assert window.places.currentWidget() is window._settings_page


def test_palette_leaves_on_escape_and_gives_the_focus_back(make_window: Any, qtbot: Any) -> None:
    window = make_window()
    window.studies.box.setFocus()
    window.open_palette()
    qtbot.keyClick(window.palette_sheet.field, Qt.Key.Key_Escape)
    assert not window.palette_sheet.isVisible()


def test_overview_lists_every_key(make_window: Any) -> None:
    from PySide6.QtWidgets import QLabel

    window = make_window()
    window.open_overview()
    shown = {item.text() for item in window.overview_sheet.findChildren(QLabel)}
    for action in window.actions():
        assert action.text() in shown
        assert set(actions.keys_of(action)) <= shown


def test_every_control_has_a_name_for_assistive_technology(make_window: Any) -> None:
    window = make_window()
    for place in ("settings", "export"):
        window.go(place)
    window._settings_page.add_archive()
    for kind in (QAbstractButton, QLineEdit, QSpinBox, QComboBox):
        for item in window.findChildren(kind):
            if item.objectName().startswith("qt_") or isinstance(item.parent(), (QSpinBox, QLineEdit)):
                continue
            named = item.accessibleName() or (item.text() if isinstance(item, QAbstractButton) else "")
            if isinstance(item.parent(), window._viewer.__class__ if window._viewer else ()):
                continue
            assert named.strip() or not item.isVisibleTo(window), f"{kind.__name__} {item.toolTip()!r}"


def test_an_unforeseen_error_is_said_in_words_and_logged_without_its_text(
    make_window: Any, qtbot: Any, caplog: pytest.LogCaptureFixture
) -> None:
    window = make_window()
    reporter = ErrorReporter(window)
    try:
        raise ValueError("DOE^Jane 204418")
    except ValueError as error:
        reporter.report(ValueError, error, error.__traceback__)
    qtbot.waitUntil(lambda: bool(window.notices.texts()))
    assert words.SOMETHING_WRONG in window.notices.texts()[0]
    assert "DOE" not in window.notices.texts()[0]
    assert "ValueError" in caplog.text
    assert "test_shell.py" in caplog.text
    assert "DOE" not in caplog.text


def test_notices_do_not_pile_up(make_window: Any) -> None:
    window = make_window()
    for number in range(9):
        window.notices.show_notice("warn", f"notice {number % 6}")
    assert len(window.notices.texts()) == 4
    assert window.notices.texts()[-1] == "notice 2"
    for notice in list(window.notices._shown):
        notice.dismiss()
    assert not window.notices.isVisible()


def test_dropping_a_folder_imports_it(make_window: Any, cases: Path, qtbot: Any) -> None:
    window = make_window()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(cases))])
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(event)
    qtbot.waitUntil(lambda: len(window.studies.model.rows) == 5, timeout=60_000)
    assert event.isAccepted()


@pytest.mark.parametrize(
    "wanted",
    [
        QRect(5000, 200, 800, 600),
        QRect(-3000, -900, 1200, 700),
        QRect(100, 100, 9000, 9000),
        QRect(1900, 1060, 800, 600),
    ],
)
def test_the_window_always_lies_on_a_screen(wanted: QRect) -> None:
    screens = [QRect(0, 0, 1920, 1080)]
    place = window_place.fitted(wanted, screens)
    assert screens[0].contains(place)


def test_a_window_that_fits_stays_where_it_was() -> None:
    second = QRect(1920, 0, 1280, 1024)
    wanted = QRect(2000, 40, 900, 700)
    assert window_place.fitted(wanted, [QRect(0, 0, 1920, 1080), second]) == wanted


def test_the_place_of_the_window_is_remembered(make_window: Any) -> None:
    window = make_window()
    window.setGeometry(40, 30, 1000, 640)
    window_place.remember(window, window.workstation.settings)
    stored = window.workstation.settings.get("ui.window")
    assert (stored["width"], stored["height"]) == (1000, 640)


def test_quitting_during_a_transfer_asks_in_place(make_window: Any, qtbot: Any) -> None:
    from lightbox.ui.transfers.transfer import Kind, Transfer

    window = make_window()
    window.center._begin(Transfer(Kind.IMPORT, "a folder"))
    assert not window.close()
    assert any("still running" in text for text in window.notices.texts())
    assert window.isVisible()


def test_the_rail_can_be_walked_with_arrow_keys(make_window: Any, qtbot: Any) -> None:
    window = make_window()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.rail.buttons["studies"].setFocus()
    qtbot.keyClick(window.rail.buttons["studies"], Qt.Key.Key_Down)
    assert window.focusWidget() is window.rail.buttons["viewer"]
    qtbot.keyClick(window.rail.buttons["viewer"], Qt.Key.Key_Up)
    assert window.focusWidget() is window.rail.buttons["studies"]
