"""Small pictures of series: from the library, or made in the background and kept there."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import Job, JobRunner, Priority
from lightbox.library.records import SeriesRecord
from lightbox.ui.bridge import Bridge
from lightbox.workstation import Workstation

SIZE = 160


class Thumbnails(QObject):
    """Delivers PNG bytes (empty: the series cannot be shown as a picture)."""

    ready = Signal(str, bytes)

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner
        self._asked: dict[str, Job[bytes]] = {}

    def ask(self, series: list[SeriesRecord]) -> None:
        """Deliver the pictures of `series` by `ready`; what was asked before and has not begun is dropped."""
        wanted = {entry.series_instance_uid for entry in series}
        for uid, job in list(self._asked.items()):
            if uid not in wanted:
                job.cancel()
                del self._asked[uid]
        for entry in series:
            if entry.series_instance_uid not in self._asked:
                self._asked[entry.series_instance_uid] = self._start(entry)

    def _start(self, series: SeriesRecord) -> Job[bytes]:
        uid = series.series_instance_uid
        library = self._workstation.library

        def work(job: Job[bytes]) -> bytes:
            kept = library.thumbnail(uid)
            if kept is not None:
                return kept
            made = self._make(uid, job)
            if made:
                library.put_thumbnail(uid, made)
            return made

        def done(png: bytes) -> None:
            self._asked.pop(uid, None)
            self.ready.emit(uid, png)

        def failed(error: Exception) -> None:
            self._asked.pop(uid, None)
            self.ready.emit(uid, b"")

        return self._bridge.run(self._runner, "thumbnail", work, done, failed, priority=Priority.THUMBNAIL)

    def _make(self, series_uid: str, job: Job[bytes]) -> bytes:
        from lightbox.dicom.sop_classes import Kind, kind
        from lightbox.imaging.image_object import ImageObject
        from lightbox.imaging.picture import thumbnail

        images = [
            entry
            for entry in self._workstation.library.instances_of(series_uid)
            if kind(entry.sop_class_uid) is Kind.IMAGE
        ]
        if not images:
            return b""
        images.sort(key=lambda entry: (entry.instance_number or 0, entry.sop_instance_uid))
        job.token.raise_if_cancelled()
        middle = images[len(images) // 2]
        try:
            with ImageObject.open(lambda: self._workstation.library.open_object(middle.sop_instance_uid)) as image:
                return thumbnail(image, SIZE)
        except (LightboxError, ValueError, NotImplementedError):
            return b""  # pixels that cannot be decoded: the card shows the modality instead
