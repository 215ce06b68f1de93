"""How an archive is talked to: encrypted with certificates, or in plaintext for a stated reason."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QVBoxLayout, QWidget

from lightbox.network.identity import TlsSettings
from lightbox.network.peers import Peer, is_loopback
from lightbox.ui.settings.fields import FileField, Rows
from lightbox.ui.widgets import label

PLAIN, ENCRYPTED = "Not encrypted", "Encrypted (TLS)"


class ConnectionFields(QWidget):
    """TLS settings, or the reason for going without."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.choice = QComboBox()
        self.choice.addItems([ENCRYPTED, PLAIN])
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("For example: separate imaging network")
        self.authorities = FileField("Trusted authorities")
        self.certificate = FileField("Our certificate")
        self.key = FileField("Our private key")
        self.floor = QComboBox()
        self.floor.addItems(["1.2 or newer", "1.3 only"])
        self.modified = QCheckBox("Only the suites of PS3.15 B.13")
        self.check_host = QCheckBox("The certificate must name this host")
        self.pin = QLineEdit()
        self.pin.setPlaceholderText("SHA-256 in hexadecimal")
        rows = self._rows = Rows()
        rows.add("Connection", self.choice, "Patients' data should not travel readable for everyone")
        rows.add("Why not", self.reason, "Is kept with the archive and shown beside it")
        rows.add("Authorities", self.authorities, "PEM file; no other authority is trusted. Empty: those of the system")
        rows.add("Our certificate", self.certificate, "PEM file; needed where the archive asks for one")
        rows.add("Our key", self.key, "PEM file of the private key")
        rows.add("TLS version", self.floor, "1.3 is used wherever both sides speak it")
        rows.add("", self.check_host, "")
        rows.add("", self.modified, "")
        rows.add(
            "Pinned certificate", self.pin, "Accept this one certificate only; empty: any the authorities vouch for"
        )
        column.addLayout(rows)
        self.note = label("", "small", wrap=True)
        column.addWidget(self.note)
        self._kept = TlsSettings()
        self._host = ""
        self.choice.currentTextChanged.connect(self._arrange)
        self._arrange()

    def edit(self, peer: Peer | None) -> None:
        """Show what `peer` has; a new archive is encrypted unless said otherwise."""
        self._kept = (peer.tls if peer else None) or TlsSettings()
        self.choice.setCurrentText(PLAIN if peer is not None and peer.tls is None else ENCRYPTED)
        self.reason.setText(peer.plaintext_reason if peer else "")
        kept = self._kept
        self.authorities.setText(kept.ca_file)
        self.certificate.setText(kept.certificate_file)
        self.key.setText(kept.key_file)
        self.floor.setCurrentIndex(1 if kept.minimum_version == "1.3" else 0)
        self.modified.setChecked(kept.profile == "bcp195-modified")
        self.check_host.setChecked(kept.check_host)
        self.pin.setText(kept.pin_sha256)
        self._arrange()

    def set_host(self, host: str) -> None:
        """Follow the address: an archive on this computer needs no reason."""
        self._host = host
        self._arrange()

    def encrypted(self) -> bool:
        """Whether TLS is chosen."""
        return self.choice.currentText() == ENCRYPTED

    def settings(self) -> TlsSettings | None:
        """Return the TLS settings of the form, None for plaintext; raises `UsageError` when they make no sense."""
        if not self.encrypted():
            return None
        return replace(
            self._kept,
            ca_file=self.authorities.text(),
            certificate_file=self.certificate.text(),
            key_file=self.key.text(),
            minimum_version="1.3" if self.floor.currentIndex() == 1 else "1.2",
            profile="bcp195-modified" if self.modified.isChecked() else "bcp195",
            check_host=self.check_host.isChecked(),
            pin_sha256=self.pin.text().strip(),
        )

    def _arrange(self, *_: object) -> None:
        encrypted = self.encrypted()
        here = is_loopback(self._host.strip())
        for field in (
            self.authorities,
            self.certificate,
            self.key,
            self.floor,
            self.modified,
            self.check_host,
            self.pin,
        ):
            self._rows.show_row(field, encrypted)
        self._rows.show_row(self.reason, not encrypted and not here)
        self.note.setText("It runs on this computer: nothing leaves it." if not encrypted and here else "")
        self.note.setVisible(bool(self.note.text()))
        self.changed.emit()
