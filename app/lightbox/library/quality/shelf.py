"""The quality list in the index: written after ingest and by the gate, read by the study list and the command line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from lightbox.library.quality.model import RANK, Change, QualityIssue, Severity, StoredIssue


class IssueWriter:
    """Writes issues inside an open transaction; equal ones are kept once.

    Parameters
    ----------
    connection : sqlite3.Connection
        Inside a write transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._kinds: dict[QualityIssue, int] = {}

    def add(self, instance: int, issues: Iterable[QualityIssue]) -> None:
        """Add issues of one instance (row id)."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO quality_issue (instance, kind) VALUES (?, ?)",
            [(instance, self._kind(issue)) for issue in issues],
        )

    def add_by_uid(self, sop_instance_uid: str, issues: Iterable[QualityIssue]) -> None:
        """Add issues of an instance that was just written."""
        row = self._connection.execute(
            "SELECT id FROM instance WHERE sop_instance_uid = ?", (sop_instance_uid,)
        ).fetchone()
        if row is not None:
            self.add(int(row[0]), issues)

    def replace(self, instance: int, issues: Iterable[QualityIssue], gate: int) -> None:
        """Replace the issues of one instance by what version `gate` of the gate found."""
        self._connection.execute("DELETE FROM quality_issue WHERE instance = ?", (instance,))
        self.add(instance, issues)
        self._connection.execute(
            "INSERT OR REPLACE INTO quality_state (instance, gate) VALUES (?, ?)", (instance, gate)
        )

    def replace_study(self, study: int, issues: Iterable[QualityIssue]) -> None:
        """Replace the issues of a study as a whole."""
        self._connection.execute("DELETE FROM quality_study_issue WHERE study = ?", (study,))
        self._connection.executemany(
            "INSERT OR IGNORE INTO quality_study_issue (study, kind, example) VALUES (?, ?, ?)",
            [(study, self._kind(issue), issue.sop_instance_uid) for issue in issues],
        )

    def tidy(self) -> None:
        """Forget texts that no object has any more."""
        self._connection.execute(
            "DELETE FROM quality_kind WHERE NOT EXISTS (SELECT 1 FROM quality_issue WHERE kind = quality_kind.id)"
            " AND NOT EXISTS (SELECT 1 FROM quality_study_issue WHERE kind = quality_kind.id)"
        )
        self._kinds.clear()

    def _kind(self, issue: QualityIssue) -> int:
        bare = QualityIssue(
            issue.code, issue.severity, issue.where, issue.found, issue.expected, issue.repair, issue.change
        )
        known = self._kinds.get(bare)
        if known is not None:
            return known
        change = issue.change
        values = (
            issue.code,
            issue.severity.value,
            issue.where,
            issue.found,
            issue.expected,
            issue.repair,
            change.tag if change else None,
            change.vr if change else "",
            change.value if change else "",
        )
        self._connection.execute(
            "INSERT OR IGNORE INTO quality_kind (code, severity, place, found, expected, repair, change_tag, change_vr,"
            " change_value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        (number,) = self._connection.execute(
            "SELECT id FROM quality_kind WHERE code = ? AND severity = ? AND place = ? AND found = ? AND expected = ?"
            " AND repair = ? AND change_value = ?",
            (*values[:6], values[8]),
        ).fetchone()
        self._kinds[bare] = number
        return number


_COLUMNS = "code, severity, place, found, expected, repair, change_tag, change_vr, change_value"


def _issue(row: Sequence, sop_instance_uid: str = "") -> QualityIssue:  # type: ignore[type-arg]
    code, severity, place, found, expected, repair, tag, vr, value = row
    change = Change(tag, vr, value) if tag is not None else None
    return QualityIssue(code, Severity(severity), place, found, expected, repair, change, sop_instance_uid)


def stored_issues(connection: sqlite3.Connection, study_instance_uid: str | None) -> list[StoredIssue]:
    """Return the quality list of one study, or of all (None): worst first, each issue once a study."""
    where, values = ("WHERE study_instance_uid = ?", (study_instance_uid,)) if study_instance_uid else ("", ())
    found: list[StoredIssue] = []
    for row in connection.execute(
        f"SELECT study_instance_uid, example, {_COLUMNS} FROM quality_study_issue"
        " JOIN study ON study.id = quality_study_issue.study"
        f" JOIN quality_kind ON quality_kind.id = quality_study_issue.kind {where}",
        values,
    ):
        found.append(StoredIssue(row[0], _issue(row[2:], row[1]), 0))
    for row in connection.execute(
        f"SELECT study_instance_uid, min(sop_instance_uid), count(*), {_COLUMNS} FROM quality_issue"
        " JOIN quality_kind ON quality_kind.id = quality_issue.kind"
        " JOIN instance ON instance.id = quality_issue.instance"
        " JOIN series ON series.id = instance.series"
        f" JOIN study ON study.id = series.study {where}"
        " GROUP BY study.id, quality_kind.id ORDER BY study.id, quality_kind.id",
        values,
    ):
        found.append(StoredIssue(row[0], _issue(row[3:], row[1]), row[2]))
    return sorted(found, key=lambda entry: RANK[entry.issue.severity])


def issues_of(connection: sqlite3.Connection, sop_instance_uid: str) -> list[QualityIssue]:
    """Return the stored issues of one instance, worst first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM quality_issue JOIN quality_kind ON quality_kind.id = quality_issue.kind"
        " JOIN instance ON instance.id = quality_issue.instance WHERE sop_instance_uid = ? ORDER BY quality_kind.id",
        (sop_instance_uid,),
    ).fetchall()
    return sorted((_issue(row, sop_instance_uid) for row in rows), key=lambda issue: RANK[issue.severity])


