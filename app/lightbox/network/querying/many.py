"""One question to many archives and the local library at once; answers come as they are found.

Each source works on a thread of its own, so that a slow or failing one delays nobody. Studies are merged by Study
Instance UID only; patients are never merged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.dicom import imports
from lightbox.library.records import StudyQuery
from lightbox.network.peers import Peer
from lightbox.network.querying import sources
from lightbox.network.querying.merging import combine
from lightbox.network.querying.questions import Question, as_question
from lightbox.network.querying.rows import FoundStudy
from lightbox.network.querying.sources import HERE, Services, SourceResult

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library
    from lightbox.network.identity import LocalIdentity
    from lightbox.network.secrets import Secrets

logger = logging.getLogger(__name__)

LIMIT = 500
"""Studies of one source that are wanted, where the caller does not say."""
_TELL_S = 0.1
_GIVE_UP_S = 1.0


class State(Enum):
    """What a source is doing."""

    RUNNING = "running"
    DONE = "done"
    TRUNCATED = "truncated"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class SourceState:
    """How far one source is.

    Attributes
    ----------
    name : str
        Of the peer; empty for the local library.
    state : State
    rows : int
        Studies that came.
    words : str
        Why it failed, or what may be missing.
    notes : tuple of str
        What else there is to know.
    seconds : float
        Since the start.
    """

    name: str
    state: State
    rows: int = 0
    words: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {
            "source": self.name or "library",
            "state": self.state.value,
            "studies": self.rows,
            "words": self.words,
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }


@dataclass(slots=True)
class Answer:
    """All that was found, by Study Instance UID, and how each source ended."""

    rows: dict[str, FoundStudy] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every source told everything."""
        return all(state.state is State.DONE for state in self.states.values())

    def sorted(self) -> list[FoundStudy]:
        """Return the studies, newest first, those without a date last."""
        return sorted(self.rows.values(), key=lambda row: (row.record.study_date, row.record.study_time), reverse=True)


OnRows = Callable[[list[FoundStudy]], None]
OnState = Callable[[SourceState], None]


def query(
    peers: Sequence[Peer],
    library: Library | None,
    query: StudyQuery | Question,
    *,
    identity: LocalIdentity,
    on_rows: OnRows | None = None,
    on_state: OnState | None = None,
    cancel: CancelToken | None = None,
    limit: int = LIMIT,
    settings: Settings | None = None,
    secrets: Secrets | None = None,
) -> Answer:
    """Ask all of `peers` and the library at the same time, and wait for the last.

    Parameters
    ----------
    peers : sequence of Peer
        Asked by C-FIND, or by QIDO-RS where they have only that.
    library : Library, optional
        Asked too; studies that archives announce are looked up in it also when the question does not find them there.
    query : StudyQuery or Question
        What is looked for.
    identity : LocalIdentity
        Who asks.
    on_rows : callable, optional
        Called with the studies that are new or changed, merged as far as is known, at most ten times a second for each
        source; one call at a time, on threads of the sources.
    on_state : callable, optional
        Called when a source starts, grows and ends; one call at a time.
    cancel : CancelToken, optional
        Ends all queries; what came stays delivered.
    limit : int
        Studies wanted of each source.
    settings : Settings, optional
        Remembers at how many answers an archive cuts off, and what DICOMweb services answer to.
    secrets : Secrets, optional
        Passwords of DICOMweb services.

    Raises
    ------
    Cancelled
        `cancel` was cancelled.
    """
    imports.ready()
    token = cancel or CancelToken()
    token.raise_if_cancelled()
    gathering = _Gathering(library, on_rows, on_state)
    services = Services(identity, settings, secrets)
    question = as_question(query)
    work: list[_Source] = []
    if library is not None:
        here = library
        work.append(_Source(HERE, gathering, lambda put: sources.ask_library(here, question, limit, put, token), token))
    for peer in peers:
        work.append(
            _Source(
                peer.name,
                gathering,
                lambda put, peer=peer: sources.ask_peer(peer, question, services, limit, put, token),
                token,
            )
        )
    for source in work:
        source.start()
    for source in work:
        source.wait()
    if token.cancelled:
        deadline = time.monotonic() + _GIVE_UP_S
        for source in work:
            source.give_up(deadline)
    gathering.close()
    if token.cancelled:
        raise Cancelled
    return gathering.answer


