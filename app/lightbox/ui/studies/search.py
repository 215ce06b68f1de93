"""The search behind the study table: the library's pages and the archives' answers, brought together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from PySide6.QtCore import QObject, QTimer, Signal

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import Job, JobRunner
from lightbox.library.records import Cursor, StudyPage, StudyQuery, StudyRecord
from lightbox.network.peers import Peer
from lightbox.network.querying.merging import merge
from lightbox.network.querying.questions import restricts
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.studies.study_row import StudyRow
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.network.querying.many import SourceState as QueryState
    from lightbox.network.querying.rows import FoundStudy

PAGE = 200
LOCAL_PAUSE_MS = 80
REMOTE_PAUSE_MS = 500


class SourceState(Enum):
    """What an archive is doing about the search."""

    IDLE = "idle"
    SEARCHING = "searching"
    ANSWERED = "answered"
    FAILED = "failed"


@dataclass
class Source:
    """One archive, as the chips show it."""

    peer: Peer
    chosen: bool = False
    state: SourceState = SourceState.IDLE
    rows: dict[str, StudyRow] = field(default_factory=dict)
    truncated: str = ""
    """Why there may be more than what came; empty when everything came."""
    notes: tuple[str, ...] = ()
    error: str = ""
    job: Job[Any] | None = None
    generation: int = 0


class StudySearch(QObject):
    """Holds the question and everything that answers it. Lives on the GUI thread; the work runs in jobs."""

    rows_changed = Signal()
    sources_changed = Signal()
    failed = Signal(str)

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner, network: JobRunner) -> None:
        super().__init__()
        self._workstation = workstation
        self._bridge = bridge
        self._runner = runner
        self._network = network
        self.query = StudyQuery()
        self.region = ""
        self.fuzzy = False
        self.local_chosen = True
        self.sources: dict[str, Source] = {}
        self.total: int | None = None
        self.loaded = False
        self._local: list[StudyRow] = []
        self._next: Cursor | None = None
        self._generation = 0
        self._open = False
        self._reading: Job[StudyPage] | None = None
        self._read_for: tuple[StudyQuery, str, int] | None = None
        self._read_again = False
        self._local_pause = QTimer(self, singleShot=True, interval=LOCAL_PAUSE_MS)
        self._local_pause.timeout.connect(self.refresh)
        self._remote_pause = QTimer(self, singleShot=True, interval=REMOTE_PAUSE_MS)
        self._remote_pause.timeout.connect(self.ask_archives)

    # --- the question

    def start(self) -> None:
        """Begin, once the library is open."""
        self._open = True
        self.refresh()

    def ask(self, query: StudyQuery, *, region: str = "", fuzzy: bool = False, typed: bool = False) -> None:
        """Change the question; while it is `typed`, wait a moment for the next letter.

        `region` and `fuzzy` are as in `Question`.
        """
        same = (region, fuzzy) == (self.region, self.fuzzy)
        if query == self.query and same and self.loaded:
            return
        reordered = same and replace(query, sort_by=self.query.sort_by, descending=self.query.descending) == self.query
        self.query, self.region, self.fuzzy = query, region, fuzzy
        if typed:
            self._local_pause.start()
        else:
            self._local_pause.stop()
            self.refresh()
        if reordered:
            return
        for source in self.sources.values():
            self._forget(source)
        self.sources_changed.emit()
        if not self.restricts:
            self._remote_pause.stop()
        elif not typed:
            self.ask_archives()
        elif len(query.text) >= 3 or not query.text:
            self._remote_pause.start()

    @property
    def restricts(self) -> bool:
        """Whether less than everything is asked for."""
        return bool(self.region) or restricts(self.query)

    # --- this workstation

    def refresh(self, *_ignored: object) -> None:
        """Ask the library anew, for as many rows as are shown."""
        if not self._open:
            return
        query, region, limit = self.query, self.region, max(PAGE, len(self._local))
        if region and self._reading is not None and self._read_for == (query, region, limit):
            self._read_again = True  # looking for a region takes its time: what came meanwhile is looked at afterwards
            return
        self._generation += 1
        generation = self._generation
        library = self._workstation.library

        def counted(total: int) -> None:
            if generation == self._generation:
                self.total = total
                self.rows_changed.emit()

        def arrived(page: StudyPage) -> None:
            if generation != self._generation:
                return
            self._reading = None
            self._local = [self._local_row(record) for record in page.rows]
            self._next = page.next
            self.loaded = True
            if self._next is None:
                self.total = len(self._local)
            elif region:
                self.total = None  # the library cannot count them without looking at each
            self.rows_changed.emit()
            if self._next is not None and not region:
                self._bridge.run(
                    self._runner, "count studies", lambda job: library.count_studies(query), counted, self._wrong
                )
            if self._read_again:
                self._read_again = False
                self._local_pause.start()

        def failed(error: Exception) -> None:
            if generation == self._generation:
                self._reading = None
                self._wrong(error)

        if self._reading is not None:
            self._reading.cancel()  # it asks for something else
        self._reading, self._read_for = None, (query, region, limit)
        self._reading = self._bridge.run(
            self._runner,
            "page of studies",
            lambda job: page_showing(library, query, region, None, limit, job),
            arrived,
            failed,
        )

    def more(self) -> None:
        """Load the next page."""
        if self._next is None:
            return
        generation, after, query, region = self._generation, self._next, self.query, self.region
        library = self._workstation.library

        def arrived(page: StudyPage) -> None:
            if generation != self._generation:
                return
            self._local.extend(self._local_row(record) for record in page.rows)
            self._next = page.next
            if self._next is None and region:
                self.total = len(self._local)
            self.rows_changed.emit()

        self._bridge.run(
            self._runner,
            "page of studies",
            lambda job: page_showing(library, query, region, after, PAGE, job),
            arrived,
            self._wrong,
        )

    def _local_row(self, record: StudyRecord) -> StudyRow:
        """Return the row of a study of the library, its source under the name that the person gave the archive."""
        for source in self.sources.values():
            if source.peer.ae_title == record.source:
                return StudyRow(replace(record, source=source.peer.name), here=True)
        return StudyRow(record, here=True)

    def _wrong(self, error: Exception) -> None:
        if not isinstance(error, Cancelled):
            self.failed.emit(words.error(error))

    # --- archives

    def set_peers(self, peers: list[Peer], chosen: set[str]) -> None:
        """Take the archives from the settings; answers of unchanged ones are kept."""
        kept: dict[str, Source] = {}
        for peer in peers:
            old = self.sources.pop(peer.name, None)
            if old is not None and old.peer == peer:
                kept[peer.name] = old
            else:
                kept[peer.name] = Source(peer, chosen=peer.name in chosen)
        for gone in self.sources.values():
            self._forget(gone)
        self.sources = kept
        self.sources_changed.emit()
        self.rows_changed.emit()

    def choose(self, name: str, chosen: bool) -> None:
        """Include an archive in the search, or leave it out."""
        source = self.sources[name]
        source.chosen = chosen
        self._forget(source)
        if chosen and self.restricts:
            self._ask_one(source)
        self.sources_changed.emit()
        self.rows_changed.emit()

    def choose_local(self, chosen: bool) -> None:
        """Show the studies of this workstation, or only what the archives answer."""
        self.local_chosen = chosen
        self.rows_changed.emit()

    def ask_archives(self) -> None:
        """Ask every chosen archive now, also for everything (of which the first studies come)."""
        self._remote_pause.stop()
        for source in self.sources.values():
            if source.chosen:
                self._ask_one(source)
        self.sources_changed.emit()

    def _forget(self, source: Source) -> None:
        source.generation += 1
        if source.job is not None:
            source.job.cancel()
            source.job = None
        source.state, source.error, source.truncated = SourceState.IDLE, "", ""
        source.rows, source.notes = {}, ()

    def _ask_one(self, source: Source) -> None:
        self._forget(source)
        source.state = SourceState.SEARCHING
        generation, peer = source.generation, source.peer
        query, region, fuzzy = self.query, self.region, self.fuzzy
        workstation = self._workstation

        def some(found: list[FoundStudy]) -> None:
            if generation == source.generation:
                for row in found:
                    source.rows[row.uid] = StudyRow(row.record, row.here, row.announced, row.warning)
                self.sources_changed.emit()
                self.rows_changed.emit()

        listen = self._bridge.slot(some)

        def work(job: Job[object]) -> object:
            from lightbox.network.querying.many import query as ask
            from lightbox.network.querying.questions import Question
            from lightbox.network.secrets import Secrets

            answer = ask(
                [peer],
                None,
                Question(query, region, fuzzy),
                identity=workstation.identity,
                on_rows=lambda found: listen([looked_up(workstation.library, row) for row in found]),
                cancel=job.token,
                settings=workstation.settings,
                secrets=Secrets(workstation.home),
            )
            return answer.states[peer.name]

        def ended(state: object) -> None:
            if generation != source.generation:
                return
            told = cast("QueryState", state)
            source.job = None
            if told.state.value == "failed":
                source.state, source.error = SourceState.FAILED, told.words
            else:
                source.state, source.truncated = SourceState.ANSWERED, told.words
                source.notes = told.notes
            self.sources_changed.emit()
            self.rows_changed.emit()

        def failed(error: Exception) -> None:
            if generation != source.generation or isinstance(error, Cancelled):
                return
            source.state, source.error, source.job = SourceState.FAILED, words.error(error), None
            self.sources_changed.emit()

        source.job = self._bridge.run(self._network, "ask an archive", work, ended, failed)

    # --- the answer

    @property
    def more_to_come(self) -> bool:
        """Whether the library has pages that were not loaded."""
        return self.local_chosen and self._next is not None

    def rows(self) -> list[StudyRow]:
        """Return the rows to show, in order."""
        remote = [row for source in self.sources.values() if source.chosen for row in source.rows.values()]
        local = self._local if self.local_chosen else []
        query = self.query
        exhausted = not self.more_to_come
        return merge(local, remote, query.sort_by, descending=query.descending, exhausted=exhausted)

    def peer_of(self, row: StudyRow) -> Peer | None:
        """Return the archive to retrieve a row from: the one that announced most."""
        holders = [name for name in row.announced if name in self.sources]
        return self.sources[max(holders, key=lambda name: row.announced[name])].peer if holders else None

    def count_words(self, shown: int) -> str:
        """Return the count line: ``1-200 of 100,000 studies``."""
        at_archives = sum(1 for row in self.rows() if not row.here)
        total = (self.total or 0) + at_archives if self.local_chosen else at_archives
        if self.total is None and self.more_to_come:
            return f"1–{words.count(shown)} of many studies"
        if shown < total:
            return f"1–{words.count(shown)} of {words.plural(total, 'study', 'studies')}"
        return words.plural(shown, "study", "studies")


def page_showing(
    library: Library, query: StudyQuery, region: str, after: Cursor | None, limit: int, job: Job[Any]
) -> StudyPage:
    """Return the next `limit` studies of the library, or a few more, that show `region` (all when it is empty)."""
    if not region:
        return library.page_studies(query, after=after, limit=limit)
    from lightbox.network.querying.sources import library_shows

    found: list[StudyRecord] = []
    while True:
        job.token.raise_if_cancelled()
        page = library.page_studies(query, after=after, limit=PAGE)
        found += [record for record in page.rows if library_shows(library, record, region)]
        after = page.next
        if after is None or len(found) >= limit:
            return StudyPage(found, after)


def looked_up(library: Library, row: FoundStudy) -> FoundStudy:
    """Return the row with what the library has of the study."""
    kept = library.study(row.uid)
    return row if kept is None else replace(row, record=kept, here=True)
