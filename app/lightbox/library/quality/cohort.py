"""Checks across objects: of a study, of a folder, of the whole library."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from lightbox.library.quality.codes import CODES
from lightbox.library.quality.elements import place
from lightbox.library.quality.facts import TAGS, ObjectFacts
from lightbox.library.quality.model import QualityIssue, Severity, shown, worst_first

_SHOWN = 4


def check_cohort(objects: Iterable[ObjectFacts], *, known: Iterable[ObjectFacts] = ()) -> list[QualityIssue]:
    """Return what is wrong between objects, errors first.

    Parameters
    ----------
    objects : iterable of ObjectFacts
        The objects of a study, a folder or a library (see `facts_of`).
    known : iterable of ObjectFacts
        Further objects to compare with (the rest of a library); faults among these alone are not told.
    """
    mine = list(objects)
    return worst_first(_Cohort(mine, list(known)).issues())


class _Cohort:
    def __init__(self, mine: list[ObjectFacts], known: list[ObjectFacts]) -> None:
        self._mine = mine
        self._all = mine + known
        self._issues: list[QualityIssue] = []

    def issues(self) -> list[QualityIssue]:
        self._duplicates()
        self._levels()
        self._studies()
        self._series()
        self._patients()
        return self._issues

    def _tell(
        self,
        code: str,
        tag: int,
        found: str,
        expected: str,
        repair: str,
        example: ObjectFacts,
        severity: Severity | None = None,
    ) -> None:
        self._issues.append(
            QualityIssue(
                code,
                severity or CODES[code].severity,
                place(tag),
                found,
                expected,
                repair,
                None,
                example.sop_instance_uid,
                example.path,
            )
        )

    def _duplicates(self) -> None:
        by_uid: dict[str, dict[str, ObjectFacts]] = defaultdict(dict)
        for item in self._all:
            if item.sop_instance_uid and item.digest:
                by_uid[item.sop_instance_uid].setdefault(item.digest, item)
        for uid in dict.fromkeys(item.sop_instance_uid for item in self._mine):
            different = by_uid.get(uid, {})
            if len(different) > 1:
                first, second = list(different.values())[:2]
                names = " and ".join(item.path for item in (first, second) if item.path)
                self._tell(
                    "uid.duplicate",
                    TAGS["sop_instance_uid"],
                    f"{len(different)} objects with other contents" + (f": {names}" if names else ""),
                    "one SOP Instance UID for one object",
                    "Keep the true one; the other needs a UID of its own",
                    second,
                )

    def _levels(self) -> None:
        levels: dict[str, dict[str, ObjectFacts]] = {"study": {}, "series": {}, "object": {}}
        studies_of: dict[str, dict[str, ObjectFacts]] = defaultdict(dict)
        for item in self._all:
            for level, uid in (
                ("study", item.study_instance_uid),
                ("series", item.series_instance_uid),
                ("object", item.sop_instance_uid),
            ):
                if uid:
                    levels[level].setdefault(uid, item)
            if item.series_instance_uid and item.study_instance_uid:
                studies_of[item.series_instance_uid].setdefault(item.study_instance_uid, item)
        own = {uid for item in self._mine for uid in (item.study_instance_uid, item.series_instance_uid)}
        own |= {item.sop_instance_uid for item in self._mine}
        for upper, lower in (("study", "series"), ("study", "object"), ("series", "object")):
            for uid in sorted(own & levels[upper].keys() & levels[lower].keys()):
                self._tell(
                    "uid.level-confusion",
                    TAGS["study_instance_uid" if upper == "study" else "series_instance_uid"],
                    f"{uid} names a {upper} and a{'n' if lower == 'object' else ''} {lower}",
                    "one UID for one thing",
                    f"Give the {upper} a new UID in all its objects",
                    levels[lower][uid],
                )
        for uid in dict.fromkeys(item.series_instance_uid for item in self._mine):
            if len(studies_of.get(uid, {})) > 1:
                self._tell(
                    "uid.series-in-two-studies",
                    TAGS["series_instance_uid"],
                    f"{uid} in {len(studies_of[uid])} studies",
                    "a series belongs to one study",
                    "Find out which study is right; many archives refuse or misfile the second",
                    list(studies_of[uid].values())[1],
                )

    def _studies(self) -> None:
        by_study = _group(self._mine, lambda item: item.study_instance_uid)
        for study, members in by_study.items():
            if not study:
                continue
            people = _distinct(members, lambda item: (item.patient_id, _plain(item.patient_name), item.birth_date))
            ids = {item.patient_id for item in members if item.patient_id}
            names = [item.patient_name for item in members if item.patient_name]
            strangers = any(not _alike(names[0], name) for name in names[1:])
            if len(ids) > 1 or strangers:
                self._tell(
                    "study.two-patients",
                    TAGS["patient_id"],
                    f"{len(people)} patients: " + _some(f"{i.patient_id} {i.patient_name}" for i in people),
                    "one patient",
                    "Move the objects to the study they belong to, before anybody reads or sends it",
                    people[-1],
                )
            self._same(members, "study.inconsistent", _STUDY_LEVEL, "the objects of a study")

    def _series(self) -> None:
        for series, members in _group(self._mine, lambda item: item.series_instance_uid).items():
            if not series:
                continue
            modalities = _distinct([item for item in members if item.modality], lambda item: item.modality)
            if len(modalities) > 1:
                self._tell(
                    "series.two-modalities",
                    TAGS["modality"],
                    _some(item.modality for item in modalities),
                    "one modality in a series",
                    "Put them into series of their own",
                    modalities[1],
                )
            frames = _distinct(
                [item for item in members if item.frame_of_reference], lambda item: item.frame_of_reference
            )
            if len(frames) > 1:
                self._tell(
                    "series.two-frames-of-reference",
                    TAGS["frame_of_reference"],
                    f"{len(frames)} frames of reference",
                    "one frame of reference in a series",
                    "Do not measure or fuse across them; have the origin put them into series of their own",
                    frames[1],
                )
            self._same(members, "series.inconsistent", ("series_number",), "the objects of a series")
            numbers: dict[str, set[str]] = defaultdict(set)
            for item in members:
                if item.instance_number and item.sop_instance_uid:
                    numbers[item.instance_number].add(item.sop_instance_uid)
            repeated = [number for number, uids in numbers.items() if len(uids) > 1]
            if repeated:
                self._tell(
                    "series.duplicate-instance-number",
                    TAGS["instance_number"],
                    f"{len(repeated)} numbers occur more than once: " + _some(repeated),
                    "a number for each object, as far as possible",
                    "Nothing; sort by position",
                    members[0],
                )

    def _same(self, members: list[ObjectFacts], code: str, names: tuple[str, ...], whose: str) -> None:
        for name in names:
            filled = [item for item in members if getattr(item, name)]
            different = _distinct(filled, lambda item, n=name: getattr(item, n))
            if len(different) > 1:
                self._tell(
                    code,
                    TAGS[name],
                    _some(getattr(item, name) for item in different),
                    f"the same value in {whose}",
                    "Take the value of the worklist or of the first object for all",
                    different[1],
                )

    def _patients(self) -> None:
        mine = {(item.patient_id, item.issuer) for item in self._mine if item.patient_id}
        by_id = _group([item for item in self._all if item.patient_id], lambda item: (item.patient_id, item.issuer))
        for key in sorted(mine):
            self._one_id(by_id[key])
        own_names = {(_plain(item.patient_name)) for item in self._mine if _plain(item.patient_name)}
        by_name = _group([item for item in self._all if item.patient_name], lambda item: _plain(item.patient_name))
        for name in sorted(own_names):
            self._one_name(by_name[name])

    def _one_id(self, members: list[ObjectFacts]) -> None:
        births = _distinct([item for item in members if item.birth_date], lambda item: item.birth_date)
        if len(births) > 1:
            self._tell(
                "patient.id-many-birth-dates",
                TAGS["birth_date"],
                _some(item.birth_date for item in births),
                "one birth date for a Patient ID",
                "Find out whether these are two people; never merge them before",
                births[1],
            )
        sexes = _distinct([item for item in members if item.sex], lambda item: item.sex)
        if len(sexes) > 1:
            self._tell(
                "patient.id-many-sexes",
                TAGS["sex"],
                _some(item.sex for item in sexes),
                "one sex for a Patient ID",
                "Take the value of the record",
                sexes[1],
            )
        names = _distinct([item for item in members if item.patient_name], lambda item: item.patient_name)
        if len(names) < 2:
            return
        stranger = next((item for item in names[1:] if not _alike(names[0].patient_name, item.patient_name)), None)
        code = "patient.id-two-people" if stranger is not None else "patient.id-many-names"
        self._tell(
            code,
            TAGS["patient_name"],
            _some(item.patient_name for item in names),
            "one name for a Patient ID",
            "Find out whether these are two people; then take the spelling of the record",
            stranger or names[1],
        )

    def _one_name(self, members: list[ObjectFacts]) -> None:
        if len({(item.patient_id, item.issuer) for item in members}) < 2:
            return
        births = _distinct([item for item in members if item.birth_date], lambda item: item.birth_date)
        if len(births) > 1:
            self._tell(
                "patient.name-many-birth-dates",
                TAGS["birth_date"],
                _some(item.birth_date for item in births),
                "one birth date, if it is one person",
                "Nothing, if these are namesakes",
                births[1],
            )
        for same in _group([item for item in members if item.birth_date], lambda item: item.birth_date).values():
            sexes = _distinct([item for item in same if item.sex], lambda item: item.sex)
            ids = _distinct([item for item in same if item.patient_id], lambda item: (item.patient_id, item.issuer))
            if len(sexes) > 1:
                self._tell(
                    "patient.name-many-sexes",
                    TAGS["sex"],
                    _some(item.sex for item in sexes),
                    "one sex for one name and birth date",
                    "Take the value of the record",
                    sexes[1],
                )
            if len(ids) > 1:
                self._tell(
                    "patient.many-ids",
                    TAGS["patient_id"],
                    _some(item.patient_id for item in ids),
                    "one ID for one person and issuer",
                    "Link or merge the IDs in the record; set the issuers",
                    ids[1],
                )


_STUDY_LEVEL = ("study_date", "accession_number", "study_description", "birth_date", "sex")


def _group(items: Iterable[ObjectFacts], key: Callable[[ObjectFacts], Any]) -> dict[Any, list[ObjectFacts]]:
    found: dict[Any, list[ObjectFacts]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return found


def _distinct(items: Iterable[ObjectFacts], key: Callable[[ObjectFacts], Any]) -> list[ObjectFacts]:
    found: dict[Any, ObjectFacts] = {}
    for item in items:
        found.setdefault(key(item), item)
    return list(found.values())


def _some(values: Iterable[str]) -> str:
    listed = [shown(value) for value in values]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return "; ".join(listed[:_SHOWN]) + more


def _plain(name: str) -> str:
    """Return the alphabetic group of a name without case, accents and punctuation, to compare spellings."""
    folded = unicodedata.normalize("NFKD", name.split("=")[0].casefold())
    bare = (char for char in folded if not unicodedata.combining(char))
    return " ".join("".join(char if char.isalnum() else " " for char in bare).split())


def _alike(first: str, second: str) -> bool:
    """Whether two names may be spellings of one: a word in common, or one word nearly the same."""
    a, b = set(_plain(first).split()), set(_plain(second).split())
    if not a or not b or a & b:
        return True
    from difflib import SequenceMatcher

    return any(SequenceMatcher(None, x, y).ratio() >= 0.75 for x in a for y in b)
