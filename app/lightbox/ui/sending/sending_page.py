"""The page of the technologist: what is not yet known to have arrived, at one look."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from lightbox.network.sending.states import JobRecord
from lightbox.ui import theme
from lightbox.ui.sending import wording
from lightbox.ui.sending.job_card import JobCard
from lightbox.ui.sending.send_center import SendCenter
from lightbox.ui.transfers.step_reports import StepReportsCard
from lightbox.ui.widgets import EmptyState, button, label, panel, row

_ORDER = (
    "failed",
    "waiting",
    "unconfirmed",
    "confirming",
    "sending",
    "paused",
    "queued",
    "sent",
    "confirmed",
    "cancelled",
)


class SendingPage(QWidget):
    """Numbers on top, a card a job below, what needs a look first."""

    send_wanted = Signal()

    def __init__(self, center: SendCenter) -> None:
        super().__init__()
        self._center = center
        self.cards: dict[int, JobCard] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        head = panel("strip")
        self._numbers = [label("0", "large") for _ in range(4)]
        self._words = [label("", "small") for _ in range(4)]
        boxes: list[QWidget | int | None] = []
        for figure, text in zip(self._numbers, self._words, strict=True):
            box = QWidget()
            inner = QVBoxLayout(box)
            inner.setContentsMargins(0, 0, 0, 0)
            inner.setSpacing(0)
            inner.addWidget(figure)
            inner.addWidget(text)
            boxes += [box, 28]
        self.again = button("Try all again", tip="Whatever waits or failed is tried now", on_click=center.retry_all)
        self.forget = button(
            "Clear finished", tip="Takes confirmed and cancelled jobs off this list", on_click=center.forget_finished
        )
        head.setLayout(row(*boxes, None, self.again, self.forget, margins=(16, 12, 16, 10)))
        self._head = head
        column.addWidget(head)
        self.reports = StepReportsCard(center.reports)
        above = self._above = QWidget()
        above.setLayout(row(self.reports, margins=(16, 14, 16, 0)))
        column.addWidget(above)
        center.reports.changed.connect(self._show_reports)
        self._show_reports()
        self._stack = QStackedWidget()
        self._stack.addWidget(
            EmptyState(
                "Nothing has been sent yet",
                "Choose studies and press Send, or drop files or studies on an archive. Here you see what has arrived "
                "for certain, what has not, and why.",
                button("Choose studies", "primary", on_click=self.send_wanted.emit),
                icon="export",
            )
        )
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        inner = QWidget()
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(16, 14, 16, 14)
        self._column.setSpacing(10)
        self._column.addStretch(1)
        scroll.setWidget(inner)
        self._stack.addWidget(scroll)
        column.addWidget(self._stack, 1)
        center.changed.connect(self.refresh)
        center.objects_ready.connect(self._objects)
        self.refresh()

    def _show_reports(self) -> None:
        self._above.setVisible(not self.reports.isHidden())

    def refresh(self) -> None:
        """Show the present state of the queue."""
        for (number, text, shade), figure, said in zip(
            wording.summary(self._center.counts), self._numbers, self._words, strict=True
        ):
            figure.setText(number)
            figure.setStyleSheet(f"color: {theme.token(shade)};")
            said.setText(text)
        jobs = sorted(self._center.jobs, key=lambda job: (_ORDER.index(job.state), -job.id))
        kept = {job.id for job in jobs}
        for number in [number for number in self.cards if number not in kept]:
            card = self.cards.pop(number)
            self._column.removeWidget(card)
            card.hide()
            card.deleteLater()
        for position, job in enumerate(jobs):
            self._place(position, job)
        self._head.setVisible(bool(jobs))
        self.again.setEnabled(any(job.state in ("failed", "waiting", "unconfirmed") for job in jobs))
        self.forget.setEnabled(any(job.state in ("confirmed", "sent", "cancelled") for job in jobs))
        self._stack.setCurrentIndex(1 if jobs else 0)

    def _place(self, position: int, job: JobRecord) -> None:
        title = self._center.titles.get(job.id, "")
        card = self.cards.get(job.id)
        if card is None:
            card = JobCard(job, title)
            card.retry_wanted.connect(self._center.retry)
            card.pause_wanted.connect(self._center.pause)
            card.cancel_wanted.connect(self._center.cancel)
            card.objects_wanted.connect(self._center.read_objects)
            self.cards[job.id] = card
        if self._column.indexOf(card) != position:
            self._column.removeWidget(card)
            self._column.insertWidget(position, card)
        card.show_job(job, title, self._center.progress.get(job.peer))

    def _objects(self, job: int, objects: list) -> None:
        card = self.cards.get(job)
        if card is not None:
            card.show_objects(objects)
