"""Earlier studies of a patient at all archives and here, the relevant ones first.

Relevance: the same body region, then the same modality, then the newest. Besides the most relevant images the newest
report and the newest segmentation are wanted. What is found by name and birth date only is a possible match: it is
shown as such, never merged and never fetched by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.dicom.dates import parse_da
from lightbox.dicom.person_name import groups
from lightbox.library.records import StudyQuery, StudyRecord
from lightbox.network.peers import Peer
from lightbox.network.querying import many, persons, regions, relative, sources
from lightbox.network.querying.many import Answer, SourceState, State
from lightbox.network.querying.persons import Certainty, Person
from lightbox.network.querying.prior_model import NOT_IMAGES, Current, Found, Prior, Rules, rank
from lightbox.network.querying.questions import Question
from lightbox.network.querying.rows import FoundStudy

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library
    from lightbox.network.identity import LocalIdentity
    from lightbox.network.secrets import Secrets
    from lightbox.network.worklist.entries import WorklistEntry

_MOST_SERIES_QUERIES = 20


def find(
    current: StudyRecord | WorklistEntry | Current,
    peers: Sequence[Peer],
    library: Library | None,
    *,
    identity: LocalIdentity,
    rules: Rules | None = None,
    cancel: CancelToken | None = None,
    settings: Settings | None = None,
    secrets: Secrets | None = None,
    by_region: bool = True,
) -> Found:
    """Return the earlier studies of the patient of `current`, ranked.

    Every archive and the library is asked by patient ID, and by name and birth date, at the same time. A source that
    fails is told in `Found.states`; the others count. Where a description does not tell the region, archives are asked
    for the series; without `by_region` they are not, which is enough for a list.

    Raises
    ------
    Cancelled
        `cancel` was cancelled.
    """
    if isinstance(current, StudyRecord):
        current = Current.of_study(current, library)
    elif not isinstance(current, Current):
        current = Current.of_entry(current)
    rules = rules or Rules.of(settings)
    token = cancel or CancelToken()
    answers: dict[str, Answer] = {}
    asked = _questions(current, rules)

    def ask(name: str) -> None:
        try:
            answers[name] = many.query(
                peers, library, asked[name], identity=identity, cancel=token, settings=settings, secrets=secrets
            )
        except Cancelled:
            return

    threads = [threading.Thread(target=ask, args=(name,), name=f"priors-{name}", daemon=True) for name in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    token.raise_if_cancelled()
    found = Found(states=_states(answers.values()))
    rows: dict[str, FoundStudy] = {}
    for answer in answers.values():
        for uid, row in answer.rows.items():
            known = rows.get(uid)
            rows[uid] = row if known is None else replace(known, announced={**row.announced, **known.announced})
    candidates = [prior for row in rows.values() if (prior := _judge(row, current, rules)) is not None]
    if by_region:
        services = sources.Services(identity, settings, secrets)
        candidates = _with_regions(candidates, current, peers, library, services, token)
    found.priors = rank(candidates, rules)
    return found


def _questions(current: Current, rules: Rules) -> dict[str, Question]:
    day = parse_da(current.date) or relative.today()
    window = StudyQuery(study_date_from=_since(day, rules), study_date_to=f"{day:%Y%m%d}")
    asked: dict[str, Question] = {}
    person = current.person
    if person.patient_id.strip():
        asked["id"] = Question(replace(window, patient_id=person.patient_id.strip()), exact=True)
    family = next((group.family or group.given for group in groups(person.name) if group.family or group.given), "")
    if family and person.birth_date:
        name = f"{family.replace('*', '?').replace(chr(92), '?')}*"
        asked["name"] = Question(replace(window, patient_name=name), birth_date=person.birth_date, exact=True)
    return asked


def _since(day: date, rules: Rules) -> str:
    return f"{relative.back(day, rules.window_years, 'year'):%Y%m%d}"


def _states(answers: Any) -> dict[str, SourceState]:
    """Return, for each source, the worse of its two ends."""
    order = [State.FAILED, State.CANCELLED, State.TRUNCATED, State.RUNNING, State.DONE]
    found: dict[str, SourceState] = {}
    for answer in answers:
        for name, state in answer.states.items():
            known = found.get(name)
            if known is None or order.index(state.state) < order.index(known.state):
                found[name] = state
    return found


def _judge(row: FoundStudy, current: Current, rules: Rules) -> Prior | None:
    """Return a study as prior, or None when it is none."""
    record = row.record
    if row.uid == current.study_uid:
        return None
    now = (current.date or f"{relative.today():%Y%m%d}", current.time or "99")
    if record.study_date and (record.study_date, record.study_time) > now:
        return None
    day = parse_da(current.date) or relative.today()
    if record.study_date and record.study_date < _since(day, rules):
        return None
    verdict = persons.match(current.person, Person.of(record))
    if verdict.certainty is Certainty.DIFFERENT:
        return None
    if row.warning and verdict.certainty is Certainty.SAME:
        verdict = persons.Match(Certainty.POSSIBLE, row.warning)
    shown = regions.of((), (record.study_description,))
    alike = bool(current.modalities & set(record.modalities_in_study) - NOT_IMAGES)
    return Prior(row, verdict.certainty, verdict.reason, regions.relation(current.regions, shown), alike)


def _with_regions(
    candidates: list[Prior],
    current: Current,
    peers: Sequence[Peer],
    library: Library | None,
    services: sources.Services,
    cancel: CancelToken,
) -> list[Prior]:
    """Ask for the series of studies whose description does not tell the region; the newest, within bounds."""
    unknown = [
        prior
        for prior in sorted(candidates, key=lambda prior: prior.study.record.study_date, reverse=True)
        if prior.certainty is Certainty.SAME and current.regions and not _region_of(prior)
    ][:_MOST_SERIES_QUERIES]
    told: dict[str, frozenset[str]] = {}
    for prior in unknown:
        if prior.study.here and library is not None:
            series = library.series_of(prior.study.uid)
            told[prior.study.uid] = regions.of(
                [entry.body_part_examined for entry in series], [entry.series_description for entry in series]
            )
    for peer in peers:
        mine = [prior for prior in unknown if prior.study.uid not in told and peer.name in prior.study.announced]
        if mine:
            told.update(_ask_regions(peer, [prior.study.uid for prior in mine], services, cancel))
    return [
        replace(prior, relation=regions.relation(current.regions, told[prior.study.uid]))
        if prior.study.uid in told
        else prior
        for prior in candidates
    ]


def _region_of(prior: Prior) -> frozenset[str]:
    return regions.of((), (prior.study.record.study_description,))


def _ask_regions(
    peer: Peer, study_uids: list[str], services: sources.Services, cancel: CancelToken
) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    way = sources.ways(peer, services.settings)[0]
    try:
        with sources.finder(peer, services, [], way=way, cancel=cancel) as session:
            for uid in study_uids:
                keys = {"StudyInstanceUID": uid, "BodyPartExamined": "", "SeriesDescription": ""}
                series = list(session.find("series", keys, cancel=cancel, limit=50))
                found[uid] = regions.of(
                    [entry.get("BodyPartExamined", "") for entry in series],
                    [entry.get("SeriesDescription", "") for entry in series],
                )
    except Cancelled:
        raise
    except LightboxError:
        return found  # the study was found; of its region nothing is known
    return found
