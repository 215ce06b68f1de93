"""The form of one archive, with a test of the connection told step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import JobRunner
from lightbox.network.peers import Peer
from lightbox.ui import icons, words
from lightbox.ui.bridge import Bridge
from lightbox.ui.widgets import button, clear, label, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.echo import EchoResult


class PeerForm(QFrame):
    """Add or change an archive; test it before or after it is kept."""

    saved = Signal(str)
    cancelled = Signal()

    def __init__(self, workstation: Workstation, bridge: Bridge, network: JobRunner) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._workstation = workstation
        self._bridge = bridge
        self._network = network
        self._before = ""
        self._generation = 0
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        self.heading = label("", "title")
        column.addWidget(self.heading)
        self.name, self.ae_title, self.host, self.destination = QLineEdit(), QLineEdit(), QLineEdit(), QLineEdit()
        self.port = QSpinBox()
        self.port.setRange(1, 65535)
        self.port.lineEdit().setTextMargins(7, 0, 0, 0)
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        fields: tuple[tuple[str, QWidget, str], ...] = (
            ("Name", self.name, "Shown in the search and in every list"),
            ("AE title", self.ae_title, "The archive's own DICOM name, up to 16 characters; capitals matter"),
            ("Address", self.host, "Host name or IP address"),
            ("Port", self.port, "Often 104 or 11112"),
            ("Move destination", self.destination, "Under which AE title it knows us; empty: our own"),
        )
        for line, (text, field, tip) in enumerate(fields):
            field.setAccessibleName(text)
            field.setToolTip(tip)
            field.setMaximumWidth(280)
            grid.addWidget(label(text, "secondary"), line, 0)
            grid.addWidget(field, line, 1)
            grid.addWidget(label(tip, "small"), line, 2)
        grid.setColumnStretch(2, 1)
        column.addLayout(grid)
        self.error = label("", "critical", wrap=True)
        column.addWidget(self.error)
        self.save_button = button("Save", "primary", on_click=self.save)
        self.test_button = button("Test", tip="Ask it for an echo, and say what happened", on_click=self.test)
        column.addLayout(
            row(self.save_button, self.test_button, button("Cancel", "flat", on_click=self.cancelled.emit), None)
        )
        self._steps = QVBoxLayout()
        self._steps.setSpacing(4)
        column.addLayout(self._steps)

    def edit(self, peer: Peer | None) -> None:
        """Fill the form with `peer`, or empty it for a new one."""
        self._generation += 1
        self._before = peer.name if peer else ""
        self.heading.setText("Change the archive" if peer else "Add an archive")
        self.name.setText(peer.name if peer else "")
        self.ae_title.setText(peer.ae_title if peer else "")
        self.host.setText(peer.host if peer else "")
        self.port.setValue(peer.port if peer else 104)
        self.destination.setText(peer.move_destination if peer else "")
        self.error.setText("")
        self.error.hide()
        clear(self._steps)
        self.name.setFocus()

    def peer(self) -> Peer:
        """Return what the form holds; raises `UsageError` when it makes no sense."""
        return Peer(
            self.name.text().strip(),
            self.ae_title.text().strip(),
            self.host.text().strip(),
            self.port.value(),
            self.destination.text().strip(),
        )

    def _wrong(self, error: LightboxError) -> None:
        self.error.setText(words.error(error))
        self.error.show()

    def save(self) -> None:
        """Keep the archive."""
        peers = self._workstation.peers
        try:
            peer = self.peer()
            same = self._before.casefold() == peer.name.casefold()
            peers.add(peer, replace=same)
            if self._before and not same:
                peers.remove(self._before)
        except LightboxError as error:
            self._wrong(error)
            return
        self.saved.emit(peer.name)

    def test(self) -> None:
        """Ask the archive for an echo, and show each step in words."""
        self.error.hide()
        try:
            peer = self.peer()
        except LightboxError as error:
            self._wrong(error)
            return
        clear(self._steps)
        self._steps.addWidget(label(f"Asking {peer.ae_title} at {peer.host}:{peer.port} …", "secondary"))
        self.test_button.setEnabled(False)
        self._generation += 1
        generation = self._generation
        identity = self._workstation.identity

        def work(job: object) -> EchoResult:
            from lightbox.network.echo import echo

            return echo(peer, identity)

        def failed(error: Exception) -> None:
            self.test_button.setEnabled(True)
            if generation == self._generation:
                clear(self._steps)
                self.error.setText(words.error(error))
                self.error.show()

        def done(result: EchoResult) -> None:
            self.test_button.setEnabled(True)
            if generation == self._generation:
                self.show_result(result)

        self._bridge.run(self._network, "echo", work, done, failed)

    def show_result(self, result: EchoResult) -> None:
        """Show every step with its time, the reason of a failure, and what to do."""
        clear(self._steps)
        for step in result.steps:
            picture = QLabel()
            picture.setPixmap(icons.pixmap("ok" if step.ok else "critical", 16, "ok" if step.ok else "critical"))
            said = label(step.text, "" if step.ok else "critical", wrap=True, selectable=True)
            taken = label(f"{step.milliseconds:.0f} ms", "small")
            holder = QWidget()
            holder.setLayout(row(picture, said, taken))
            holder.layout().setStretch(1, 1)  # type: ignore[union-attr]
            self._steps.addWidget(holder)
        verdict = label(
            f"{result.peer or 'The archive'} answers." if result.ok else result.todo,
            "ok" if result.ok else "",
            wrap=True,
        )
        self._steps.addWidget(verdict)

    def told(self) -> list[str]:
        """Return the words of the last test."""
        found = []
        for number in range(self._steps.count()):
            item = self._steps.itemAt(number)
            widget = item.widget() if item else None
            if isinstance(widget, QLabel):
                found.append(widget.text())
            elif widget is not None:
                found += [inner.text() for inner in widget.findChildren(QLabel) if inner.text()]
        return found
