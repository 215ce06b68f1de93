"""What archives announce as ready to be fetched (Instance Availability Notification, PS3.4 Annex R)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from lightbox.core.jobs import Job, JobRunner
from lightbox.network.peers import Peer
from lightbox.ui.bridge import Bridge
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.receiving.notes import Note
    from lightbox.network.worklist.ian import AvailabilityNotice

_SOP_CLASS = "1.2.840.10008.5.1.4.33"


class Availability(QObject):
    """Takes the announcements out of the inbox, at the start and as they come."""

    announced = Signal(object, list)
    """The archive (a `Peer`), and the Study Instance UIDs that it announced and that are not here."""

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner

    def follow(self, receiver: object) -> None:
        """Take what comes from now on."""
        receiver.notes.connect(self._bridge.slot(self._came))  # type: ignore[attr-defined]

    def _came(self, note: Note) -> None:
        if note.sop_class_uid == _SOP_CLASS:
            self.take()

    def take(self) -> None:
        """Take what waits."""

        def work(job: Job[list[AvailabilityNotice]]) -> list[AvailabilityNotice]:
            library = self._workstation.library
            return [
                found
                for found in self._workstation.take_availability()
                if library.study(found.study_instance_uid) is None
            ]

        def done(found: list[AvailabilityNotice]) -> None:
            peers = self._workstation.peers.all()
            holders: dict[str, tuple[Peer, list[str]]] = {}
            for notice in found:
                for peer in notice.peers(peers)[:1]:
                    holders.setdefault(peer.name, (peer, []))[1].append(notice.study_instance_uid)
            for peer, uids in holders.values():
                self.announced.emit(peer, list(dict.fromkeys(uids)))

        self._bridge.run(self._runner, "announcements of archives", work, done)
