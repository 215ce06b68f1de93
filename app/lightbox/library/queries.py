"""Read the index: pages of studies, series, instances."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

from lightbox.core.errors import UsageError
from lightbox.library.records import (
    Cursor,
    InstanceRecord,
    QuarantineEntry,
    Refusal,
    SeriesRecord,
    StudyPage,
    StudyQuery,
    StudyRecord,
)
from lightbox.library.text import fold, full_text_query, like_pattern

SORT_COLUMNS = {
    "study_date": "sort_moment",
    "patient_name": "sort_name",
    "patient_id": "patient_id",
    "modality": "modalities",
    "modalities_in_study": "modalities",
    "study_description": "sort_description",
    "description": "sort_description",
    "accession": "accession_number",
    "accession_number": "accession_number",
    "number_of_instances": "number_of_instances",
    "number_of_series": "number_of_series",
    "patient_birth_date": "patient_birth_date",
    "institution_name": "institution_name",
    "source": "source",
    "added_at": "added_at",
}
"""What `StudyQuery.sort_by` may name."""

_STUDY = (
    "study_instance_uid, patient_id, issuer_of_patient_id, patient_name, patient_birth_date, patient_sex, patient_age,"
    " study_date, study_time, study_id, study_description, accession_number, referring_physician_name,"
    " institution_name, modalities, number_of_series, number_of_instances, source, added_at, id, warning"
)
_TEXT_ROWS = "SELECT rowid FROM study_text WHERE study_text MATCH ?"
_TEXT_MATCH = f"id IN ({_TEXT_ROWS})"
_SERIES = (
    "series.series_instance_uid, study.study_instance_uid, series.modality, series.series_number,"
    " series.series_description, series.series_date, series.series_time, series.body_part_examined, series.laterality,"
    " series.protocol_name, series.manufacturer, series.manufacturer_model_name, series.station_name,"
    " series.frame_of_reference_uid, series.number_of_instances, series.id"
    " FROM series JOIN study ON study.id = series.study"
)
_INSTANCE = (
    "instance.sop_instance_uid, instance.sop_class_uid, series.series_instance_uid, study.study_instance_uid,"
    " instance.transfer_syntax_uid, instance.instance_number, instance.image_rows, instance.image_columns,"
    " instance.number_of_frames, instance.image_position, instance.image_orientation, instance.pixel_spacing,"
    " instance.slice_thickness, instance.frame_of_reference_uid, instance.image_type, instance.acquisition_number,"
    " instance.echo_time, instance.content_time, instance.size, instance.sha256, instance.linked_path"
    " FROM instance JOIN series ON series.id = instance.series JOIN study ON study.id = series.study"
)


def count_studies(connection: sqlite3.Connection, query: StudyQuery) -> int:
    """Return how many studies match."""
    where, values = _where(query)
    if where == f" WHERE {_TEXT_MATCH}":  # the full text alone knows the number
        return int(connection.execute(f"SELECT count(*) FROM ({_TEXT_ROWS})", values).fetchone()[0])
    return int(connection.execute(f"SELECT count(*) FROM study{where}", values).fetchone()[0])


def page_studies(connection: sqlite3.Connection, query: StudyQuery, after: Cursor | None, limit: int) -> StudyPage:
    """Return the studies that follow `after` in the order of the query; ties are broken by row id.

    Raises
    ------
    UsageError
        The sort attribute is not known.
    """
    column = SORT_COLUMNS.get(query.sort_by)
    if column is None:
        raise UsageError("Studies cannot be sorted by this", where=query.sort_by, todo=", ".join(sorted(SORT_COLUMNS)))
    where, values = _where(query)
    if after is not None:
        sign = "<" if query.descending else ">"
        where += (" AND " if where else " WHERE ") + f"({column}, id) {sign} (?, ?)"
        values += list(after)
    direction = "DESC" if query.descending else "ASC"
    rows = connection.execute(
        f"SELECT {_STUDY}, {column} FROM study{where} ORDER BY {column} {direction}, id {direction} LIMIT ?",
        [*values, limit + 1],
    ).fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    return StudyPage([_study(row) for row in rows], (rows[-1][21], rows[-1][19]) if more else None)


def _where(query: StudyQuery) -> tuple[str, list[str | int]]:
    conditions: list[str] = []
    values: list[str | int] = []
    text = query.text.strip()
    if _is_uid(text):
        conditions.append(
            "(study_instance_uid = ? OR id IN (SELECT study FROM series WHERE series_instance_uid = ?)"
            " OR id IN (SELECT study FROM series WHERE id = (SELECT series FROM instance WHERE sop_instance_uid = ?)))"
        )
        values += [text] * 3
    elif text:
        expression = full_text_query(text)
        if expression:
            conditions.append(_TEXT_MATCH)
            values.append(expression)
        else:
            conditions.append("0")
    name = fold(query.patient_name.strip())
    if name:
        for word in name.replace("^", " ").replace(",", " ").split():
            conditions.append(r"sort_name LIKE ? ESCAPE '\'")
            wild = "*" in word or "?" in word
            values.append(like_pattern(word) if wild and name == word else f"%{like_pattern(word)}%")
    for column, wanted in (("patient_id", query.patient_id), ("accession_number", query.accession_number)):
        wanted = wanted.strip()
        if "*" in wanted or "?" in wanted:
            # In the narrow index on this column alone: many times faster than row by row in the order of the page
            conditions.append(rf"id IN (SELECT id FROM study WHERE {column} LIKE ? ESCAPE '\')")
            values.append(like_pattern(wanted))
        elif wanted:
            conditions.append(f"{column} = ?")
            values.append(wanted)
    if query.study_date_from:
        conditions.append("sort_moment >= ?")
        values.append(query.study_date_from)
    if query.study_date_to:
        conditions.append("sort_moment < ? AND study_date <> ''")
        values.append(query.study_date_to + "~")
    if query.modalities:
        marks = ", ".join("?" * len(query.modalities))
        conditions.append(
            f"EXISTS (SELECT 1 FROM study_modality WHERE study_modality.study = study.id AND modality IN ({marks}))"
        )
        values += query.modalities
    return (" WHERE " + " AND ".join(conditions) if conditions else ""), values


def _is_uid(text: str) -> bool:
    return len(text) > 12 and text.count(".") >= 4 and text.replace(".", "").isdecimal()


def study(connection: sqlite3.Connection, uid: str) -> StudyRecord | None:
    """Return one study, or None."""
    row = connection.execute(f"SELECT {_STUDY} FROM study WHERE study_instance_uid = ?", (uid,)).fetchone()
    return _study(row) if row else None


def studies_of_patient(connection: sqlite3.Connection, patient_id: str, issuer: str) -> list[StudyRecord]:
    """Return the studies of a patient, newest first. Studies whose objects disagree on the patient are included."""
    rows = connection.execute(
        f"SELECT {_STUDY} FROM study WHERE patient IN (SELECT id FROM patient WHERE patient_id = ?1 AND"
        " issuer_of_patient_id = ?2) OR id IN (SELECT study FROM study_other_patient WHERE patient IN"
        " (SELECT id FROM patient WHERE patient_id = ?1 AND issuer_of_patient_id = ?2))"
        " ORDER BY sort_moment DESC, id DESC",
        (patient_id, issuer),
    ).fetchall()
    return [_study(row) for row in rows]


def series_of(connection: sqlite3.Connection, study_uid: str) -> list[SeriesRecord]:
    """Return the series of a study by series number (those without last)."""
    rows = connection.execute(
        f"SELECT {_SERIES} WHERE study.study_instance_uid = ?"
        " ORDER BY series.series_number IS NULL, series.series_number, series.id",
        (study_uid,),
    ).fetchall()
    return [SeriesRecord(*row) for row in rows]


def series(connection: sqlite3.Connection, series_uid: str) -> SeriesRecord | None:
    """Return one series, or None."""
    row = connection.execute(f"SELECT {_SERIES} WHERE series.series_instance_uid = ?", (series_uid,)).fetchone()
    return SeriesRecord(*row) if row else None


def instances_of(connection: sqlite3.Connection, series_uid: str) -> list[InstanceRecord]:
    """Return the instances of a series by instance number (those without last)."""
    rows = connection.execute(
        f"SELECT {_INSTANCE} WHERE series.series_instance_uid = ?"
        " ORDER BY instance.instance_number IS NULL, instance.instance_number, instance.id",
        (series_uid,),
    ).fetchall()
    return [_instance(row) for row in rows]


def instance(connection: sqlite3.Connection, sop_uid: str) -> InstanceRecord | None:
    """Return one instance, or None."""
    row = connection.execute(f"SELECT {_INSTANCE} WHERE instance.sop_instance_uid = ?", (sop_uid,)).fetchone()
    return _instance(row) if row else None


def quarantine(connection: sqlite3.Connection) -> list[QuarantineEntry]:
    """Return what is kept but not indexed, newest first."""
    rows = connection.execute(
        "SELECT id, sop_instance_uid, origin, source, code, reason, size, added_at FROM quarantine ORDER BY id DESC"
    ).fetchall()
    return [QuarantineEntry(*row) for row in rows]


def refusals(connection: sqlite3.Connection) -> list[Refusal]:
    """Return the files that were not taken, latest first."""
    rows = connection.execute("SELECT path, reason, code FROM refusal ORDER BY refused_at DESC, path").fetchall()
    return [Refusal(*row) for row in rows]


def _study(row: Sequence[object]) -> StudyRecord:
    values = list(row[:21])
    values[14] = tuple(part for part in str(values[14]).split("\\") if part)
    return StudyRecord(*values)  # type: ignore[arg-type]


def _instance(row: Sequence[object]) -> InstanceRecord:
    values = list(row)
    values[9] = _numbers(str(values[9]), 3)
    values[10] = _numbers(str(values[10]), 6)
    values[11] = _numbers(str(values[11]), 2)
    values[14] = tuple(part.strip() for part in str(values[14]).split("\\")) if values[14] else ()
    values[19] = values[19].hex() if isinstance(values[19], bytes) else ""
    values[20] = values[20] or ""
    return InstanceRecord(*values)  # type: ignore[arg-type]


def _numbers(text: str, count: int) -> tuple[float, ...] | None:
    """Return the DS values of `text`, None unless there are exactly `count` finite numbers."""
    if not text:
        return None
    try:
        values = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return None
    return values if len(values) == count and all(math.isfinite(value) for value in values) else None


def encodings(connection: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Return (SOP Class UID, Transfer Syntax UID, number of instances) of everything that is indexed, most first."""
    rows = connection.execute(
        "SELECT sop_class_uid, transfer_syntax_uid, count(*) FROM instance GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    ).fetchall()
    return [(str(row[0]), str(row[1]), int(row[2])) for row in rows]
