"""A transfer as a card: what, from where, how far, and why something is missing."""

from __future__ import annotations

from collections import Counter

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QSizePolicy, QVBoxLayout

from lightbox.ui import theme, words
from lightbox.ui.transfers.transfer import Kind, State, Transfer
from lightbox.ui.widgets import BADGES, ElidedLabel, ThinProgress, button, label, row

_STATES = {
    State.RUNNING: ("accent", ""),
    State.DONE: ("ok", "done"),
    State.PARTIAL: ("warn", "warn"),
    State.FAILED: ("critical", "failed"),
    State.CANCELLED: ("", "warn"),
    State.INTERRUPTED: ("warn", "warn"),
}
_MOST_LINES = 200


def reasons(transfer: Transfer) -> str:
    """Return why objects are missing: the reasons with their counts, then the objects."""
    counted = Counter(failure.reason for failure in transfer.failures)
    lines = [f"{words.count(number)} × {reason}" for reason, number in counted.most_common()]
    lines.append("")
    lines += [f"{failure.what}: {failure.reason}" for failure in transfer.failures[:_MOST_LINES]]
    if len(transfer.failures) > _MOST_LINES:
        lines.append(f"and {words.count(len(transfer.failures) - _MOST_LINES)} more")
    return "\n".join(lines)


class TransferCard(QFrame):
    """Shows one `Transfer` and follows it."""

    cancel_wanted = Signal(object)
    open_wanted = Signal(str)
    again_wanted = Signal(object)
    go_on_wanted = Signal(object)
    forget_wanted = Signal(object)

    def __init__(self, transfer: Transfer) -> None:
        super().__init__()
        self.transfer = transfer
        self.setProperty("role", "card")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 10, 12, 12)
        column.setSpacing(6)
        self._title = ElidedLabel()
        self._state = label()
        self._cancel = button("Cancel", tip="Stop; what has come is kept", on_click=self._cancel_it)
        self._open = button("Open", tip="Open the study", on_click=lambda: self.open_wanted.emit(transfer.study_uid))
        self._again = button("Retrieve again", on_click=lambda: self.again_wanted.emit(transfer))
        self.go_on = button(
            "Go on", "primary", tip="Retrieve what is missing", on_click=lambda: self.go_on_wanted.emit(transfer)
        )
        self.forget = button(
            "Forget",
            tip="Take it off this list; what has come is kept",
            on_click=lambda: self.forget_wanted.emit(transfer),
        )
        column.addLayout(row(self._title, self._state, self._cancel, self._again, self._open, self.forget, self.go_on))
        self.bar = ThinProgress()
        column.addWidget(self.bar)
        self._amount = label("", "secondary")
        self._why = button("why?", "link", on_click=self._toggle_why)
        self._pace = label("", "secondary")
        column.addLayout(row(self._amount, self._why, None, self._pace))
        self._message = label("", "secondary", wrap=True, selectable=True)
        column.addWidget(self._message)
        self._reasons = QPlainTextEdit()
        self._reasons.setReadOnly(True)
        self._reasons.setFixedHeight(150)
        self._reasons.setAccessibleName("Why objects are missing")
        self._reasons.hide()
        column.addWidget(self._reasons)
        self.refresh()

    def refresh(self) -> None:
        """Show the present state."""
        transfer = self.transfer
        came_from = f" from {transfer.partner}" if transfer.kind is Kind.RETRIEVE else ""
        self._title.setText(f"{transfer.kind.value} · {transfer.title}{came_from}")
        kind, bar_state = _STATES[transfer.state]
        fore, back = BADGES[kind]
        self._state.setText(transfer.verdict())
        self._state.setStyleSheet(
            f"color: {theme.token(fore)}; background: {theme.token(back)}; border-radius: 4px; padding: 2px 7px;"
        )
        if transfer.running:
            self.bar.show_progress(transfer.done, transfer.total)
        elif transfer.state is State.INTERRUPTED:
            self.bar.show_progress(0, 1, bar_state)
        else:
            self.bar.show_progress(transfer.done or 1, max(transfer.total, transfer.done, 1), bar_state)
        self._amount.setText(transfer.amount())
        self._pace.setText(transfer.pace())
        self._why.setVisible(bool(transfer.failures))
        message = transfer.message
        if transfer.running and transfer.parts:
            message = " · ".join(
                f"{name} {done} of {total}" if total else f"{name} {done}"
                for name, done, total in list(transfer.parts.values())[-6:]
            )
        self._message.setText(message)
        self._message.setVisible(bool(message))
        theme.restyle(self._message, role="critical" if transfer.state is State.FAILED else "secondary")
        for made in (self.go_on, self.forget):
            made.setVisible(transfer.state is State.INTERRUPTED)
        self._cancel.setVisible(transfer.running and transfer.job is not None)
        self._again.setVisible(
            transfer.kind is Kind.RETRIEVE and transfer.state in (State.PARTIAL, State.FAILED, State.CANCELLED)
        )
        self._open.setVisible(transfer.kind is Kind.RETRIEVE and not transfer.running and transfer.done > 0)
        self.setAccessibleName(f"{transfer.kind.value} {transfer.title}, {transfer.verdict()}, {transfer.amount()}")

    def _cancel_it(self) -> None:
        self._cancel.setEnabled(False)
        self.cancel_wanted.emit(self.transfer)

    def show_why(self) -> None:
        """Show the reasons."""
        self._reasons.setPlainText(reasons(self.transfer))
        self._reasons.show()
        self._why.setText("hide")

    def _toggle_why(self) -> None:
        if self._reasons.isHidden():
            self.show_why()
        else:
            self._reasons.hide()
            self._why.setText("why?")

    def reasons_shown(self) -> str:
        """Return the reasons on screen, empty when they are hidden."""
        return "" if self._reasons.isHidden() else self._reasons.toPlainText()
