"""The Transfers place: what comes in and what goes out, what arrived and what did not."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from lightbox.ui import actions, words
from lightbox.ui.sending.send_center import SendCenter
from lightbox.ui.sending.sending_page import SendingPage
from lightbox.ui.transfers.center import TransferCenter
from lightbox.ui.transfers.transfer import State, Transfer
from lightbox.ui.transfers.transfer_card import TransferCard
from lightbox.ui.widgets import EmptyState, action_button, button, label, panel, row


class TransfersPage(QWidget):
    """Two lists: a card a transfer that comes in, newest first, and a card a job of the send queue."""

    open_wanted = Signal(str)
    again_wanted = Signal(object)
    go_on_wanted = Signal(object)

    def __init__(self, center: TransferCenter, sending: SendCenter) -> None:
        super().__init__()
        self.setObjectName("page")
        self._center = center
        self._sending_center = sending
        self.cards: dict[int, TransferCard] = {}
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        bar = panel("bar")
        bar.setFixedHeight(48)
        self._summary = label("", "secondary")
        self.clear_action = actions.add(
            self, "Transfers", "Clear finished transfers", center.clear_ended, "Ctrl+Shift+Backspace"
        )
        self._clear_button = action_button(self.clear_action, text="Clear finished")
        self.arriving_tab, self.sending_tab = button("Arriving", "chip"), button("Sending", "chip")
        for tab in (self.arriving_tab, self.sending_tab):
            tab.setCheckable(True)
        self.arriving_tab.setChecked(True)
        actions.add(self, "Transfers", "Show what arrives", self.show_arriving, "Ctrl+Shift+1")
        actions.add(self, "Transfers", "Show what is sent", self.show_sending, "Ctrl+Shift+2")
        self.arriving_tab.setToolTip("Imports, retrieves and what is sent to us  (Ctrl+Shift+1)")
        self.sending_tab.setToolTip("What we send, and what is not yet known to have arrived  (Ctrl+Shift+2)")
        self.arriving_tab.clicked.connect(self.show_arriving)
        self.sending_tab.clicked.connect(self.show_sending)
        bar.setLayout(
            row(
                label("Transfers", "title"),
                12,
                self.arriving_tab,
                self.sending_tab,
                8,
                self._summary,
                None,
                self._clear_button,
                margins=(16, 0, 16, 0),
            )
        )
        outer.addWidget(bar)
        self._stack = QStackedWidget()
        self._stack.addWidget(
            EmptyState(
                "Nothing has been transferred yet",
                "What you import, retrieve from an archive or receive is listed here, with what is missing and why.",
                icon="transfers",
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
        self._scroll = scroll
        self._stack.addWidget(scroll)
        self.sending = SendingPage(sending)
        self._sides = QStackedWidget()
        self._sides.addWidget(self._stack)
        self._sides.addWidget(self.sending)
        outer.addWidget(self._sides, 1)
        sending.changed.connect(self._summarise)
        sending.reports.changed.connect(self._summarise)
        center.added.connect(self._added)
        center.changed.connect(self._changed)
        self._summarise()

    def show_arriving(self) -> None:
        """Show imports, retrieves and receptions."""
        self._show_side(0)

    def show_sending(self) -> None:
        """Show the send queue."""
        self._show_side(1)
        self._sending_center.refresh()

    def _show_side(self, number: int) -> None:
        self._sides.setCurrentIndex(number)
        self.arriving_tab.setChecked(number == 0)
        self.sending_tab.setChecked(number == 1)
        self._clear_button.setVisible(number == 0)
        self._summarise()

    def _added(self, transfer: Transfer) -> None:
        card = TransferCard(transfer)
        card.cancel_wanted.connect(self._center.cancel)
        card.open_wanted.connect(self.open_wanted)
        card.again_wanted.connect(self.again_wanted)
        card.go_on_wanted.connect(self.go_on_wanted)
        card.forget_wanted.connect(self._center.forget)
        self.cards[transfer.number] = card
        self._column.insertWidget(0, card)
        self._summarise()

    def _changed(self, transfer: Transfer | None) -> None:
        if transfer is None:
            kept = {item.number for item in self._center.transfers}
            for number in [number for number in self.cards if number not in kept]:
                card = self.cards.pop(number)
                self._column.removeWidget(card)
                card.hide()
                card.deleteLater()
        elif transfer.number in self.cards:
            self.cards[transfer.number].refresh()
        self._summarise()

    def _summarise(self) -> None:
        everything = self._center.transfers
        running = sum(1 for item in everything if item.running)
        failed = sum(item.failed for item in everything)
        left = sum(1 for item in everything if item.state is State.INTERRUPTED)
        pieces = [
            f"{running} running" if running else "",
            f"{left} interrupted" if left else "",
            f"{words.plural(failed, 'object')} failed" if failed else "",
        ]
        arriving = " · ".join(piece for piece in pieces if piece)
        self._summary.setText(arriving if self._sides.currentIndex() == 0 else "")
        sending = self._sending_center
        open_ones = sending.waiting + sending.unconfirmed + len(sending.reports.steps)
        self.sending_tab.setText(f"Sending · {words.count(open_ones)} open" if open_ones else "Sending")
        self.clear_action.setEnabled(
            any(not item.running and item.state is not State.INTERRUPTED for item in everything)
        )
        self._stack.setCurrentIndex(1 if everything else 0)

    def show_transfer(self, transfer: Transfer) -> None:
        """Scroll to a transfer and say why something is missing."""
        self.show_arriving()
        card = self.cards.get(transfer.number)
        if card is not None:
            if transfer.failures:
                card.show_why()
            self._scroll.ensureWidgetVisible(card)
