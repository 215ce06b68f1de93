"""Where the objects of C-GET and WADO-RS go: into the spool, and durable batch by batch when they are ingested.

Nobody relies on these copies before the retrieve reports them: the archive keeps its own, and after a power cut the
journal says what to ask for again. One synchronisation for a batch instead of one for each object is several times
faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.network.receive import Received, Receiver
from lightbox.network.receiving.incoming import IncomingObject

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.library.spool_file import SpoolFile


class Caught(IncomingObject):
    """A data set that comes by C-STORE; it gets file meta information."""

    def commit(self) -> None:
        """Finish the file, or record why not."""
        if self._file is not None and self.failure is None:
            try:
                self.ready = self._file.commit(synchronise=False)
            except (OSError, LightboxError) as error:
                self._failed(error)


class CaughtFile(Caught):
    """An object that comes as a DICOM file, with its own file meta information."""

    def _start(self, start: Callable[[], SpoolFile]) -> None:
        self._file = start()


class Catcher(Receiver):
    """Takes what is retrieved."""

    pause_s = 0.05

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self._spool = library.spool()

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> IncomingObject:
        """Begin an object of a C-STORE sub-operation; `source` is the AE title of the sender."""
        event = Received(sop_instance_uid, sop_class_uid, transfer_syntax_uid, source)
        return Caught(event, lambda: self._spool.writer(source, hashed=True))

    def open_file(self, event: Received) -> IncomingObject:
        """Begin an object that comes as a DICOM file."""
        return CaughtFile(event, lambda: self._spool.writer(event.source, hashed=True))
