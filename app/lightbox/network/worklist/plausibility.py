"""Whether an outside object can be of the patient of a worklist entry: the guard against the wrong patient."""

from __future__ import annotations

from lightbox.core.errors import Problem, Severity
from lightbox.network.querying.persons import Likeness, Person, birth_dates, names, sexes

_TODO = "Compare the person on the disc with the order; confirm only when you are sure that they are one"


def check(file: Person, entry: Person) -> list[Problem]:
    """Return what speaks against one person behind a file and a worklist entry; an ERROR needs to be confirmed.

    Patient IDs of two institutions differ as a rule and say nothing; name, birth date and sex do. No values are in the
    words.
    """
    problems: list[Problem] = []
    named, born = names(file.name, entry.name), birth_dates(file.birth_date, entry.birth_date)
    sex = sexes(file.sex, entry.sex)
    if named is Likeness.DIFFERENT:
        problems.append(_problem(Severity.ERROR, "name", "The names are of different people"))
    elif named is Likeness.SIMILAR:
        problems.append(_problem(Severity.WARNING, "name-similar", "The names are spelled differently"))
    elif named is Likeness.UNKNOWN:
        problems.append(_problem(Severity.WARNING, "name-unknown", "The names cannot be compared"))
    if born is Likeness.DIFFERENT:
        problems.append(_problem(Severity.ERROR, "birth-date", "The birth dates differ"))
    elif born is Likeness.SIMILAR:
        problems.append(
            _problem(Severity.WARNING, "birth-date-similar", "The birth dates differ in one digit or in day and month")
        )
    elif born is Likeness.UNKNOWN:
        problems.append(_problem(Severity.INFO, "birth-date-unknown", "The birth dates cannot be compared"))
    if sex is Likeness.DIFFERENT:
        problems.append(_problem(Severity.ERROR, "sex", "The sexes differ"))
    if (
        named is not Likeness.EQUAL
        and born is not Likeness.EQUAL
        and not any(problem.severity is Severity.ERROR for problem in problems)
    ):
        # Each difference may be a slip of the pen; both together confirm nobody
        problems.append(_problem(Severity.ERROR, "unconfirmed", "Neither name nor birth date confirms the patient"))
    return problems


def _problem(severity: Severity, code: str, what: str) -> Problem:
    todo = _TODO if severity is not Severity.INFO else ""
    return Problem(severity, f"reconcile.{code}", what, todo=todo)
