"""What became of the objects of a round trip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lightbox.dicom import sop_classes
from lightbox.network.peers import Peer
from lightbox.network.preflight import vocabulary
from lightbox.network.preflight.report import Finding

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(slots=True)
class Trip:
    """One object on its way: what became of it at each step."""

    dataset: Dataset
    steps: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    failed: bool = False
    compared: bool = False

    @property
    def uid(self) -> str:
        """Its SOP Instance UID."""
        return str(self.dataset.SOPInstanceUID)

    @property
    def sop_class(self) -> str:
        """Its SOP Class UID."""
        return str(self.dataset.SOPClassUID)

    @property
    def state(self) -> str:
        """``"ok"``, ``"warning"`` (not compared) or ``"failed"``."""
        return "failed" if self.failed else "ok" if self.compared else "warning"


@dataclass(slots=True)
class Outcome:
    """What became of all objects, and what is left at the peer."""

    peer: Peer
    patient_id: str
    study_uid: str
    trips: list[Trip]
    not_invented: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stored: int = 0

    def left_behind(self) -> str:
        """Say what cannot be deleted from here."""
        if not self.stored:
            return ""
        return (
            f"{self.stored} invented objects remain at {self.peer.name}: DICOM has no way to delete them from here."
            f" Remove patient {self.patient_id} (study {self.study_uid}) there."
        )

    def findings(self) -> list[Finding]:
        """Return the outcome for the report."""
        failed = [trip for trip in self.trips if trip.failed]
        compared = [trip for trip in self.trips if trip.compared]
        text = f"{len(compared)} of {len(self.trips)} invented objects came back and were compared tag by tag"
        found: list[Finding] = []
        if failed:
            first = failed[0]
            why = "; ".join([*first.differences[:3], *list(first.steps.values())[-1:]])
            name = sop_classes.name(first.sop_class)
            found.append(
                Finding(
                    "Round trip",
                    "failed",
                    f"{len(failed)} of {len(self.trips)} invented objects did not survive. {name}: {why}",
                    f"Ask the vendor of {self.peer.name} why; the report lists every difference",
                )
            )
        else:
            found.append(Finding("Round trip", "ok" if len(compared) == len(self.trips) else "warning", text))
        if self.not_invented:
            names = ", ".join(vocabulary.class_name(uid) for uid in self.not_invented)
            found.append(
                Finding("Round trip", "warning", f"Needed, but not tried since there is no test object: {names}")
            )
        found += [Finding("Round trip", "warning", note) for note in self.notes]
        if self.stored:
            found.append(Finding("Round trip", "warning", self.left_behind()))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "patient_id": self.patient_id,
            "study_instance_uid": self.study_uid,
            "stored": self.stored,
            "left_behind": self.left_behind(),
            "not_tried": self.not_invented,
            "notes": self.notes,
            "objects": [
                {
                    "sop_class": trip.sop_class,
                    "sop_instance_uid": trip.uid,
                    "name": sop_classes.name(trip.sop_class),
                    "state": trip.state,
                    "steps": trip.steps,
                    "differences": trip.differences,
                }
                for trip in self.trips
            ],
        }
