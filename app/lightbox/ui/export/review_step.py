"""Step 3: every identifier that will go or change, before anything is written."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from lightbox.ui import words
from lightbox.ui.export.plan import Plan
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.widgets import Badge, ElidedLabel, EmptyState, ThinProgress, button, card, clear, label, row

if TYPE_CHECKING:
    from lightbox.deid.scan import Inventory

_SHADES = {"removed": "critical", "emptied": "critical", "kept": "ok"}
_MOST_REFUSED = 30


def spaced(keyword: str) -> str:
    """Return a DICOM keyword as words: ``PatientBirthDate`` as Patient Birth Date."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", keyword)


class ReviewStep(QWidget):
    """The inventory of identifiers."""

    changed = Signal()
    cancel_wanted = Signal()

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        self._stack = QStackedWidget()
        waiting = QWidget()
        column = QVBoxLayout(waiting)
        column.setContentsMargins(24, 24, 24, 24)
        column.addStretch(2)
        self._doing = label("Looking for identifiers", "heading")
        self._doing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.bar = ThinProgress()
        self.bar.setFixedWidth(420)
        self._amount = label("", "secondary")
        self._amount.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self._doing)
        column.addLayout(row(None, self.bar, None))
        column.addWidget(self._amount)
        column.addLayout(row(None, button("Cancel", on_click=self.cancel_wanted.emit), None))
        column.addStretch(3)
        self._stack.addWidget(waiting)
        shown = QWidget()
        inner = QVBoxLayout(shown)
        inner.setContentsMargins(24, 18, 24, 16)
        inner.setSpacing(10)
        self.heading = label("", "heading")
        inner.addWidget(self.heading)
        self.table = PlainTable(
            "Identifiers that will go or change",
            ("Attribute", "Tag", "Objects", "Values", "Now, for example", "Then"),
            (204, 112, 72, 66, 240, 100),
            4,
        )
        inner.addWidget(self.table, 1)
        self._stack.addWidget(shown)
        self._broken = EmptyState("The scan did not end", "", icon="warn")
        self._stack.addWidget(self._broken)
        outer.addWidget(self._stack, 1)
        side = QFrame()
        side.setObjectName("side")
        side.setFixedWidth(290)
        self._side_frame = side
        side_outer = QVBoxLayout(side)
        side_outer.setContentsMargins(0, 0, 0, 0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        holder = QWidget()
        self._side = QVBoxLayout(holder)
        self._side.setContentsMargins(14, 18, 14, 14)
        self._side.setSpacing(8)
        scroll.setWidget(holder)
        side_outer.addWidget(scroll)
        outer.addWidget(side)
        self.accept: QCheckBox | None = None

    def show_progress(self, done: int, total: int) -> None:
        """Show how far the scan is."""
        self._stack.setCurrentIndex(0)
        self._side_frame.hide()
        self.bar.show_progress(done, total)
        self._amount.setText(f"{words.count(done)} of {words.plural(total, 'object')}" if total else "starting")

    def show_error(self, text: str) -> None:
        """Say why there is no inventory."""
        self._broken.text.setText(text)
        self._side_frame.hide()
        self._stack.setCurrentIndex(2)

    def show_inventory(self, inventory: Inventory) -> None:
        """Show what was found."""
        places = sum(1 for entry in inventory.rows)
        values = sum(entry.values for entry in inventory.rows)
        self.heading.setText(
            f"{words.plural(values, 'value')} in {words.plural(places, 'attribute')} will go or change"
            f" · {words.plural(inventory.files, 'object')}, {words.plural(inventory.patients, 'patient')},"
            f" {words.plural(inventory.studies, 'study', 'studies')}"
        )
        rows: list[tuple[tuple[str, str], ...]] = []
        for entry in inventory.rows:
            name = spaced(entry.keyword) or "Unknown attribute"
            nested = " (in a sequence)" if entry.nested else ""
            sample = " · ".join(entry.samples)
            rows.append(
                (
                    (name + nested, "text-strong"),
                    (f"({entry.tag >> 16:04X},{entry.tag & 0xFFFF:04X})", "text-secondary"),
                    (words.count(entry.files), ""),
                    (words.count(entry.distinct or entry.values), ""),
                    (sample, ""),
                    (entry.action, _SHADES.get(entry.action, "accent")),
                )
            )
        self.table.fill(rows, right=(2, 3))
        self._show_side(inventory)
        self._stack.setCurrentIndex(1)
        self._side_frame.show()

    def _show_side(self, inventory: Inventory) -> None:
        clear(self._side)
        self.accept = None
        self._side.addWidget(label("Also found", "section"))
        private = sum(inventory.private_creators.values())
        box, inside = card()
        inside.addLayout(row(Badge("removed" if private else "none", "ok"), label("Private elements"), None))
        said = f"{words.plural(private, 'private element')} of " if private else "No private elements. "
        names = ", ".join(name for name, _ in inventory.private_creators.most_common(4))
        inside.addWidget(label(f"{said}{names}. All go." if private else said.strip(), "small", wrap=True))
        self._side.addWidget(box)
        risky = [entry for entry in inventory.refused if entry.code == "burned-in-risk"]
        others = [entry for entry in inventory.refused if entry.code != "burned-in-risk"]
        box, inside = card()
        kind = "warn" if risky else "ok"
        inside.addLayout(row(Badge("look" if risky else "clear", kind), label("Text in the pixels"), None))
        if risky:
            inside.addWidget(
                label(
                    f"{words.plural(len(risky), 'object')} may show names or dates in the picture itself. They are "
                    "kept back: this version does not mask pixels.",
                    "small",
                    wrap=True,
                )
            )
            for reason, number in Counter(entry.reason for entry in risky).most_common(3):
                inside.addWidget(label(f"{words.count(number)} × {reason}", "small", wrap=True))
            self.accept = QCheckBox("I looked at them: export them too")
            self.accept.setChecked(self._plan.accept_burned_in)
            self.accept.toggled.connect(self._accepted)
            inside.addWidget(self.accept)
        else:
            inside.addWidget(label("No object says or suggests that text is part of its picture.", "small", wrap=True))
        self._side.addWidget(box)
        box, inside = card()
        inside.addLayout(
            row(
                Badge("kept back" if others else "none", "critical" if others else "ok"),
                label("Cannot be exported"),
                None,
            )
        )
        if others:
            for reason, number in Counter(entry.reason for entry in others).most_common(5):
                inside.addWidget(label(f"{words.count(number)} × {reason}", "small", wrap=True))
            for entry in others[:_MOST_REFUSED]:
                inside.addWidget(ElidedLabel(entry.label, "text-secondary", mode=Qt.TextElideMode.ElideLeft))
        else:
            inside.addWidget(label("Every object can be read and de-identified.", "small", wrap=True))
        self._side.addWidget(box)
        self._side.addStretch(1)

    def _accepted(self, on: bool) -> None:
        self._plan.accept_burned_in = on
        self.changed.emit()
