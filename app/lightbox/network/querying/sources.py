"""One source of studies each: an archive by C-FIND or QIDO-RS, or the local library."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from lightbox.core.errors import Problem
from lightbox.core.jobs import CancelToken
from lightbox.dicom.dates import parse_da
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.querying import questions, regions, splitting
from lightbox.network.querying.persons import Likeness, birth_dates
from lightbox.network.querying.questions import Question
from lightbox.network.querying.rows import FoundStudy, fits, from_reply
from lightbox.network.web.errors import WebError

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library
    from lightbox.library.records import StudyRecord
    from lightbox.network.secrets import Secrets

logger = logging.getLogger(__name__)

HERE = ""
"""Name of the local library among sources."""
MOST_MODALITIES = 6
"""Several modalities are asked for one by one: a list of them is no standard matching."""
MOST_REGION_QUERIES = 100
"""For so many studies an archive is asked which part of the body their series show."""
MOST_REFUSALS = 16
"""An archive that refuses so many smaller and smaller queries has another reason."""
_LIMITS, _WAYS = "network.query_limits", "network.query_ways"
_OUT_OF_RESOURCES = 0xA700


@dataclass(slots=True)
class SourceResult:
    """How one source ended."""

    truncated: str = ""
    notes: list[str] = field(default_factory=list)


class Finds(Protocol):
    """What `find.Finder` and the finder of QIDO-RS have in common."""

    def find(
        self, level: str, keys: Mapping[str, str], *, cancel: CancelToken | None = None, limit: int | None = None
    ) -> Iterator[dict[str, str]]:
        """Yield the matches of one query."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What sources need besides the question."""

    identity: LocalIdentity
    settings: Settings | None = None
    secrets: Secrets | None = None


Deliver = Callable[[FoundStudy], None]


def ways(peer: Peer, settings: Settings | None) -> list[str]:
    """Return how to ask a peer: ``"dimse"``, and ``"web"`` where it has DICOMweb; first what worked before."""
    if peer.web is None:
        return ["dimse"]
    remembered = settings.get(_WAYS, {}).get(peer.name) if settings is not None else None
    return ["web", "dimse"] if remembered == "web" else ["dimse", "web"]


@contextlib.contextmanager
def finder(
    peer: Peer,
    services: Services,
    problems: list[Problem],
    *,
    way: str = "dimse",
    fuzzy: bool = False,
    root: str = "any",
    cancel: CancelToken | None = None,
) -> Iterator[Any]:
    """Open what asks `peer`: a `find.Finder`, or that of its DICOMweb service."""
    if way == "web":
        from lightbox.network.web.qido import WebFinder
        from lightbox.network.web.service import WebService

        service = WebService(peer, services.identity, settings=services.settings, secrets=services.secrets)
        with contextlib.closing(service):
            yield WebFinder(service, problems, fuzzy=fuzzy)
        return
    from lightbox.network import find
    from lightbox.network.peers import own_identity

    own = own_identity(peer, services.identity)
    with find.session(peer, own, root=root, problems=problems, fuzzy=fuzzy, cancel=cancel) as session:
        yield session


def ask_peer(
    peer: Peer, question: Question, services: Services, limit: int, deliver: Deliver, cancel: CancelToken
) -> SourceResult:
    """Ask one archive, and call `deliver` with each study as it comes.

    An archive with which no association can be opened is asked by DICOMweb where it has that.

    Raises
    ------
    LightboxError
        The archive cannot be asked; what came before was delivered.
    """
    order = ways(peer, services.settings)
    for position, way in enumerate(order):
        delivered: list[str] = []

        def put(row: FoundStudy, delivered: list[str] = delivered) -> None:
            delivered.append(row.uid)
            deliver(row)

        try:
            result = _ask_by(way, peer, question, services, limit, put, cancel)
        except (AssociationError, WebError) as error:
            if delivered or position + 1 == len(order):
                raise
            logger.info("a source of a query is asked in another way: %s", error.code)
            continue
        if services.settings is not None and len(order) > 1:
            settings = services.settings
            settings.set(_WAYS, {**settings.get(_WAYS, {}), peer.name: way})
        return result
    raise AssertionError("the last way either returns or raises")


def _ask_by(
    way: str,
    peer: Peer,
    question: Question,
    services: Services,
    limit: int,
    deliver: Deliver,
    cancel: CancelToken,
) -> SourceResult:
    problems: list[Problem] = []
    result = SourceResult()
    with finder(peer, services, problems, way=way, fuzzy=question.fuzzy, cancel=cancel) as session:
        if question.fuzzy and not getattr(session, "fuzzy", True):
            result.notes.append("It does not match names that sound alike: names were matched as they are written")
        asker = _PeerQuestion(peer, session, question, services.settings, limit, cancel)
        for row in asker.rows():
            deliver(row)
    result.truncated = asker.truncated
    result.notes += [*asker.notes, *(p.what for p in problems if p.code not in ("find.truncated", "find.keys-ignored"))]
    if asker.plain and not result.truncated:
        result.truncated = next((p.what for p in problems if p.code == "find.truncated"), "")
    return result


