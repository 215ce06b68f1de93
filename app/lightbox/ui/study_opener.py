"""Opens studies, also those that are still at an archive, and keeps what is on screen complete while more comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer

from lightbox.core.errors import LightboxError
from lightbox.library.records import InstancesAdded
from lightbox.ui import words
from lightbox.ui.studies.study_row import StudyRow
from lightbox.ui.titles import title_of
from lightbox.ui.transfers.transfer import Kind, State, Transfer

if TYPE_CHECKING:
    from lightbox.ui.main_window import MainWindow

_QUIET_MS = 1500


class StudyOpener(QObject):
    """One study is opened at a time; a study that is retrieved for it opens with its first images.

    What arrives for the study on screen afterwards is shown once its transfer ended: at once when the reader has not
    begun to look around, otherwise by a notice, so that nothing moves under the reader's eyes and nothing stays unsaid.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.waiting_for = ""
        self._grown: set[str] = set()
        self._shown_count: dict[str, int] = {}
        self._quiet = QTimer(self, singleShot=True, interval=_QUIET_MS)
        self._quiet.timeout.connect(self.show_growth)

    def open_study(self, study_uid: str) -> None:
        """Show a study of the library in the viewer."""
        window = self._window
        self.waiting_for = ""
        self._grown.discard(study_uid)
        window.go("viewer")
        try:
            record = window.workstation.library.study(study_uid)
            self._shown_count = {study_uid: record.number_of_instances if record is not None else 0}
            window.viewer_page().open_study(study_uid)
        except LightboxError as error:
            window.notices.show_notice("critical", words.error(error))
            return
        if record is not None:
            window.center.prefetch_priors(record)

    def open_row(self, row: StudyRow) -> None:
        """Open a study; what is only at an archive is retrieved, and opened as soon as something is there."""
        if row.here:
            self.open_study(row.uid)
            return
        window = self._window
        peer = window.studies.search.peer_of(row)
        if peer is None:
            window.notices.show_notice("warn", "This study is neither on this workstation nor at a known archive.")
            return
        self.waiting_for = row.uid
        window.center.retrieve(peer, row.uid, title_of(row.record), row.expected)

    def instances_added(self, event: InstancesAdded) -> None:
        """Take note of what has come."""
        if self.waiting_for and self.waiting_for in event.study_uids:
            self.open_study(self.waiting_for)
            return
        shown = self._on_screen()
        if shown in event.study_uids:
            self._grown.add(shown)
            self._quiet.start()

    def transfer_ended(self, transfer: Transfer) -> None:
        """Open what was waited for, and complete what is on screen."""
        if transfer.kind is Kind.RETRIEVE and transfer.study_uid == self.waiting_for:
            self.waiting_for = ""
            if transfer.done and transfer.state in (State.DONE, State.PARTIAL):
                self.open_study(transfer.study_uid)
        self.show_growth()

    def show_growth(self) -> None:
        """Show what came after the study was opened, unless more is on its way."""
        shown = self._on_screen()
        if shown not in self._grown:
            return
        window = self._window
        if any(item.study_uid == shown for item in window.center.running()):
            return
        self._grown.discard(shown)
        record = window.workstation.library.study(shown)
        count = record.number_of_instances if record is not None else 0
        more = count - self._shown_count.get(shown, 0)
        if more <= 0:
            return
        if not self._touched():
            self._shown_count[shown] = count
            window.viewer_page().open_study(shown)
            return
        text = f"{words.plural(more, 'more object')} of the study on screen came in meanwhile."
        window.notices.show_notice("warn", text, "Show them", lambda: self.open_study(shown))

    def _on_screen(self) -> str:
        viewer = self._viewer()
        study = viewer.session.study if viewer is not None else None
        if study is not None:
            return study.study_instance_uid
        return next(iter(self._shown_count), "")

    def _touched(self) -> bool:
        viewer = self._viewer()
        return viewer is not None and viewer.session.touched

    def _viewer(self) -> Any:
        return self._window.viewer_if_any
