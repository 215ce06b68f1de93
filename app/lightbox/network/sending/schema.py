"""Tables of the send queue. A step is never changed once it was released; what is new is a new step."""

from __future__ import annotations

STEP_1 = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    peer TEXT NOT NULL,
    priority INTEGER NOT NULL,
    confirm INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    finished_at REAL,
    total INTEGER NOT NULL DEFAULT 0,
    total_bytes INTEGER NOT NULL DEFAULT 0,
    sent_bytes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX job_by_peer ON job (peer, priority, id);

CREATE TABLE object (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    sop_instance_uid TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL DEFAULT '',
    transfer_syntax_uid TEXT NOT NULL DEFAULT '',
    study_instance_uid TEXT NOT NULL DEFAULT '',
    series_instance_uid TEXT NOT NULL DEFAULT '',
    path TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'queued',
    confirm TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    checks INTEGER NOT NULL DEFAULT 0,
    resends INTEGER NOT NULL DEFAULT 0,
    retry_at REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    existed INTEGER,
    compare INTEGER NOT NULL DEFAULT 0,
    sent_syntax_uid TEXT NOT NULL DEFAULT '',
    updated_at REAL NOT NULL DEFAULT 0
);
CREATE INDEX object_by_state ON object (job, state);
CREATE INDEX object_to_confirm ON object (job, confirm) WHERE confirm <> '';

CREATE TABLE tally (
    job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    confirm TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (job, state, confirm)
) WITHOUT ROWID;
CREATE TRIGGER object_added AFTER INSERT ON object BEGIN
    INSERT INTO tally VALUES (new.job, new.state, new.confirm, 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
    UPDATE job SET total = total + 1, total_bytes = total_bytes + new.size WHERE id = new.job;
END;
CREATE TRIGGER object_moved AFTER UPDATE OF state, confirm ON object
WHEN old.state <> new.state OR old.confirm <> new.confirm BEGIN
    UPDATE tally SET number = number - 1 WHERE job = old.job AND state = old.state AND confirm = old.confirm;
    INSERT INTO tally VALUES (new.job, new.state, new.confirm, 1)
        ON CONFLICT DO UPDATE SET number = number + 1;
    UPDATE job SET sent_bytes = sent_bytes + new.size
        WHERE id = new.job AND new.state IN ('sent', 'confirmed') AND old.state NOT IN ('sent', 'confirmed');
    UPDATE job SET sent_bytes = sent_bytes - new.size
        WHERE id = new.job AND old.state IN ('sent', 'confirmed') AND new.state NOT IN ('sent', 'confirmed');
END;

CREATE TABLE peer (
    name TEXT PRIMARY KEY,
    paused INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    retry_at REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
INSERT INTO peer (name) VALUES ('');

CREATE TABLE commitment (
    transaction_uid TEXT PRIMARY KEY,
    peer TEXT NOT NULL,
    asked_at REAL NOT NULL,
    deadline REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE committed_object (
    transaction_uid TEXT NOT NULL REFERENCES commitment (transaction_uid) ON DELETE CASCADE,
    object INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
    PRIMARY KEY (transaction_uid, object)
) WITHOUT ROWID;
CREATE INDEX committed_by_object ON committed_object (object);
"""

STEPS: tuple[str, ...] = (STEP_1,)
