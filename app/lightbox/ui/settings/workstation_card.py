"""How this workstation presents itself, whether it receives, and from whom."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFrame, QLineEdit, QVBoxLayout, QWidget

from lightbox.core.errors import LightboxError
from lightbox.network.identity import LocalIdentity, TlsSettings
from lightbox.network.receiving.policy import ReceivingPolicy
from lightbox.ui import words
from lightbox.ui.settings.callers_table import CallersTable
from lightbox.ui.settings.fields import FileField, Rows, number
from lightbox.ui.widgets import button, label, row
from lightbox.workstation import Workstation

RECEIVE = "network.receive"
_TLS_PORT = 2762
_CLIENTS = ("required", "optional")


class WorkstationCard(QFrame):
    """AE title, ports, certificate, callers, receiver on or off."""

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
        self.port = number(1, 65535)
        self.receive = QCheckBox("Receive images that are sent to this workstation")
        self.receive.setToolTip("Also needed for retrieving by C-MOVE from archives that do not offer C-GET")
        self.state = label("", "secondary", wrap=True)
        rows = self._rows = Rows()
        rows.add("AE title", self.ae_title, "What archives call this workstation; tell it to their administrators")
        rows.add("Port", self.port, "Where this workstation receives; free for ordinary users from 1024 on")
        self.encrypted = QCheckBox("Receive encrypted, too (TLS)")
        self.tls_port = number(1, 65535)
        self.certificate = FileField("Own certificate")
        self.key = FileField("Own private key")
        self.authorities = FileField("Trusted authorities of callers")
        self.clients = QComboBox()
        self.clients.addItems(["Callers must show a certificate", "Callers may show a certificate"])
        rows.add("", self.encrypted, "")
        rows.add("TLS port", self.tls_port, f"{_TLS_PORT} is registered for DICOM; plaintext is refused there")
        rows.add("Certificate", self.certificate, "PEM file; must name this computer")
        rows.add("Key", self.key, "PEM file of the private key")
        rows.add("Authorities", self.authorities, "PEM file; callers' certificates must come from them")
        rows.add("Callers", self.clients, "Only those with a certificate are known for certain")
        column.addLayout(rows)
        self.only_known = QCheckBox("Let in only the callers below; turn away all others")
        self.callers = CallersTable()
        column.addWidget(self.only_known)
        column.addWidget(self.callers)
        self.apply_button = button("Apply", tip="Use these settings from now on", on_click=self.apply)
        column.addLayout(row(self.apply_button, None))
        column.addWidget(self.receive)
        column.addWidget(self.state)
        self._fill(workstation.identity, ReceivingPolicy.of(workstation.settings))
        self.receive.setChecked(bool(workstation.settings.get(RECEIVE, False)))
        self.receive.toggled.connect(self.receive_wanted)
        for field in (self.ae_title, self.certificate.line, self.key.line, self.authorities.line):
            field.textChanged.connect(self._edited)
        for field in (self.port, self.tls_port):
            field.valueChanged.connect(self._edited)
        for box in (self.encrypted, self.only_known):
            box.toggled.connect(self._edited)
        self.clients.currentTextChanged.connect(self._edited)
        self.callers.changed.connect(self._edited)
        self._edited()

    def _fill(self, identity: LocalIdentity, policy: ReceivingPolicy) -> None:
        tls = identity.tls or TlsSettings()
        self.ae_title.setText(identity.ae_title)
        self.port.setValue(identity.port or 11112)
        self.encrypted.setChecked(bool(identity.tls_port))
        self.tls_port.setValue(identity.tls_port or _TLS_PORT)
        self.certificate.setText(tls.certificate_file)
        self.key.setText(tls.key_file)
        self.authorities.setText(tls.ca_file)
        self.clients.setCurrentIndex(_CLIENTS.index(tls.client_certificate))
        self.only_known.setChecked(policy.only_known)
        self.callers.show_callers(policy.callers)

    def _wanted(self) -> tuple[LocalIdentity, ReceivingPolicy]:
        """Return what the fields say; raises `LightboxError` when it makes no sense."""
        identity = self._workstation.identity
        tls = identity.tls
        if self.encrypted.isChecked():
            tls = replace(
                tls or TlsSettings(),
                certificate_file=self.certificate.text(),
                key_file=self.key.text(),
                ca_file=self.authorities.text(),
                client_certificate=_CLIENTS[self.clients.currentIndex()],
            )
        identity = replace(
            identity,
            ae_title=self.ae_title.text().strip(),
            port=self.port.value(),
            tls_port=self.tls_port.value() if self.encrypted.isChecked() else 0,
            tls=tls,
        )
        policy = replace(
            ReceivingPolicy.of(self._workstation.settings),
            only_known=self.only_known.isChecked(),
            callers=self.callers.callers(),
        )
        return identity, policy

    def _edited(self, *_: object) -> None:
        encrypted = self.encrypted.isChecked()
        shown: tuple[QWidget, ...] = (self.tls_port, self.certificate, self.key, self.authorities, self.clients)
        for field in shown:
            self._rows.show_row(field, encrypted)
        try:
            wanted = self._wanted()
        except LightboxError:
            self.apply_button.setEnabled(True)  # pressing it says what is wrong
            return
        settings = self._workstation.settings
        self.apply_button.setEnabled(wanted != (self._workstation.identity, ReceivingPolicy.of(settings)))

    def apply(self) -> None:
        """Keep what the fields say."""
        try:
            identity, policy = self._wanted()
            if identity.tls_port:
                from lightbox.network.tls import server_context

                server_context(identity.tls or TlsSettings())  # says now, not at the next start, which file is wrong
        except LightboxError as error:
            self.show_state(words.error(error), failed=True)
            return
        identity.save(self._workstation.settings)
        policy.save(self._workstation.settings)
        self._edited()
        self.changed.emit()

    def show_state(self, text: str, *, failed: bool = False) -> None:
        """Say what the receiver does."""
        self.state.setProperty("role", "critical" if failed else "secondary")
        self.state.style().unpolish(self.state)
        self.state.style().polish(self.state)
        self.state.setText(text)