class _PeerQuestion:
    """One question to one archive on one association."""

    def __init__(
        self,
        peer: Peer,
        session: Any,
        question: Question,
        settings: Settings | None,
        limit: int,
        cancel: CancelToken,
    ) -> None:
        self._peer = peer
        self._session = session
        self._question = question
        self._settings = settings
        self._limit = limit
        self._cancel = cancel
        self._refused = 0
        self.truncated = ""
        self.notes: list[str] = []
        self.plain = not hasattr(session, "ending")
        """Whether the session pages by itself (QIDO-RS), so that only it knows what was cut off."""

    def rows(self) -> Iterator[FoundStudy]:
        """Yield the studies; those of which the series must be asked for come last, when the archive is free again."""
        settings = self._settings
        known = int(settings.get(_LIMITS, {}).get(self._peer.name, 0)) if settings is not None else 0
        splitter = splitting.Splitter(self._ask, self._limit, known)
        unclear: list[FoundStudy] = []
        for keys in self._keys():
            for reply in splitter.rows(keys):
                row = from_reply(reply, self._peer.name)
                if contradicts(row.record, self._question) or not fits(row.record, self._question.study.text):
                    continue
                shown = regions.of((), (row.record.study_description,)) if self._question.region else frozenset()
                if self._question.region and not shown:
                    unclear.append(row)
                elif not self._question.region or shows(shown, self._question.region):
                    yield row
            if splitter.full:
                break
        yield from self._cleared(unclear)
        outcome = splitter.outcome
        self.truncated = outcome.truncated
        self.notes += outcome.notes
        if outcome.learned_limit and settings is not None:
            settings.set(_LIMITS, {**settings.get(_LIMITS, {}), self._peer.name: outcome.learned_limit})

    def _keys(self) -> Iterator[dict[str, str]]:
        modalities = self._question.study.modalities
        study = self._question.study
        each = [(modality,) for modality in modalities]
        for wanted in each if 1 < len(each) <= MOST_MODALITIES else [modalities if len(each) == 1 else ()]:
            yield from questions.study_keys(
                replace(study, modalities=wanted), birth_date=self._question.birth_date, exact=self._question.exact
            )

    def _ask(self, keys: Mapping[str, str], ending: splitting.Ending, limit: int) -> Iterator[Mapping[str, str]]:
        try:
            for row in self._session.find("study", keys, cancel=self._cancel, limit=limit):
                ending.count += self.plain
                yield row
        except DimseError as error:
            if error.status & 0xFF00 != _OUT_OF_RESOURCES or self._refused >= MOST_REFUSALS:
                raise
            if not any(True for _ in splitting.parts_of(keys, [])):
                raise
            self._refused += 1  # too many matches even to begin with: ask for less at once
            ending.cut, ending.words = True, error.why
            return
        self._refused = 0
        told = getattr(self._session, "ending", None)
        if told is not None:
            ending.count, ending.cut, ending.words, ending.limited = told.count, told.cut, told.words, told.limited
        else:
            ending.count = 0  # it pages by itself

    def _cleared(self, unclear: list[FoundStudy]) -> Iterator[FoundStudy]:
        """Yield the studies whose series show the region, and those of which it cannot be told."""
        unknown = 0
        for number, row in enumerate(unclear):
            found: frozenset[str] = frozenset()
            if number < MOST_REGION_QUERIES:
                keys = {"StudyInstanceUID": row.uid, "BodyPartExamined": "", "SeriesDescription": "", "Modality": ""}
                series = list(self._session.find("series", keys, cancel=self._cancel, limit=50))
                found = regions.of(
                    [entry.get("BodyPartExamined", "") for entry in series],
                    [entry.get("SeriesDescription", "") for entry in series],
                )
            unknown += not found
            if not found or shows(found, self._question.region):
                yield row
        if unknown:
            self.notes.append(
                f"Of {unknown} studies it is not known which part of the body they show; they are listed too"
            )


def shows(found: frozenset[str], region: str) -> bool:
    """Whether a study of the regions `found` shows `region`."""
    return region in found or "whole body" in found


def ask_library(
    library: Library, question: Question, limit: int, deliver: Deliver, cancel: CancelToken
) -> SourceResult:
    """Ask the local library, and call `deliver` with each study."""
    result = SourceResult()
    after = None
    count = 0
    while True:
        cancel.raise_if_cancelled()
        page = library.page_studies(question.study, after=after, limit=min(200, limit + 1))
        for record in page.rows:
            if count >= limit:
                result.truncated = f"More than the {limit} studies that were asked for"
                return result
            if question.region and not library_shows(library, record, question.region):
                continue
            if contradicts(record, question):
                continue
            count += 1
            deliver(FoundStudy(record, here=True))
        if page.next is None:
            return result
        after = page.next


def library_shows(library: Library, record: StudyRecord, region: str) -> bool:
    """Whether a study of the library shows `region`; so it is taken when it cannot be told."""
    series = library.series_of(record.study_instance_uid)
    found = regions.of(
        [entry.body_part_examined for entry in series],
        [record.study_description, *(entry.series_description for entry in series)],
    )
    return not found or shows(found, region)


def contradicts(record: StudyRecord, question: Question) -> bool:
    """Whether a reply cannot be what was asked for: archives answer with everything for keys that they do not match."""
    study = question.study
    if question.birth_date and birth_dates(question.birth_date, record.patient_birth_date) is Likeness.DIFFERENT:
        return True
    day = parse_da(record.study_date)  # archives also send 2024-01-31 and worse
    if day is not None:
        date = f"{day:%Y%m%d}"
        if (study.study_date_from and date < study.study_date_from) or (
            study.study_date_to and date > study.study_date_to
        ):
            return True
    if study.modalities and record.modalities_in_study and not set(study.modalities) & set(record.modalities_in_study):
        return True
    wanted, given = study.patient_id, record.patient_id
    if not wanted or not given or any(sign in wanted for sign in "*?"):
        return False
    return given != wanted if question.exact else not given.casefold().startswith(wanted.casefold())
