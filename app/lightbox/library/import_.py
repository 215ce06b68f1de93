"""Import files, folders, zip archives and DICOMDIR file-sets: read, copy and hash in threads, ingest in batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import PROGRESS_INTERVAL_S, CancelToken, Progress
from lightbox.library import archives, dicomdir, validate
from lightbox.library.ingest import Candidate, Ingest, Refused
from lightbox.library.prepare import FoundArchive, FoundDirectory, Prepared, prepare_file, refusal_of
from lightbox.library.records import ImportReport, InstancesAdded, Refusal
from lightbox.library.sources import FoundFile, find

if TYPE_CHECKING:
    from lightbox.library.spool import Spool

_THREADS = 3
_LARGE = 200 * 1024
"""Above this mean size (bytes) reading, hashing and writing gain from several threads; below, they get in each other's
way."""
_CHUNK_FILES = 32
_CHUNKS_AHEAD = 64
"""Files are read and spooled on while a batch is brought to disk."""
_BATCH_OBJECTS = 500
_BATCH_LINKS = 2000
_BATCH_BYTES = 256 * 1024 * 1024

ProgressListener = Callable[[Progress], None]


class ImportCancelled(Cancelled):
    """The import was cancelled; ``report`` tells what had been taken before."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__("The import was cancelled")
        self.report = report


