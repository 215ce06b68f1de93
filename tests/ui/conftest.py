"""The real window over a fresh data folder, without a screen."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WAIT_MS = 60_000


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Errors that nobody caught while the window ran; the test fails when there are any."""
    found: list[str] = []

    def note(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        found.append("".join(traceback.format_exception(kind, error, trace)))

    monkeypatch.setattr(sys, "excepthook", note)
    yield found
    assert not found, "\n".join(found)


@pytest.fixture
def make_window(qapp: Any, qtbot: Any, home: Path, failures: list[str]) -> Iterator[Callable[..., Any]]:
    """Return a maker of started windows; all are closed afterwards."""
    from lightbox.ui import theme
    from lightbox.ui.main_window import MainWindow
    from lightbox.workstation import Workstation

    if qapp.styleSheet() != theme.stylesheet():
        theme.apply(qapp)
    opened: list[tuple[Any, Any]] = []

    def make(prepare: Callable[[Any], None] | None = None, size: tuple[int, int] = (1600, 900)) -> Any:
        workstation = Workstation(home)
        if prepare is not None:
            prepare(workstation)
        window = MainWindow(workstation)
        opened.append((window, workstation))
        window.resize(*size)
        window.show()
        with qtbot.waitSignal(window.library_opened, timeout=WAIT_MS):
            window.start()
        qtbot.waitUntil(lambda: window.studies.search.loaded, timeout=WAIT_MS)
        return window

    yield make
    for window, workstation in opened:
        window._close_asked = True
        window.close()
        workstation.close()
        window.deleteLater()
    qapp.processEvents()


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """A folder of small studies (see `builders.ui_studies`)."""
    from builders import ui_studies

    folder = tmp_path / "cases"
    ui_studies.write_all(folder)
    return folder


@pytest.fixture
def filled(make_window: Callable[..., Any], cases: Path, qtbot: Any) -> Any:
    """A window over a library that holds the small studies."""
    window = make_window(lambda workstation: workstation.library.import_paths([cases]))
    qtbot.waitUntil(lambda: len(window.studies.model.rows) == 5, timeout=WAIT_MS)
    return window