class _Gathering:
    """Brings the rows of all sources together; used by their threads."""

    def __init__(self, library: Library | None, on_rows: OnRows | None, on_state: OnState | None) -> None:
        self.answer = Answer()
        self._library = library
        self._on_rows = on_rows
        self._on_state = on_state
        self._lock = threading.Lock()
        self._closed = False

    def add(self, rows: Sequence[FoundStudy]) -> None:
        """Merge rows and tell what changed."""
        found = [self._looked_up(row) for row in rows]  # not under the lock: the library may be busy
        with self._lock:
            if self._closed:
                return
            changed: dict[str, FoundStudy] = {}
            for row in found:
                known = self.answer.rows.get(row.uid)
                merged = row if known is None else combine(known, row)
                self.answer.rows[row.uid] = changed[row.uid] = merged
            if self._on_rows is not None and changed:
                self._on_rows(list(changed.values()))

    def _looked_up(self, row: FoundStudy) -> FoundStudy:
        if row.here or self._library is None:
            return row
        record = self._library.study(row.uid)
        return row if record is None else combine(FoundStudy(record, here=True), row)

    def tell(self, state: SourceState) -> None:
        """Note and tell the state of a source."""
        with self._lock:
            if self._closed:
                return
            self.answer.states[state.name] = state
            if self._on_state is not None:
                self._on_state(state)

    def close(self) -> None:
        """Take nothing more: what comes late is dropped."""
        with self._lock:
            self._closed = True


class _Source:
    """One source at work."""

    def __init__(
        self,
        name: str,
        gathering: _Gathering,
        ask: Callable[[Callable[[FoundStudy], None]], SourceResult],
        cancel: CancelToken,
    ) -> None:
        self._name = name
        self._gathering = gathering
        self._ask = ask
        self._cancel = cancel
        self._waiting: list[FoundStudy] = []
        self._count = 0
        self._begun = time.monotonic()
        self._told = self._begun
        self._thread = threading.Thread(target=self._run, name=f"query-{name or 'library'}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        """Wait for the end or a cancellation."""
        while self._thread.is_alive() and not self._cancel.cancelled:
            self._thread.join(0.05)

    def give_up(self, deadline: float) -> None:
        """Wait a moment for the end after a cancellation: a peer may hang in connecting."""
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        self._tell(State.RUNNING)
        try:
            result = self._ask(self._put)
        except Cancelled:
            self._end(State.CANCELLED)
        except LightboxError as error:
            self._end(State.FAILED, error.sentence())
        except Exception as error:  # one source must not take the others with it
            logger.warning("a source of a query failed: %s", type(error).__name__)
            self._end(State.FAILED, f"The answer could not be read ({type(error).__name__})")
        else:
            state = State.TRUNCATED if result.truncated else State.DONE
            self._end(state, result.truncated, tuple(dict.fromkeys(result.notes)))

    def _put(self, row: FoundStudy) -> None:
        self._waiting.append(row)
        self._count += 1
        moment = time.monotonic()
        if self._count == 1 or moment - self._told >= _TELL_S:
            self._told = moment
            self._flush()
            self._tell(State.RUNNING)

    def _flush(self) -> None:
        rows, self._waiting = self._waiting, []
        if rows:
            self._gathering.add(rows)

    def _end(self, state: State, words: str = "", notes: tuple[str, ...] = ()) -> None:
        self._flush()
        self._tell(state, words, notes)

    def _tell(self, state: State, words: str = "", notes: tuple[str, ...] = ()) -> None:
        seconds = time.monotonic() - self._begun
        self._gathering.tell(SourceState(self._name, state, self._count, words, notes, seconds))
