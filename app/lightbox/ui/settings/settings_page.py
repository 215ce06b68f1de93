"""The Settings place."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from lightbox import __version__
from lightbox.core.errors import LightboxError
from lightbox.core.jobs import Job, JobRunner
from lightbox.network.peers import Peer
from lightbox.ui import actions, theme, words
from lightbox.ui.bridge import Bridge
from lightbox.ui.settings.doctor_panel import DoctorPanel
from lightbox.ui.settings.peer_form import PeerForm
from lightbox.ui.settings.peer_line import PeerLine
from lightbox.ui.settings.preflight_panel import PreflightPanel
from lightbox.ui.settings.priors_card import PriorsCard
from lightbox.ui.settings.receiver_events import ReceiverEventList, ReceiverEvents
from lightbox.ui.settings.workstation_card import WorkstationCard
from lightbox.ui.widgets import ElidedLabel, action_button, button, card, clear, label, panel, row
from lightbox.workstation import Workstation

_WIDTH, _WIDE = 860, 1240


class SettingsPage(QWidget):
    """Archives, this workstation, its data, about."""

    peers_changed = Signal()

    def __init__(self, workstation: Workstation, bridge: Bridge, network: JobRunner, events: ReceiverEvents) -> None:
        super().__init__()
        self.setObjectName("page")
        self._workstation = workstation
        self._bridge = bridge
        self._network = network
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        bar = panel("bar")
        bar.setFixedHeight(48)
        bar.setLayout(row(label("Settings", "title"), None, margins=(16, 0, 16, 0)))
        outer.addWidget(bar)
        scroll = self._scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(24, 20, 24, 24)
        column.setSpacing(10)
        self.add_action = actions.add(self, "Settings", "Add an archive…", self.add_archive, "Ctrl+Shift+N")
        add = button("Add an archive…", tip=f"{self.add_action.text()}  (Ctrl+Shift+N)", on_click=self.add_archive)
        self.examine_action = actions.add(
            self,
            "Settings",
            "Examine all archives",
            self.examine_all,
            "Ctrl+Shift+E",
            tip="Take every step to each of them",
        )
        self.examine_button = action_button(self.examine_action, text="Examine all")
        head = QWidget()
        head.setLayout(row(label("Archives", "heading"), None, self.examine_button, add))
        self._list_card, self._list = card()
        self.form = PeerForm(workstation, bridge, network)
        self.form.hide()
        self.form.saved.connect(self._saved)
        self.form.cancelled.connect(self.form.hide)
        self.doctor = DoctorPanel(workstation, bridge, network)
        self.doctor.ended.connect(self._examined_one)
        self.preflight = PreflightPanel(workstation, bridge, network)
        for part in (self.doctor, self.preflight):
            part.hide()
        self.own = WorkstationCard(workstation)
        self.events = ReceiverEventList(events)
        self.priors = PriorsCard(workstation)
        data, data_column = card()
        home = ElidedLabel(words.place(workstation.home), "text")
        home.setFont(theme.mono_font())
        data_column.setContentsMargins(16, 14, 16, 14)
        open_folder = button(
            "Show folder", on_click=lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(workstation.home)))
        )
        data_column.addLayout(row(label("Data folder", "secondary"), 12, home, open_folder))
        data_column.addWidget(
            label(
                "Images, index, settings and logs. The index can always be rebuilt from the images.",
                "small",
                wrap=True,
            )
        )
        about, about_column = card()
        about_column.setContentsMargins(16, 14, 16, 14)
        about_column.addWidget(label(f"Lightbox {__version__}", "title"))
        about_column.addWidget(
            label("Free software under the Apache License 2.0. Not a certified medical device.", "secondary", wrap=True)
        )
        for widget in (
            head,
            self._list_card,
            self.form,
            self.doctor,
            self.preflight,
            label("This workstation", "heading"),
            self.own,
            self.events,
            label("Priors", "heading"),
            self.priors,
            label("Data", "heading"),
            data,
            label("About", "heading"),
            about,
        ):
            widget.setMaximumWidth(_WIDE if widget is self.preflight else _WIDTH)
            column.addWidget(widget)
        column.addStretch(1)
        scroll.setWidget(inner)
        outer.addWidget(scroll, 1)
        self.lines: dict[str, PeerLine] = {}
        self._examined = 0
        self.refresh()

    def refresh(self) -> None:
        """List the archives anew."""
        clear(self._list)
        self.lines = {}
        peers = self._workstation.peers.all()
        if not peers:
            self._list.addWidget(
                label(
                    "None yet. Add the archive (PACS) you work with to search it and retrieve from it.",
                    "secondary",
                    wrap=True,
                )
            )
        self.examine_button.setVisible(bool(peers))
        for peer in peers:
            entry = PeerLine(peer, self._workstation.settings)
            entry.preflight_wanted.connect(self._preflight)
            entry.edit_wanted.connect(self._edit)
            entry.test_wanted.connect(self._test)
            entry.remove_wanted.connect(self._remove)
            self.lines[peer.name] = entry
            self._list.addWidget(entry)

    def add_archive(self) -> None:
        """Open the empty form."""
        self._show_only(self.form)
        self.form.edit(None)

    def show_events(self) -> None:
        """Bring what the receiver turned away or noticed into view."""
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(self.events, 0, 40))

    def examine_all(self) -> None:
        """Examine every archive, all at once; the lights follow."""
        workstation = self._workstation
        peers = workstation.peers.all()
        self._examined = len(peers)
        self.examine_action.setEnabled(not peers)

        def one_less(_result: object) -> None:
            self._examined -= 1
            self.examine_action.setEnabled(self._examined <= 0)
            self.refresh()

        def examine(job: Job[object], peer: Peer) -> object:
            from lightbox.network.diagnosis.doctor import diagnose

            return diagnose(
                peer, workstation.identity, settings=workstation.settings, home=workstation.home, cancel=job.token
            )

        for peer in peers:
            if peer.name in self.lines:
                self.lines[peer.name].show_examining()
            self._bridge.run(self._network, "examine a peer", partial(examine, peer=peer), one_less, one_less)

    def _show_only(self, part: QWidget) -> None:
        for other in (self.form, self.doctor, self.preflight):
            other.setVisible(other is part)
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(part, 0, 60))

    def _examined_one(self, name: str) -> None:
        self.refresh()
        if name in self.lines:
            self.lines[name].test.setFocus()  # its line was made anew: keep the place, also for the keyboard

    def _edit(self, peer: Peer) -> None:
        self._show_only(self.form)
        self.form.edit(peer)

    def _test(self, peer: Peer) -> None:
        self._show_only(self.doctor)
        self.doctor.examine(peer)

    def _preflight(self, peer: Peer) -> None:
        self._show_only(self.preflight)
        self.preflight.show_peer(peer)

    def _saved(self, name: str) -> None:
        self.form.hide()
        self.refresh()
        self.peers_changed.emit()

    def _remove(self, peer: Peer) -> None:
        try:
            self._workstation.peers.remove(peer.name)
        except LightboxError as error:
            self.form.show()
            self.form.error.setText(words.error(error))
            self.form.error.show()
        self.form.hide()
        self.refresh()
        self.peers_changed.emit()
