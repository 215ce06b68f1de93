"""The form of one archive, with a test of the connection told step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFrame, QLineEdit, QVBoxLayout, QWidget

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import Job, JobRunner
from lightbox.network.peers import COMMITMENTS, Peer
from lightbox.network.secrets import Secrets
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.settings.connection_fields import ConnectionFields
from lightbox.ui.settings.fields import Rows, number
from lightbox.ui.settings.step_list import StepList
from lightbox.ui.settings.web_fields import WebFields
from lightbox.ui.widgets import button, label, line, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.diagnosis.steps import Diagnosis


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
        self.port = number(1, 65535)
        rows = Rows()
        rows.add("Name", self.name, "Shown in the search and in every list")
        rows.add("AE title", self.ae_title, "The archive's own DICOM name, up to 16 characters; capitals matter")
        rows.add("Address", self.host, "Host name or IP address")
        rows.add("Port", self.port, "Often 104 or 11112; 2762 with TLS")
        column.addLayout(rows)
        self.connection = ConnectionFields()
        self.host.textChanged.connect(self.connection.set_host)
        column.addWidget(self.connection)
        self.web = WebFields()
        column.addWidget(self.web)
        self._more_button = button("More settings", "link", on_click=self._toggle_more)
        column.addLayout(row(self._more_button, None))
        self._more = self._build_more()
        column.addWidget(self._more)
        column.addWidget(line())
        self.error = label("", "critical", wrap=True)
        column.addWidget(self.error)
        self.save_button = button("Save", "primary", on_click=self.save)
        self.test_button = button(
            "Test", tip="Take every step of the way to it, and say what fails", on_click=self.test
        )
        column.addLayout(
            row(self.save_button, self.test_button, button("Cancel", "flat", on_click=self.cancelled.emit), None)
        )
        self.steps = StepList()
        column.addWidget(self.steps)

    def _build_more(self) -> QWidget:
        """Return the fields that most archives do not need."""
        self.own_ae = QLineEdit()
        self.own_port = number(0, 65535)
        self.own_port.setSpecialValueText("as this workstation")
        self.associations = number(1, 16)
        self.limit = number(0, 100_000, " MB/s")
        self.limit.setSpecialValueText("no limit")
        self.commitment = QComboBox()
        self.commitment.addItems(["Storage commitment where offered", "Always storage commitment", "By a query"])
        rows = Rows()
        rows.add("We call as", self.own_ae, "Our AE title towards it; empty: that of this workstation")
        rows.add("We listen on", self.own_port, "The port it reaches us at")
        rows.add(
            "Move destination", self.destination, "Under which AE title it sends to us; empty: the one we call with"
        )
        rows.add("Associations", self.associations, "How many at once for sending and retrieving")
        rows.add("Sending limit", self.limit, "Leaves room for others on a thin line")
        rows.add("Confirm sending", self.commitment, "How we make sure that what was sent is kept")
        holder = QWidget()
        rows.setContentsMargins(0, 0, 0, 0)
        holder.setLayout(rows)
        return holder

    def _toggle_more(self) -> None:
        self._show_more(self._more.isHidden())

    def _show_more(self, shown: bool) -> None:
        self._more.setVisible(shown)
        self._more_button.setText("Fewer settings" if shown else "More settings")

    def edit(self, peer: Peer | None) -> None:
        """Fill the form with `peer`, or empty it for a new one."""
        self._generation += 1
        self._before = peer.name if peer else ""
        self.heading.setText("Change the archive" if peer else "Add an archive")
        self.name.setText(peer.name if peer else "")
        self.ae_title.setText(peer.ae_title if peer else "")
        self.host.setText(peer.host if peer else "")
        self.port.setValue(peer.port if peer else 104)
        self.connection.edit(peer)
        self.web.edit(peer, bool(peer) and Secrets(self._workstation.home).has(peer.name))
        self.own_ae.setText(peer.own_ae if peer else "")
        self.own_port.setValue(peer.own_port if peer else 0)
        self.destination.setText(peer.move_destination if peer else "")
        self.associations.setValue(peer.associations if peer else 2)
        self.limit.setValue(peer.bandwidth_limit // 1_000_000 if peer else 0)
        self.commitment.setCurrentIndex(COMMITMENTS.index(peer.commitment if peer else "auto"))
        special = peer is not None and (peer.own_ae or peer.own_port or peer.move_destination or peer.bandwidth_limit)
        self._show_more(bool(special))
        self.error.setText("")
        self.error.hide()
        self.steps.clear()
        self.name.setFocus()

    def peer(self) -> Peer:
        """Return what the form holds; raises `UsageError` when it makes no sense."""
        return Peer(
            self.name.text().strip(),
            self.ae_title.text().strip(),
            self.host.text().strip(),
            self.port.value(),
            self.destination.text().strip(),
            own_ae=self.own_ae.text().strip(),
            own_port=self.own_port.value(),
            tls=self.connection.settings(),
            plaintext_reason=self.connection.reason.text().strip() if not self.connection.encrypted() else "",
            web=self.web.settings(),
            associations=self.associations.value(),
            bandwidth_limit=self.limit.value() * 1_000_000,
            commitment=COMMITMENTS[self.commitment.currentIndex()],
        )

    def _missing_reason(self) -> None:
        self.error.setText("It is another computer: set up the encrypted connection, or say why there is none.")
        self.error.show()
        self.connection.reason.setFocus()

    def _wrong(self, error: LightboxError) -> None:
        self.error.setText(words.error(error))
        self.error.show()

    def save(self) -> None:
        """Keep the archive."""
        peers = self._workstation.peers
        secret, secrets = self.web.secret.text(), Secrets(self._workstation.home)
        try:
            peer = self.peer()
            if peer.needs_reason:
                self._missing_reason()
                return
            same = self._before.casefold() == peer.name.casefold()
            peers.add(peer, replace=same)
            if self._before and not same:
                peers.remove(self._before)
                secret = secret or secrets.get(self._before) or ""
                secrets.forget(self._before)
            if secret:
                secrets.set(peer.name, secret)
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
        self.steps.clear()
        self.steps.say(f"Asking {peer.ae_title} at {peer.host}:{peer.port} …")
        self.test_button.setEnabled(False)
        self._generation += 1
        generation = self._generation
        identity = self._workstation.identity

        def work(job: Job[Diagnosis]) -> Diagnosis:
            from lightbox.network.diagnosis.doctor import diagnose

            return diagnose(peer, identity, home=self._workstation.home, cancel=job.token)

        def failed(error: Exception) -> None:
            self.test_button.setEnabled(True)
            if generation == self._generation:
                self.steps.clear()
                self.error.setText(words.error(error))
                self.error.show()

        def done(found: Diagnosis) -> None:
            self.test_button.setEnabled(True)
            if generation == self._generation:
                self.show_result(found)

        self._bridge.run(self._network, "examine a peer", work, done, failed)

    def show_result(self, found: Diagnosis) -> None:
        """Show every step with its time, the reason of a failure, and what to do."""
        self.steps.clear()
        for step in found.steps:
            self.steps.add(step)
        self.steps.say(found.summary(), {"ok": "ok", "warning": "warn", "failed": "critical"}[found.state])

    def told(self) -> list[str]:
        """Return the words of the last test."""
        return self.steps.told()
