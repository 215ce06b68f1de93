"""The look: colours, sizes and fonts are tokens in one file, ``resources/themes/dark.json``."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from lightbox.core import resources
from lightbox.core.errors import NotFoundError

THEME = "themes/dark.json"


@cache
def _theme() -> dict[str, Any]:
    return json.loads(resources.read_text(THEME))


def token(name: str) -> str:
    """Return the colour called `name` as ``#RRGGBB``.

    Raises
    ------
    NotFoundError
        The theme has no such colour.
    """
    try:
        return _theme()["colors"][name]
    except KeyError:
        raise NotFoundError("The theme has no such colour", where=name) from None


@cache
def color(name: str) -> QColor:
    """Return the colour called `name`. The object is shared: do not change it."""
    return QColor(token(name))


def metric(name: str) -> int:
    """Return a size in device-independent pixels."""
    try:
        return int(_theme()["metrics"][name])
    except KeyError:
        raise NotFoundError("The theme has no such size", where=name) from None


def overlay_palette() -> tuple[str, ...]:
    """Return the colour-blind safe overlay colours, in order of use."""
    return tuple(_theme()["overlays"])


def font(size: int | None = None, *, weight: QFont.Weight = QFont.Weight.Normal, tabular: bool = False) -> QFont:
    """Return the font of the application at `size` pixels; `tabular` gives figures of equal width for columns."""
    made = QFont()
    made.setFamilies(list(_theme()["fonts"]))
    made.setPixelSize(size or metric("font-size"))
    made.setWeight(weight)
    if tabular:
        made.setFeature(QFont.Tag("tnum"), 1)
    return made


def mono_font(size: int | None = None) -> QFont:
    """Return the fixed-width font at `size` pixels, for UIDs and paths."""
    made = QFont()
    made.setFamilies(list(_theme()["fonts-mono"]))
    made.setStyleHint(QFont.StyleHint.Monospace)
    made.setPixelSize(size or metric("font-size-small"))
    return made


@cache
def stylesheet() -> str:
    """Return the Qt style sheet with every ``@token`` replaced."""
    values = {**_theme()["colors"], **{name: str(value) for name, value in _theme()["metrics"].items()}}
    values["icons"] = resources.path("icons").as_posix()
    names = sorted(values, key=len, reverse=True)
    return re.sub("@(" + "|".join(names) + ")", lambda match: values[match[1]], resources.read_text("themes/style.qss"))


def palette() -> QPalette:
    """Return the palette for what the style sheet does not reach."""
    made = QPalette()
    role = QPalette.ColorRole
    for which, name in (
        (role.Window, "window"),
        (role.Base, "window"),
        (role.AlternateBase, "panel"),
        (role.Button, "raised"),
        (role.ToolTipBase, "raised"),
        (role.WindowText, "text"),
        (role.Text, "text"),
        (role.ButtonText, "text"),
        (role.ToolTipText, "text"),
        (role.BrightText, "text-strong"),
        (role.PlaceholderText, "text-disabled"),
        (role.Highlight, "selection"),
        (role.HighlightedText, "text-strong"),
        (role.Link, "accent"),
        (role.LinkVisited, "accent"),
        (role.Light, "border"),
        (role.Mid, "border"),
        (role.Dark, "line"),
    ):
        made.setColor(which, color(name))
    for which in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, which, color("text-disabled"))
    return made


def apply(app: QApplication) -> None:
    """Give `app` the look: Fusion with our palette, font and style sheet."""
    app.setStyle("Fusion")
    app.setPalette(palette())
    app.setFont(font())
    app.setStyleSheet(stylesheet())


def restyle(widget: QWidget, **properties: object) -> None:
    """Set dynamic properties that the style sheet selects on, and redraw if one changed."""
    changed = False
    for name, value in properties.items():
        if widget.property(name) != value:
            widget.setProperty(name, value)
            changed = True
    if changed:
        widget.style().unpolish(widget)
        widget.style().polish(widget)
