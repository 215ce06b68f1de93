"""What a query asks for: levels, return keys, and the values a person types, turned into an identifier (PS3.4 C.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pydicom import config
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from lightbox.core.errors import UsageError

LEVELS = ("patient", "study", "series", "image")

_PATIENT = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "OtherPatientIDs",
    "EthnicGroup",
    "PatientComments",
)
_STUDY = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
    "NameOfPhysiciansReadingStudy",
    "ModalitiesInStudy",
    "SOPClassesInStudy",
    "InstitutionName",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
)
_SERIES = (
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "SeriesDate",
    "SeriesTime",
    "BodyPartExamined",
    "Laterality",
    "ProtocolName",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformingPhysicianName",
    "OperatorsName",
    "Manufacturer",
    "ManufacturerModelName",
    "StationName",
    "FrameOfReferenceUID",
    "NumberOfSeriesRelatedInstances",
)
_IMAGE = (
    "SOPInstanceUID",
    "SOPClassUID",
    "InstanceNumber",
    "AvailableTransferSyntaxUID",
    "ContentDate",
    "ContentTime",
    "ImageType",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "ConceptNameCodeSequence",
)

RETURN_KEYS: dict[str, tuple[str, ...]] = {
    "patient": (
        *_PATIENT,
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    ),
    "study": (*_PATIENT[:6], "PatientComments", *_STUDY),
    "series": ("StudyInstanceUID", *_SERIES),
    "image": ("StudyInstanceUID", "SeriesInstanceUID", *_IMAGE[:-1]),
}
"""Return keys asked for at each level, besides those a person adds."""

UNIQUE_KEY = {
    "patient": "PatientID",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "image": "SOPInstanceUID",
}
"""The unique key of each level (PS3.4 C.6.1.1, C.6.2.1)."""

_OF_LEVEL = {
    **dict.fromkeys(_PATIENT, "patient"),
    **dict.fromkeys(_STUDY, "study"),
    **dict.fromkeys(_SERIES, "series"),
    **dict.fromkeys(_IMAGE, "image"),
}

_ISO_DATE = re.compile(r"(\d{4})[-.](\d{2})[-.](\d{2})")
_RANGE_SEPARATOR = re.compile(r"\s*(?:\.\.|/|\s+to\s+|\s+-\s+|–)\s*")
_DATE_RANGE = re.compile(r"\d{8}|\d{8}-\d{8}|\d{8}-|-\d{8}")


def chain(level: str, root: str) -> list[str]:
    """Return the levels above `level` in a query root."""
    return [name for name in LEVELS[: LEVELS.index(level)] if name != "patient" or root == "patient"]


def above(level: str, keys: Mapping[str, str], root: str) -> list[str]:
    """Return the levels above `level` of which `keys` (normalised) do not name exactly one entity."""
    found = []
    for name in chain(level, root) if level in LEVELS else ():
        given = keys.get(UNIQUE_KEY[name], "")
        if not given or any(character in given for character in "*?\\"):
            found.append(name)
    return found


def level_of(keyword: str) -> str:
    """Return the level a keyword belongs to ("" when it is not one of the usual keys)."""
    return _OF_LEVEL.get(keyword, "")


def keyword(name: str) -> str:
    """Return `name` (a keyword in any case, or a tag such as ``0010,0020``) as DICOM keyword.

    Raises
    ------
    UsageError
        It is not an attribute of the data dictionary.
    """
    if tag_for_keyword(name) is not None:
        return name
    digits = re.sub(r"[(),\s]", "", name)
    if re.fullmatch(r"[0-9A-Fa-f]{8}", digits) and keyword_for_tag(int(digits, 16)):
        return keyword_for_tag(int(digits, 16))
    folded = name.casefold().replace("-", "").replace("_", "")
    for known in _OF_LEVEL:
        if known.casefold() == folded:
            return known
    raise UsageError(
        "This is not a DICOM attribute", where=name, todo="Use a DICOM keyword such as PatientID or StudyDate"
    )


def date_range(text: str) -> str:
    """Return a date or range as DICOM range matching wants it (PS3.4 C.2.2.2.5).

    Understood: ``20240131``, ``20240101-20240131``, ``20240101-``, ``-20240131``, and the same with ISO dates
    (``2024-01-01``), also separated by ``..``, ``/`` or ``to``.

    Raises
    ------
    UsageError
        It is none of these.
    """
    compact = _ISO_DATE.sub(r"\1\2\3", text.strip())
    compact = _RANGE_SEPARATOR.sub("-", compact)
    if compact in ("", "*") or _DATE_RANGE.fullmatch(compact):
        return "" if compact == "*" else compact
    raise UsageError(
        "This is not a date or a range of dates", where=text, todo="Write 20240131, 2024-01-31 or 20240101-20240131"
    )


def normalise(keys: Mapping[str, str]) -> dict[str, str]:
    """Return `keys` with DICOM keywords, and dates and UID lists in the form DICOM matching wants."""
    result: dict[str, str] = {}
    for name, value in keys.items():
        word = keyword(name)
        vr = dictionary_VR(word)
        text = str(value).strip()
        if vr == "DA":
            text = date_range(text)
        elif vr == "UI":
            text = "\\".join(part for part in re.split(r"[\\,;\s]+", text) if part)
        result[word] = "" if text == "*" else text
    return result


def identifier(level: str, keys: Mapping[str, str], fields: Iterable[str] | None = None) -> Dataset:
    """Return the identifier of a C-FIND request: `fields` (default: all return keys of `level`), and `keys` to match.

    Character set is UTF-8: it can express every key, and archives that convert their replies convert them to it.
    """
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.QueryRetrieveLevel = level.upper()
    for word in RETURN_KEYS[level] if fields is None else fields:
        put(dataset, word, "")
    for word, value in keys.items():
        put(dataset, word, value)
    return dataset


def put(dataset: Dataset, word: str, value: str) -> None:
    """Set an attribute of an identifier from text; several values are separated by backslashes.

    Raises
    ------
    UsageError
        The text is no value for the attribute.
    """
    vr = dictionary_VR(word).split(" or ")[0]
    converted: object = value
    try:
        if vr == "SQ":
            converted = []
        elif vr in ("US", "SS", "UL", "SL"):
            converted = int(value) if value else None
        elif vr in ("FL", "FD"):
            converted = float(value) if value else None
        elif vr not in ("LT", "ST", "UT") and "\\" in value:
            converted = value.split("\\")
        # Matching keys hold wildcards and ranges that are not valid values of their VR
        dataset[word] = DataElement(word, vr, converted, validation_mode=config.IGNORE)
    except (ValueError, TypeError) as error:
        raise UsageError(
            "This is not a value for the attribute", where=word, todo=f"It takes values of type {vr}"
        ) from error
