"""Other studies of the patient: those here, and those that the archives hold. Possible matches are only listed."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import Job, JobRunner
from lightbox.library.records import StudyRecord
from lightbox.network.querying import persons
from lightbox.network.querying.persons import Certainty, Person
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.studies.study_row import StudyRow
from lightbox.ui.widgets import Badge, ElidedLabel, button, clear, label, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.querying.prior_model import Found

_PAUSE_MS = 400
"""So long a study must be chosen before archives are asked: stepping through the list asks nobody."""
_FRESH_S = 120.0
_MOST_KEPT = 50
_MOST_SHOWN = 30


@dataclass(frozen=True, slots=True)
class OtherStudy:
    """One other study, how sure it is that it is of the same patient, and what that rests on."""

    row: StudyRow
    certainty: Certainty
    reason: str


class PriorSearch(QObject):
    """Asks all archives for the other studies of the patient of one study, and keeps the answers for a while."""

    changed = Signal()

    def __init__(self, workstation: Workstation, bridge: Bridge, network: JobRunner) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._network = network
        self._study: StudyRecord | None = None
        self._job: Job[Found] | None = None
        self._kept: dict[str, tuple[float, Found]] = {}
        self._error = ""
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self.ask)

    @property
    def asking(self) -> bool:
        """Whether archives are being asked, or are about to be."""
        return self._job is not None or self._pause.isActive()

    @property
    def wanted(self) -> bool:
        """Whether archives are asked without being told to."""
        from lightbox.network.querying.prior_model import Rules

        return Rules.of(self._workstation.settings).enabled

    @property
    def archives(self) -> list[str]:
        """The names of the archives."""
        return [peer.name for peer in self._workstation.peers.all()]

    def follow(self, study: StudyRecord | None) -> None:
        """Turn to another study; its archives are asked a moment later."""
        if study is not None and self._study is not None and study.study_instance_uid == self._study.study_instance_uid:
            self._study = study
            return
        self._stop()
        self._study = study
        if study is not None and self.archives and self.wanted and self.found() is None:
            self._pause.start()

    def ask(self) -> None:
        """Ask now."""
        study, workstation = self._study, self._workstation
        self._stop()
        if study is None:
            return
        uid = study.study_instance_uid

        def work(job: Job[Found]) -> Found:
            from lightbox.network.querying import priors
            from lightbox.network.querying.prior_model import Current, Rules
            from lightbox.network.secrets import Secrets

            # Not only what was before: everything until today
            current = replace(Current.of_study(study, None), date="", time="")
            return priors.find(
                current,
                workstation.peers.all(),
                workstation.library,
                identity=workstation.identity,
                rules=Rules(window_years=99),
                cancel=job.token,
                settings=workstation.settings,
                secrets=Secrets(workstation.home),
                by_region=False,
            )

        def done(found: Found) -> None:
            self._kept[uid] = (time.monotonic(), found)
            for old in list(self._kept)[:-_MOST_KEPT]:
                del self._kept[old]
            if self._study is study or (self._study is not None and self._study.study_instance_uid == uid):
                self._job = None
                self.changed.emit()

        def failed(error: Exception) -> None:
            if not isinstance(error, Cancelled) and self._study is not None and self._study.study_instance_uid == uid:
                self._job, self._error = None, words.error(error)
                self.changed.emit()

        self._job = self._bridge.run(self._network, "other studies of a patient", work, done, failed)
        self.changed.emit()

    def forget(self) -> None:
        """Take no old answers any more (the archives have changed)."""
        self._kept.clear()

    def came(self, study_uids: Collection[str]) -> None:
        """Take note that studies are here now."""
        for _at, found in self._kept.values():
            found.priors = [
                replace(prior, study=replace(prior.study, here=True)) if prior.study.uid in study_uids else prior
                for prior in found.priors
            ]

    def found(self) -> Found | None:
        """Return the answer for the present study, None when there is none that is fresh."""
        uid = self._study.study_instance_uid if self._study is not None else ""
        at, found = self._kept.get(uid, (0.0, None))
        return found if found is not None and time.monotonic() - at < _FRESH_S else None

    def others(self, study: StudyRecord, local: list[StudyRecord]) -> list[OtherStudy]:
        """Return the other studies, the same patient first, then the newest; `local` are those of the library."""
        person = Person.of(study)
        rows: dict[str, StudyRow] = {entry.study_instance_uid: StudyRow(entry, here=True) for entry in local}
        warned: set[str] = set()
        found = self.found()
        for prior in found.priors if found is not None else ():
            known = rows.get(prior.study.uid)
            record, here = (known.record, True) if known is not None else (prior.study.record, prior.study.here)
            rows[prior.study.uid] = StudyRow(record, here, prior.study.announced, prior.study.warning)
            if prior.study.warning:
                warned.add(prior.study.uid)
        others: list[OtherStudy] = []
        for uid, entry in rows.items():
            verdict = persons.match(person, Person.of(entry.record))
            if uid == study.study_instance_uid or verdict.certainty is Certainty.DIFFERENT:
                continue
            if uid in warned and verdict.certainty is Certainty.SAME:
                verdict = persons.Match(Certainty.POSSIBLE, entry.warning)
            others.append(OtherStudy(entry, verdict.certainty, verdict.reason))
        others.sort(key=lambda other: (other.row.record.study_date, other.row.record.study_time), reverse=True)
        return sorted(others, key=lambda other: other.certainty is not Certainty.SAME)

    def state(self) -> str:
        """Return how the archives stand, in words; empty when there is nothing to say."""
        if self.asking:
            return "Asking the archives …"
        if self._error:
            return self._error
        found = self.found()
        if found is None:
            return ""
        failed = [name or "Library" for name, state in found.states.items() if state.state.value == "failed"]
        cut = [name or "Library" for name, state in found.states.items() if state.state.value == "truncated"]
        said = [
            f"{', '.join(failed)} did not answer." if failed else "",
            f"{', '.join(cut)}: there may be more." if cut else "",
        ]
        return " ".join(part for part in said if part)

    def _stop(self) -> None:
        self._pause.stop()
        self._error = ""
        if self._job is not None:
            self._job.cancel()
            self._job = None


class OtherStudyCard(QFrame):
    """One other study of the patient, or what might be one."""

    opened = Signal(str)
    fetch_wanted = Signal(object)

    def __init__(self, other: OtherStudy, study: StudyRecord) -> None:
        super().__init__()
        self.other = other
        record, possible = other.row.record, other.certainty is not Certainty.SAME
        self.setProperty("role", "card")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(2)
        modalities = ", ".join(other.row.modalities())
        described = record.study_description
        title = described if described.startswith(modalities) else f"{modalities} {described}".strip()
        title = title or "Study"
        column.addLayout(row(ElidedLabel(title), label(words.day(record.study_date), "small")))
        apart = words.apart(record.study_date, study.study_date)
        number = other.row.images_here or other.row.expected
        where = "here" if other.row.here else f"at {other.row.source()}"
        pieces = [apart, where, words.plural(number, "image") if number else ""]
        facts = ElidedLabel(" · ".join(piece for piece in pieces if piece), "text-secondary")
        facts.setFont(label("", "small").font())
        self.fetch = button("Fetch", "link", tip="Bring it here from the archive", on_click=self._fetch)
        self.fetch.setAccessibleName(f"Fetch {title} of {words.day(record.study_date)}")
        self.fetch.setVisible(not other.row.here)
        column.addLayout(row(facts, self.fetch))
        if possible:
            badge = Badge("possible match", "warn")
            column.addLayout(row(badge, None))
            column.addWidget(
                label(f"{words.name(record.patient_name)} · {record.patient_id or 'no ID'}", "small", wrap=True)
            )
            column.addWidget(label(f"{other.reason}. Not taken as the same patient.", "small", wrap=True))
        said = f", possible match: {other.reason}" if possible else ""
        self.setAccessibleName(f"{title}, {words.day(record.study_date)}, {apart}, {where}{said}")
        self.setToolTip(
            "Double click or Enter opens it"
            if other.row.here
            else "Double click or Enter brings it here from the archive"
        )

    def _fetch(self) -> None:
        self.fetch.setEnabled(False)
        self.fetch.setText("Fetching")
        self.fetch_wanted.emit(self.other.row)

    def _go(self) -> None:
        if self.other.row.here:
            self.opened.emit(self.other.row.uid)
        elif self.fetch.isEnabled():
            self._fetch()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open it, or fetch it."""
        self._go()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open or fetch it on Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._go()
        else:
            super().keyPressEvent(event)


