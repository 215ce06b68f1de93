"""The line at the bottom: receiver, what is being transferred, how large the library is."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy

from lightbox.core.jobs import Job, JobRunner
from lightbox.ui import theme, words
from lightbox.ui.bridge import Bridge
from lightbox.ui.transfers.center import TransferCenter
from lightbox.ui.transfers.transfer import State, Transfer
from lightbox.ui.widgets import Dot, ElidedLabel, ThinProgress, button, label, line

_LINGER_MS = 10_000


class StatusLine(QFrame):
    """Quiet facts on what goes on behind the screen."""

    transfer_wanted = Signal(object)
    receiver_wanted = Signal()
    sending_wanted = Signal()

    def __init__(self, center: TransferCenter) -> None:
        super().__init__()
        self.setObjectName("status")
        self.setFixedHeight(theme.metric("status-height"))
        self._center = center
        self._shown: Transfer | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 16, 0)
        row.setSpacing(10)
        self._dot = Dot()
        self.receiver = label("Receiver off")
        row.addWidget(self._dot)
        row.addWidget(self.receiver)
        self.noticed = button("", "link", on_click=self.receiver_wanted.emit)
        self.noticed.setProperty("shade", "warn")
        self.noticed.hide()
        row.addWidget(self.noticed)
        self._unconfirmed_line = line(vertical=True)
        self.unconfirmed = button("", "link", on_click=self.sending_wanted.emit)
        for part in (self._unconfirmed_line, self.unconfirmed):
            row.addWidget(part)
            part.hide()
        self._transfer_line = line(vertical=True)
        row.addWidget(self._transfer_line)
        self.transfer = ElidedLabel(shade="text-secondary")
        self.transfer.setFont(theme.font(theme.metric("font-size-small"), tabular=True))
        self.transfer.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.why = button("why?", "link", on_click=self._why)
        self.why.setAccessibleName("Why are images missing?")
        self._bar = ThinProgress()
        self._bar.setFixedWidth(140)
        row.addWidget(self.transfer)
        row.addWidget(self.why)
        row.addWidget(self._bar)
        row.addStretch(1)
        self.message = label()
        self.message.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        row.addWidget(self.message)
        self._separator = line(vertical=True)
        row.addWidget(self._separator)
        self.library = label("")
        row.addWidget(self.library)
        self._linger = QTimer(self, singleShot=True, interval=_LINGER_MS)
        self._linger.timeout.connect(lambda: self._show(None))
        center.added.connect(self._changed)
        center.changed.connect(self._changed)
        self._show(None)
        self.show_receiver("", False)

    def show_receiver(self, text: str, on: bool, failed: bool = False) -> None:
        """Show whether we receive: ``Receiving on LIGHTBOX:11112``."""
        self.receiver.setText(text or "Receiver off")
        self._dot.set_shade("critical" if failed else "ok" if on else "text-disabled")
        theme.restyle(self.receiver, role="critical" if failed else "")

    def show_noticed(self, number: int) -> None:
        """Show how many times the receiver turned away or noticed something that nobody has looked at."""
        self.noticed.setText(f"{words.count(number)} turned away or noticed")
        self.noticed.setToolTip("Show what happened at our port, and what to do")
        self.noticed.setVisible(number > 0)

    def show_unconfirmed(self, waiting: int, unconfirmed: int) -> None:
        """Show what is still to be sent and what is not yet known to have arrived."""
        pieces = [
            f"{words.count(waiting)} to send" if waiting else "",
            f"{words.count(unconfirmed)} not yet confirmed" if unconfirmed else "",
        ]
        text = " · ".join(piece for piece in pieces if piece)
        self.unconfirmed.setText(text)
        self.unconfirmed.setToolTip("Show what is sent")
        for part in (self._unconfirmed_line, self.unconfirmed):
            part.setVisible(bool(text))

    def show_message(self, text: str) -> None:
        """Show what the present place has to say (the viewer: ``412 of 412 images``)."""
        self.message.setText(text)
        self._separator.setVisible(bool(text and self.library.text()))

    def measure_library(self, bridge: Bridge, runner: JobRunner, measure: object) -> None:
        """Show how much room the library takes, found out in a job."""

        def work(job: Job[int]) -> int:
            return measure(job)  # type: ignore[operator]

        def show(number: int) -> None:
            self.library.setText(f"Library {words.size(number)}")
            self._separator.setVisible(bool(self.message.text()))

        bridge.run(runner, "size of the library", work, show)

    def _changed(self, transfer: Transfer | None) -> None:
        running = self._center.running()
        if transfer is not None and transfer.state is State.INTERRUPTED:
            return
        if running:
            self._linger.stop()
            self._show(running[0])
        elif transfer is not None and (self._shown is None or self._shown is transfer or not self._shown.running):
            self._show(transfer)
            if transfer.state is State.DONE:
                self._linger.start()
        elif transfer is None:
            self._show(None)

    def _show(self, transfer: Transfer | None) -> None:
        self._shown = transfer
        for part in (self._transfer_line, self.transfer, self._bar, self.why):
            part.setVisible(transfer is not None)
        if transfer is None:
            return
        more = len(self._center.running()) - 1
        text = transfer.sentence() + (f" · and {more} more" if more > 0 else "")
        if not transfer.running:
            text = f"{transfer.kind.value} {text}"
            if transfer.message and not transfer.failures:
                text += f" · {transfer.message}"
        pace = transfer.pace()
        if transfer.running and pace:
            text += f" · {pace}"
        self.transfer.setText(text)
        self.why.setVisible(bool(transfer.failures) or transfer.state is State.FAILED)
        states = {State.RUNNING: "", State.DONE: "done", State.FAILED: "failed"}
        self._bar.setVisible(transfer.running)
        self._bar.show_progress(transfer.done, transfer.total, states.get(transfer.state, "warn"))

    def _why(self) -> None:
        if self._shown is not None:
            self.transfer_wanted.emit(self._shown)
