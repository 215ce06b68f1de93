"""What the embedded archive holds, in memory: matching of keys and selection for retrieval (PS3.4 C.2.2.2)."""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR

from lightbox.core.errors import LightboxError
from lightbox.dicom.reading import read_header
from lightbox.network import query_keys, reply
from lightbox.network.stored import Description, StoredObject, describe

_LONGEST_VALUE = 1024
_ENTITY = {
    "patient": "PatientID",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "image": "SOPInstanceUID",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One instance of the archive: its attributes as text by keyword, and how to send it."""

    attributes: dict[str, str]
    description: Description
    stored: StoredObject


@dataclass
class ArchiveIndex:
    """Instances by SOP Instance UID. Every method may be called from any thread."""

    ae_title: str
    _entries: dict[str, Entry] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, objects: Iterable[StoredObject]) -> int:
        """Index objects; those that are not complete DICOM objects are left out. Return how many were indexed."""
        count = 0
        for stored in objects:
            try:
                with stored.open() as file:
                    description = describe(file)
                    file.seek(0)
                    row = reply.row(read_header(file))
            except (LightboxError, OSError):
                continue
            attributes = {word: value for word, value in row.items() if len(value) <= _LONGEST_VALUE}
            if not all(attributes.get(word) for word in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")):
                continue
            with self._lock:
                self._entries[attributes["SOPInstanceUID"]] = Entry(attributes, description, stored)
            count += 1
        return count

    def entries(self) -> list[Entry]:
        """Return all instances."""
        with self._lock:
            return list(self._entries.values())

    def syntaxes(self, sop_class_uid: str) -> set[str]:
        """Return the transfer syntaxes of the instances of a SOP class."""
        return {
            entry.description.transfer_syntax_uid
            for entry in self.entries()
            if entry.description.sop_class_uid == sop_class_uid
        }

    def find(self, level: str, keys: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the entities of `level` that match `keys`, each with all attributes that are known at this level."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.entries():
            groups.setdefault(entry.attributes.get(_ENTITY[level], ""), []).append(entry)
        rows = (self._row(level, group) for group in groups.values())
        return [row for row in rows if all(matches(word, value, row.get(word, "")) for word, value in keys.items())]

    def select(self, keys: Mapping[str, str]) -> list[Entry]:
        """Return the instances that the unique keys of a retrieve request name, in order of instance number."""
        unique = {word: set(keys[word].split("\\")) for word in _ENTITY.values() if keys.get(word)}
        if not unique:
            return []
        found = [
            entry
            for entry in self.entries()
            if all(entry.attributes.get(word, "") in values for word, values in unique.items())
        ]
        return sorted(found, key=lambda entry: (entry.attributes["SeriesInstanceUID"], _number(entry)))

    def _row(self, level: str, group: list[Entry]) -> dict[str, str]:
        first = group[0].attributes
        limit = query_keys.LEVELS.index(level)
        row = {
            word: value
            for word, value in first.items()
            if level == "image" or query_keys.level_of(word) in query_keys.LEVELS[: limit + 1]
        }
        row["RetrieveAETitle"] = self.ae_title
        row["InstanceAvailability"] = "ONLINE"
        if level == "image":
            row["AvailableTransferSyntaxUID"] = group[0].description.transfer_syntax_uid
            return row
        row[f"NumberOf{level.capitalize()}RelatedInstances"] = str(len(group))
        if level in ("patient", "study"):
            row[f"NumberOf{level.capitalize()}RelatedSeries"] = str(len(_values(group, "SeriesInstanceUID")))
        if level == "patient":
            row["NumberOfPatientRelatedStudies"] = str(len(_values(group, "StudyInstanceUID")))
        if level == "study":
            row["ModalitiesInStudy"] = "\\".join(_values(group, "Modality"))
            row["SOPClassesInStudy"] = "\\".join(_values(group, "SOPClassUID"))
        return row


def _values(group: list[Entry], word: str) -> list[str]:
    return sorted({entry.attributes[word] for entry in group if entry.attributes.get(word)})


def _number(entry: Entry) -> int:
    text = entry.attributes.get("InstanceNumber", "")
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else 0


def matches(word: str, key: str, value: str) -> bool:
    """Whether `value` of the attribute `word` matches the query key `key` (PS3.4 C.2.2.2)."""
    if key in ("", "*"):
        return True
    vr = dictionary_VR(word)
    values = value.split("\\")
    if vr in ("DA", "TM", "DT"):
        return _in_range(key, value, vr)
    if vr == "UI":
        return any(part in key.split("\\") for part in values)
    if vr == "PN":
        key, values = key.casefold(), [part.casefold() for part in values]
    patterns = [key] if vr in ("LT", "ST", "UT") else key.split("\\")
    return any(_wild(pattern, part) for pattern in patterns for part in values)


def _wild(pattern: str, value: str) -> bool:
    # Only * and ? are wildcards in DICOM; fnmatch knows sets in brackets, too
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _in_range(key: str, value: str, vr: str) -> bool:
    if not value:
        return False
    value = value.replace(".", "").replace(":", "") if vr == "DA" else value.replace(":", "")
    if "-" not in key:
        return value == key if vr == "DA" else value.startswith(key)
    low, _, high = key.partition("-")
    return (not low or value >= low) and (not high or value <= high or value.startswith(high))
