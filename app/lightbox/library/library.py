"""The library of one data folder: what other rooms see of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from psygnal import Signal

from lightbox.core import clock
from lightbox.core.errors import NotFoundError
from lightbox.library import queries
from lightbox.library.index import DamagedIndexError, Index
from lightbox.library.links import LinkJournal
from lightbox.library.quality import shelf
from lightbox.library.quality.codes import GATE
from lightbox.library.records import (
    Cursor,
    ImportReport,
    InstanceRecord,
    InstancesAdded,
    QuarantineEntry,
    Refusal,
    SeriesRecord,
    StudyPage,
    StudyQuery,
    StudyRecord,
)
from lightbox.library.spool import ReadyFile, Spool
from lightbox.library.store import Link, ObjectStore, Shelf

if TYPE_CHECKING:
    from lightbox.core.errors import Severity
    from lightbox.core.jobs import CancelToken
    from lightbox.library.import_ import ProgressListener
    from lightbox.library.ingest import Ingest
    from lightbox.library.quality.model import QualityIssue, StoredIssue
    from lightbox.library.recover import Arrived

logger = logging.getLogger(__name__)

FOLDER = "library"
INDEX_NAME = "index.sqlite3"


class Library:
    """SQLite index and object store of one data folder; every method may be called from any thread.

    Parameters
    ----------
    home : Path
        The data folder. Use `Library.open`.
    """

    instances_added = Signal(InstancesAdded)
    """Emitted on the ingesting thread after each committed batch."""
    changed = Signal()
    """Emitted after anything in the lists changed."""
    quality_changed = Signal()
    """Emitted after the quality gate looked at objects."""

    def __init__(self, home: Path) -> None:
        root = home / FOLDER
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._home = home
        self._store = ObjectStore(root)
        self._spool = Spool(root / "spool")
        self._journal = LinkJournal(root / "links.jsonl")
        self._index, lost = _open_index(root)
        self._index_lost = lost and (self._journal.exists() or next(self._store.keys(), None) is not None)

    @classmethod
    def open(cls, home: Path, progress: ProgressListener | None = None) -> Library:
        """Open the library of a data folder, made if there is none; takes over what dead processes left.

        An index that is missing or damaged is made again from the stored objects; a damaged file is kept beside it.

        Parameters
        ----------
        home : Path
            The data folder.
        progress : callable, optional
            Gets a `Progress` while the index is made again.

        Raises
        ------
        LightboxError
            The index cannot be opened.
        """
        library = cls(home)
        if library._index_lost:
            library.rebuild(progress)
        library._recover()
        return library

    @property
    def home(self) -> Path:
        """The data folder."""
        return self._home

    def close(self) -> None:
        """Close the index and give the spool back."""
        self._spool.close()
        self._index.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def import_paths(
        self,
        paths: Sequence[Path | str],
        *,
        link: bool = False,
        progress: ProgressListener | None = None,
        cancel: CancelToken | None = None,
        source: str = "file",
    ) -> ImportReport:
        """Import files, folders, zip archives and DICOMDIR file-sets.

        Parameters
        ----------
        paths : sequence of Path
            What to import.
        link : bool
            Index the files where they lie instead of copying them.
        progress : callable, optional
            Gets a `Progress`, at most ten times a second.
        cancel : CancelToken, optional
            Stops between files.
        source : str
            Shown as the source of the studies.

        Raises
        ------
        ImportCancelled
            It was cancelled; what had been committed stays.
        """
        from lightbox.library.import_ import Importer

        importer = Importer(
            self._ingest(),
            self._spool,
            link=link,
            progress=progress,
            cancel=cancel,
            added=self._announce,
            source=source,
        )
        return importer.run([Path(path) for path in paths])

    def spool(self) -> Spool:
        """Return the spool that takes objects as they arrive; `ingest_spool` brings committed ones in."""
        return self._spool

    def ingest_spool(self) -> ImportReport:
        """Ingest the objects that were committed to the spool of this process."""
        with self._spool.ingesting:
            return self._ingest_files(self._spool.ready())

    def read_file(self, file: ReadyFile) -> Arrived | None:
        """Hash, scan and validate a file that was committed to a spool, to be ingested later; None when it is gone."""
        from lightbox.library.recover import read_ready

        return read_ready(file)

    def ingest_files(self, files: Sequence[ReadyFile | Arrived]) -> ImportReport:
        """Ingest objects that living processes committed to their spools; files that are gone were ingested before."""
        with self._spool.ingesting:
            return self._ingest_files(files)

    def _ingest_files(self, files: Sequence[ReadyFile | Arrived]) -> ImportReport:
        from lightbox.library.recover import ingest_ready

        report = ImportReport()
        self._finish_batches(report)
        ingest_ready(self._ingest(), files, report, self._announce)
        return report

    def recover(self) -> ImportReport:
        """Take over what dead processes left in their spools; `open` does it, too."""
        with self._spool.ingesting:
            return self._recover()

    def import_in_process(
        self,
        paths: Sequence[Path | str],
        *,
        link: bool = False,
        progress: ProgressListener | None = None,
        cancel: CancelToken | None = None,
        source: str = "file",
    ) -> ImportReport:
        """Like `import_paths`, in a child process: call it from a worker thread of a program with a screen."""
        from lightbox.library.import_process import run_import

        try:
            return run_import(
                self._home, paths, link=link, progress=progress, cancel=cancel, added=self._announce, source=source
            )
        finally:
            self._recover()

    def rebuild(self, progress: ProgressListener | None = None, cancel: CancelToken | None = None) -> ImportReport:
        """Make the index again from the stored objects and the linked files; readers see the old one until it is done.

        Raises
        ------
        Cancelled
            The index stays as it was.
        """
        from lightbox.library.rebuild import rebuild

        report = rebuild(self._index, self._store, self._journal, progress, cancel)
        self.changed.emit()
        return report

    def count_studies(self, query: StudyQuery | None = None) -> int:
        """Return how many studies match."""
        return queries.count_studies(self._index.connection(), query or StudyQuery())

    def page_studies(self, query: StudyQuery | None = None, after: Cursor | None = None, limit: int = 200) -> StudyPage:
        """Return a page of studies; pass ``page.next`` as `after` to get the following one."""
        return queries.page_studies(self._index.connection(), query or StudyQuery(), after, limit)

    def study(self, study_instance_uid: str) -> StudyRecord | None:
        """Return one study, or None."""
        return queries.study(self._index.connection(), study_instance_uid)

    def series_of(self, study_instance_uid: str) -> list[SeriesRecord]:
        """Return the series of a study by series number."""
        return queries.series_of(self._index.connection(), study_instance_uid)

    def series(self, series_instance_uid: str) -> SeriesRecord | None:
        """Return one series, or None."""
        return queries.series(self._index.connection(), series_instance_uid)

    def instances_of(self, series_instance_uid: str) -> list[InstanceRecord]:
        """Return the instances of a series by instance number."""
        return queries.instances_of(self._index.connection(), series_instance_uid)

    def instance(self, sop_instance_uid: str) -> InstanceRecord | None:
        """Return one instance, or None."""
        return queries.instance(self._index.connection(), sop_instance_uid)

    def studies_of_patient(self, patient_id: str, issuer: str = "") -> list[StudyRecord]:
        """Return the studies of a patient, newest first."""
        return queries.studies_of_patient(self._index.connection(), patient_id, issuer)

    def open_object(self, sop_instance_uid: str) -> BinaryIO:
        """Open the Part 10 bytes of an instance for reading, seekable.

        Raises
        ------
        NotFoundError
            There is no such instance.
        LinkedFileError
            The instance is linked and its file is gone or changed.
        """
        row = (
            self._index.connection()
            .execute(
                "SELECT object_key, linked_path, size, linked_mtime_ns FROM instance WHERE sop_instance_uid = ?",
                (sop_instance_uid,),
            )
            .fetchone()
        )
        if row is None:
            raise NotFoundError("The library has no such instance", where=sop_instance_uid)
        key, path, size, mtime = row
        return self._store.open(key) if key is not None else self._store.open_linked(Link(path, size, mtime))

    def open_quarantined(self, entry_id: int) -> BinaryIO:
        """Open an object of the quarantine for reading.

        Raises
        ------
        NotFoundError
            There is no such entry.
        """
        row = (
            self._index.connection()
            .execute("SELECT object_key, linked_path, size, linked_mtime_ns FROM quarantine WHERE id = ?", (entry_id,))
            .fetchone()
        )
        if row is None:
            raise NotFoundError("There is no such object in quarantine", where=str(entry_id))
        key, path, size, mtime = row
        if key is not None:
            return self._store.open(key, Shelf.QUARANTINE)
        return self._store.open_linked(Link(path, size, mtime))

    def thumbnail(self, series_instance_uid: str) -> bytes | None:
        """Return the PNG of a series, or None when none was made yet."""
        row = (
            self._index.connection()
            .execute(
                "SELECT png FROM thumbnail JOIN series ON series.id = thumbnail.series WHERE series_instance_uid = ?",
                (series_instance_uid,),
            )
            .fetchone()
        )
        return row[0] if row else None

    def put_thumbnail(self, series_instance_uid: str, png: bytes) -> None:
        """Keep the PNG of a series; one that is not in the library is ignored."""
        with self._index.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO thumbnail (series, png) SELECT id, ? FROM series WHERE series_instance_uid = ?",
                (png, series_instance_uid),
            )

    def encodings(self) -> list[tuple[str, str, int]]:
        """Return (SOP Class UID, Transfer Syntax UID, number of instances) of everything here, most first."""
        return queries.encodings(self._index.connection())

    def quarantine(self) -> list[QuarantineEntry]:
        """Return the objects that are kept but not indexed, and why, newest first."""
        return queries.quarantine(self._index.connection())

    def refusals(self) -> list[Refusal]:
        """Return the files that imports did not take, and why, latest first."""
        return queries.refusals(self._index.connection())

    def quality_issues(self, study_instance_uid: str | None = None) -> list[StoredIssue]:
        """Return the quality list of one study, or of all: worst first, each issue once a study.

        What the UIDs of an object tell is there as soon as it is ingested, the rest after `check_quality`.
        """
        return shelf.stored_issues(self._index.connection(), study_instance_uid)

    def quality_issues_of(self, sop_instance_uid: str) -> list[QualityIssue]:
        """Return the quality list of one instance, worst first."""
        return shelf.issues_of(self._index.connection(), sop_instance_uid)

    def quality_seen(self, sop_instance_uid: str) -> bool:
        """Return whether the whole gate has looked at an instance."""
        return shelf.seen(self._index.connection(), sop_instance_uid, GATE)

    def quality_counts(self) -> dict[str, dict[Severity, int]]:
        """Return for each study with issues how many different ones of each severity it has."""
        return shelf.counts(self._index.connection())

    def quality_pending(self) -> int:
        """Return how many objects the quality gate has not seen."""
        return shelf.count_pending(self._index.connection(), GATE)

    def check_quality(self, progress: ProgressListener | None = None, cancel: CancelToken | None = None) -> int:
        """Run the quality gate over the objects that it has not seen; return how many there were.

        Raises
        ------
        Cancelled
            What was looked at so far is kept.
        """
        from lightbox.library.quality.keeper import check_pending

        count = check_pending(self._index, self.open_object, progress, cancel)
        if count:
            self.quality_changed.emit()
        return count

    def check(self) -> list[str]:
        """Return what is wrong with the index file (empty: nothing)."""
        return self._index.check()

    def _announce(self, event: InstancesAdded) -> None:
        self.instances_added.emit(event)
        self.changed.emit()

    def _ingest(self) -> Ingest:
        from lightbox.library.ingest import Ingest

        return Ingest(self._index, self._store, self._spool, self._journal)

    def _finish_batches(self, report: ImportReport) -> None:
        """Index what an earlier batch of this process moved into the store but could not index."""
        from lightbox.library.recover import finish_batches

        while self._spool.unfinished:
            finish_batches(self._index, self._store, [self._spool.unfinished[0]], report)
            self._spool.unfinished.popleft()

    def _recover(self) -> ImportReport:
        """Take over what dead processes left in their spools."""
        report = ImportReport()
        for left in self._spool.abandoned():
            if not left.ready and not left.batches:
                continue
            from lightbox.library.recover import finish_batches, ingest_ready

            finish_batches(self._index, self._store, left.batches, report)
            ingest_ready(self._ingest(), left.ready, report, self._announce, verify=True)
        return report


def _open_index(root: Path) -> tuple[Index, bool]:
    """Open the index; return it and whether it is a new, empty one. A damaged file is moved aside."""
    path = root / INDEX_NAME
    missing = not path.exists()
    try:
        return Index(path), missing
    except DamagedIndexError:
        logger.warning("the index is damaged: it is kept aside and made again")
    aside = root / f"damaged-{clock.now():%Y%m%d-%H%M%S-%f}"
    aside.mkdir(mode=0o700)
    for name in (INDEX_NAME, f"{INDEX_NAME}-wal", f"{INDEX_NAME}-shm"):
        if (root / name).exists():
            (root / name).replace(aside / name)
    return Index(path), True
