"""Local pages and answers of archives in one order."""

from __future__ import annotations

from collections.abc import Iterable

from lightbox.ui.studies.study_row import StudyRow, sort_key


def merge(
    local: Iterable[StudyRow],
    remote: Iterable[StudyRow],
    column: str,
    *,
    descending: bool,
    exhausted: bool,
) -> list[StudyRow]:
    """Return one list of `local` (as the library sorted it) and `remote` rows.

    A study in both is one row. While the library has more pages (`exhausted` False), a remote row that would come
    after the last local one waits, since local rows may still come before it.
    """
    by_uid: dict[str, StudyRow] = {}
    for row in remote:
        known = by_uid.get(row.uid)
        if known is None:
            by_uid[row.uid] = row
        else:
            keep = known if known.here or not row.here else row
            by_uid[row.uid] = StudyRow(keep.record, keep.here, {**known.announced, **row.announced})
    rows: list[StudyRow] = []
    for row in local:
        twin = by_uid.pop(row.uid, None)
        rows.append(StudyRow(row.record, True, twin.announced) if twin else row)
    waiting = sorted(by_uid.values(), key=lambda row: sort_key(row.record, column), reverse=descending)
    if not waiting:
        return rows
    merged: list[StudyRow] = []
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
