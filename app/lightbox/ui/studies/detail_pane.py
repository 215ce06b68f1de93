"""The pane beside the table: facts, series and priors of the chosen study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from lightbox.core.jobs import Job, JobRunner
from lightbox.library.records import SeriesRecord, StudyRecord
from lightbox.network.peers import Peer
from lightbox.ui import theme, words
from lightbox.ui.bridge import Bridge
from lightbox.ui.flow_layout import FlowLayout
from lightbox.ui.studies.other_studies import OtherStudies, PriorSearch
from lightbox.ui.studies.quality_sheet import badges
from lightbox.ui.studies.series_card import SeriesCard
from lightbox.ui.studies.series_query import series_at
from lightbox.ui.studies.study_row import StudyRow
from lightbox.ui.studies.thumbnails import Thumbnails
from lightbox.ui.widgets import Badge, ElidedLabel, button, clear, label, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.library.quality.model import StoredIssue

_PAUSE_MS = 60


@dataclass
class Details:
    """What the pane shows beyond the row itself."""

    series: list[SeriesRecord] = field(default_factory=list)
    priors: list[StudyRecord] = field(default_factory=list)
    error: str = ""
    quality: list[StoredIssue] = field(default_factory=list)


class DetailPane(QFrame):
    """Follows the selection; what needs the library or an archive comes from a job."""

    open_wanted = Signal(str, str)
    quality_wanted = Signal(str, list)
    fetch_wanted = Signal(object)
    """A study of an archive (`StudyRow`) is to be brought here."""

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner, network: JobRunner) -> None:
        super().__init__()
        self.setObjectName("side")
        self.setAccessibleName("Details of the study")
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner
        self._network = network
        self._generation = 0
        self._row: StudyRow | None = None
        self.priors = PriorSearch(workstation, bridge, network)
        self.others: OtherStudies | None = None
        self._peer_of: Callable[[StudyRow], Peer | None] = lambda _row: None
        self.cards: dict[str, SeriesCard] = {}
        self.thumbnails = Thumbnails(workstation, bridge, runner)
        self.thumbnails.ready.connect(self._picture)
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._load)
        self._stack = QStackedLayout(self)
        hint = QWidget()
        middle = QVBoxLayout(hint)
        self._hint = label("Choose a study to see its series and priors.", "secondary", wrap=True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        middle.addWidget(self._hint)
        self._stack.addWidget(hint)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inner = QWidget()
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(14, 12, 14, 14)
        self._column.setSpacing(8)
        scroll.setWidget(inner)
        self._stack.addWidget(scroll)

    def retrieve_from(self, peer_of: Callable[[StudyRow], Peer | None]) -> None:
        """Tell how to find the archive of a row."""
        self._peer_of = peer_of

    def look_again(self) -> None:
        """Read the details of the chosen study anew."""
        if self._row is not None:
            self._pause.start()

    def show_rows(self, rows: list[StudyRow]) -> None:
        """Show one study, or how many are chosen."""
        self._generation += 1
        if len(rows) != 1:
            self._row = None
            self.priors.follow(None)
            self._hint.setText(
                f"{words.plural(len(rows), 'study', 'studies')} chosen."
                if rows
                else "Choose a study to see its series and priors."
            )
            self._stack.setCurrentIndex(0)
            return
        fresh = self._row is None or self._row.uid != rows[0].uid
        self._row = rows[0]
        if fresh:
            self._build(Details(), loading=True)
        self._stack.setCurrentIndex(1)
        self._pause.start()

    # --- loading

    def _load(self) -> None:
        chosen = self._row
        if chosen is None:
            return
        generation = self._generation
        library = self._workstation.library
        record = chosen.record

        def here(job: Job[Details]) -> Details:
            study = library.study(record.study_instance_uid) or record
            same = library.studies_of_patient(study.patient_id, study.issuer_of_patient_id) if study.patient_id else []
            priors = [entry for entry in same if entry.study_instance_uid != study.study_instance_uid]
            priors.sort(key=lambda entry: (entry.study_date, entry.study_time), reverse=True)
            quality = library.quality_issues(study.study_instance_uid)
            return Details(library.series_of(study.study_instance_uid), priors, quality=quality)

        def there(job: Job[Details]) -> Details:
            same = (
                library.studies_of_patient(record.patient_id, record.issuer_of_patient_id) if record.patient_id else []
            )
            details = Details(priors=[entry for entry in same if entry.study_instance_uid != record.study_instance_uid])
            peer = self._peer_of(chosen)
            if peer is not None:
                details.series = series_at(self._workstation, peer, record.study_instance_uid, job)
            return details

        def arrived(details: Details) -> None:
            if generation == self._generation:
                self._build(details, loading=False)
                if chosen.here:
                    self.thumbnails.ask(details.series)

        def failed(error: Exception) -> None:
            if generation == self._generation:
                self._build(Details(error=words.error(error)), loading=False)

        if chosen.here:
            self._bridge.run(self._runner, "details of a study", here, arrived, failed)
        else:
            self._bridge.run(self._network, "series at an archive", there, arrived, failed)

    def _picture(self, series_uid: str, png: bytes) -> None:
        card = self.cards.get(series_uid)
        if card is not None:
            card.show_picture(png)

    # --- showing

    def _build(self, details: Details, *, loading: bool) -> None:
        chosen = self._row
        if chosen is None:
            return
        clear(self._column)
        self.cards = {}
        study = chosen.record
        title = ElidedLabel(words.name(study.patient_name) or "No name", "text-strong")
        title.setFont(theme.font(theme.metric("font-size-title"), weight=QFont.Weight.DemiBold))
        self._column.addWidget(title)
        subtitle = study.study_description or ", ".join(chosen.modalities()) or "Study"
        self._column.addWidget(ElidedLabel(subtitle, "text-secondary"))
        self._column.addSpacing(2)
        self._column.addLayout(self._facts(chosen))
        for warning in dict.fromkeys(text for text in (study.warning, chosen.warning) if text):
            self._column.addWidget(label(warning, "warn", wrap=True))
        if details.quality:
            self._column.addLayout(self._quality(study, details.quality))
        if details.error:
            self._column.addWidget(label(details.error, "critical", wrap=True))
        if loading:
            self._column.addStretch(1)
            return
        if details.series:
            self._column.addSpacing(6)
            where = "" if chosen.here else " at the archive"
            self._column.addWidget(label(f"{words.plural(len(details.series), 'series', 'series')}{where}", "section"))
            holder = QWidget()
            flow = FlowLayout(holder)
            for entry in details.series:
                card = SeriesCard(entry)
                card.opened.connect(lambda uid: self.open_wanted.emit(study.study_instance_uid, uid))
                if not chosen.here:
                    card.show_picture(b"")
                self.cards[entry.series_instance_uid] = card
                flow.addWidget(card)
            self._column.addWidget(holder)
        self.priors.follow(study)
        others = self.others = OtherStudies(study, details.priors, self.priors)
        others.opened.connect(lambda uid: self.open_wanted.emit(uid, ""))
        others.fetch_wanted.connect(self.fetch_wanted)
        self._column.addWidget(others)
        self._column.addStretch(1)

    def _quality(self, study: StudyRecord, issues: list[StoredIssue]) -> QHBoxLayout:
        """Return the line that says how many faults the objects of the study have."""
        counts = Counter(entry.issue.severity for entry in issues)
        show = button("show", "link", tip="What is wrong, where, and how it can be repaired")
        show.setAccessibleName("Show the quality list")
        show.clicked.connect(lambda: self.quality_wanted.emit(words.name(study.patient_name) or "a study", issues))
        name = label("Quality", "secondary")
        name.setFixedWidth(78)
        shown = badges(counts)[:2]  # as much as a narrow pane has room for, the worst first
        return row(name, 4, *shown, show, None, spacing=6)

    def _facts(self, chosen: StudyRow) -> QGridLayout:
        study = chosen.record
        age = words.age(study.patient_age, study.patient_birth_date, study.study_date)
        years = f"{age} y" if age.isdigit() else age
        born = " · ".join(part for part in (words.day(study.patient_birth_date), years, study.patient_sex) if part)
        number, held = chosen.images_here, chosen.expected
        if not chosen.here:
            amount = f"{words.plural(held, 'image')} at {chosen.source()}" if held else f"at {chosen.source()}"
        elif chosen.partial:
            amount = f"{words.count(number)} of {words.plural(held, 'image')}"
        else:
            amount = words.plural(number, "image")
        facts = [
            ("Born" if study.patient_birth_date else "Sex, age", born),
            ("Patient ID", " · ".join(part for part in (study.patient_id, study.issuer_of_patient_id) if part)),
            ("Study", words.moment(study.study_date, study.study_time)),
            ("Accession", study.accession_number),
            ("Referred by", words.name(study.referring_physician_name)),
            ("Institution", study.institution_name),
            ("Here", amount),
            ("From", chosen.source() if chosen.here else ""),
        ]
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(5)
        grid.setColumnMinimumWidth(0, 78)
        grid.setColumnStretch(1, 1)
        line = 0
        for name, value in facts:
            if not value:
                continue
            grid.addWidget(label(name, "secondary"), line, 0)
            if name == "Here":
                word, kind = chosen.badge()
                said: list[QWidget] = [ElidedLabel(value)]
                said[0].setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
                if chosen.here:
                    said.append(Badge(word, "ok" if word == "complete" else kind))
                said[-1].setToolTip(chosen.presence_reason())
                grid.addLayout(row(*said, None), line, 1)
            else:
                grid.addWidget(ElidedLabel(value), line, 1)
            line += 1
        if chosen.results():
            grid.addWidget(label("Results", "secondary"), line, 0)
            grid.addLayout(row(*[Badge(name, "algorithm") for name in chosen.results()], None, spacing=6), line, 1)
        return grid
