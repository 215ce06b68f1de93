"""What a person asks for, in the words of C-FIND and QIDO-RS (PS3.4 C.2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from lightbox.library.records import StudyQuery

RETURN_KEYS = (
    "StudyInstanceUID",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "StudyDescription",
    "ReferringPhysicianName",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
)
"""What is wanted of every study."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question to several sources.

    Parameters
    ----------
    study : StudyQuery
        Attributes of patient and study.
    region : str
        A body region of `regions` ("chest"); studies of another region are left out, those of which it cannot be told
        stay in.
    fuzzy : bool
        Ask for names that sound alike, at archives that offer it (PS3.4 C.2.2.2.1.1).
    birth_date : str
        Patient's Birth Date (DA).
    exact : bool
        Patient ID and accession number are asked as they are, not as beginnings.
    """

    study: StudyQuery = field(default_factory=StudyQuery)
    region: str = ""
    fuzzy: bool = False
    birth_date: str = ""
    exact: bool = False


def as_question(query: StudyQuery | Question) -> Question:
    """Return `query` as a `Question`."""
    return query if isinstance(query, Question) else Question(query)


def date_range(first: str, last: str) -> str:
    """Return a DICOM date range, open where a side is empty (PS3.4 C.2.2.2.5)."""
    if not first and not last:
        return ""
    return first if first == last else f"{first}-{last}"


def restricts(query: StudyQuery) -> bool:
    """Whether `query` asks for anything less than everything."""
    return any(
        (
            query.text.strip(),
            query.patient_name,
            query.patient_id,
            query.accession_number,
            query.study_date_from,
            query.study_date_to,
            query.modalities,
        )
    )


def study_keys(query: StudyQuery, *, birth_date: str = "", exact: bool = False) -> list[dict[str, str]]:
    """Return the identifiers to ask an archive with; the answer is the union of what they bring.

    Archives match single attributes, so the longest word typed is asked as patient's name, patient ID, accession number
    and study description; the other words are then looked for in the replies (see `rows.fits`).
    """
    base: dict[str, str] = {**dict.fromkeys(RETURN_KEYS, "")}
    base["StudyDate"] = date_range(query.study_date_from, query.study_date_to)
    if query.modalities:
        base["ModalitiesInStudy"] = "\\".join(query.modalities)
    if query.patient_name:
        base["PatientName"] = _from_start(query.patient_name)
    begins = str if exact else _from_start
    if query.patient_id:
        base["PatientID"] = begins(query.patient_id)
    if query.accession_number:
        base["AccessionNumber"] = begins(query.accession_number)
    if birth_date:
        base["PatientBirthDate"] = birth_date
    words = query.text.replace("^", " ").split()
    if not words:
        return [base]
    word = max(words, key=len)
    asked = [
        {**base, keyword: _within(word)}
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyDescription")
        if not base[keyword]
    ]
    return asked or [base]


def _within(text: str) -> str:
    return text if any(sign in text for sign in "*?") else f"*{text}*"


def _from_start(text: str) -> str:
    return text if any(sign in text for sign in "*?") else f"{text}*"
