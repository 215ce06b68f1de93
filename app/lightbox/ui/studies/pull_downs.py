"""Filters that open a list and show their value on the button."""

from __future__ import annotations

from datetime import date

from PySide6.QtCore import QDate, QPoint, Qt, Signal
from PySide6.QtWidgets import QDateEdit, QMenu, QPushButton, QVBoxLayout, QWidget, QWidgetAction

from lightbox.ui import theme, words
from lightbox.ui.widgets import button, label, row

MODALITIES = ("CT", "MR", "CR", "DX", "MG", "US", "XA", "RF", "PT", "NM", "SEG", "SR", "OT")


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
        self.setText(f"{value or self._name}  ▾")
        self.setAccessibleName(f"{self._name}: {value or 'any'}")
        theme.restyle(self, set="true" if value else "false")


class DatePullDown(PullDown):
    """The range of study dates."""

    RANGES: tuple[tuple[str, int | None, int | None], ...] = (
        ("Any date", None, None),
        ("Today", 0, 0),
        ("Yesterday", 1, 1),
        ("Last 7 days", 7, 0),
        ("Last 30 days", 30, 0),
        ("Last 3 months", 91, 0),
        ("Last 12 months", 365, 0),
    )

    def __init__(self) -> None:
        super().__init__("Any date")
        self.first, self.last = "", ""
        for text, start, end in self.RANGES:
            entry = self.menu_shown.addAction(text)
            entry.triggered.connect(lambda _=False, text=text, start=start, end=end: self._relative(text, start, end))
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
        inner = QWidgetAction(self.menu_shown)
        inner.setDefaultWidget(holder)
        self.menu_shown.addAction(inner)
        self.show_value("")

    def _relative(self, text: str, start: int | None, end: int | None) -> None:
        if start is None or end is None:
            self.set_range("", "", "")
        else:
            self.set_range(words.days_back(start), words.days_back(end) if end else "", text)

    def _custom(self) -> None:
        first, last = sorted((self._from.date().toString("yyyyMMdd"), self._to.date().toString("yyyyMMdd")))
        self.menu_shown.close()
        self.set_range(first, last, words.day(first) if first == last else f"{words.day(first)} – {words.day(last)}")

    def set_range(self, first: str, last: str, text: str) -> None:
        """Set the range (DICOM dates, empty: open) and the words that show it."""
        self.first, self.last = first, last
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
        self.show_value(", ".join(modalities))
        self.changed.emit()
