"""Where the window lies: remembered, and always on a screen that is there."""

from __future__ import annotations

from PySide6.QtCore import QRect
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMainWindow

from lightbox.core.settings import Settings

_KEY = "ui.window"
_LEAST_VISIBLE = 120


def fitted(wanted: QRect, screens: list[QRect]) -> QRect:
    """Return `wanted` moved and shrunk so that it lies on one of `screens` (available geometry)."""
    if not screens:
        return wanted

    def overlap(screen: QRect) -> int:
        shared = screen.intersected(wanted)
        return shared.width() * shared.height() if shared.isValid() else 0

    screen = max(screens, key=overlap)
    shared = screen.intersected(wanted)
    if overlap(screen) == 0:
        screen = screens[0]
    whole = (
        shared.width() >= min(_LEAST_VISIBLE, wanted.width()) and screen.top() <= wanted.top() < screen.bottom() - 40
    )
    fits = wanted.width() <= screen.width() and wanted.height() <= screen.height()
    if whole and fits and screen.contains(wanted):
        return wanted
    width, height = min(wanted.width(), screen.width()), min(wanted.height(), screen.height())
    left = min(max(wanted.left(), screen.left()), screen.right() + 1 - width)
    top = min(max(wanted.top(), screen.top()), screen.bottom() + 1 - height)
    return QRect(left, top, width, height)


def restore(window: QMainWindow, settings: Settings) -> None:
    """Place `window` where it was, or in the middle of the first screen."""
    screens = [screen.availableGeometry() for screen in QGuiApplication.screens()]
    stored = settings.get(_KEY, None)
    if isinstance(stored, dict) and {"x", "y", "width", "height"} <= stored.keys():
        place = QRect(stored["x"], stored["y"], stored["width"], stored["height"])
        window.setGeometry(fitted(place, screens))
        if stored.get("maximized"):
            window.setWindowState(window.windowState().WindowMaximized)
        return
    primary = QGuiApplication.primaryScreen().availableGeometry()
    width, height = round(primary.width() * 0.9), round(primary.height() * 0.88)
    place = QRect(primary.center().x() - width // 2, primary.center().y() - height // 2, width, height)
    window.setGeometry(fitted(place, screens))


def remember(window: QMainWindow, settings: Settings) -> None:
    """Keep where `window` lies."""
    place = window.normalGeometry() if window.isMaximized() or window.isFullScreen() else window.geometry()
    settings.set(
        _KEY,
        {
            "x": place.x(),
            "y": place.y(),
            "width": place.width(),
            "height": place.height(),
            "maximized": window.isMaximized(),
        },
    )
