"""Step 1: patients, studies, series, instances, quarantine, refusals, thumbnails, full text."""

SQL = """
CREATE TABLE patient (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    patient_id TEXT NOT NULL,
    issuer_of_patient_id TEXT NOT NULL,
    patient_name TEXT NOT NULL,
    patient_birth_date TEXT NOT NULL,
    patient_sex TEXT NOT NULL
);
CREATE INDEX patient_by_id ON patient (patient_id, issuer_of_patient_id);

CREATE TABLE study (
    id INTEGER PRIMARY KEY,
    study_instance_uid TEXT NOT NULL UNIQUE,
    patient INTEGER NOT NULL REFERENCES patient (id),
    patient_id TEXT NOT NULL,
    issuer_of_patient_id TEXT NOT NULL,
    patient_name TEXT NOT NULL,
    patient_birth_date TEXT NOT NULL,
    patient_sex TEXT NOT NULL,
    patient_age TEXT NOT NULL,
    study_date TEXT NOT NULL,
    study_time TEXT NOT NULL,
    study_id TEXT NOT NULL,
    study_description TEXT NOT NULL,
    accession_number TEXT NOT NULL,
    referring_physician_name TEXT NOT NULL,
    institution_name TEXT NOT NULL,
    modalities TEXT NOT NULL DEFAULT '',
    number_of_series INTEGER NOT NULL DEFAULT 0,
    number_of_instances INTEGER NOT NULL DEFAULT 0,
    source TEXT NOT NULL,
    added_at TEXT NOT NULL,
    warning TEXT NOT NULL DEFAULT '',
    sort_moment TEXT NOT NULL,
    sort_name TEXT NOT NULL,
    sort_description TEXT NOT NULL
);
CREATE INDEX study_by_patient ON study (patient);
CREATE INDEX study_by_moment ON study (sort_moment, id);
CREATE INDEX study_by_name ON study (sort_name, id);
CREATE INDEX study_by_patient_id ON study (patient_id, id);
CREATE INDEX study_by_description ON study (sort_description, id);
CREATE INDEX study_by_accession ON study (accession_number, id);
CREATE INDEX study_by_modalities ON study (modalities, id);
CREATE INDEX study_by_instances ON study (number_of_instances, id);
CREATE INDEX study_by_added ON study (added_at, id);

CREATE TABLE study_other_patient (
    study INTEGER NOT NULL REFERENCES study (id) ON DELETE CASCADE,
    patient INTEGER NOT NULL REFERENCES patient (id),
    PRIMARY KEY (study, patient)
) WITHOUT ROWID;
CREATE INDEX study_other_patient_by_patient ON study_other_patient (patient);

CREATE TABLE study_modality (
    study INTEGER NOT NULL REFERENCES study (id) ON DELETE CASCADE,
    modality TEXT NOT NULL,
    PRIMARY KEY (study, modality)
) WITHOUT ROWID;
CREATE INDEX study_modality_by_modality ON study_modality (modality, study);

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    study INTEGER NOT NULL REFERENCES study (id) ON DELETE CASCADE,
    series_instance_uid TEXT NOT NULL,
    modality TEXT NOT NULL,
    series_number INTEGER,
    series_description TEXT NOT NULL,
    series_date TEXT NOT NULL,
    series_time TEXT NOT NULL,
    body_part_examined TEXT NOT NULL,
    laterality TEXT NOT NULL,
    protocol_name TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    manufacturer_model_name TEXT NOT NULL,
    station_name TEXT NOT NULL,
    frame_of_reference_uid TEXT NOT NULL,
    number_of_instances INTEGER NOT NULL DEFAULT 0,
    UNIQUE (study, series_instance_uid)
);
CREATE INDEX series_by_uid ON series (series_instance_uid);

CREATE TABLE instance (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    sop_instance_uid TEXT NOT NULL UNIQUE,
    sop_class_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    instance_number INTEGER,
    image_rows INTEGER,
    image_columns INTEGER,
    number_of_frames INTEGER NOT NULL,
    image_position TEXT NOT NULL,
    image_orientation TEXT NOT NULL,
    pixel_spacing TEXT NOT NULL,
    slice_thickness REAL,
    frame_of_reference_uid TEXT NOT NULL,
    image_type TEXT NOT NULL,
    acquisition_number INTEGER,
    echo_time REAL,
    content_time TEXT NOT NULL,
    size INTEGER NOT NULL,
    object_key TEXT,
    sha256 BLOB,
    linked_path TEXT,
    linked_mtime_ns INTEGER
);
CREATE INDEX instance_by_series ON instance (series, instance_number);
CREATE INDEX instance_by_key ON instance (object_key) WHERE object_key IS NOT NULL;

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    sop_instance_uid TEXT NOT NULL,
    object_key TEXT,
    linked_path TEXT,
    linked_mtime_ns INTEGER,
    size INTEGER NOT NULL,
    origin TEXT NOT NULL,
    source TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    added_at TEXT NOT NULL
);
CREATE UNIQUE INDEX quarantine_by_key ON quarantine (object_key) WHERE object_key IS NOT NULL;
CREATE UNIQUE INDEX quarantine_by_path ON quarantine (linked_path) WHERE linked_path IS NOT NULL;
CREATE INDEX quarantine_by_uid ON quarantine (sop_instance_uid);

CREATE TABLE refusal (
    path TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    refused_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE thumbnail (
    series INTEGER PRIMARY KEY REFERENCES series (id) ON DELETE CASCADE,
    png BLOB NOT NULL
);

CREATE VIRTUAL TABLE study_text USING fts5 (
    patient, study, series,
    tokenize = "unicode61 remove_diacritics 2", prefix = '1 2 3'
);
"""
