"""What a prior is, which ones are wanted, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lightbox.library.records import StudyRecord
from lightbox.network.querying import regions
from lightbox.network.querying.many import SourceState
from lightbox.network.querying.persons import Certainty, Person
from lightbox.network.querying.rows import FoundStudy

if TYPE_CHECKING:
    from lightbox.core.settings import Settings
    from lightbox.library.library import Library
    from lightbox.network.worklist.entries import WorklistEntry

SETTINGS = "network.priors"
REPORTS, RESULTS = ("SR", "DOC"), ("SEG",)
NOT_IMAGES = frozenset({"SR", "DOC", "SEG", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTDOSE", "REG"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the priors is wanted.

    Parameters
    ----------
    enabled : bool
        Whether they are fetched when a study is opened or appears in the worklist.
    window_years : int
        How old they may be.
    most : int
        How many studies with images are fetched.
    bandwidth : int
        Bytes a second that fetching may use; 0 without limit.
    """

    enabled: bool = True
    window_years: int = 5
    most: int = 3
    bandwidth: int = 0

    @classmethod
    def of(cls, settings: Settings | None) -> Rules:
        """Return the rules kept in `settings`; what is wrong there is at its default."""
        stored = settings.get(SETTINGS, {}) if settings is not None else {}
        default = cls()
        found: dict[str, Any] = {}
        for name in ("window_years", "most", "bandwidth"):
            value = stored.get(name)
            usable = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            found[name] = value if usable else getattr(default, name)
        found["enabled"] = stored.get("enabled", True) is not False
        return cls(**found)

    def save(self, settings: Settings) -> None:
        """Keep these rules in `settings`."""
        values = {name: getattr(self, name) for name in ("enabled", "window_years", "most", "bandwidth")}
        settings.set(SETTINGS, values)


@dataclass(frozen=True, slots=True)
class Current:
    """What the priors are prior to."""

    person: Person
    study_uid: str
    date: str
    time: str
    modalities: frozenset[str]
    regions: frozenset[str]

    @classmethod
    def of_study(cls, study: StudyRecord, library: Library | None) -> Current:
        """Return that of a study; its series are looked at where the library has them."""
        series = library.series_of(study.study_instance_uid) if library is not None else []
        return cls(
            Person.of(study),
            study.study_instance_uid,
            study.study_date,
            study.study_time,
            frozenset(study.modalities_in_study),
            regions.of(
                [entry.body_part_examined for entry in series],
                [study.study_description, *(entry.series_description for entry in series)],
            ),
        )

    @classmethod
    def of_entry(cls, entry: WorklistEntry) -> Current:
        """Return that of a worklist entry."""
        person = Person(
            entry.patient_id,
            entry.issuer_of_patient_id,
            entry.patient_name,
            entry.patient_birth_date,
            entry.patient_sex,
        )
        words = [entry.requested_procedure_description, *(step.description for step in entry.steps)]
        words += [code.meaning for code in entry.requested_procedure_codes]
        return cls(
            person,
            entry.study_instance_uid,
            *entry.when,
            frozenset(step.modality for step in entry.steps if step.modality),
            regions.of((), words),
        )


@dataclass(frozen=True, slots=True)
class Prior:
    """One earlier study.

    Attributes
    ----------
    study : FoundStudy
    certainty : Certainty
        SAME, or POSSIBLE, which a person has to judge.
    reason : str
        What the certainty rests on, in words without values.
    relation : int
        How close its body region is, as `regions.relation`.
    same_modality : bool
    role : str
        Why it is wanted: ``"images"``, ``"report"``, ``"results"``, or empty when it is only listed.
    modalities : tuple of str
        Only series of these are wanted; all when empty.
    """

    study: FoundStudy
    certainty: Certainty
    reason: str
    relation: int = 2
    same_modality: bool = False
    role: str = ""
    modalities: tuple[str, ...] = ()


@dataclass(slots=True)
class Found:
    """The priors, most relevant first, and how each source ended."""

    priors: list[Prior] = field(default_factory=list)
    states: dict[str, SourceState] = field(default_factory=dict)

    @property
    def wanted(self) -> list[Prior]:
        """Those that are worth fetching."""
        return [prior for prior in self.priors if prior.role]


def rank(candidates: Sequence[Prior], rules: Rules) -> list[Prior]:
    """Return the priors by relevance, with the role of those that are wanted.

    Same patients before possible matches; same region, near, unknown, other region; same modality; newest.
    """
    newest = sorted(candidates, key=lambda prior: _moment(prior), reverse=True)
    ranked = sorted(
        newest,
        key=lambda prior: (prior.certainty is not Certainty.SAME, prior.relation, not prior.same_modality),
    )
    roles: dict[str, tuple[str, tuple[str, ...]]] = {}
    certain = [prior for prior in ranked if prior.certainty is Certainty.SAME]
    with_images = [prior for prior in certain if _has_images(prior) and prior.relation < 3 and _moment(prior)[0]]
    for prior in with_images[: rules.most]:
        roles[prior.study.uid] = ("images", ())
    for role, modalities in (("report", REPORTS), ("results", RESULTS)):
        holders = [prior for prior in certain if set(modalities) & set(prior.study.record.modalities_in_study)]
        latest = max(holders, key=_moment, default=None)
        if latest is not None and latest.study.uid not in roles:
            roles[latest.study.uid] = (role, modalities)
    return [
        replace(prior, role=roles[prior.study.uid][0], modalities=roles[prior.study.uid][1])
        if prior.study.uid in roles
        else prior
        for prior in ranked
    ]


def _moment(prior: Prior) -> tuple[str, str]:
    return prior.study.record.study_date, prior.study.record.study_time


def _has_images(prior: Prior) -> bool:
    modalities = set(prior.study.record.modalities_in_study)
    return not modalities or bool(modalities - NOT_IMAGES)