def counts(connection: sqlite3.Connection) -> dict[str, dict[Severity, int]]:
    """Return for each study with issues how many different ones of each severity it has."""
    found: dict[str, dict[Severity, int]] = {}
    for uid, severity, number in connection.execute(
        "SELECT study_instance_uid, severity, count(*) FROM ("
        " SELECT DISTINCT series.study AS study, kind FROM quality_issue"
        " JOIN instance ON instance.id = quality_issue.instance JOIN series ON series.id = instance.series"
        " UNION SELECT study, kind FROM quality_study_issue"
        ") JOIN study ON study.id = study JOIN quality_kind ON quality_kind.id = kind"
        " GROUP BY study_instance_uid, severity"
    ):
        found.setdefault(uid, {})[Severity(severity)] = number
    return found


def pending(connection: sqlite3.Connection, gate: int, limit: int) -> list[tuple[int, str, int, int]]:
    """Return (instance, SOP Instance UID, series, study) of objects that this version of the gate has not looked at."""
    return connection.execute(
        "SELECT instance.id, sop_instance_uid, series.id, series.study FROM instance"
        " JOIN series ON series.id = instance.series"
        " WHERE NOT EXISTS (SELECT 1 FROM quality_state WHERE quality_state.instance = instance.id AND gate >= ?)"
        " ORDER BY series.id LIMIT ?",
        (gate, limit),
    ).fetchall()


def seen(connection: sqlite3.Connection, sop_instance_uid: str, gate: int) -> bool:
    """Return whether this version of the gate has looked at an instance."""
    row = connection.execute(
        "SELECT 1 FROM quality_state JOIN instance ON instance.id = quality_state.instance"
        " WHERE sop_instance_uid = ? AND gate >= ?",
        (sop_instance_uid, gate),
    ).fetchone()
    return row is not None


def count_pending(connection: sqlite3.Connection, gate: int) -> int:
    """Return how many objects the gate has not looked at."""
    (everything,) = connection.execute("SELECT count(*) FROM instance").fetchone()
    (done,) = connection.execute("SELECT count(*) FROM quality_state WHERE gate >= ?", (gate,)).fetchone()
    return everything - done


def add_facts(connection: sqlite3.Connection, series: int, facts: str, sop_instance_uid: str) -> None:
    """Keep what the objects of a series say about patient, study and series; each statement once."""
    connection.execute("INSERT OR IGNORE INTO quality_facts VALUES (?, ?, ?)", (series, facts, sop_instance_uid))


def facts_of_study(connection: sqlite3.Connection, study: int) -> list[tuple[str, str]]:
    """Return (facts, SOP Instance UID of an example) of a study."""
    return connection.execute(
        "SELECT facts, example FROM quality_facts JOIN series ON series.id = quality_facts.series WHERE study = ?",
        (study,),
    ).fetchall()


def related_studies(connection: sqlite3.Connection, study: int, limit: int) -> list[int]:
    """Return other studies under the same Patient ID, the same name, or with a series of the same UID."""
    rows = connection.execute(
        "SELECT other.id FROM study AS mine JOIN study AS other ON other.patient_id = mine.patient_id"
        " WHERE mine.id = ? AND mine.patient_id != '' AND other.id != mine.id"
        " UNION SELECT other.id FROM study AS mine JOIN study AS other ON other.sort_name = mine.sort_name"
        " WHERE mine.id = ? AND mine.sort_name != '' AND other.id != mine.id"
        " UNION SELECT there.study FROM series AS here JOIN series AS there"
        " ON there.series_instance_uid = here.series_instance_uid"
        " WHERE here.study = ? AND there.study != here.study LIMIT ?",
        (study, study, study, limit),
    ).fetchall()
    return [row[0] for row in rows]


def conflicts_of(connection: sqlite3.Connection, study: int) -> list[tuple[str, int]]:
    """Return (SOP Instance UID, number) of objects in quarantine that claim the UID of an object of the study."""
    return connection.execute(
        "SELECT quarantine.sop_instance_uid, count(*) FROM quarantine"
        " JOIN instance ON instance.sop_instance_uid = quarantine.sop_instance_uid"
        " JOIN series ON series.id = instance.series WHERE series.study = ? AND quarantine.code = 'conflict'"
        " GROUP BY quarantine.sop_instance_uid",
        (study,),
    ).fetchall()
