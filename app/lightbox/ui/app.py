"""Start of the graphical program. The window is on screen before anything heavy is imported."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QApplication

from lightbox.core import resources
from lightbox.core.errors import LightboxError
from lightbox.ui import theme, words
from lightbox.ui.garbage import Collector
from lightbox.ui.main_window import MainWindow
from lightbox.workstation import Workstation

logger = logging.getLogger(__name__)


def application() -> QApplication:
    """Return the one QApplication, made with our look if there is none yet."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        if existing.styleSheet() != theme.stylesheet():
            theme.apply(existing)
        return existing
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication(sys.argv[:1])
    app.setApplicationName("Lightbox")
    app.setDesktopFileName("lightbox")
    app.setWindowIcon(QIcon(str(resources.path("icons/lightbox.svg"))))
    Collector(app)
    theme.apply(app)
    return app


def where(error: BaseException) -> str:
    """Return file names and line numbers of an error: enough to find it, and nothing of a patient."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))


class ErrorReporter:
    """Says unforeseen errors in words on the window, and logs where they happened, never what they were about."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._before = (sys.excepthook, threading.excepthook)

    def install(self) -> None:
        """Take over the handling of errors that nobody caught."""
        sys.excepthook = self.report
        threading.excepthook = self._report_thread

    def remove(self) -> None:
        """Give it back."""
        sys.excepthook, threading.excepthook = self._before

    def report(self, kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        """Log and show one error."""
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        logger.error("not caught: %s at %s", kind.__name__, where(error))
        text = words.error(error)
        if not isinstance(error, LightboxError):
            text += ". You can go on; if it happens again, restart Lightbox."
        self._window.bridge.post(lambda: self._window.notices.show_notice("critical", text))

    def _report_thread(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
            self.report(arguments.exc_type, arguments.exc_value, None)


def run(
    home: Path | None,
    open_study: str | None = None,
    *,
    on_ready: Callable[[MainWindow], None] | None = None,
) -> int:
    """Show the window and return the exit code when it was closed.

    Parameters
    ----------
    home : Path, optional
        The data folder; default as in `lightbox.core.paths.home`.
    open_study : str, optional
        Study Instance UID to open in the viewer at once.
    on_ready : callable, optional
        Called with the window once the library is open.
    """
    app = application()
    workstation = Workstation(home)
    window = MainWindow(workstation, on_open=open_study)
    if on_ready is not None:
        ready = on_ready
        window.library_opened.connect(lambda: ready(window))
    window.library_opened.connect(workstation.watch_quality)
    reporter = ErrorReporter(window)
    reporter.install()
    window.show()
    QTimer.singleShot(0, window.start)
    try:
        return app.exec()
    finally:
        reporter.remove()
        workstation.close()
