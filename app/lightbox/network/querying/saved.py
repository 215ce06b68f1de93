"""Queries that are kept under a name; their relative dates are resolved when they run.

A query may name a patient, so they are kept in a file of their own that only its owner may read, not in the settings.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from lightbox.core.errors import LightboxError, NotFoundError, UsageError
from lightbox.core.settings import write_atomically
from lightbox.library.records import StudyQuery
from lightbox.network.querying import regions, relative
from lightbox.network.querying.questions import Question

_FILE = "saved_queries.json"


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A question that is asked again and again.

    Parameters
    ----------
    name : str
        What the person calls it.
    text, patient_name, patient_id, accession_number : str
        As in `StudyQuery`.
    dates : str
        A time span as `relative.resolve` understands it ("last 7 days"), resolved when the query runs.
    modalities : tuple of str
        Values of Modality.
    region : str
        A body region of `regions`, or empty.
    peers : tuple of str
        Names of the archives to ask; empty asks all.
    fuzzy : bool
        Also names that sound alike, where an archive offers that.
    """

    name: str
    text: str = ""
    patient_name: str = ""
    patient_id: str = ""
    accession_number: str = ""
    dates: str = ""
    modalities: tuple[str, ...] = ()
    region: str = ""
    peers: tuple[str, ...] = ()
    fuzzy: bool = False

    def __post_init__(self) -> None:
        """Check the values: a query that cannot run is not kept."""
        if not self.name.strip():
            raise UsageError("A saved query needs a name")
        relative.resolve(self.dates)
        if self.region:
            object.__setattr__(self, "region", regions.named(self.region))

    def question(self, day: date | None = None) -> Question:
        """Return what it asks on `day` (default: today)."""
        first, last = relative.resolve(self.dates, day)
        study = StudyQuery(
            text=self.text,
            patient_name=self.patient_name,
            patient_id=self.patient_id,
            accession_number=self.accession_number,
            study_date_from=first,
            study_date_to=last,
            modalities=self.modalities,
        )
        return Question(study, self.region, self.fuzzy)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, without what is empty."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SavedQuery:
        """Return the query of `as_json`; keys of other versions are ignored."""
        known = {field.name for field in fields(cls)}
        found: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in values.items() if key in known
        }
        return cls(**found)

    def summary(self) -> str:
        """Return what is asked in a few words."""
        parts = [
            self.region,
            "/".join(self.modalities),
            f"patient {self.patient_id}" if self.patient_id else "",
            self.patient_name,
            f"accession {self.accession_number}" if self.accession_number else "",
            self.text,
            self.dates,
            f"at {', '.join(self.peers)}" if self.peers else "",
        ]
        return ", ".join(part for part in parts if part) or "everything"


class SavedQueries:
    """The saved queries of one data folder.

    Parameters
    ----------
    home : Path
        The data folder.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "network" / _FILE
        self._lock = threading.Lock()

    def all(self) -> list[SavedQuery]:
        """Return them in the order in which they were saved."""
        with self._lock:
            return self._read()

    def get(self, name: str) -> SavedQuery:
        """Return the query called `name` (case does not matter)."""
        found = self.all()
        for entry in found:
            if entry.name.casefold() == name.strip().casefold():
                return entry
        known = ", ".join(entry.name for entry in found) or "none yet"
        raise NotFoundError("There is no such saved query", where=name, todo=f"Saved: {known}")

    def save(self, query: SavedQuery, *, replace_same: bool = True) -> None:
        """Keep `query`; one of the same name is replaced.

        Raises
        ------
        LightboxError
            There is one of this name and `replace_same` is False.
        """
        query = replace(query, name=query.name.strip())
        with self._lock:
            found = self._read()
            names = [entry.name.casefold() for entry in found]
            if query.name.casefold() in names:
                if not replace_same:
                    raise LightboxError(
                        "There is already a saved query of this name",
                        where=query.name,
                        todo="Choose another name, or replace it",
                    )
                found[names.index(query.name.casefold())] = query
            else:
                found.append(query)
            self._write(found)

    def remove(self, name: str) -> None:
        """Remove the query called `name`."""
        gone = self.get(name)
        with self._lock:
            self._write([entry for entry in self._read() if entry.name != gone.name])

    def _read(self) -> list[SavedQuery]:
        if not self._path.exists():
            return []
        try:
            return [SavedQuery.from_json(entry) for entry in json.loads(self._path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise LightboxError(
                "The saved queries cannot be read",
                where=_FILE,
                why=type(error).__name__,
                todo="Correct the file or move it away",
            ) from error

    def _write(self, entries: list[SavedQuery]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps([entry.as_json() for entry in entries], indent=2, ensure_ascii=False)
        write_atomically(self._path, text.encode("utf-8"))
        self._path.chmod(0o600)
