"""What a reconciliation would change in outside objects, to be seen before anything is done (IHE RAD-61).

Decisions, and what they rest on:

- Patient and order are taken from the worklist entry where it has a value; what it leaves empty stays as it is. Only
  what would then be false goes: the issuer of the former patient ID, and of the former accession number.
- Study, series and SOP Instance UIDs are kept. Valid UIDs are unique everywhere, an importer shall not change them
  (IHE RAD TF 4.61.4.1.1.1), and correcting identification makes no new or derived instance (PS3.3 C.12.1.1.9). So the
  references between objects, also those not imported, stay true, and a second import is recognised.
- The Study Instance UID of the order is put in only on request, for one study, and then in all references too.
- New UIDs for everything are given only on request (for objects that are here already under another patient); they
  follow from the old ones and the order, so that a second import gives the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from lightbox.core.errors import LightboxError, Problem, Severity, UsageError
from lightbox.dicom import imports
from lightbox.network.querying.persons import Person
from lightbox.network.worklist import plausibility
from lightbox.network.worklist.entries import WorklistEntry

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.library.library import Library

Opener = Callable[[], BinaryIO]
_NAMESPACE = uuid.UUID("5c0f35bd-6f0c-4be0-9a44-37d4f3a6f1c2")
REMOVE = None
"""As new value: the attribute is taken out."""


class ReconcileError(LightboxError):
    """Outside objects cannot be made part of an order."""


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute that changes: the distinct values it has in the objects, and the one it gets (None: removed)."""

    keyword: str
    old: tuple[str, ...]
    new: str | None

    @property
    def effective(self) -> bool:
        """Whether any object really changes."""
        return any(self.old) if self.new is REMOVE else any(value != self.new for value in self.old)


