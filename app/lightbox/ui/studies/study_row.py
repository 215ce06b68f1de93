"""A row of the study table: one study, wherever it lies."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace

from lightbox.library.records import StudyRecord
from lightbox.ui import words

HERE = "This workstation"
RESULT_MODALITIES = ("SEG", "SR")


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study with where it lies.

    ``announced`` holds, per archive that answered, how many instances it says the study has (-1: it does not say).
    """

    record: StudyRecord
    here: bool
    announced: dict[str, int] = field(default_factory=dict)

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

    def presence(self) -> tuple[str, str]:
        """Return the word for the column Here, and the kind of its badge."""
        if not self.here:
            return "at archive", ""
        if self.partial:
            return "partial", "warn"
        return ("complete", "") if self.expected else ("here", "")

    def presence_reason(self) -> str:
        """Return what that word rests on, as a sentence."""
        if not self.here:
            return f"Not on this workstation; held by {', '.join(self.announced)}. Opening retrieves it first."
        if self.partial:
            holder = max(self.announced, key=lambda name: self.announced[name])
            missing = self.expected - self.images_here
            return (
                f"{words.plural(missing, 'image')} missing: {holder} has {words.count(self.expected)}. Retrieve again."
            )
        if self.expected:
            return "All images that the archives hold are on this workstation."
        return "On this workstation. No archive was asked how many images the study has."

    def images(self) -> str:
        """Return the number of images, as ``118/120`` where some are missing."""
        if self.partial:
            return f"{words.count(self.images_here)}/{words.count(self.expected)}"
        number = self.images_here if self.here else self.expected
        return words.count(number) if number else ""

    def source(self) -> str:
        """Return where it came from, or lies."""
        if self.announced and not self.here:
            return ", ".join(self.announced)
        return {"": HERE, "file": "Imported"}.get(self.record.source, self.record.source)

    def results(self) -> list[str]:
        """Return the modalities that hold results (SEG, SR)."""
        return [modality for modality in RESULT_MODALITIES if modality in self.record.modalities_in_study]

    def modalities(self) -> list[str]:
        """Return the modalities, images first and without the result objects when there are images."""
        all_of_them = list(self.record.modalities_in_study)
        images = [modality for modality in all_of_them if modality not in (*RESULT_MODALITIES, "PR", "KO")]
        return images or all_of_them

    def with_announced(self, archive: str, number: int) -> StudyRow:
        """Return the row with what one more archive says."""
        return replace(self, announced={**self.announced, archive: number})


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else -1


def from_reply(reply: dict[str, str], archive: str) -> StudyRow:
    """Return the row of a study-level C-FIND reply (keys are DICOM keywords, PS3.4 C.6.2.1)."""
    record = StudyRecord(
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
        modalities_in_study=tuple(sorted(part for part in reply.get("ModalitiesInStudy", "").split("\\") if part)),
        number_of_series=max(0, _number(reply.get("NumberOfStudyRelatedSeries", ""))),
        source=archive,
    )
    return StudyRow(record, here=False, announced={archive: _number(reply.get("NumberOfStudyRelatedInstances", ""))})


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
