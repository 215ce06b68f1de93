"""One list from many sources: a study is one row by its Study Instance UID, whoever holds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lightbox.network.querying import persons
from lightbox.network.querying.rows import RowT, sort_key


def combine(known: RowT, more: RowT) -> RowT:
    """Return one row of two of the same study; what the library says of it wins.

    Sources that name different patients for one study are never reconciled silently: the row says so.
    """
    keep, other = (known, more) if known.here or not more.here else (more, known)
    warning = keep.warning or other.warning
    verdict = persons.match(persons.Person.of(keep.record), persons.Person.of(other.record)).certainty
    if not warning and verdict is not persons.Certainty.SAME and _contradict(keep, other):
        warning = "The sources name different patients for this study"
    record = keep.record
    if not keep.here:
        # What one archive leaves out, another may tell
        filled = {
            name: getattr(other.record, name)
            for name in ("patient_birth_date", "patient_sex", "study_description", "modalities_in_study", "study_time")
            if not getattr(record, name) and getattr(other.record, name) and not warning
        }
        record = replace(record, **filled) if filled else record
    announced = {**other.announced, **keep.announced, **more.announced}
    return replace(keep, record=record, announced=announced, warning=warning)


def _contradict(one: RowT, other: RowT) -> bool:
    first, second = persons.Person.of(one.record), persons.Person.of(other.record)
    different = persons.Likeness.DIFFERENT
    ids = bool(first.patient_id and second.patient_id) and first.patient_id != second.patient_id
    return (
        ids
        or persons.birth_dates(first.birth_date, second.birth_date) is different
        or persons.names(first.name, second.name) is different
    )


def merge(
    local: Iterable[RowT],
    remote: Iterable[RowT],
    column: str,
    *,
    descending: bool,
    exhausted: bool,
) -> list[RowT]:
    """Return one list of `local` (as the library sorted it) and `remote` rows.

    A study in both is one row. While the library has more pages (`exhausted` False), a remote row that would come
    after the last local one waits, since local rows may still come before it.
    """
    by_uid: dict[str, RowT] = {}
    for row in remote:
        known = by_uid.get(row.uid)
        by_uid[row.uid] = row if known is None else combine(known, row)
    rows: list[RowT] = []
    for row in local:
        twin = by_uid.pop(row.uid, None)
        rows.append(combine(row, twin) if twin is not None else row)
    waiting = sorted(by_uid.values(), key=lambda row: sort_key(row.record, column), reverse=descending)
    if not waiting:
        return rows
    merged: list[RowT] = []
    position = 0
    for row in rows:
        key = sort_key(row.record, column)
        while position < len(waiting):
            other = sort_key(waiting[position].record, column)
            if (other > key) if descending else (other < key):
                merged.append(waiting[position])
                position += 1
            else:
                break
        merged.append(row)
    if exhausted:
        merged.extend(waiting[position:])
    return merged
