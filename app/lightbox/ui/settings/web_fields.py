"""The DICOMweb side of an archive, and how we sign in there."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QLineEdit, QVBoxLayout, QWidget

from lightbox.network.peers import WEB_AUTHENTICATIONS, Peer, WebSettings
from lightbox.ui.settings.fields import Rows

_NAMES = {"none": "None, or the certificate", "basic": "User and password", "bearer": "Token"}


class WebFields(QWidget):
    """Address, authentication and secret; the secret itself is never shown again."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.url = QLineEdit()
        self.url.setPlaceholderText("https://pacs.example.org/dicom-web")
        self.how = QComboBox()
        self.how.addItems([_NAMES[entry] for entry in WEB_AUTHENTICATIONS])
        self.user = QLineEdit()
        self.secret = QLineEdit()
        self.secret.setEchoMode(QLineEdit.EchoMode.Password)
        rows = self._rows = Rows()
        rows.add("DICOMweb", self.url, "Address of its web service; empty: it has none, or we do not use it")
        rows.add("Sign in", self.how, "What the service asks for")
        rows.add("User", self.user, "")
        rows.add("Password", self.secret, "Kept apart from the settings, readable only for you")
        column.addLayout(rows)
        self._kept: WebSettings | None = None
        self.url.textChanged.connect(self._arrange)
        self.how.currentTextChanged.connect(self._arrange)
        self._arrange()

    def edit(self, peer: Peer | None, has_secret: bool) -> None:
        """Show what `peer` has."""
        self._kept = peer.web if peer else None
        self.url.setText(self._kept.url if self._kept else "")
        self.how.setCurrentText(_NAMES[self._kept.authentication if self._kept else "none"])
        self.user.setText(self._kept.user if self._kept else "")
        self.secret.setText("")
        self.secret.setPlaceholderText("kept; type to replace it" if has_secret else "")
        self._arrange()

    @property
    def authentication(self) -> str:
        """The chosen authentication."""
        return WEB_AUTHENTICATIONS[self.how.currentIndex()]

    def settings(self) -> WebSettings | None:
        """Return the settings of the form; raises `UsageError` when they make no sense."""
        url = self.url.text().strip()
        if not url:
            return None
        user = self.user.text().strip() if self.authentication == "basic" else ""
        return WebSettings(url, self.authentication, user, self._kept.tls if self._kept else None)

    def _arrange(self, *_: object) -> None:
        used = bool(self.url.text().strip())
        self._rows.show_row(self.how, used)
        self._rows.show_row(self.user, used and self.authentication == "basic")
        self._rows.show_row(self.secret, used and self.authentication != "none")