class Importer:
    """One import run.

    Parameters
    ----------
    ingest, spool
        The parts of the library.
    link : bool
        Index the files where they are; copy nothing.
    progress : callable, optional
        Called with a `Progress` at most ten times a second, and at the end.
    cancel : CancelToken, optional
        Stops the run between files; what was committed before stays.
    added : callable, optional
        Called after each committed batch that added something.
    source : str
        Where the objects come from, as shown in the study list.
    """

    def __init__(
        self,
        ingest: Ingest,
        spool: Spool,
        *,
        link: bool = False,
        progress: ProgressListener | None = None,
        cancel: CancelToken | None = None,
        added: Callable[[InstancesAdded], None] | None = None,
        source: str = "file",
    ) -> None:
        self._ingest = ingest
        self._spool = spool
        self._link = link
        self._listener = progress
        self._cancel = cancel or CancelToken()
        self._added = added
        self._source = source
        self._report = ImportReport()
        self._candidates: list[Candidate] = []
        self._refused: list[Refused] = []
        self._bytes = 0
        self._batch = _BATCH_LINKS if link else _BATCH_OBJECTS
        self._seen = self._seen_bytes = 0
        self._done = 0
        self._total = 0
        self._started = time.monotonic()
        self._last_told = 0.0

    def run(self, paths: Sequence[Path]) -> ImportReport:
        """Import `paths` and return the report.

        Raises
        ------
        ImportCancelled
            The run was cancelled.
        """
        try:
            files: list[FoundFile] = []
            for found in find(paths, own=self._spool.library_root):
                self._check_cancel()
                if isinstance(found, FoundFile):
                    files.append(found)
                    self._total += 1
                    self._tell(0)
                else:
                    self._take(refusal_of(found, self._source))
            named = {found.path for found in files if found.named}
            self._process((found.path for found in files), named)
            self._flush()
        except Cancelled:
            self._drop_pending()
            raise ImportCancelled(self._report) from None
        except BaseException:
            self._drop_pending()
            raise
        self._tell(0, final=True)
        return self._report

    def _process(self, paths: Iterable[str], named: set[str]) -> None:
        if self._link:
            # Scanning is pure computation: threads would only take turns.
            for chunk in _chunks(paths, _CHUNK_FILES):
                self._collect(self._prepare_chunk(chunk), named)
            return
        with ThreadPoolExecutor(1, "import") as one, ThreadPoolExecutor(_THREADS, "import") as several:
            waiting: deque[Future[list[Prepared]]] = deque()
            try:
                for chunk in _chunks(paths, _CHUNK_FILES):
                    pool = several if self._seen_bytes > _LARGE * self._seen else one
                    waiting.append(pool.submit(self._prepare_chunk, chunk))
                    if len(waiting) > (_CHUNKS_AHEAD if self._seen else 1):
                        self._collect(waiting.popleft().result(), named)
                while waiting:
                    self._collect(waiting.popleft().result(), named)
            except BaseException:
                for future in waiting:
                    future.cancel()
                for future in waiting:
                    if not future.cancelled() and future.exception() is None:
                        self._candidates += [item for item in future.result() if isinstance(item, Candidate)]
                raise

    def _prepare_chunk(self, paths: Sequence[str]) -> list[Prepared]:
        prepared: list[Prepared] = []
        for path in paths:
            if self._cancel.cancelled:
                break
            prepared.append(prepare_file(path, self._spool, link=self._link, source=self._source))
        return prepared

    def _collect(self, items: Sequence[Prepared], named: set[str]) -> None:
        for number, item in enumerate(items):
            try:
                self._collect_one(item, named)
            except BaseException:
                self._candidates += [rest for rest in items[number + 1 :] if isinstance(rest, Candidate)]
                raise
        self._check_cancel()

    def _collect_one(self, item: Prepared, named: set[str]) -> None:
        if isinstance(item, FoundArchive):
            self._open_archive(item.path)
        elif isinstance(item, FoundDirectory):
            if item.path in named:
                self._open_file_set(item.path)
            else:
                reason = "a DICOMDIR is a table of contents; the files beside it were looked at themselves"
                self._report.notes.append(Refusal(item.path, reason, "dicomdir"))
        else:
            self._take(item)
        self._tell(1)

    def _take(self, item: Candidate | Refused) -> None:
        if isinstance(item, Candidate):
            self._candidates.append(item)
            self._seen += 1
            self._seen_bytes += item.size
            self._bytes += item.size if item.link is None else 0
        else:
            self._refused.append(item)
        if len(self._candidates) + len(self._refused) >= self._batch or self._bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        event = self._ingest.batch(self._candidates, self._refused, self._report)
        self._candidates, self._refused, self._bytes = [], [], 0
        if event is not None and self._added is not None:
            self._added(event)

    def _drop_pending(self) -> None:
        for candidate in self._candidates:
            if candidate.path is not None:
                candidate.path.unlink(missing_ok=True)
        self._candidates = []

    def _open_archive(self, path: str) -> None:
        if self._link:
            reason = "objects inside an archive cannot be linked: import the archive without linking"
            self._take(Refused(path, self._source, validate.UNSUPPORTED, reason))
            return
        for item in archives.objects(path, self._spool, source=self._source):
            self._check_cancel()
            if isinstance(item, FoundDirectory):
                reason = "a DICOMDIR is a table of contents; the objects of the archive were looked at themselves"
                self._report.notes.append(Refusal(item.path, reason, "dicomdir"))
            elif isinstance(item, FoundArchive):
                reason = "an archive inside an archive inside an archive is not opened"
                self._take(Refused(item.path, self._source, validate.UNSUPPORTED, reason))
            else:
                self._take(item)
            self._tell(0)

    def _open_file_set(self, path: str) -> None:
        paths: list[str] = []
        for found in dicomdir.referenced_files(Path(path)):
            if isinstance(found, Refusal):
                self._take(refusal_of(found, self._source))
            else:
                paths.append(found)
        self._total += len(paths)
        self._process(paths, set())
        reason = f"a DICOMDIR: the {len(paths)} files that it names were imported"
        self._report.notes.append(Refusal(path, reason, "dicomdir"))

    def _check_cancel(self) -> None:
        self._cancel.raise_if_cancelled()

    def _tell(self, step: int, *, final: bool = False) -> None:
        self._done += step
        if self._listener is None:
            return
        moment = time.monotonic()
        if final or moment - self._last_told >= PROGRESS_INTERVAL_S:
            self._last_told = moment
            self._listener(Progress(self._done, self._total, "files", "", moment - self._started))


def _chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    chunk: list[str] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