class OtherStudies(QWidget):
    """The section of the detail pane; it grows as the archives answer."""

    opened = Signal(str)
    fetch_wanted = Signal(object)

    def __init__(self, study: StudyRecord, local: list[StudyRecord], search: PriorSearch) -> None:
        super().__init__()
        self._study, self._local, self._search = study, local, search
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 6, 0, 0)
        self._column.setSpacing(8)
        self.cards: list[OtherStudyCard] = []
        search.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what is known now."""
        clear(self._column)
        search = self._search
        others = search.others(self._study, self._local)
        said = search.state()
        look = bool(search.archives) and not search.asking and search.found() is None
        self.cards = []
        self.setVisible(bool(others or said or look))
        if self.isHidden():
            return
        self._column.addWidget(label("Other studies of this patient", "section"))
        for other in others[:_MOST_SHOWN]:
            card = OtherStudyCard(other, self._study)
            card.opened.connect(self.opened)
            card.fetch_wanted.connect(self.fetch_wanted)
            self.cards.append(card)
            self._column.addWidget(card)
        if len(others) > _MOST_SHOWN:
            self._column.addWidget(label(f"and {len(others) - _MOST_SHOWN} more", "small"))
        if said:
            self._column.addWidget(label(said, "small", wrap=True))
        if look:
            ask = button(
                "Ask the archives", "link", tip="Also lists what only might be of this patient", on_click=search.ask
            )
            self._column.addLayout(row(ask, None))
