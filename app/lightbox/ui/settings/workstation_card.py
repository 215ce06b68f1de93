"""How this workstation presents itself, and whether it receives."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QLineEdit, QSpinBox, QVBoxLayout

from lightbox.core.errors import LightboxError
from lightbox.ui import words
from lightbox.ui.widgets import button, label, row
from lightbox.workstation import Workstation

RECEIVE = "network.receive"


class WorkstationCard(QFrame):
    """AE title, port, receiver on or off."""

    changed = Signal()
    receive_wanted = Signal(bool)

    def __init__(self, workstation: Workstation) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._workstation = workstation
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        self.ae_title = QLineEdit()
        self.port = QSpinBox()
        self.port.setRange(1, 65535)
        self.port.lineEdit().setTextMargins(7, 0, 0, 0)
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        for line, (text, field, tip) in enumerate(
            (
                ("AE title", self.ae_title, "What archives call this workstation; tell it to their administrators"),
                ("Port", self.port, "Where this workstation receives; free for ordinary users from 1024 on"),
            )
        ):
            field.setAccessibleName(f"Own {text}")
            field.setToolTip(tip)
            field.setMaximumWidth(280)
            grid.addWidget(label(text, "secondary"), line, 0)
            grid.addWidget(field, line, 1)
            grid.addWidget(label(tip, "small"), line, 2)
        grid.setColumnMinimumWidth(0, 104)
        grid.setColumnStretch(2, 1)
        column.addLayout(grid)
        self.receive = QCheckBox("Receive images that are sent to this workstation")
        self.receive.setToolTip("Also needed for retrieving by C-MOVE from archives that do not offer C-GET")
        column.addWidget(self.receive)
        self.state = label("", "secondary", wrap=True)
        column.addWidget(self.state)
        self.apply_button = button("Apply", tip="Use the AE title and the port from now on", on_click=self.apply)
        column.addLayout(row(self.apply_button, None))
        identity = workstation.identity
        self.ae_title.setText(identity.ae_title)
        self.port.setValue(identity.port or 11112)
        self.receive.setChecked(bool(workstation.settings.get(RECEIVE, False)))
        self.receive.toggled.connect(self.receive_wanted)
        self.ae_title.textChanged.connect(self._edited)
        self.port.valueChanged.connect(self._edited)
        self._edited()

    def _edited(self) -> None:
        identity = self._workstation.identity
        self.apply_button.setEnabled(
            (self.ae_title.text().strip(), self.port.value()) != (identity.ae_title, identity.port)
        )

    def apply(self) -> None:
        """Keep AE title and port."""
        try:
            identity = replace(
                self._workstation.identity, ae_title=self.ae_title.text().strip(), port=self.port.value()
            )
        except LightboxError as error:
            self.show_state(words.error(error), failed=True)
            return
        identity.save(self._workstation.settings)
        self._edited()
        self.changed.emit()

    def show_state(self, text: str, *, failed: bool = False) -> None:
        """Say what the receiver does."""
        self.state.setProperty("role", "critical" if failed else "secondary")
        self.state.style().unpolish(self.state)
        self.state.style().polish(self.state)
        self.state.setText(text)
