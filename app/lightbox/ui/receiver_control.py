"""Switches the storage SCP on and off, and says what it does."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from lightbox.core.jobs import Job, JobRunner
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.transfers.center import TransferCenter
from lightbox.workstation import Workstation

RECEIVE = "network.receive"


class ReceiverControl(QObject):
    """Starts and stops receiving in jobs, since binding a port and ending associations take their time."""

    told = Signal(str, bool, bool)
    started = Signal(object)
    """The receiver that runs now."""

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner, center: TransferCenter) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner
        self._center = center
        self._last = ("Receiver off", False, False)
        self._followed: object = None

    def start_if_wanted(self) -> None:
        """Start when the settings say so."""
        if self._workstation.settings.get(RECEIVE, False):
            self._start()
        else:
            self._tell("Receiver off", False)

    def set_wanted(self, wanted: bool) -> None:
        """Switch it, and remember."""
        self._workstation.settings.set(RECEIVE, wanted)
        if wanted:
            self._start()
        else:
            self._stop(lambda: self._tell("Receiver off", False))

    def restart(self) -> None:
        """Use a changed AE title or port."""
        if self._workstation.settings.get(RECEIVE, False):
            self._stop(self._start)

    def _start(self) -> None:
        def work(job: Job[object]) -> object:
            return self._workstation.start_receiver()

        def started(_scp: object) -> None:
            receiver = self._workstation.receiver
            if receiver is None:
                return
            if receiver is not self._followed:
                self._followed = receiver
                self._center.follow_receiver(receiver)
                self.started.emit(receiver)
            self._tell(f"Receiving on {receiver.identity.ae_title}:{receiver.port}", True)

        def failed(error: Exception) -> None:
            self._tell(words.error(error), False, failed=True)

        self._bridge.run(self._runner, "start the receiver", work, started, failed)

    def _stop(self, then: object) -> None:
        def work(job: Job[None]) -> None:
            self._workstation.stop_receiver()

        self._bridge.run(self._runner, "stop the receiver", work, lambda _nothing: then())  # type: ignore[operator]

    def _tell(self, text: str, on: bool, *, failed: bool = False) -> None:
        self._last = (text, on, failed)
        self.tell()

    def tell(self) -> None:
        """Say again what it does."""
        self.told.emit(*self._last)
