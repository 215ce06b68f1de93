"""The window: the rail of places, the place itself, notices above it and the status line below."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import Job, JobRunner
from lightbox.dicom import imports
from lightbox.library.records import StudyRecord
from lightbox.network.peers import Peer
from lightbox.ui import actions, icons, window_place, words
from lightbox.ui.bridge import Bridge
from lightbox.ui.command_palette import CommandPalette
from lightbox.ui.notices import Notices
from lightbox.ui.rail import Rail
from lightbox.ui.receiver_control import ReceiverControl
from lightbox.ui.sending.send_center import SendCenter
from lightbox.ui.settings.receiver_events import ReceiverEvents
from lightbox.ui.shortcuts_overview import ShortcutsOverview
from lightbox.ui.status_line import StatusLine
from lightbox.ui.studies.quality_sheet import QualitySheet
from lightbox.ui.studies.saved_sheet import SavedSheet
from lightbox.ui.studies.studies_page import StudiesPage
from lightbox.ui.studies.study_row import StudyRow
from lightbox.ui.study_opener import StudyOpener
from lightbox.ui.titles import title_of
from lightbox.ui.transfers.availability import Availability
from lightbox.ui.transfers.center import TransferCenter
from lightbox.ui.transfers.transfer import Kind, State, Transfer
from lightbox.ui.transfers.transfers_page import TransfersPage
from lightbox.workstation import Workstation

logger = logging.getLogger(__name__)


class MainWindow(QMainWindow):
    """Everything on screen for one `Workstation`."""

    library_opened = Signal()
    warmed_up = Signal()
    """What the first image needs is imported, and the reading room is made."""

    def __init__(self, workstation: Workstation, *, on_open: str | None = None) -> None:
        super().__init__()
        self.workstation = workstation
        self.setWindowTitle("Lightbox")
        self.setMinimumSize(960, 600)
        self.setAcceptDrops(True)
        self.bridge = Bridge(self)
        self.browse_jobs = JobRunner(workers=2, name="browse")
        self.network_jobs = JobRunner(workers=4, name="ask", prepare=imports.ready)
        self.work_jobs = JobRunner(workers=1, name="work", prepare=imports.ready)
        self.center = TransferCenter(workstation, self.bridge)
        self._open_first = on_open
        self._close_asked = False
        self._viewer: Any = None
        self._settings_page: Any = None
        self._export_page: Any = None
        self._worklist_page: Any = None
        self.opener = StudyOpener(self)
        self._build()
        self._make_actions()
        self.palette_sheet = CommandPalette(self)
        self.overview_sheet = ShortcutsOverview(self)
        self.quality_sheet = QualitySheet(self)
        self.studies.detail.quality_wanted.connect(self.quality_sheet.open_with)
        self.saved_sheet = SavedSheet(self, self.studies)
        self.studies.saved_wanted.connect(self.saved_sheet.open)
        window_place.restore(self, workstation.settings)
        self.go("studies")
        self.studies.box.setFocus()

    # --- parts

    def _build(self) -> None:
        holder = QWidget()
        holder.setObjectName("window")
        self.setCentralWidget(holder)
        outer = QVBoxLayout(holder)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        self.rail = Rail()
        self.places = QStackedWidget()
        self.places.setObjectName("places")
        self.notices = Notices()
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.notices)
        right.addWidget(self.places, 1)
        middle = QHBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(0)
        middle.addWidget(self.rail)
        middle.addLayout(right, 1)
        outer.addLayout(middle, 1)
        self.status = StatusLine(self.center)
        outer.addWidget(self.status)
        self.receiver = ReceiverControl(self.workstation, self.bridge, self.network_jobs, self.center)
        self.receiver.told.connect(self.status.show_receiver)
        self.receiver_events = ReceiverEvents(self.workstation, self.bridge, self.browse_jobs)
        self.receiver.started.connect(self.receiver_events.follow)
        self.receiver_events.changed.connect(lambda: self.status.show_noticed(self.receiver_events.unseen))
        self.status.receiver_wanted.connect(self._show_receiver_events)
        self.availability = Availability(self.workstation, self.bridge, self.browse_jobs)
        self.availability.announced.connect(self._announced)
        self.receiver.started.connect(self.availability.follow)

        self.studies = StudiesPage(self.workstation, self.bridge, self.browse_jobs, self.network_jobs)
        self.sending = SendCenter(self.workstation, self.bridge)
        self.transfers = TransfersPage(self.center, self.sending)
        self.places.addWidget(self.studies)
        self.places.addWidget(self.transfers)
        self._pages: dict[str, Callable[[], QWidget]] = {
            "studies": lambda: self.studies,
            "viewer": self.viewer_page,
            "worklist": self.worklist_page,
            "transfers": lambda: self.transfers,
            "export": self.export_page,
            "settings": self.settings_page,
        }
        for number, place in enumerate(("studies", "viewer", "worklist", "transfers", "export"), start=1):
            self.rail.add(place, place.capitalize(), f"Alt+{number}")
        self.rail.add("settings", "Settings", "Ctrl+,", bottom=True)
        self.rail.chosen.connect(self.go)
        self.studies.open_wanted.connect(self.open_row)
        self.studies.retrieve_wanted.connect(self._retrieve)
        self.studies.import_wanted.connect(self.import_paths)
        self.studies.deidentify_wanted.connect(self.deidentify)
        self.studies.archive_wanted.connect(self._add_archive)
        self.studies.send_wanted.connect(self.sending.send_studies)
        self.studies.send_files_wanted.connect(self.sending.send_files)
        self.sending.queued.connect(self._queued_to_send)
        self.sending.doubtful.connect(lambda *told: self.quality_sheet.ask(*told))
        self.sending.failed.connect(lambda text: self.notices.show_notice("critical", text))
        self.sending.changed.connect(
            lambda: self.status.show_unconfirmed(self.sending.waiting, self.sending.unconfirmed)
        )
        self.transfers.sending.send_wanted.connect(lambda: self.go("studies"))
        self.status.sending_wanted.connect(self._show_sending)
        self.studies.failed.connect(lambda text: self.notices.show_notice("critical", text))
        self.transfers.open_wanted.connect(self.open_study)
        self.transfers.again_wanted.connect(self._retrieve_again)
        self.transfers.go_on_wanted.connect(self._go_on)
        self.status.transfer_wanted.connect(self._show_transfer)
        self.center.ended.connect(self._transfer_ended)
        self._drop = QFrame(self)
        self._drop.setObjectName("drop")
        said = QLabel("Drop to import")
        said.setAlignment(Qt.AlignmentFlag.AlignCenter)
        said.setProperty("role", "large")
        QVBoxLayout(self._drop).addWidget(said)
        self._drop.hide()

    def _make_actions(self) -> None:
        def add(group: str, text: str, callback: Callable[[], object], keys: str | tuple[str, ...]) -> None:
            actions.add(self, group, text, callback, keys, everywhere=True)

        for number, place in enumerate(("studies", "viewer", "worklist", "transfers", "export"), start=1):
            add("Places", place.capitalize(), lambda place=place: self.go(place), f"Alt+{number}")
        add("Places", "Settings", lambda: self.go("settings"), "Ctrl+,")
        add("Window", "Find a command", self.open_palette, "Ctrl+K")
        add("Window", "Keyboard overview", self.open_overview, ("F1", "?"))
        add("Window", "Full screen", self._full_screen, "F11")
        add("Window", "Quit", self.close, "Ctrl+Q")

    def _full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    # --- start

    def start(self) -> None:
        """Open what the window needs, once it is on screen."""
        icons.load()
        self.rail.paint_icons()
        self.studies.paint_icons()
        self._open_library()

    def _open_library(self) -> None:
        def opened(_library: object) -> None:
            self.studies.start()
            self.workstation.library.instances_added.connect(self.bridge.slot(self.opener.instances_added))
            self.receiver.start_if_wanted()
            self.sending.start()
            self.receiver_events.start()
            self.availability.take()
            self.center.find_unfinished(self._found_unfinished)
            self.library_opened.emit()
            if self._open_first:
                self.open_study(self._open_first)
            QTimer.singleShot(600, self._warm_up)

        def failed(error: Exception) -> None:
            self.studies.show_failure(words.error(error))

        self.bridge.run(self.browse_jobs, "open the library", lambda job: self.workstation.library, opened, failed)

    def _warm_up(self) -> None:
        """Import behind the screen what the first image will need."""

        def work(job: Job[None]) -> None:
            imports.ready()
            import lightbox.findings.reader
            import lightbox.imaging.image_object
            import lightbox.imaging.picture
            import lightbox.viewer.display_sets
            import lightbox.viewer.session  # noqa: F401
            from lightbox.core.opencv import cv2

            cv2()

        def done(_nothing: None) -> None:
            self.viewer_page()
            self.warmed_up.emit()

        self.bridge.run(self.browse_jobs, "warm up", work, done)
        self.measure_library()

    def measure_library(self) -> None:
        """Find out how much room the library takes."""
        self.status.measure_library(self.bridge, self.browse_jobs, lambda job: _size_of(self.workstation.home))

    # --- places

    def go(self, place: str) -> None:
        """Show a place."""
        try:
            page = self._pages[place]()
        except LightboxError as error:
            self.notices.show_notice("critical", words.error(error))
            return
        self.rail.show_place(place)
        self.places.setCurrentWidget(page)
        if place != "viewer":
            self.status.show_message("")

    @property
    def viewer_if_any(self) -> Any:
        """The viewer, or None while no study was opened in it."""
        return self._viewer

    def viewer_page(self) -> Any:
        """Return the reading room, made on first use."""
        if self._viewer is None:
            imports.ready()
            from lightbox.ui.viewer.viewer_page import ViewerPage

            self._viewer = ViewerPage(self.workstation)
            self._viewer.status_changed.connect(self.status.show_message)
            self.places.addWidget(self._viewer)
        return self._viewer

    def settings_page(self) -> Any:
        """Return the settings, made on first use."""
        if self._settings_page is None:
            from lightbox.ui.settings.settings_page import SettingsPage

            page = SettingsPage(self.workstation, self.bridge, self.network_jobs, self.receiver_events)
            page.peers_changed.connect(self.studies.peers_changed)
            page.own.receive_wanted.connect(self.receiver.set_wanted)
            page.own.changed.connect(self.receiver.restart)
            self.receiver.told.connect(lambda text, on, failed: page.own.show_state(text, failed=failed))
            self.receiver.tell()
            self._settings_page = page
            self.places.addWidget(page)
        return self._settings_page

    def worklist_page(self) -> Any:
        """Return the worklist, made on first use."""
        if self._worklist_page is None:
            from lightbox.ui.worklist.reconcile_sheet import ReconcileSheet
            from lightbox.ui.worklist.worklist_page import WorklistPage

            page = WorklistPage(self.workstation, self.bridge, self.network_jobs)
            sheet = ReconcileSheet(self, self.workstation, self.bridge, self.work_jobs)
            page.reconcile_wanted.connect(sheet.open_with)
            page.announced.connect(self._fetch_ahead)
            page.archive_wanted.connect(self._add_archive)
            sheet.imported.connect(lambda text: self.notices.show_notice("ok", text))
            self._worklist_page = page
            self.places.addWidget(page)
        return self._worklist_page

    def _fetch_ahead(self, entries: list[Any]) -> None:
        for entry in entries:
            self.center.prefetch_priors_of_entry(entry)

    def export_page(self) -> Any:
        """Return the export wizard, made on first use."""
        if self._export_page is None:
            imports.ready()
            from lightbox.ui.export.export_page import ExportPage

            page = ExportPage(self.workstation, self.bridge, self.work_jobs)
            page.studies_wanted.connect(lambda: self.go("studies"))
            self._export_page = page
            self.places.addWidget(page)
        return self._export_page

    def _add_archive(self) -> None:
        self.go("settings")
        self.settings_page().add_archive()

    def open_palette(self) -> None:
        """Open the command palette."""
        self.palette_sheet.open_with(self._all_actions())

    def open_overview(self) -> None:
        """Open the overview of the keys."""
        self.overview_sheet.open_with(self._all_actions())

    def _all_actions(self) -> list[Any]:
        found = list(self.actions())
        found += actions.listed(self.studies, self.transfers, self._viewer, self._settings_page, self._export_page)
        found += actions.listed(self._worklist_page)
        return list(dict.fromkeys(found))

    # --- studies

    def open_study(self, study_uid: str) -> None:
        """Show a study of the library in the viewer."""
        self.opener.open_study(study_uid)

    def open_row(self, row: StudyRow) -> None:
        """Open a study of the list, retrieving it if it is only at an archive."""
        self.opener.open_row(row)

    def _retrieve(self, wanted: list[tuple[Peer, StudyRow]]) -> None:
        for peer, row in wanted:
            self.center.retrieve(peer, row.uid, title_of(row.record), row.expected)

    def _retrieve_again(self, transfer: Transfer) -> None:
        peer = self._partner(transfer)
        if peer is not None:
            self.center.retrieve(
                peer, transfer.study_uid, transfer.title, transfer.total, unfinished=transfer.unfinished
            )

    def _go_on(self, transfer: Transfer) -> None:
        peer = self._partner(transfer)
        if peer is not None:
            self.center.go_on(transfer, peer)

    def _partner(self, transfer: Transfer) -> Peer | None:
        try:
            return self.workstation.peers.get(transfer.partner.split(" · ")[0])
        except LightboxError as error:
            self.notices.show_notice("warn", words.error(error))
            return None

    def _found_unfinished(self, number: int) -> None:
        text = f"{words.plural(number, 'retrieve was', 'retrieves were')} not complete when Lightbox last ended."
        self.notices.show_notice("warn", text, "Show", self._show_arriving)

    def _show_arriving(self) -> None:
        self.go("transfers")
        self.transfers.show_arriving()

    def _show_receiver_events(self) -> None:
        self.go("settings")
        self.settings_page().show_events()

    def _announced(self, peer: Peer, study_uids: list[str]) -> None:
        def retrieve() -> None:
            for uid in study_uids:
                self.center.retrieve(peer, uid, "a study that was announced")

        number = words.plural(len(study_uids), "study is", "studies are")
        self.notices.show_notice("info", f"{peer.name} says that {number} ready to be fetched.", "Retrieve", retrieve)

    def import_paths(self, paths: list[Path]) -> None:
        """Import files and folders."""
        self.center.import_paths(paths)

    def deidentify(self, studies: list[StudyRecord]) -> None:
        """Begin an export of studies."""
        self.go("export")
        self.export_page().choose_studies(studies)

    # --- transfers

    def _show_sending(self) -> None:
        self.go("transfers")
        self.transfers.show_sending()

    def _queued_to_send(self, number: int, peer_name: str) -> None:
        text = f"{words.plural(number, 'image')} will be sent to {peer_name}"
        self.notices.show_notice("ok", text, "Show", self._show_sending)

    def _show_transfer(self, transfer: Transfer) -> None:
        self.go("transfers")
        self.transfers.show_transfer(transfer)

    def _transfer_ended(self, transfer: Transfer) -> None:
        show = lambda: self._show_transfer(transfer)  # noqa: E731
        self.opener.transfer_ended(transfer)
        if transfer.kind is Kind.PRIORS:
            pass  # nobody waits for them: the list of transfers and the status line say how it went
        elif transfer.state is State.FAILED:
            text = f"{transfer.kind.value} of {transfer.title}: {transfer.message or transfer.amount()}"
            self.notices.show_notice("critical", text, "Details", show)
        elif transfer.state is State.PARTIAL:
            text = f"{transfer.kind.value} of {transfer.title}: {transfer.amount()}"
            if transfer.message:
                text += f" · {transfer.message}"
            self.notices.show_notice("warn", text, "why?", show)
        elif transfer.kind is Kind.IMPORT and transfer.state is State.DONE:
            self.notices.show_notice("ok", f"Imported {transfer.title}: {transfer.message or transfer.amount()}")
        if not self.center.running():
            self.studies.search.refresh()
            self.measure_library()

    # --- dropping files

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()
            self._drop.setGeometry(self.rect().adjusted(24, 24, -24, -24))
            self._drop.show()
            self._drop.raise_()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """They went elsewhere."""
        self._drop.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        """Import what was dropped."""
        self._drop.hide()
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.import_paths(paths)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Follow the size."""
        super().resizeEvent(event)
        if self._drop.isVisible():
            self._drop.setGeometry(self.rect().adjusted(24, 24, -24, -24))

    # --- end

    def closeEvent(self, event: QCloseEvent) -> None:
        """Leave; while something is transferred, only when asked twice."""
        running = self.center.running()
        if running and not self._close_asked:
            self._close_asked = True
            event.ignore()
            what = words.plural(len(running), "transfer is", "transfers are")
            self.notices.show_notice("warn", f"{what} still running. What has come is kept.", "Quit anyway", self.close)
            return
        window_place.remember(self, self.workstation.settings)
        if self._viewer is not None:
            self._viewer.close()
        self.bridge.close()
        self.center.close()
        self.sending.close()
        self.browse_jobs.close(1.0)
        self.network_jobs.close(1.0)
        self.work_jobs.close()
        super().closeEvent(event)


def _size_of(folder: Path) -> int:
    """Return the bytes in `folder`."""
    import os

    total = 0
    for root, _folders, files in os.walk(folder):
        for name in files:
            try:
                total += Path(root, name).lstat().st_size
            except OSError:
                continue  # it went away meanwhile
    return total