@dataclass(frozen=True, slots=True)
class Plan:
    """A reconciliation that was looked at but not done.

    Attributes
    ----------
    entry : WorklistEntry
        The order.
    changes : tuple of Change
        What differs, for the person to see.
    problems : tuple of Problem
        What speaks against it; those of severity ERROR must be confirmed.
    objects, studies : int, tuple of str
        How many objects, and their Study Instance UIDs (before).
    uids : dict
        UIDs that are replaced wherever they occur, old to new.
    people : tuple of Person
        Whom the objects name (before): what names anybody else was not looked at, and is not changed.
    """

    entry: WorklistEntry
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    objects: int
    studies: tuple[str, ...]
    uids: dict[str, str] = field(default_factory=dict)
    people: tuple[Person, ...] = ()

    @property
    def needs_confirmation(self) -> bool:
        """Whether a person must confirm that patient and order belong together."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def check(self, header: Dataset) -> None:
        """Make sure that an object is one of those that were looked at: a disc may have been changed for another.

        Raises
        ------
        ReconcileError
            It is of another person or study.
        """
        from lightbox.dicom import values

        if person_of(header) not in self.people or values.text(header, "StudyInstanceUID") not in ("", *self.studies):
            raise ReconcileError(
                "An object is not the one that was compared with the order",
                why="It names another patient or study: the files changed meanwhile",
                todo="Start again with the files that are there now",
            )

    def values(self) -> dict[str, str | None]:
        """Return the new values by keyword."""
        return {change.keyword: change.new for change in self.changes}

    def as_dict(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {
            "objects": self.objects,
            "studies": list(self.studies),
            "changes": [
                {"attribute": change.keyword, "old": list(change.old), "new": change.new}
                for change in self.changes
                if change.effective
            ],
            "uids_replaced": len(self.uids),
            "problems": [problem.as_dict() for problem in self.problems],
            "needs_confirmation": self.needs_confirmation,
        }


def plan(
    objects: Iterable[Opener],
    entry: WorklistEntry,
    *,
    map_study_uid: bool = False,
    new_uids: bool = False,
    library: Library | None = None,
) -> Plan:
    """Return what would change to make `objects` part of the order `entry`.

    Parameters
    ----------
    objects : iterable of callable
        Each opens one DICOM object.
    entry : WorklistEntry
        It must name a patient by ID and name.
    map_study_uid : bool
        Put the objects into the Study Instance UID of the order; only for objects of one study.
    new_uids : bool
        Give study, series and instances new UIDs.
    library : Library, optional
        To see what is here already.

    Raises
    ------
    ReconcileError
        The entry names no patient, the objects name several patients, or several studies would become one.
    NotDicomError
        An object cannot be read.
    """
    imports.ready()
    if not entry.patient_id.strip() or not entry.patient_name.strip():
        raise ReconcileError(
            "The worklist entry names no patient", where=entry.source, todo="Choose an entry with patient ID and name"
        )
    if map_study_uid and not entry.study_instance_uid:
        raise ReconcileError("The worklist entry has no Study Instance UID", todo="Keep the UIDs of the objects")
    survey = _Survey(entry)
    for opener in objects:
        survey.add(opener)
    if not survey.count:
        raise UsageError("There are no objects to reconcile")
    if len(survey.people) > 1 and not survey.one_person():
        raise ReconcileError(
            f"The objects are of {len(survey.people)} different patients",
            why="An order is for one patient",
            todo="Import the folder or study of one patient at a time",
        )
    if map_study_uid and len(survey.studies) > 1:
        raise ReconcileError(
            f"The objects are of {len(survey.studies)} studies",
            why="They must not be mixed into one study",
            todo="Keep their Study Instance UIDs",
        )
    uids = _uids(survey, entry, map_study_uid=map_study_uid, new_uids=new_uids)
    mine = Person(
        entry.patient_id, entry.issuer_of_patient_id, entry.patient_name, entry.patient_birth_date, entry.patient_sex
    )
    found = {problem.code: problem for file in survey.people for problem in plausibility.check(file, mine)}
    problems = [*found.values(), *survey.problems(library, uids)]
    return Plan(
        entry, survey.changes(), tuple(problems), survey.count, tuple(survey.studies), uids, tuple(survey.people)
    )


def new_values(entry: WorklistEntry) -> dict[str, str | None]:
    """Return the attributes that an order brings, None for what must go."""
    values: dict[str, str | None] = {
        "PatientName": entry.patient_name,
        "PatientID": entry.patient_id,
        # another ID under the former issuer would be a third person
        "IssuerOfPatientID": entry.issuer_of_patient_id or REMOVE,
    }
    for keyword, value in (
        ("PatientBirthDate", entry.patient_birth_date),
        ("PatientSex", entry.patient_sex),
        ("AccessionNumber", entry.accession_number),
        ("ReferringPhysicianName", entry.referring_physician_name),
        ("AdmissionID", entry.admission_id),
        ("StudyID", entry.requested_procedure_id[:16]),
    ):
        if value:
            values[keyword] = value
    return values


def person_of(header: Dataset) -> Person:
    """Return whom an object names."""
    from lightbox.network import reply

    return Person(
        reply.text(header, "PatientID"),
        reply.text(header, "IssuerOfPatientID"),
        reply.text(header, "PatientName"),
        reply.text(header, "PatientBirthDate"),
        reply.text(header, "PatientSex"),
    )


class _Survey:
    """Looks at every object once."""

    def __init__(self, entry: WorklistEntry) -> None:
        self._new = new_values(entry)
        self._old: dict[str, dict[str, None]] = {keyword: {} for keyword in self._new}
        self.count = 0
        self.people: dict[Person, None] = {}
        self.studies: dict[str, None] = {}
        self.series: dict[str, None] = {}
        self.instances: dict[str, None] = {}
        self._signed = 0

    def add(self, opener: Opener) -> None:
        from lightbox.dicom import reading, values
        from lightbox.network import reply

        with opener() as stream:
            header: Dataset = reading.read_header(stream)
        self.count += 1
        for keyword, seen in self._old.items():
            seen[reply.text(header, keyword)] = None
        self.people[person_of(header)] = None
        for keyword, found in (
            ("StudyInstanceUID", self.studies),
            ("SeriesInstanceUID", self.series),
            ("SOPInstanceUID", self.instances),
        ):
            uid = values.text(header, keyword)
            if uid:
                found[uid] = None
        self._signed += "MACParametersSequence" in header

    def one_person(self) -> bool:
        """Whether the people differ only in what some objects leave out or write differently."""
        from lightbox.network.querying.persons import Likeness, birth_dates, names

        def same(one: Person, other: Person) -> bool:
            if one.patient_id and other.patient_id and one.patient_id != other.patient_id:
                return False
            named, born = names(one.name, other.name), birth_dates(one.birth_date, other.birth_date)
            if born not in (Likeness.EQUAL, Likeness.UNKNOWN) or named is Likeness.DIFFERENT:
                return False
            # brothers have names that are alike
            return named is Likeness.EQUAL or born is Likeness.EQUAL or bool(one.patient_id and other.patient_id)

        people = list(self.people)
        return all(same(one, other) for position, one in enumerate(people) for other in people[position + 1 :])

    def changes(self) -> tuple[Change, ...]:
        return tuple(Change(keyword, tuple(seen), self._new[keyword]) for keyword, seen in self._old.items())

    def problems(self, library: Library | None, uids: Mapping[str, str]) -> list[Problem]:
        found: list[Problem] = []
        if len(self.people) > 1:
            found.append(
                Problem(Severity.WARNING, "reconcile.spellings", "The objects write the patient in different ways")
            )
        if self._signed:
            found.append(
                Problem(
                    Severity.WARNING,
                    "reconcile.signed",
                    f"{self._signed} objects are digitally signed",
                    why="A signature over what changes will no longer hold",
                )
            )
        if library is not None:
            known = sum(library.instance(uids.get(uid, uid)) is not None for uid in self.instances)
            if known:
                found.append(
                    Problem(
                        Severity.WARNING,
                        "reconcile.already-here",
                        f"{known} of {len(self.instances)} objects are in the library already",
                        why="Other contents under a known UID are kept in quarantine",
                        todo="Give them new UIDs, if they are here under another patient",
                    )
                )
        return found


def _uids(survey: _Survey, entry: WorklistEntry, *, map_study_uid: bool, new_uids: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    if new_uids:
        order = "\n".join((entry.patient_id, entry.issuer_of_patient_id, entry.accession_number))
        for uid in (*survey.studies, *survey.series, *survey.instances):
            found[uid] = f"2.25.{uuid.uuid5(_NAMESPACE, f'{order}{chr(10)}{uid}').int}"
    if map_study_uid:
        for uid in survey.studies:
            found[uid] = entry.study_instance_uid
    return {old: new for old, new in found.items() if old != new}
