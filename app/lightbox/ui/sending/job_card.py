"""One job of the send queue as a card."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QSizePolicy, QVBoxLayout

from lightbox.network.sending.states import OPEN_STATES, JobRecord, ObjectRecord, SendProgress, State
from lightbox.ui import theme
from lightbox.ui.sending import wording
from lightbox.ui.sending.object_table import ObjectTable
from lightbox.ui.sending.shares_bar import SharesBar
from lightbox.ui.widgets import BADGES, ElidedLabel, button, label, row


class JobCard(QFrame):
    """What, where to, how far, why not, and what can be done about it."""

    retry_wanted = Signal(int)
    pause_wanted = Signal(int, bool)
    cancel_wanted = Signal(int)
    objects_wanted = Signal(int)

    def __init__(self, job: JobRecord, title: str) -> None:
        super().__init__()
        self.job = job
        self.setProperty("role", "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 10, 12, 12)
        column.setSpacing(6)
        self._title = ElidedLabel()
        self._state = label()
        self._state.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._retry = button("Try again now", on_click=lambda: self.retry_wanted.emit(self.job.id))
        self._pause = button("Pause", on_click=lambda: self.pause_wanted.emit(self.job.id, not self.job.paused))
        self._cancel = button("Cancel", tip="Send no more of it; what was sent stays", on_click=self._cancel_it)
        column.addLayout(row(self._title, self._state, self._retry, self._pause, self._cancel))
        self.bar = SharesBar()
        column.addWidget(self.bar)
        self._amount = label("", "secondary")
        self._more = button("objects", "link", tip="State and reason of every object", on_click=self._toggle)
        self._pace = label("", "secondary")
        column.addLayout(row(self._amount, self._more, None, self._pace))
        self._reason = label("", "warn", wrap=True, selectable=True)
        column.addWidget(self._reason)
        self.table = ObjectTable()
        self.table.setFixedHeight(240)
        self.table.hide()
        column.addWidget(self.table)
        self.show_job(job, title)

    def show_job(self, job: JobRecord, title: str, progress: SendProgress | None = None) -> None:
        """Show the present state."""
        self.job = job
        self._title.setText(f"{title} → {job.peer}")
        kind, text = wording.STATES[job.state]
        fore, back = BADGES[kind]
        self._state.setText(text)
        self._state.setStyleSheet(
            f"color: {theme.token(fore)}; background: {theme.token(back)}; border-radius: 4px; padding: 2px 7px;"
        )
        self.bar.show_shares(wording.shares(job), job.total)
        self._amount.setText(wording.amount(job))
        self._pace.setText(wording.pace(job, progress))
        waiting = bool(job.count(*OPEN_STATES))
        reason = job.reason if waiting and not job.paused else ""
        self._reason.setText(reason)
        self._reason.setVisible(bool(reason))
        self._pause.setText("Go on" if job.paused else "Pause")
        self._pause.setVisible(waiting)
        self._cancel.setVisible(waiting)
        again = job.count(State.FAILED, State.WAITING, State.CANCELLED) or (job.unconfirmed and not job.awaiting)
        self._retry.setVisible(bool(again))
        self.setAccessibleName(f"{title} to {job.peer}, {text}, {wording.amount(job)}")
        if not self.table.isHidden():
            self.objects_wanted.emit(job.id)

    def show_objects(self, objects: list[ObjectRecord]) -> None:
        """Fill the table of objects."""
        self.table.show_objects(objects, self.job.total)

    def told(self) -> str:
        """Return what the card says, for tests and for screen readers."""
        parts = (self._title.text(), self._state.text(), self._amount.text(), self._pace.text(), self._reason.text())
        return " | ".join(part for part in parts if part)

    def open_objects(self) -> None:
        """Show the objects."""
        if self.table.isHidden():
            self._toggle()

    def _toggle(self) -> None:
        shown = self.table.isHidden()
        self.table.setVisible(shown)
        self._more.setText("hide" if shown else "objects")
        if shown:
            self.objects_wanted.emit(self.job.id)

    def _cancel_it(self) -> None:
        self.cancel_wanted.emit(self.job.id)
