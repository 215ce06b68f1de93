"""The patient in one object: names, ID, sex, age, birth date (PS3.3 C.7.1.1, PS3.5 6.2.1)."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

from lightbox.core import clock
from lightbox.dicom import dates
from lightbox.library.quality.elements import has_value, text
from lightbox.library.quality.model import Change, shown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.library.quality.report import Path, Report

NAME, ID, ISSUER, ISSUER_QUALIFIERS = 0x00100010, 0x00100020, 0x00100021, 0x00100024
BIRTH_DATE, SEX, AGE, STUDY_DATE = 0x00100030, 0x00100040, 0x00101010, 0x00080020
GROUP_LENGTH = 64
_SEXES = {"MALE": "M", "FEMALE": "F", "OTHER": "O", "M": "M", "F": "F", "O": "O"}
_UNIT = {"D": 1.0, "W": 7.0, "M": 30.4375, "Y": 365.25}


def check_name(report: Report, tag: int, raw: bytes | None, name: str, path: Path) -> None:
    """Check the structure and the length of a person name (any PN element)."""
    for value in name.split("\\"):
        value = value.strip("\0 ")
        groups = value.split("=")
        for group in groups:
            _check_group(report, tag, group, raw, len(groups) == 1, path)
        if len(groups) > 3 or any(len(group.split("^")) > 5 for group in groups):
            report.add(
                "patient.name-structure",
                tag,
                shown(value),
                "at most three groups of five components: family^given^middle^prefix^suffix",
                "Put the parts where they belong",
                path=path,
            )


def _check_group(report: Report, tag: int, group: str, raw: bytes | None, alone: bool, path: Path) -> None:
    if len(group) > GROUP_LENGTH:
        report.add(
            "vr.too-long",
            tag,
            f"{len(group)} characters: {shown(group)}",
            "at most 64 characters in a component group",
            "Shorten the name at its origin; other systems will cut it",
            path=path,
        )
        return
    # A system that counts bytes cuts names that are not ASCII earlier.
    bytes_long = len(raw.strip(b"\0 ")) if raw is not None and alone else 0
    if len(group) == GROUP_LENGTH or (bytes_long == GROUP_LENGTH and not group.isascii()):
        report.add(
            "patient.name-truncated",
            tag,
            f"exactly 64 {'characters' if len(group) == GROUP_LENGTH else 'bytes'}: {shown(group)}",
            "the whole name",
            "Compare with the worklist or the patient's record, and take the name from there",
            path=path,
        )


def check_patient(report: Report, ds: Dataset) -> None:
    """Check who the patient is said to be."""
    name = text(ds, NAME)
    if NAME in ds and not name.strip("^= "):
        report.add("patient.name-empty", NAME, "empty", "the name", "Take the name from the worklist or the record")
    elif name and "^" not in name and re.search(r"[ ,]", name):
        report.add(
            "patient.name-form",
            NAME,
            "no caret between the parts",
            "family^given",
            "Separate family and given name by a caret",
        )
    if ID in ds and not has_value(ds, ID):
        report.add("patient.id-empty", ID, "empty", "the ID", "Take the ID from the worklist or the record")
    elif has_value(ds, ID) and not has_value(ds, ISSUER) and not has_value(ds, ISSUER_QUALIFIERS):
        report.add(
            "patient.id-no-issuer",
            ISSUER,
            "missing" if ISSUER not in ds else "empty",
            "who gave the ID",
            "Set Issuer of Patient ID before the object leaves the house: the same ID means another patient elsewhere",
        )
    sex = text(ds, SEX)
    if sex and sex not in ("M", "F", "O"):
        meant = _SEXES.get(sex.upper())
        report.add(
            "patient.sex-value",
            SEX,
            shown(sex),
            "M, F or O, or no value",
            f"Write {meant}" if meant else "Take the value from the record",
            change=Change(SEX, "CS", meant) if meant else None,
        )
    _check_dates(report, ds)


def _check_dates(report: Report, ds: Dataset) -> None:
    born, studied = dates.parse_da(text(ds, BIRTH_DATE)), dates.parse_da(text(ds, STUDY_DATE))
    if born is not None and born < date(1880, 1, 1):
        report.add(
            "date.implausible", BIRTH_DATE, born.isoformat(), "a birth date after 1880", "Take the date from the record"
        )
    if born is None or studied is None:
        return
    if born > studied + timedelta(days=1):
        report.add(
            "patient.born-after-study",
            BIRTH_DATE,
            f"born {born.isoformat()}, study {studied.isoformat()}",
            "a birth date before the study",
            "Find out which of the two dates is wrong",
        )
        return
    age = re.fullmatch(r"([0-9]{3})([DWMY])", text(ds, AGE))
    if age is None:
        return
    told = int(age[1])
    true = (studied - born).days / _UNIT[age[2]]
    # Ages are rounded down by most, up by some systems.
    slack = 1.5 if age[2] != "D" else 2.0
    if abs(true - told) > slack:
        report.add(
            "patient.age-mismatch",
            AGE,
            f"{age[0]}; by birth date and study date {true:.1f}{age[2]}",
            "an age that fits the birth date",
            "Find out which of birth date, study date and age is wrong",
        )


def check_future(report: Report, ds: Dataset) -> None:
    """Check that the dates of the object do not lie in the future."""
    latest = clock.now().date() + timedelta(days=1)
    for tag in _DATES:
        day = dates.parse_da(text(ds, tag))
        if day is not None and day > latest:
            report.add(
                "date.future",
                tag,
                day.isoformat(),
                "a day that has been",
                "Check the clock of the device that made the object",
            )


_DATES = (
    0x00080012,  # Instance Creation Date
    STUDY_DATE,
    0x00080021,  # Series Date
    0x00080022,  # Acquisition Date
    0x00080023,  # Content Date
    BIRTH_DATE,
    0x00400244,  # Performed Procedure Step Start Date
)
