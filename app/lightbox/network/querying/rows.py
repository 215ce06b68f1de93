"""A study that was found: what is known of it, whether it is here, and which archives hold how much of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lightbox.library.records import StudyRecord

RESULT_MODALITIES = ("SEG", "SR")
UNKNOWN_NUMBER = -1
"""An archive holds the study but does not say how many instances."""


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study with where it lies.

    ``announced`` holds, per archive that answered, how many instances it says the study has (-1: it does not say).
    ``warning`` says, in words, when the sources disagree on whose study it is.
    """

    record: StudyRecord
    here: bool
    announced: dict[str, int] = field(default_factory=dict)
    warning: str = ""

    @property
    def uid(self) -> str:
        """Study Instance UID."""
        return self.record.study_instance_uid

    @property
    def images_here(self) -> int:
        """Number of instances on this workstation."""
        return self.record.number_of_instances if self.here else 0

    @property
    def expected(self) -> int:
        """The largest number of instances an archive announced, 0 when none did."""
        return max((number for number in self.announced.values() if number > 0), default=0)

    @property
    def partial(self) -> bool:
        """Whether an archive has more of the study than this workstation."""
        return self.here and self.expected > self.images_here

    def presence(self) -> str:
        """Return ``"118/120"`` for what is here of what is expected, ``"120"`` when nothing is missing or known."""
        if self.partial:
            return f"{self.images_here}/{self.expected}"
        number = self.images_here if self.here else self.expected
        return str(number) if number else ""

    def with_announced(self: RowT, archive: str, number: int) -> RowT:
        """Return the row with what one more archive says."""
        return replace(self, announced={**self.announced, archive: number})


RowT = TypeVar("RowT", bound=FoundStudy)


def number_of(text: str) -> int:
    """Return a count of a reply; -1 when it is empty or nonsense."""
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() else UNKNOWN_NUMBER


def record_of(reply: Mapping[str, str], source: str) -> StudyRecord:
    """Return a study-level reply (text by DICOM keyword, PS3.4 C.6.2.1) as a record; what is left out is empty."""
    return StudyRecord(
        study_instance_uid=reply.get("StudyInstanceUID", ""),
        patient_id=reply.get("PatientID", ""),
        issuer_of_patient_id=reply.get("IssuerOfPatientID", ""),
        patient_name=reply.get("PatientName", ""),
        patient_birth_date=reply.get("PatientBirthDate", ""),
        patient_sex=reply.get("PatientSex", ""),
        patient_age=reply.get("PatientAge", ""),
        study_date=reply.get("StudyDate", ""),
        study_time=reply.get("StudyTime", ""),
        study_id=reply.get("StudyID", ""),
        study_description=reply.get("StudyDescription", ""),
        accession_number=reply.get("AccessionNumber", ""),
        referring_physician_name=reply.get("ReferringPhysicianName", ""),
        institution_name=reply.get("InstitutionName", ""),
        modalities_in_study=tuple(sorted({part for part in reply.get("ModalitiesInStudy", "").split("\\") if part})),
        number_of_series=max(0, number_of(reply.get("NumberOfStudyRelatedSeries", ""))),
        source=source,
    )


def from_reply(reply: Mapping[str, str], archive: str, row: type[RowT] = FoundStudy) -> RowT:  # type: ignore[assignment]
    """Return the row of a study-level reply of `archive`."""
    return row(
        record_of(reply, archive),
        here=False,
        announced={archive: number_of(reply.get("NumberOfStudyRelatedInstances", ""))},
    )


def fold(text: str) -> str:
    """Return `text` without case and accents, for comparing."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def fits(record: StudyRecord, typed: str) -> bool:
    """Whether every word that was typed occurs in the attributes a person sees of the study."""
    hay = fold(
        " ".join(
            (
                record.patient_name.replace("^", " "),
                record.patient_id,
                record.study_description,
                record.accession_number,
                record.study_id,
                " ".join(record.modalities_in_study),
            )
        )
    )
    return all(fold(word).strip("*") in hay for word in typed.replace("^", " ").split())


def sort_key(record: StudyRecord, column: str) -> tuple[object, ...]:
    """Return what a study is sorted by, as the library does for `column` (a field of `StudyQuery.sort_by`)."""
    if column == "study_date":
        return (record.study_date, record.study_time)
    value = getattr(record, column)
    if isinstance(value, int):
        return (value,)
    if isinstance(value, tuple):
        return (fold(" ".join(value)),)
    return (fold(value),)
