"""What the receiver turned away or noticed: kept for the screen, and listed in the settings."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from lightbox.core.jobs import Job, JobRunner
from lightbox.network.receiving.events import ReceiverEvent
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.settings.receiver_words import advice
from lightbox.ui.widgets import Dot, clear, label, row
from lightbox.workstation import Workstation

SEEN = "ui.receiver.seen"
MOST_KEPT = 200
MOST_SHOWN = 12
_QUIET = frozenset({"silent", "aborted", "lost", "not-ingested"})
"""Listed, but not worth a mark: monitoring knocks every minute, and what was cut short is sent again."""
_LOOKED_MS = 600


class ReceiverEvents(QObject):
    """The troubles at our port, newest first, of this session and of earlier ones."""

    changed = Signal()

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner
        self.events: list[ReceiverEvent] = []

    def start(self) -> None:
        """Read what was written down before."""

        def work(job: Job[list[ReceiverEvent]]) -> list[ReceiverEvent]:
            from lightbox.network.receiving import event_log

            return event_log.recent(self._workstation.home, MOST_KEPT)

        def done(found: list[ReceiverEvent]) -> None:
            known = {(event.at, event.kind, event.address) for event in self.events}
            self.events += [event for event in found if (event.at, event.kind, event.address) not in known]
            self._tell()

        self._bridge.run(self._runner, "events of the receiver", work, done)

    def follow(self, receiver: object) -> None:
        """Take what happens from now on."""
        receiver.event.connect(self._bridge.slot(self._happened))  # type: ignore[attr-defined]

    def _happened(self, event: ReceiverEvent) -> None:
        if event.is_trouble:
            self.events.insert(0, event)
            self._tell()

    def _tell(self) -> None:
        self.events.sort(key=lambda event: event.at, reverse=True)
        del self.events[MOST_KEPT:]
        self.changed.emit()

    @property
    def unseen(self) -> int:
        """How many times something was turned away or noticed since the list was last looked at."""
        seen = str(self._workstation.settings.get(SEEN, ""))
        return sum(event.count for event in self.events if event.at > seen and event.kind not in _QUIET)

    def looked_at(self) -> None:
        """Remember that a person saw the list."""
        if self.unseen:
            self._workstation.settings.set(SEEN, self.events[0].at)
            self.changed.emit()

    def grouped(self) -> list[ReceiverEvent]:
        """Return the events with the same ones of the same caller told once, with their number and latest moment."""
        found: dict[tuple[str, ...], ReceiverEvent] = {}
        for event in self.events:
            key = (event.kind, event.code, event.reason, event.address, event.calling_ae)
            known = found.get(key)
            found[key] = event if known is None else replace(known, count=known.count + event.count)
        return list(found.values())


class ReceiverEventList(QFrame):
    """A short list: when, what, and what to do about it. Never anything about patients."""

    def __init__(self, events: ReceiverEvents) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setAccessibleName("What the receiver turned away or noticed")
        self._events = events
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(8)
        column.addWidget(label("Turned away or noticed at our port", "section"))
        self._list = QVBoxLayout()
        self._list.setSpacing(10)
        column.addLayout(self._list)
        self._looked = QTimer(self, singleShot=True, interval=_LOOKED_MS)
        self._looked.timeout.connect(self._seen)
        events.changed.connect(self.refresh)
        self.refresh()

    def told(self) -> list[str]:
        """Return the sentences of the list."""
        return [event.sentence() for event in self._events.grouped()[:MOST_SHOWN]]

    def refresh(self) -> None:
        """Show the present list."""
        clear(self._list)
        found = self._events.grouped()
        for event in found[:MOST_SHOWN]:
            self._list.addWidget(_line(event))
        if not found:
            self._list.addWidget(
                label("Nothing. Callers that are turned away are listed here, with the reason.", "secondary", wrap=True)
            )
        elif len(found) > MOST_SHOWN:
            more = words.plural(len(found) - MOST_SHOWN, "older kind", "older kinds")
            self._list.addWidget(label(f"{more} more in network/receiver.log of the data folder", "small"))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Take what is painted as in view: a moment later it counts as looked at."""
        super().paintEvent(event)
        if self._events.unseen and not self._looked.isActive():
            self._looked.start()

    def _seen(self) -> None:
        if self.isVisible() and not self.visibleRegion().isEmpty():
            self._events.looked_at()


def _line(event: ReceiverEvent) -> QWidget:
    holder = QWidget()
    texts = QVBoxLayout()
    texts.setSpacing(2)
    said = label(_capital(event.sentence()), "", wrap=True, selectable=True)
    said.setMinimumHeight(said.fontMetrics().height() + 3)
    texts.addWidget(said)
    texts.addWidget(label(advice(event), "small", wrap=True))
    dot = Dot("warn")
    dot.setToolTip(event.code or event.kind)
    line = row(dot, 2, spacing=8)
    line.addLayout(texts, 1)
    line.addWidget(label(words.stamp(event.at), "small"))
    holder.setLayout(line)
    return holder


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text[:1].islower() and ": " not in text[:40] else text
