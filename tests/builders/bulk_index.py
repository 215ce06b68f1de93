"""A large index without objects: studies and series written straight into the library's tables."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from lightbox.library.library import INDEX_NAME, Library
from lightbox.library.text import fold

FAMILY = (
    "Müller",
    "Doe",
    "Roe",
    "Smith",
    "Novak",
    "Ivanov",
    "García",
    "Okafor",
    "Lee",
    "Brown",
    "Ødegård",
    "Rossi",
    "山田",
)
GIVEN = ("Jane", "Max", "Jörg", "Anna Maria", "Petr", "Ivan", "Lucía", "Chidi", "Min", "Charles", "Ewa", "Noor", "太郎")
WHAT = ("Chest with contrast", "Head without contrast", "Abdomen", "Brain", "Knee left", "Thorax PA", "Spine")
SERIES = ("Axial 1.0", "Coronal MPR", "Sagittal T2", "Scout", "Arterial 0.6", "Axial 5.0", "Localizer", "DWI b1000")
MODALITIES = ("CT", "MR", "CR", "US", "MG", "PT", "XA")


def fill(home: Path, studies: int, series_each: int, seed: int = 1) -> None:
    """Write `studies` studies of `series_each` series into the index of `home`."""
    Library.open(home).close()
    random.seed(seed)
    found = list(home.rglob(INDEX_NAME))
    connection = sqlite3.connect(found[0], isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(study)")]
    for number in range(1, studies + 1):
        patient = number * 2 // 3 + 1
        family, given = FAMILY[patient % len(FAMILY)], GIVEN[patient // 13 % len(GIVEN)]
        name, identity = f"{family}^{given}", f"{patient:07d}"
        modality = random.choice(MODALITIES)
        day = f"{random.randint(2010, 2026)}{random.randint(1, 12):02d}{random.randint(1, 28):02d}"
        clock = f"{random.randint(7, 19):02d}{random.randint(0, 59):02d}00"
        description = random.choice(WHAT)
        uid = f"2.25.{number}"
        connection.execute(
            "INSERT OR IGNORE INTO patient (id, identity, patient_id, issuer_of_patient_id, patient_name,"
            " patient_birth_date, patient_sex) VALUES (?, ?, ?, '', ?, '19610412', 'F')",
            (patient, identity, identity, name),
        )
        values = {
            "id": number,
            "study_instance_uid": uid,
            "patient": patient,
            "patient_id": identity,
            "issuer_of_patient_id": "",
            "patient_name": name,
            "patient_birth_date": "19610412",
            "patient_sex": "F",
            "patient_age": "",
            "study_date": day,
            "study_time": clock,
            "study_id": str(number),
            "study_description": description,
            "accession_number": f"A-{number}",
            "referring_physician_name": "",
            "institution_name": "",
            "modalities": modality,
            "number_of_series": series_each,
            "number_of_instances": series_each * 40,
            "source": "file",
            "added_at": "2026-01-01T00:00:00.000Z",
            "warning": "",
            "sort_moment": day + clock,
            "sort_name": fold(name),
            "sort_description": fold(description),
        }
        used = [column for column in columns if column in values]
        marks = ", ".join("?" * len(used))
        connection.execute(
            f"INSERT INTO study ({', '.join(used)}) VALUES ({marks})", [values[column] for column in used]
        )
        connection.execute("INSERT INTO study_modality VALUES (?, ?)", (number, modality))
        names = [SERIES[(number + position) % len(SERIES)] for position in range(series_each)]
        connection.executemany(
            "INSERT INTO series (study, series_instance_uid, modality, series_number, series_description, series_date,"
            " series_time, body_part_examined, laterality, protocol_name, manufacturer, manufacturer_model_name,"
            " station_name, frame_of_reference_uid, number_of_instances)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, '', '', '', '', '', '', '', 40)",
            [
                (number, f"{uid}.{position}", modality, position, text, day, clock)
                for position, text in enumerate(names)
            ],
        )
        connection.execute(
            "INSERT INTO study_text (rowid, patient, study, series) VALUES (?, ?, ?, ?)",
            (number, f"{name.replace('^', ' ')} {identity}", f"{description} A-{number} {day}", " ".join(names)),
        )
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()
