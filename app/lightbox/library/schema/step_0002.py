"""Step 2: the quality list: what the quality gate found out about the objects of the library."""

SQL = """
CREATE TABLE quality_kind (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    place TEXT NOT NULL,
    found TEXT NOT NULL,
    expected TEXT NOT NULL,
    repair TEXT NOT NULL,
    change_tag INTEGER,
    change_vr TEXT NOT NULL DEFAULT '',
    change_value TEXT NOT NULL DEFAULT '',
    UNIQUE (code, place, found, expected, repair, severity, change_value)
);

CREATE TABLE quality_issue (
    instance INTEGER NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    kind INTEGER NOT NULL REFERENCES quality_kind (id),
    PRIMARY KEY (instance, kind)
) WITHOUT ROWID;
CREATE INDEX quality_issue_by_kind ON quality_issue (kind);

CREATE TABLE quality_study_issue (
    study INTEGER NOT NULL REFERENCES study (id) ON DELETE CASCADE,
    kind INTEGER NOT NULL REFERENCES quality_kind (id),
    example TEXT NOT NULL,
    PRIMARY KEY (study, kind)
) WITHOUT ROWID;
CREATE INDEX quality_study_issue_by_kind ON quality_study_issue (kind);

CREATE TABLE quality_facts (
    series INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
    facts TEXT NOT NULL,
    example TEXT NOT NULL,
    PRIMARY KEY (series, facts)
) WITHOUT ROWID;

CREATE TABLE quality_state (
    instance INTEGER PRIMARY KEY REFERENCES instance (id) ON DELETE CASCADE,
    gate INTEGER NOT NULL
);
"""
