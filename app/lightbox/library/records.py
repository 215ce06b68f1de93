"""What the library knows of patients, studies, series and instances: plain immutable records."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """One study with its patient, as listed in the browser.

    Dates are DICOM DA strings (``YYYYMMDD``) and TM strings, empty when absent. Names are decoded text in DICOM form
    (``family^given^...=ideographic=phonetic``).
    """

    study_instance_uid: str
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    patient_age: str = ""
    study_date: str = ""
    study_time: str = ""
    study_id: str = ""
    study_description: str = ""
    accession_number: str = ""
    referring_physician_name: str = ""
    institution_name: str = ""
    modalities_in_study: tuple[str, ...] = ()
    number_of_series: int = 0
    number_of_instances: int = 0
    source: str = ""
    added_at: str = ""
    row_id: int = 0
    warning: str = ""
    """In words, when the objects of the study disagree (for example on who the patient is); else empty."""


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """One series."""

    series_instance_uid: str
    study_instance_uid: str
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    series_date: str = ""
    series_time: str = ""
    body_part_examined: str = ""
    laterality: str = ""
    protocol_name: str = ""
    manufacturer: str = ""
    manufacturer_model_name: str = ""
    station_name: str = ""
    frame_of_reference_uid: str = ""
    number_of_instances: int = 0
    row_id: int = 0


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """One instance with what is needed to sort and split display sets without opening files.

    ``image_position`` and ``image_orientation`` are mm and direction cosines in patient LPS; ``pixel_spacing`` is (row
    spacing, column spacing) in mm. All are None when the header does not hold them at the top level (enhanced
    multi-frame: look into the data set itself).
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str = ""
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int = 1
    image_position: tuple[float, float, float] | None = None
    image_orientation: tuple[float, float, float, float, float, float] | None = None
    pixel_spacing: tuple[float, float] | None = None
    slice_thickness: float | None = None
    frame_of_reference_uid: str = ""
    image_type: tuple[str, ...] = ()
    acquisition_number: int | None = None
    echo_time: float | None = None
    content_time: str = ""
    size: int = 0
    sha256: str = ""
    linked_path: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file or object that was not taken, and why."""

    path: str
    reason: str
    code: str = ""


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Every file is counted once: added, duplicate (the same bytes are already there), or in ``refused`` with the reason.
    ``quarantined`` says how many of ``refused`` are kept in quarantine (code ``conflict``). ``notes`` names files that
    are no objects and need no attention, such as a DICOMDIR.
    """

    added: int = 0
    duplicates: int = 0
    quarantined: int = 0
    refused: list[Refusal] = field(default_factory=list)
    notes: list[Refusal] = field(default_factory=list)
    study_uids: set[str] = field(default_factory=set)

    def as_dict(self) -> dict[str, object]:
        """Return the public ``--json`` shape."""
        return {
            "added": self.added,
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
            "refused": [{"path": item.path, "reason": item.reason} for item in self.refused],
            "notes": [{"path": item.path, "reason": item.reason} for item in self.notes],
        }


@dataclass(frozen=True, slots=True)
class InstancesAdded:
    """Event: instances that became part of the library (one event a committed batch)."""

    study_uids: frozenset[str]
    series_uids: frozenset[str]
    count: int


@dataclass(frozen=True, slots=True)
class StudyQuery:
    """What to look for in the library. Empty fields do not restrict.

    ``text`` is full text over patient, study and series attributes (words, all must match, prefixes allowed, accents
    and case folded). Dates are inclusive DA strings. Wildcards ``*`` and ``?`` work in ``patient_name``, ``patient_id``
    and ``accession_number``.
    """

    text: str = ""
    patient_name: str = ""
    patient_id: str = ""
    accession_number: str = ""
    study_date_from: str = ""
    study_date_to: str = ""
    modalities: tuple[str, ...] = ()
    sort_by: str = "study_date"
    descending: bool = True


Cursor = tuple[str | int, int]
"""Where a page ended: the sort value and the row id of its last row."""


@dataclass(frozen=True, slots=True)
class StudyPage:
    """One page of a study list; ``next`` is handed back to get the following page, None at the end."""

    rows: list[StudyRecord]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """An object that is kept but not indexed, and why."""

    id: int
    sop_instance_uid: str
    origin: str
    source: str
    code: str
    reason: str
    size: int
    added_at: str


ImportSource = Path
