"""The Transfers place: what comes in, what came, and what did not."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from lightbox.ui import actions
from lightbox.ui.transfers.center import TransferCenter
from lightbox.ui.transfers.transfer import Transfer
from lightbox.ui.transfers.transfer_card import TransferCard
from lightbox.ui.widgets import EmptyState, action_button, label, panel, row


class TransfersPage(QWidget):
    """A card a transfer, newest first."""

    open_wanted = Signal(str)
    again_wanted = Signal(object)

    def __init__(self, center: TransferCenter) -> None:
        super().__init__()
        self.setObjectName("page")
        self._center = center
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
        clear_button = action_button(self.clear_action, text="Clear finished")
        bar.setLayout(row(label("Transfers", "title"), 8, self._summary, None, clear_button, margins=(16, 0, 16, 0)))
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
        outer.addWidget(self._stack, 1)
        center.added.connect(self._added)
        center.changed.connect(self._changed)
        self._summarise()

    def _added(self, transfer: Transfer) -> None:
        card = TransferCard(transfer)
        card.cancel_wanted.connect(self._center.cancel)
        card.open_wanted.connect(self.open_wanted)
        card.again_wanted.connect(self.again_wanted)
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
        pieces = [f"{running} running" if running else "", f"{failed} objects failed" if failed else ""]
        self._summary.setText(" · ".join(piece for piece in pieces if piece))
        self.clear_action.setEnabled(any(not item.running for item in everything))
        self._stack.setCurrentIndex(1 if everything else 0)

    def show_transfer(self, transfer: Transfer) -> None:
        """Scroll to a transfer and say why something is missing."""
        card = self.cards.get(transfer.number)
        if card is not None:
            if transfer.failures:
                card.show_why()
            self._scroll.ensureWidgetVisible(card)
