"""Icons by name, from one icon font that is loaded after the window is up, since it would slow the start."""

from __future__ import annotations

import weakref
from typing import Any

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction, QIcon, QPixmap
from PySide6.QtWidgets import QAbstractButton

from lightbox.ui import theme

_FONT = ("ph", "phosphor-1.3.0.ttf", "phosphor-charmap-1.3.0.json")

NAMES = {
    "studies": "ph.rows",
    "viewer": "ph.monitor",
    "worklist": "ph.clipboard-text",
    "transfers": "ph.arrows-down-up",
    "export": "ph.export",
    "settings": "ph.gear",
    "search": "ph.magnifying-glass",
    "import": "ph.download-simple",
    "retrieve": "ph.cloud-arrow-down",
    "open": "ph.arrow-bend-down-left",
    "deidentify": "ph.mask-happy",
    "folder": "ph.folder-open",
    "close": "ph.x",
    "info": "ph.info",
    "warn": "ph.warning",
    "critical": "ph.warning-circle",
    "ok": "ph.check-circle",
    "plus": "ph.plus",
    "delete": "ph.trash",
    "edit": "ph.pencil-simple",
    "columns": "ph.columns",
    "refresh": "ph.arrow-clockwise",
    "archive": "ph.database",
    "key": "ph.key",
    "shield": "ph.shield-check",
    "lock": "ph.lock-simple",
    "document": "ph.file-text",
    "layers": "ph.stack",
    "receive": "ph.broadcast",
    "command": "ph.command",
    "caret": "ph.caret-down",
}
"""What an icon means, and which glyph shows it."""

_font: Any = None  # the font as qtawesome reads it, once loaded
_waiting: list[tuple[weakref.ref[QAbstractButton | QAction], str, str]] = []


def loaded() -> bool:
    """Whether the icon font is there."""
    return _font is not None


def load() -> None:
    """Load the icon font, if it is not there yet, and give their icons to the buttons that waited for it."""
    global _font
    if _font is not None:
        return
    from qtawesome.iconic_font import IconicFont

    _font = IconicFont(_FONT)
    waiting = _waiting[:]
    _waiting.clear()
    for reference, name, shade in waiting:
        target = reference()
        if target is not None:
            try:
                target.setIcon(icon(name, shade))
            except RuntimeError:  # its Qt half was deleted while it waited
                continue


def icon(name: str, shade: str = "text", selected: str = "") -> QIcon:
    """Return an icon in the colour `shade` (a token of the theme); `selected` colours its checked state.

    `name` is a meaning from `NAMES` or a glyph of the font (``ph.hand``).
    """
    load()
    options: dict[str, object] = {"color": theme.color(shade), "color_disabled": theme.color("text-disabled")}
    if selected:
        options |= {"color_on": theme.color(selected), "color_on_active": theme.color(selected)}
    font: Any = _font
    return font.icon(NAMES.get(name, name), **options)


def pixmap(name: str, size: int = 16, shade: str = "text") -> QPixmap:
    """Return an icon as a square picture of `size` device-independent pixels."""
    return icon(name, shade).pixmap(QSize(size, size))


def give(target: QAbstractButton | QAction, name: str, shade: str = "text") -> None:
    """Set the icon of `target` now, or as soon as the font is loaded."""
    if loaded():
        target.setIcon(icon(name, shade))
    else:
        _waiting.append((weakref.ref(target), name, shade))
