"""Filters that open a list and show their value on the button."""

from __future__ import annotations

from datetime import date

from PySide6.QtCore import QDate, QPoint, Qt, Signal
from PySide6.QtWidgets import QDateEdit, QLineEdit, QMenu, QPushButton, QVBoxLayout, QWidget, QWidgetAction

from lightbox.core.errors import LightboxError
from lightbox.network.querying import relative
from lightbox.ui import theme, words
from lightbox.ui.widgets import button, label, row

MODALITIES = ("CT", "MR", "CR", "DX", "MG", "US", "XA", "RF", "PT", "NM", "SEG", "SR", "OT")
_MODALITIES_SHOWN = 3
_WIDEST = 220


class PullDown(QPushButton):
    """A button with a menu; it is lit while its filter restricts something."""

    changed = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.setProperty("role", "filter")
        self.setAutoDefault(False)
        self.menu_shown = QMenu(self)
        self.clicked.connect(self.open_menu)

    def open_menu(self) -> None:
        """Open the list under the button."""
        self.menu_shown.popup(self.mapToGlobal(QPoint(0, self.height() + 4)))

    def keyPressEvent(self, event: object) -> None:
        """Down opens the list, as in any pull-down."""
        if event.key() == Qt.Key.Key_Down:  # type: ignore[attr-defined]
            self.open_menu()
        else:
            super().keyPressEvent(event)  # type: ignore[arg-type]

    def show_value(self, value: str) -> None:
        """Show the value, or the name of the filter when it is empty."""
        room = _WIDEST - 2 * 10 - self.fontMetrics().horizontalAdvance("  ▾")
        shown = self.fontMetrics().elidedText(value or self._name, Qt.TextElideMode.ElideMiddle, room)
        self.setText(f"{shown}  ▾")
        self.setAccessibleName(f"{self._name}: {value or 'any'}")
        theme.restyle(self, set="true" if value else "false")


class DatePullDown(PullDown):
    """The range of study dates; what is said relative to today stays relative."""

    SPANS: tuple[tuple[str, str], ...] = (
        ("Any date", ""),
        ("Today", "today"),
        ("Yesterday", "yesterday"),
        ("Last 7 days", "last 7 days"),
        ("Last 30 days", "last 30 days"),
        ("Past 3 months", "past 3 months"),
        ("Past 6 months", "past 6 months"),
        ("Past 12 months", "past 12 months"),
    )

    def __init__(self) -> None:
        super().__init__("Any date")
        self.expression = ""
        """The time span as `relative.resolve` understands it; empty for any."""
        for text, expression in self.SPANS:
            entry = self.menu_shown.addAction(text)
            entry.triggered.connect(lambda _=False, said=expression: self.choose(said))
        self.menu_shown.addSeparator()
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(12, 4, 12, 8)
        column.addWidget(label("From – to", "section"))
        today = date.today()
        self._from, self._to = QDateEdit(), QDateEdit()
        for field, name in ((self._from, "From date"), (self._to, "To date")):
            field.setDisplayFormat("yyyy-MM-dd")
            field.setDate(QDate(today.year, today.month, today.day))
            field.setAccessibleName(name)
        column.addLayout(row(self._from, self._to, button("Set", on_click=self._custom)))
        column.addWidget(label("In words", "section"))
        self._words = QLineEdit()
        self._words.setPlaceholderText("past 6 weeks, this month, since 2024-01-01")
        self._words.setAccessibleName("Time span in words")
        self._words.returnPressed.connect(self._said)
        self._wrong = label("", "critical", wrap=True)
        self._wrong.hide()
        column.addLayout(row(self._words, button("Set", on_click=self._said)))
        column.addWidget(self._wrong)
        inner = QWidgetAction(self.menu_shown)
        inner.setDefaultWidget(holder)
        self.menu_shown.addAction(inner)
        self.show_value("")

    @property
    def first(self) -> str:
        """The first day of the range as it is today (DICOM date, empty: open)."""
        return relative.resolve(self.expression)[0]

    @property
    def last(self) -> str:
        """The last day of the range as it is today."""
        return relative.resolve(self.expression)[1]

    def choose(self, expression: str) -> None:
        """Set the range in words ("last 7 days", "2024-01-01..2024-03-31"; empty: any).

        Raises
        ------
        UsageError
            The words are not understood; nothing is changed.
        """
        relative.resolve(expression)
        self.expression = " ".join(expression.split())
        listed = {said: text for text, said in self.SPANS if said}
        shown = listed.get(self.expression.casefold(), self.expression[:1].upper() + self.expression[1:])
        self.show_value(" – ".join(part for part in shown.split("..") if part))
        self.changed.emit()

    def _said(self) -> None:
        try:
            self.choose(self._words.text())
        except LightboxError as error:
            self._wrong.setText(words.error(error))
            self._wrong.show()
            return
        self._wrong.hide()
        self.menu_shown.close()

    def _custom(self) -> None:
        first, last = sorted((self._from.date().toString("yyyyMMdd"), self._to.date().toString("yyyyMMdd")))
        self.menu_shown.close()
        self.set_range(first, last, words.day(first) if first == last else f"{words.day(first)} – {words.day(last)}")

    def set_range(self, first: str, last: str, text: str) -> None:
        """Set fixed days (DICOM dates, empty: open) and the words that show them."""
        self.expression = "" if not first and not last else f"{words.day(first)}..{words.day(last)}"
        self.show_value(text)
        self.changed.emit()


class ModalityPullDown(PullDown):
    """Any number of modalities."""

    def __init__(self) -> None:
        super().__init__("Any modality")
        self.chosen: tuple[str, ...] = ()
        self._any = self.menu_shown.addAction("Any modality")
        self._any.triggered.connect(lambda: self.choose(()))
        self.menu_shown.addSeparator()
        self._entries = {}
        for modality in MODALITIES:
            entry = self.menu_shown.addAction(modality)
            entry.setCheckable(True)
            entry.triggered.connect(self._read)
            self._entries[modality] = entry
        self.show_value("")

    def _read(self) -> None:
        self.choose(tuple(modality for modality, entry in self._entries.items() if entry.isChecked()))

    def choose(self, modalities: tuple[str, ...]) -> None:
        """Set the modalities (none: any)."""
        self.chosen = modalities
        for modality, entry in self._entries.items():
            entry.setChecked(modality in modalities)
        shown = ", ".join(modalities[:_MODALITIES_SHOWN])
        more = len(modalities) - _MODALITIES_SHOWN
        self.show_value(f"{shown} +{more}" if more > 0 else shown)
        self.setToolTip(", ".join(modalities) if more > 0 else "")
        self.changed.emit()


class RegionPullDown(PullDown):
    """One part of the body."""

    def __init__(self) -> None:
        super().__init__("Any region")
        self.chosen = ""
        self.setToolTip("Studies of which it is not known what they show are listed too")
        self.menu_shown.aboutToShow.connect(self._fill)
        self.show_value("")

    def _fill(self) -> None:
        if not self.menu_shown.isEmpty():
            return
        from lightbox.network.querying import regions

        self.menu_shown.addAction("Any region").triggered.connect(lambda: self.choose(""))
        self.menu_shown.addSeparator()
        for name, region in regions.table().items():
            entry = self.menu_shown.addAction(region.title)
            entry.triggered.connect(lambda _=False, name=name: self.choose(name))

    def choose(self, region: str) -> None:
        """Set the region (a name of `regions.table`; empty: any)."""
        self.chosen = region
        self.show_value(region.capitalize())
        self.changed.emit()
