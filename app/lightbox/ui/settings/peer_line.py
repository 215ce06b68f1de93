"""One archive in the list: how it is, how it is talked to, and what can be done."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from lightbox.core.settings import Settings
from lightbox.network.diagnosis import facts
from lightbox.network.diagnosis.facts import PeerFacts
from lightbox.network.identity import CERTIFICATE_WARNING_DAYS
from lightbox.network.peers import Peer, is_loopback
from lightbox.ui.widgets import Badge, Dot, ElidedLabel, button, row

_LIGHTS = {"ok": "ok", "warning": "warn", "failed": "critical", "unknown": "text-disabled"}


def badges(peer: Peer, known: PeerFacts | None) -> list[tuple[str, str, str]]:
    """Return (words, kind of badge, tooltip) of what protects the connection and what the peer offers."""
    found: list[tuple[str, str, str]] = []
    if peer.tls is not None:
        version = known.tls_version.replace("TLSv", "TLS ") if known and known.tls_version else "TLS"
        tip = f"{known.tls_suite}\n{known.certificate_subject}" if known and known.tls_suite else "Not examined yet"
        found.append((version, "ok", tip))
        days = known.certificate_days_left if known else None
        if days is not None and known is not None:
            text = f"certificate until {known.certificate_end}" if days >= 0 else "certificate has expired"
            kind = "critical" if days < 0 else "warn" if days < CERTIFICATE_WARNING_DAYS else ""
            found.append((text, kind, f"{known.certificate_subject}\nissued by {known.certificate_issuer}"))
    elif is_loopback(peer.host):
        found.append(("this computer", "", "Nothing leaves this computer"))
    else:
        reason = peer.plaintext_reason or "no reason stated: it is not talked to"
        found.append(("not encrypted", "warn" if peer.plaintext_reason else "critical", reason))
    if peer.web is not None:
        found.append(("DICOMweb", "", peer.web.url))
    return found


class PeerLine(QWidget):
    """A light, the name, the address, badges, buttons."""

    edit_wanted = Signal(object)
    remove_wanted = Signal(object)
    test_wanted = Signal(object)
    preflight_wanted = Signal(object)

    def __init__(self, peer: Peer, settings: Settings) -> None:
        super().__init__()
        self.peer = peer
        known = facts.of(settings, peer.name)
        self.light = Dot(_LIGHTS[known.light if known else "unknown"])
        state = known.words() if known else "not examined yet"
        said = f"{known.text}\n{state}" if known and known.text else state
        self.light.setToolTip(said)
        name = ElidedLabel(peer.name, "text-strong")
        name.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._where = f"{peer.ae_title} · {peer.host}:{peer.port}"
        self._address = ElidedLabel(f"{self._where} · {state}", "text-secondary")
        shown: list[QWidget | int | None] = []
        for text, kind, tip in badges(peer, known):
            made = Badge(text, kind)
            made.setToolTip(tip)
            shown.append(made)
        texts = QWidget()
        column = QVBoxLayout(texts)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addLayout(row(name, *shown, None, spacing=6))
        column.addWidget(self._address)
        self.test = button(
            "Examine",
            tip="Take every step of the way to it, and say what fails",
            on_click=lambda: self.test_wanted.emit(peer),
        )
        self.preflight = button(
            "Pre-flight",
            tip="Compare what it declares, what we need and what it accepts; nothing is sent",
            on_click=lambda: self.preflight_wanted.emit(peer),
        )
        edit = button("Change", on_click=lambda: self.edit_wanted.emit(peer))
        self.remove = button("Remove", "danger", on_click=self._remove)
        for made, what in (
            (self.test, "Examine"),
            (self.preflight, "Pre-flight of"),
            (edit, "Change"),
            (self.remove, "Remove"),
        ):
            made.setAccessibleName(f"{what} {peer.name}")
        self.setAccessibleName(f"{peer.name}, {state}")
        self._sure = False
        self.setLayout(row(self.light, 4, texts, self.test, self.preflight, edit, self.remove, margins=(0, 5, 0, 5)))

    def show_examining(self) -> None:
        """Say that it is examined now."""
        self.light.set_shade("accent")
        self._address.setText(f"{self._where} · examining …")

    def _remove(self) -> None:
        if self._sure:
            self.remove_wanted.emit(self.peer)
        else:
            self._sure = True
            self.remove.setText("Really remove?")
