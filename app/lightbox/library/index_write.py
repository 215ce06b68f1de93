"""Write instances, with their series, study and patient, into the index inside one transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lightbox.library.header import KEYS
from lightbox.library.header import plain as _plain
from lightbox.library.quality.quick import check_header
from lightbox.library.text import fold

if TYPE_CHECKING:
    from lightbox.library.header import Header
    from lightbox.library.quality.model import QualityIssue

_SERIES_TEXT_LIMIT = 8_000
"""Characters of series attributes that are searchable for one study."""

_STUDY_UID, _SERIES_UID = KEYS["StudyInstanceUID"], KEYS["SeriesInstanceUID"]
_SOP_UID, _SOP_CLASS = KEYS["SOPInstanceUID"], KEYS["SOPClassUID"]
_POSITION, _ORIENTATION = KEYS["ImagePositionPatient"], KEYS["ImageOrientationPatient"]
_SPACING, _FRAME_OF_REFERENCE = KEYS["PixelSpacing"], KEYS["FrameOfReferenceUID"]
_IMAGE_TYPE, _CONTENT_TIME = KEYS["ImageType"], KEYS["ContentTime"]


@dataclass(slots=True)
class Place:
    """Where the bytes of an instance are: in the store (key, sha256) or linked (path, mtime_ns)."""

    size: int
    object_key: str | None = None
    sha256: bytes | None = None
    linked_path: str | None = None
    linked_mtime_ns: int | None = None


@dataclass(slots=True)
class IndexWriter:
    """Adds instances to the index; call `finish` before the transaction ends.

    Parameters
    ----------
    connection : sqlite3.Connection
        Inside an open write transaction.
    moment : str
        Time stamp of the addition (UTC, ISO 8601).
    """

    connection: sqlite3.Connection
    moment: str
    study_uids: set[str] = field(default_factory=set)
    series_uids: set[str] = field(default_factory=set)
    _studies: dict[str, tuple[int, str]] = field(default_factory=dict)
    _series: dict[tuple[str, str], int] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)
    _new_series: set[int] = field(default_factory=set)
    _rows: list[tuple[object, ...]] = field(default_factory=list)
    _checked: set[tuple[object, ...]] = field(default_factory=set)
    _last_checked: tuple[object, ...] = ()
    _faulty: list[tuple[str, list[QualityIssue]]] = field(default_factory=list)

    def add(self, header: Header, place: Place, source: str) -> None:
        """Add one instance whose SOP Instance UID is not yet in the index."""
        get = header.values.get
        study_uid, series_uid = _plain(get(_STUDY_UID)), _plain(get(_SERIES_UID))
        series = self._series.get((study_uid, series_uid))
        if series is None:
            series = self._find_series(header, study_uid, series_uid, source)
        self._check_patient(header, study_uid)
        issues = check_header(header)
        if issues:
            self._faulty.append((_plain(get(_SOP_UID)), issues))
        self._counts[series] = self._counts.get(series, 0) + 1
        self._rows.append(
            (
                series,
                _plain(get(_SOP_UID)),
                _plain(get(_SOP_CLASS)),
                header.transfer_syntax_uid,
                header.integer("InstanceNumber"),
                header.unsigned("Rows"),
                header.unsigned("Columns"),
                max(1, header.integer("NumberOfFrames") or 1),
                _plain(get(_POSITION)),
                _plain(get(_ORIENTATION)),
                _plain(get(_SPACING)),
                header.number("SliceThickness"),
                _plain(get(_FRAME_OF_REFERENCE)),
                _plain(get(_IMAGE_TYPE)),
                header.integer("AcquisitionNumber"),
                header.number("EchoTime"),
                _plain(get(_CONTENT_TIME)),
                place.size,
                place.object_key,
                place.sha256,
                place.linked_path,
                place.linked_mtime_ns,
            )
        )

    def finish(self) -> None:
        """Write what was collected: instance rows, counters, modalities, full text."""
        execute = self.connection.execute
        self.connection.executemany(_INSERT_INSTANCE, self._rows)
        if self._faulty:
            from lightbox.library.quality.shelf import IssueWriter

            quality = IssueWriter(self.connection)
            for uid, issues in self._faulty:
                quality.add_by_uid(uid, issues)
        self.connection.executemany(
            "UPDATE series SET number_of_instances = number_of_instances + ? WHERE id = ?",
            [(count, series) for series, count in self._counts.items()],
        )
        studies: dict[int, int] = {}
        for series, count in self._counts.items():
            (study,) = execute("SELECT study FROM series WHERE id = ?", (series,)).fetchone()
            studies[study] = studies.get(study, 0) + count
        self.connection.executemany(
            "UPDATE study SET number_of_instances = number_of_instances + ? WHERE id = ?",
            [(count, study) for study, count in studies.items()],
        )
        touched = {
            execute("SELECT study FROM series WHERE id = ?", (series,)).fetchone()[0] for series in self._new_series
        }
        for study in touched:
            refresh_study(self.connection, study)

    def _find_series(self, header: Header, study_uid: str, series_uid: str, source: str) -> int:
        study, _ = self._find_study(header, study_uid, source)
        row = self.connection.execute(
            "SELECT id FROM series WHERE study = ? AND series_instance_uid = ?", (study, series_uid)
        ).fetchone()
        if row is None:
            series = _inserted(
                self.connection.execute(
                    _INSERT_SERIES,
                    (
                        study,
                        series_uid,
                        header.code("Modality"),
                        header.integer("SeriesNumber"),
                        header.text("SeriesDescription"),
                        header.code("SeriesDate"),
                        header.code("SeriesTime"),
                        header.text("BodyPartExamined"),
                        header.code("Laterality"),
                        header.text("ProtocolName"),
                        header.text("Manufacturer"),
                        header.text("ManufacturerModelName"),
                        header.text("StationName"),
                        header.code("FrameOfReferenceUID"),
                    ),
                )
            )
            self._new_series.add(series)
        else:
            series = int(row[0])
        self._series[study_uid, series_uid] = series
        self.study_uids.add(study_uid)
        self.series_uids.add(series_uid)
        return series

    def _find_study(self, header: Header, study_uid: str, source: str) -> tuple[int, str]:
        known = self._studies.get(study_uid)
        if known is not None:
            return known
        row = self.connection.execute(
            "SELECT study.id, patient.identity FROM study JOIN patient ON patient.id = study.patient"
            " WHERE study_instance_uid = ?",
            (study_uid,),
        ).fetchone()
        if row is None:
            identity = patient_identity(header, study_uid)
            patient = self._find_patient(header, identity)
            date, time = header.code("StudyDate"), header.code("StudyTime")
            name, description = header.text("PatientName"), header.text("StudyDescription")
            study = _inserted(
                self.connection.execute(
                    _INSERT_STUDY,
                    (
                        study_uid,
                        patient,
                        header.text("PatientID"),
                        header.text("IssuerOfPatientID"),
                        name,
                        header.code("PatientBirthDate"),
                        header.code("PatientSex"),
                        header.code("PatientAge"),
                        date,
                        time,
                        header.text("StudyID"),
                        description,
                        header.text("AccessionNumber"),
                        header.text("ReferringPhysicianName"),
                        header.text("InstitutionName"),
                        source,
                        self.moment,
                        f"{date} {time}",
                        fold(name),
                        fold(description),
                    ),
                )
            )
            row = (study, identity)
        known = (int(row[0]), str(row[1]))
        self._studies[study_uid] = known
        return known

    def _find_patient(self, header: Header, identity: str) -> int:
        row = self.connection.execute("SELECT id FROM patient WHERE identity = ?", (identity,)).fetchone()
        if row is not None:
            return int(row[0])
        return _inserted(
            self.connection.execute(
                "INSERT INTO patient (identity, patient_id, issuer_of_patient_id, patient_name, patient_birth_date,"
                " patient_sex) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    identity,
                    header.text("PatientID"),
                    header.text("IssuerOfPatientID"),
                    header.text("PatientName"),
                    header.code("PatientBirthDate"),
                    header.code("PatientSex"),
                ),
            )
        )

    def _check_patient(self, header: Header, study_uid: str) -> None:
        """Notice an instance that claims another patient than its study: a warning that people must see."""
        study, known = self._studies[study_uid]
        key = (study, header.patient_key())
        if key == self._last_checked or key in self._checked:
            return
        self._last_checked = key
        self._checked.add(key)
        identity = patient_identity(header, study_uid)
        if identity == known or _compatible(identity, known):
            return
        other = self._find_patient(header, identity)
        self.connection.execute("INSERT OR IGNORE INTO study_other_patient VALUES (?, ?)", (study, other))
        self.connection.execute(
            "UPDATE study SET warning = ? WHERE id = ?",
            ("Objects of this study carry different patient identifiers", study),
        )
        self._new_series.update(
            row[0] for row in self.connection.execute("SELECT id FROM series WHERE study = ? LIMIT 1", (study,))
        )


def patient_identity(header: Header, study_uid: str) -> str:
    """Return the key under which a patient is known.

    PatientID and its issuer; without a PatientID the name and the birth date; without those the study alone, so that
    different people are never merged.
    """
    patient_id = header.text("PatientID")
    if patient_id:
        return "\x1f".join(("id", patient_id, header.text("IssuerOfPatientID")))
    name, birth = fold(header.text("PatientName")), header.code("PatientBirthDate")
    if name.strip("^= ") and birth:
        return "\x1f".join(("name", name, birth))
    return "\x1f".join(("study", study_uid))


def _compatible(first: str, second: str) -> bool:
    """Whether two identities differ only in that one names no issuer."""
    a, b = first.split("\x1f"), second.split("\x1f")
    return len(a) == len(b) == 3 and a[:2] == b[:2] == ["id", a[1]] and not (a[2] and b[2])


def refresh_study(connection: sqlite3.Connection, study: int) -> None:
    """Compute modalities, number of series and full text of a study again from its series."""
    series = connection.execute(
        "SELECT modality, series_description, body_part_examined, protocol_name, manufacturer,"
        " manufacturer_model_name, station_name FROM series WHERE study = ? ORDER BY series_number, id",
        (study,),
    ).fetchall()
    modalities = sorted({row[0] for row in series if row[0]})
    connection.execute(
        "UPDATE study SET modalities = ?, number_of_series = ? WHERE id = ?",
        ("\\".join(modalities), len(series), study),
    )
    connection.execute("DELETE FROM study_modality WHERE study = ?", (study,))
    connection.executemany("INSERT INTO study_modality VALUES (?, ?)", [(study, modality) for modality in modalities])
    patient = connection.execute(
        "SELECT patient_name, patient_id, patient_birth_date, issuer_of_patient_id FROM study WHERE id = ?", (study,)
    ).fetchone()
    others = connection.execute(
        "SELECT patient_name, patient.patient_id FROM study_other_patient"
        " JOIN patient ON patient.id = study_other_patient.patient WHERE study = ?",
        (study,),
    ).fetchall()
    about = connection.execute(
        "SELECT study_description, study_date, accession_number, study_id, referring_physician_name, institution_name,"
        " source FROM study WHERE id = ?",
        (study,),
    ).fetchone()
    words = dict.fromkeys(value for row in series for value in row if value)
    connection.execute("DELETE FROM study_text WHERE rowid = ?", (study,))
    connection.execute(
        "INSERT INTO study_text (rowid, patient, study, series) VALUES (?, ?, ?, ?)",
        (
            study,
            " ".join(value for row in (patient, *others) for value in row if value),
            " ".join(value for value in about if value),
            " ".join(words)[:_SERIES_TEXT_LIMIT],
        ),
    )


def _inserted(cursor: sqlite3.Cursor) -> int:
    if cursor.lastrowid is None:
        raise RuntimeError("no row was inserted")
    return cursor.lastrowid


_INSERT_STUDY = (
    "INSERT INTO study (study_instance_uid, patient, patient_id, issuer_of_patient_id, patient_name,"
    " patient_birth_date, patient_sex, patient_age, study_date, study_time, study_id, study_description,"
    " accession_number, referring_physician_name, institution_name, source, added_at, sort_moment, sort_name,"
    " sort_description) VALUES (" + ", ".join("?" * 20) + ")"
)
_INSERT_SERIES = (
    "INSERT INTO series (study, series_instance_uid, modality, series_number, series_description, series_date,"
    " series_time, body_part_examined, laterality, protocol_name, manufacturer, manufacturer_model_name, station_name,"
    " frame_of_reference_uid) VALUES (" + ", ".join("?" * 14) + ")"
)
_INSERT_INSTANCE = (
    "INSERT INTO instance (series, sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, image_rows,"
    " image_columns, number_of_frames, image_position, image_orientation, pixel_spacing, slice_thickness,"
    " frame_of_reference_uid, image_type, acquisition_number, echo_time, content_time, size, object_key, sha256,"
    " linked_path, linked_mtime_ns) VALUES (" + ", ".join("?" * 22) + ")"
)


def remove_instance(connection: sqlite3.Connection, sop_instance_uid: str) -> None:
    """Take an instance out of the index; its series and study stay, with their counters corrected."""
    row = connection.execute(
        "SELECT instance.id, series.id, series.study FROM instance JOIN series ON series.id = instance.series"
        " WHERE sop_instance_uid = ?",
        (sop_instance_uid,),
    ).fetchone()
    if row is None:
        return
    instance, series, study = row
    connection.execute("DELETE FROM instance WHERE id = ?", (instance,))
    connection.execute("UPDATE series SET number_of_instances = number_of_instances - 1 WHERE id = ?", (series,))
    connection.execute("UPDATE study SET number_of_instances = number_of_instances - 1 WHERE id = ?", (study,))
