"""Actions: what can be done, under which name and key. The palette, the overview and the tooltips all read them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from lightbox.ui import icons

GROUP = "group"
"""Name of the property that holds the heading under which the overview lists an action."""


def add(
    owner: QWidget,
    group: str,
    text: str,
    callback: Callable[[], object],
    keys: str | tuple[str, ...] = (),
    *,
    tip: str = "",
    icon: str = "",
    everywhere: bool = False,
) -> QAction:
    """Make an action of `owner`; its keys work while the focus is in `owner`, or `everywhere` in the window."""
    made = QAction(text, owner)
    made.setProperty(GROUP, group)
    made.setToolTip(tip or text)
    made.setShortcuts([QKeySequence(key) for key in ((keys,) if isinstance(keys, str) else keys)])
    context = Qt.ShortcutContext.WindowShortcut if everywhere else Qt.ShortcutContext.WidgetWithChildrenShortcut
    made.setShortcutContext(context)
    if icon:
        icons.give(made, icon)
    made.triggered.connect(lambda: callback())
    owner.addAction(made)
    return made


def keys_of(action: QAction) -> list[str]:
    """Return the keys of `action` as a person reads them."""
    return [key.toString(QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts() if not key.isEmpty()]


def listed(*owners: QWidget | None) -> list[QAction]:
    """Return every named action of `owners` and the widgets in them, each once, in the order they were made."""
    found: dict[int, QAction] = {}
    for owner in owners:
        if owner is None:
            continue
        for action in [*owner.actions(), *owner.findChildren(QAction)]:
            named = action.property(GROUP) or not action.shortcut().isEmpty()
            if action.text() and not action.isSeparator() and named:
                found.setdefault(id(action), action)
    return list(found.values())


def group_of(action: QAction) -> str:
    """Return the heading of `action`."""
    return str(action.property(GROUP) or "Viewer")
