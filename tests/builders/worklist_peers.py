"""SCPs of another library for worklist, performed procedure step and availability; some break the rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pynetdicom import evt

MWL = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
IAN = "1.2.840.10008.5.1.4.33"


def entry(accession: str, *, patient: str = "Doe^Jane", date: str = "20261120", **values: Any) -> Dataset:
    """Return a worklist entry as a server keeps it."""
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle = "CT", "LIGHTBOX"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = date, "090000"
    step.ScheduledProcedureStepDescription, step.ScheduledProcedureStepID = "CT CHEST", "SPS1"
    row = Dataset()
    row.SpecificCharacterSet = "ISO_IR 192"
    row.AccessionNumber = accession
    row.PatientName, row.PatientID, row.PatientBirthDate, row.PatientSex = patient, "P1", "19300101", "F"
    row.IssuerOfPatientID = "HOSPITAL"
    row.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.100"
    row.RequestedProcedureID, row.RequestedProcedureDescription = "RP1", "CT chest"
    row.ScheduledProcedureStepSequence = Items([step])
    for word, value in values.items():
        setattr(row, word, value)
    return row


def worklist(rows: Sequence[Dataset], asked: list[Dataset] | None = None, ending: int = 0) -> list[Any]:
    """Return handlers that answer every worklist query with `rows`, whatever was asked."""

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        if asked is not None:
            asked.append(event.identifier)
        for row in rows:
            yield 0xFF00, row
        if ending:
            yield ending, None

    return [(evt.EVT_C_FIND, find)]


@dataclass
class StepKeeper:
    """Keeps performed procedure steps, by the rules of PS3.4 F.7.2; `statuses` are given out first.

    A status given as -1 does what was asked and then aborts, so that the answer is lost.
    """

    statuses: list[int] = field(default_factory=list)
    steps: dict[str, Dataset] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def handlers(self) -> list[Any]:
        """Return the handlers for pynetdicom."""
        return [(evt.EVT_N_CREATE, self._create), (evt.EVT_N_SET, self._set)]

    def _forced(self) -> int | None:
        return self.statuses.pop(0) if self.statuses else None

    def _create(self, event: evt.Event) -> tuple[int, Dataset | None]:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.requests.append("create")
        forced = self._forced()
        if forced is not None and forced != -1:
            return forced, None
        if uid in self.steps:
            return 0x0111, None
        data = event.attribute_list
        needed = ("PerformedProcedureStepID", "PerformedStationAETitle", "PerformedProcedureStepStartDate", "Modality")
        if any(not data.get(word) for word in needed) or data.PerformedProcedureStepStatus != "IN PROGRESS":
            return 0x0120, None
        self.steps[uid] = data
        if forced == -1:
            event.assoc.abort()
        return 0x0000, data

    def _set(self, event: evt.Event) -> tuple[int, Dataset | None]:
        uid = str(event.request.RequestedSOPInstanceUID)
        self.requests.append("set")
        forced = self._forced()
        if forced is not None and forced != -1:
            return forced, None
        if uid not in self.steps:
            return 0x0112, None
        if self.steps[uid].PerformedProcedureStepStatus != "IN PROGRESS":
            return 0x0110, None
        changes = event.modification_list
        if changes.PerformedProcedureStepStatus == "COMPLETED" and not changes.PerformedSeriesSequence:
            return 0x0120, None
        self.steps[uid].update(changes)
        if forced == -1:
            event.assoc.abort()
        return 0x0000, changes
