"""Whether two sets of demographics mean one person. Nobody is taken for somebody else because a name is alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lightbox.dicom import person_name
from lightbox.library.records import StudyRecord
from lightbox.network.querying.rows import fold


class Certainty(Enum):
    """How sure it is that two sets of demographics are of one person."""

    SAME = "same patient"
    POSSIBLE = "possible match"
    DIFFERENT = "other patient"


class Likeness(Enum):
    """How two values of one attribute compare."""

    EQUAL = "equal"
    SIMILAR = "similar"
    UNKNOWN = "unknown"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Person:
    """What identifies a patient. Text as in DICOM; empty where it is not known."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""

    @classmethod
    def of(cls, study: StudyRecord) -> Person:
        """Return the patient of a study."""
        return cls(
            study.patient_id,
            study.issuer_of_patient_id,
            study.patient_name,
            study.patient_birth_date,
            study.patient_sex,
        )


@dataclass(frozen=True, slots=True)
class Match:
    """The verdict, and what it rests on in words without values."""

    certainty: Certainty
    reason: str


def match(one: Person, other: Person) -> Match:
    """Compare two persons.

    The same patient needs the same ID of issuers that do not contradict each other, and birth dates that agree or,
    where one lacks, names that agree. Everything less is at most a possible match: an ID without its issuer is given
    twice more often than one thinks.
    """
    same_id = bool(one.patient_id.strip()) and one.patient_id.strip() == other.patient_id.strip()
    issuers_differ = bool(one.issuer.strip() and other.issuer.strip()) and one.issuer.strip() != other.issuer.strip()
    born, named = birth_dates(one.birth_date, other.birth_date), names(one.name, other.name)
    if same_id and not issuers_differ:
        if born is Likeness.EQUAL:
            return Match(Certainty.SAME, "Same patient ID and birth date")
        if born is Likeness.UNKNOWN and named is Likeness.EQUAL:
            return Match(Certainty.SAME, "Same patient ID and name")
        if born in (Likeness.DIFFERENT, Likeness.SIMILAR):
            return Match(Certainty.POSSIBLE, "Same patient ID, but another birth date")
        return Match(Certainty.POSSIBLE, "Same patient ID, but neither birth date nor name confirms it")
    alike = named in (Likeness.EQUAL, Likeness.SIMILAR)
    if alike and born is Likeness.EQUAL and sexes(one.sex, other.sex) is not Likeness.DIFFERENT:
        ids = "the ID is of another issuer" if same_id else "another patient ID"
        return Match(Certainty.POSSIBLE, f"Same name and birth date, but {ids}")
    return Match(Certainty.DIFFERENT, "Other patient ID, name or birth date")


def birth_dates(one: str, other: str) -> Likeness:
    """Compare two DA values. Similar: day and month exchanged, or one digit differs."""
    first, second = _digits(one), _digits(other)
    if not first or not second:
        return Likeness.UNKNOWN
    if first == second:
        return Likeness.EQUAL
    if len(first) == len(second) == 8:
        if first[:4] == second[:4] and first[4:6] == second[6:8] and first[6:8] == second[4:6]:
            return Likeness.SIMILAR
        if sum(left != right for left, right in zip(first, second, strict=True)) == 1:
            return Likeness.SIMILAR
    return Likeness.DIFFERENT


def sexes(one: str, other: str) -> Likeness:
    """Compare two values of Patient's Sex; O is no contradiction."""
    first, second = one.strip().upper(), other.strip().upper()
    if not first or not second or "O" in (first, second):
        return Likeness.UNKNOWN
    return Likeness.EQUAL if first == second else Likeness.DIFFERENT


def names(one: str, other: str) -> Likeness:
    """Compare two PN values by any component group that both have.

    Equal: the same words of family, given and middle name, whatever their order, case, accents and separators.
    Similar: one has all words of the other and more, initials stand for names, or one or two letters differ.
    """
    best = Likeness.UNKNOWN
    order = (Likeness.EQUAL, Likeness.SIMILAR, Likeness.DIFFERENT, Likeness.UNKNOWN)
    for left, right in zip(person_name.groups(one), person_name.groups(other), strict=True):
        first = _name_words(left)
        second = _name_words(right)
        if not first or not second:
            continue
        found = _compare(first, second)
        best = min(best, found, key=order.index)
    return best


def _name_words(parts: person_name.NameParts) -> list[str]:
    text = " ".join((parts.family, parts.given, parts.middle))
    cleaned = "".join(letter if letter.isalnum() else " " for letter in fold(text))
    # the usual spellings of umlauts are one spelling
    for written, plain in (("ae", "a"), ("oe", "o"), ("ue", "u")):
        cleaned = cleaned.replace(written, plain)
    return cleaned.split()


def _compare(first: list[str], second: list[str]) -> Likeness:
    if sorted(first) == sorted(second) or "".join(first) == "".join(second):
        return Likeness.EQUAL
    fewer, more = sorted((first, second), key=len)
    left = list(more)
    common = 0
    for word in fewer:
        if word in left:
            left.remove(word)
            common += 1
    if common == len(fewer) and common >= 2:
        return Likeness.SIMILAR
    if common >= 1 and (_abbreviates(fewer, more) or _abbreviates(more, fewer)):
        return Likeness.SIMILAR
    if distance(" ".join(sorted(first)), " ".join(sorted(second)), 2) <= 2:
        return Likeness.SIMILAR
    return Likeness.DIFFERENT


def _abbreviates(short: list[str], whole: list[str]) -> bool:
    """Whether every word of `short` is in `whole`, or is the initial of one of its words."""
    return all(word in whole or (len(word) == 1 and any(w.startswith(word) for w in whole)) for word in short)


def distance(one: str, other: str, most: int) -> int:
    """Return in how many letters two texts differ (insert, remove, replace, swap neighbours); `most` + 1 is "more"."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, twin in enumerate(other, 1):
            cost = min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (letter != twin))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == twin:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > most:
            return most + 1
        before, previous = previous, current
    return min(previous[-1], most + 1)


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isascii() and letter.isdigit())
