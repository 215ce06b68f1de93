"""The bar over the table: what to look for, and what to do with what was found."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QLayout, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from lightbox.library.records import StudyQuery
from lightbox.network.querying.saved import SavedQuery
from lightbox.ui.studies.pull_downs import DatePullDown, ModalityPullDown, PullDown, RegionPullDown
from lightbox.ui.widgets import button, row

_MARGIN, _GAP = 16, 8
_COMFORT = 70
"""So much wider than at least the search box should be for everything to be on one line."""


class FilterBar(QFrame):
    """Filters and actions on one line where there is room for both, else on two; nothing is ever cut off."""

    changed = Signal(bool)
    """Something else is looked for; True while it is being typed."""
    entered = Signal()

    def __init__(self, saved: PullDown, clear: QPushButton, doing: Sequence[QPushButton]) -> None:
        super().__init__()
        self.setObjectName("filters")
        self.box = QLineEdit()
        self.box.setPlaceholderText("Search names, IDs, descriptions")
        self.box.setAccessibleName("Search studies")
        self.box.setToolTip("Words in any order  (Ctrl+F). Enter asks the chosen archives at once.")
        self.box.setClearButtonEnabled(True)
        self.box.setMinimumWidth(140)
        self.box.setMaximumWidth(320)
        self.patient_id = QLineEdit()
        self.patient_id.setPlaceholderText("Patient ID")
        self.accession = QLineEdit()
        self.accession.setPlaceholderText("Accession")
        for field in (self.patient_id, self.accession):
            field.setAccessibleName(field.placeholderText())
            field.setMinimumWidth(86)
            field.setMaximumWidth(130)
        self.date, self.modality, self.region = DatePullDown(), ModalityPullDown(), RegionPullDown()
        self.patient_name, self.fuzzy = "", False
        self.name_chip = button("", "filter", tip="Part of the saved search; press to leave it out")
        self.name_chip.setProperty("set", "true")
        self.name_chip.clicked.connect(lambda: self.show_name("", False, tell=True))
        self.name_chip.hide()
        self.saved = saved
        self._filters, self._kept, self._doing = QWidget(), QWidget(), QWidget()
        line = row(*(self.box, self.patient_id, self.accession, self.date, self.modality, self.region), spacing=_GAP)
        line.setSizeConstraint(QLayout.SizeConstraint.SetMinAndMaxSize)  # no wider than its fields
        for made in (self.date, self.modality, self.region, self.name_chip, saved, clear):
            made.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        for field, share in ((self.box, 3), (self.patient_id, 1), (self.accession, 1)):
            line.setStretchFactor(field, share)
            field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._filters.setLayout(line)
        self._kept.setLayout(row(self.name_chip, saved, clear, spacing=_GAP))
        self._doing.setLayout(row(*doing, spacing=_GAP))
        column = QVBoxLayout(self)
        column.setContentsMargins(_MARGIN, 10, _MARGIN, 10)
        column.setSpacing(_GAP)
        self._upper, self._lower = row(spacing=_GAP), row(spacing=_GAP)
        column.addLayout(self._upper)
        column.addLayout(self._lower)
        self._lines = -1
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._arrange)
        for part in (self._filters, self._kept, self._doing):
            part.installEventFilter(self)
        self._arrange()
        for field in (self.box, self.patient_id, self.accession):
            field.textChanged.connect(lambda: self.changed.emit(True))
            field.returnPressed.connect(self.entered)
        for pull_down in (self.date, self.modality, self.region):
            pull_down.changed.connect(lambda: self.changed.emit(False))

    # --- what is looked for

    def query(self, order: StudyQuery) -> StudyQuery:
        """Return what the library is asked, in the order of `order`."""
        return StudyQuery(
            text=self.box.text().strip(),
            patient_name=self.patient_name,
            patient_id=_from_start(self.patient_id.text().strip()),
            accession_number=_from_start(self.accession.text().strip()),
            study_date_from=self.date.first,
            study_date_to=self.date.last,
            modalities=self.modality.chosen,
            sort_by=order.sort_by,
            descending=order.descending,
        )

    @property
    def empty(self) -> bool:
        """Whether everything is looked for."""
        return self.as_saved("x") == SavedQuery("x")

    def as_saved(self, name: str, peers: Sequence[str] = ()) -> SavedQuery:
        """Return what is looked for as a query to keep; dates stay relative."""
        return SavedQuery(
            name,
            text=self.box.text().strip(),
            patient_name=self.patient_name,
            patient_id=self.patient_id.text().strip(),
            accession_number=self.accession.text().strip(),
            dates=self.date.expression,
            modalities=self.modality.chosen,
            region=self.region.chosen,
            peers=tuple(peers),
            fuzzy=self.fuzzy,
        )

    def show_query(self, wanted: SavedQuery) -> None:
        """Set every filter as `wanted` says; `changed` is not told."""
        self.blockSignals(True)
        try:
            self.date.choose(wanted.dates)
            self.modality.choose(wanted.modalities)
            self.region.choose(wanted.region)
            self.box.setText(wanted.text)
            self.patient_id.setText(wanted.patient_id)
            self.accession.setText(wanted.accession_number)
            self.show_name(wanted.patient_name, wanted.fuzzy)
        finally:
            self.blockSignals(False)

    def show_name(self, patient_name: str, fuzzy: bool, *, tell: bool = False) -> None:
        """Set what has no field of its own: a patient's name as archives match it, and names that sound alike."""
        self.patient_name, self.fuzzy = patient_name, fuzzy
        said = f"Name {patient_name}" if patient_name else ""
        if fuzzy:
            said = f"{said}, sounds alike" if said else "Sounds alike"
        shown = self.name_chip.fontMetrics().elidedText(said, Qt.TextElideMode.ElideMiddle, 170)
        self.name_chip.setText(f"{shown}  ✕")
        self.name_chip.setAccessibleName(f"Leave out: {said}")
        self.name_chip.setVisible(bool(said))
        if tell:
            self.changed.emit(False)

    # --- size

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        """Arrange anew when a pull-down shows another value."""
        if event.type() is QEvent.Type.LayoutRequest:
            self._soon.start()
        return super().eventFilter(watched, event)  # type: ignore[arg-type]

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use one line or two."""
        super().resizeEvent(event)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        """Return the room for the widest of the lines when it is narrow."""
        filters, kept, doing = (part.minimumSizeHint().width() for part in (self._filters, self._kept, self._doing))
        return QSize(max(filters, kept + _GAP + doing) + 2 * _MARGIN, super().minimumSizeHint().height())

    def _arrange(self) -> None:
        filters, kept, doing = (part.minimumSizeHint().width() for part in (self._filters, self._kept, self._doing))
        room = self.width() - 2 * _MARGIN - 2 * _GAP
        lower: list[QWidget | None] = []
        upper: list[QWidget | None] = [self._filters, self._kept, None, self._doing]
        if filters + _COMFORT + kept + doing > room:
            wide = filters + kept <= room
            upper = [self._filters, self._kept, None] if wide else [self._filters, None]
            lower = [self._doing, None] if wide else [self._doing, None, self._kept]
        if len(upper) == self._lines:
            return
        self._lines = len(upper)
        for line, parts in ((self._upper, upper), (self._lower, lower)):
            while line.takeAt(0) is not None:
                pass
            for part in parts:
                if part is None:
                    line.addStretch(1)
                else:
                    line.addWidget(part, 1000 if part is self._filters else 0)


def _from_start(text: str) -> str:
    """Return `text` as the beginning of a value, unless it holds wildcards of its own."""
    return f"{text}*" if text and not any(sign in text for sign in "*?") else text
