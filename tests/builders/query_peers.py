"""Query SCPs of another library that cut off, lie or agree to extended negotiation, over studies kept in memory."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import evt

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"


def study_row(uid: str, date: str = "", modality: str = "CT", **values: str) -> Dataset:
    """Return a study as an archive keeps it."""
    row = Dataset()
    row.SpecificCharacterSet = "ISO_IR 192"
    row.StudyInstanceUID = uid
    row.StudyDate = date
    row.ModalitiesInStudy = modality.split("\\") if "\\" in modality else modality
    for word, value in {"PatientID": "P1", "PatientName": "Doe^Jane", "PatientBirthDate": "19500101", **values}.items():
        setattr(row, word, value)
    return row


def matches(row: Dataset, asked: Dataset) -> bool:
    """Whether a study matches dates, modality and text keys."""
    for word in ("StudyDate", "PatientBirthDate"):
        wanted = str(asked.get(word) or "")
        if not wanted:
            continue
        first, dash, last = wanted.partition("-")
        value = str(row.get(word) or "")
        if not value or (first and value < first) or ((last or not dash) and value > (last or first)):
            return False
    wanted = str(asked.get("ModalitiesInStudy") or "")
    has = row.get("ModalitiesInStudy") or ""
    if wanted and wanted not in ([has] if isinstance(has, str) else list(has)):
        return False
    for word in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber", "StudyDescription"):
        pattern = str(asked.get(word) or "")
        if pattern and not fnmatch.fnmatchcase(str(row.get(word, "")).casefold(), pattern.casefold()):
            return False
    return True


@dataclass
class MemoryArchive:
    """Answers C-FIND at study and series level.

    Parameters
    ----------
    studies : sequence of Dataset
        See `study_row`.
    limit : int
        It sends no more than so many matches; 0 sends all.
    ending : int
        Status with which it ends when it cut off.
    refuses : bool
        When it would cut off it sends nothing but `ending`.
    extended : bytes
        Its answer to SOP Class Extended Negotiation; empty answers nothing.
    hold : Event, optional
        Answers only after it is set.
    """

    studies: Sequence[Dataset]
    limit: int = 0
    ending: int = 0x0000
    refuses: bool = False
    extended: bytes = b""
    series: Sequence[Dataset] = ()
    hold: threading.Event | None = None
    asked: list[Dataset] = field(default_factory=list)
    requested: list[bytes] = field(default_factory=list)

    def handlers(self) -> list[Any]:
        """Return the handlers for pynetdicom."""
        return [(evt.EVT_C_FIND, self._find), (evt.EVT_SOP_EXTENDED, self._negotiate)]

    def _negotiate(self, event: evt.Event) -> dict[str, bytes]:
        self.requested += event.app_info.values()
        return dict.fromkeys(event.app_info, self.extended) if self.extended else {}

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        self.asked.append(asked)
        if self.hold is not None:
            self.hold.wait(20)
        if asked.QueryRetrieveLevel == "STUDY":
            found = [row for row in self.studies if matches(row, asked)]
        else:
            wanted = str(asked.get("StudyInstanceUID") or "")
            found = [row for row in self.series if not wanted or row.StudyInstanceUID == wanted]
        cut = bool(self.limit) and len(found) > self.limit
        if not (cut and self.refuses):
            for row in found[: self.limit] if cut else found:
                if event.is_cancelled:
                    yield 0xFE00, None
                    return
                yield 0xFF00, row
        if cut and self.ending:
            yield self.ending, None
