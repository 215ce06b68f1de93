"""Values against the rules of their value representation (PS3.5 6.2), on encoded bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from lightbox.dicom import dates
from lightbox.library.quality.model import Change, Severity, shown

if TYPE_CHECKING:
    from lightbox.library.quality.report import Path, Report

_CRITICAL = frozenset(
    {
        0x00180050,  # Slice Thickness
        0x00180088,  # Spacing Between Slices
        0x00181164,  # Imager Pixel Spacing
        0x00200032,  # Image Position (Patient)
        0x00200037,  # Image Orientation (Patient)
        0x00280008,  # Number of Frames
        0x00280030,  # Pixel Spacing
        0x00281052,  # Rescale Intercept
        0x00281053,  # Rescale Slope
        0x3004000C,  # Grid Frame Offset Vector
        0x3004000E,  # Dose Grid Scaling
        0x30060050,  # Contour Data
    }
)
"""Attributes that geometry or pixel values hang on: a value that is no number there is an error."""

Rule = Callable[["Report", int, str, "Path"], None]
_END = "\0 "

_NUMBER = rb" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *"
_DS = re.compile(rb"(?:" + _NUMBER + rb"(?:\\" + _NUMBER + rb")*)?\0?").fullmatch
_DS_ONE = re.compile(_NUMBER.decode()).fullmatch
_IS = re.compile(rb"(?: *[+-]?[0-9]{1,10} *(?:\\ *[+-]?[0-9]{1,10} *)*)?\0?").fullmatch
_IS_ONE = re.compile(r" *[+-]?[0-9]+ *").fullmatch
_CS = re.compile(rb"[A-Z0-9_ \\]*\0?").fullmatch
_DA = re.compile(rb"(?:[12][0-9]{3}(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8]) ?)?").fullmatch
_TM = re.compile(rb"(?:(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:[0-5][0-9](?:\.[0-9]{1,6})?)?)?)? *\0?").fullmatch
_DT = re.compile(
    r"[0-9]{4}(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12][0-9]|3[01])(?:(?:[01][0-9]|2[0-3])(?:[0-5][0-9]"
    r"(?:(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?)?)?)?)?(?:[+-][0-9]{4})? *"
).fullmatch
_AS = re.compile(r"[0-9]{3}[DWMY]").fullmatch
_LONGEST = {"AE": 16, "CS": 16, "DS": 16, "IS": 12, "SH": 16, "LO": 64, "ST": 1024, "LT": 10240}
_WHOLE = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8, "SV": 8, "UV": 8}
_INT = 2**31


def check_bytes(report: Report, tag: int, vr: str, raw: bytes, path: Path) -> None:
    """Check an encoded value; text in the declared character set is checked by `check_length` once it is decoded."""
    quick = _QUICK.get(vr)
    if quick is not None:
        if quick(raw) and len(raw) <= 16:
            return
        # Several values, or one that does not match: look at each.
        _RULES[vr](report, tag, raw.decode("latin-1"), path)
        return
    size = _WHOLE.get(vr)
    if size is not None and len(raw) % size:
        report.add(
            "vr.length",
            tag,
            f"{len(raw)} bytes",
            f"a multiple of {size} bytes for {vr}",
            "Have the element written anew by its origin",
            path=path,
        )


def check_text(report: Report, tag: int, vr: str, text: str, path: Path) -> None:
    """Check a value that pydicom has decoded already."""
    rule = _RULES.get(vr)
    if rule is not None:
        rule(report, tag, text, path)
    elif vr in ("LO", "SH", "ST", "LT"):
        check_length(report, tag, vr, text, path)


def check_length(report: Report, tag: int, vr: str, text: str, path: Path) -> None:
    """Check the length of decoded text in characters."""
    limit = _LONGEST.get(vr)
    if limit is None or len(text) <= limit:
        return
    for value in text.split("\\") if vr in ("LO", "SH") else [text]:
        longest = value.strip(_END)
        if len(longest) > limit:
            report.add(
                "vr.too-long",
                tag,
                f"{len(longest)} characters: {shown(longest)}",
                f"at most {limit} characters for {vr}",
                "Shorten the text, or have the origin do so",
                path=path,
            )


def _values(text: str) -> list[str]:
    return [value for value in text.split("\\") if value.strip(_END)]


def _too_long(report: Report, tag: int, vr: str, value: str, path: Path, repair: str) -> bool:
    limit = _LONGEST[vr]
    if len(value.rstrip(_END)) <= limit:
        return False
    found = f"{len(value.rstrip(_END))} characters: {shown(value)}"
    report.add("vr.too-long", tag, found, f"at most {limit} characters for {vr}", repair, path=path)
    return True


def _decimal(report: Report, tag: int, text: str, path: Path) -> None:
    for value in _values(text):
        if not _DS_ONE(value.rstrip("\0")):
            severity = Severity.ERROR if tag in _CRITICAL else None
            report.add(
                "vr.decimal",
                tag,
                shown(value),
                "a decimal number with a point",
                "Write the number anew; a comma may mean a point or thousands",
                path=path,
                severity=severity,
            )
            return
        if _too_long(report, tag, "DS", value, path, "Round to what fits into 16 characters"):
            return


def _integer(report: Report, tag: int, text: str, path: Path) -> None:
    values = _values(text)
    for value in values:
        bare = value.strip(_END)
        if not _IS_ONE(value.rstrip("\0")):
            whole = re.fullmatch(r"([+-]?[0-9]{1,10})\.0*", bare)
            change = Change(tag, "IS", whole.group(1)) if whole and len(values) == 1 else None
            severity = Severity.ERROR if tag in _CRITICAL else None
            todo = "Write it without a fraction" if whole else "Write the number anew"
            report.add("vr.integer", tag, shown(value), "an integer", todo, path=path, change=change, severity=severity)
            return
        if len(bare) > 12 or not -_INT <= int(bare) < _INT:
            report.add("vr.integer", tag, shown(value), "an integer of 32 bits", "Write a number that fits", path=path)
            return


def _code(report: Report, tag: int, text: str, path: Path) -> None:
    if tag == 0x00080005:
        return  # a wrong term of Specific Character Set has a code of its own
    values = _values(text)
    for value in values:
        bare = value.strip(_END)
        if not re.fullmatch(r"[A-Z0-9_ ]*", bare):
            upper = bare.upper()
            simple = len(values) == 1 and re.fullmatch(r"[A-Z0-9_ ]{1,16}", upper) is not None
            report.add(
                "vr.code",
                tag,
                shown(bare),
                "capital letters, digits, space and underscore",
                f"Write {upper}" if simple else "Use the defined term",
                path=path,
                change=Change(tag, "CS", upper) if simple else None,
            )
            return
        if _too_long(report, tag, "CS", value, path, "Use the defined term"):
            return


def _date(report: Report, tag: int, text: str, path: Path) -> None:
    values = _values(text)
    for value in values:
        bare = value.strip(_END)
        day = dates.parse_da(bare)
        if day is None or not re.fullmatch(r"[0-9]{8}", bare):
            plain = day.strftime("%Y%m%d") if day is not None and day.year > 999 else ""
            report.add(
                "vr.date",
                tag,
                shown(bare),
                "a day as YYYYMMDD",
                f"Write {plain}" if plain else "Write the day, or leave the value empty where it is of type 2",
                path=path,
                change=Change(tag, "DA", plain) if plain and len(values) == 1 else None,
            )
            return


def _time(report: Report, tag: int, text: str, path: Path) -> None:
    values = _values(text)
    for value in values:
        bare = value.strip(_END)
        moment = dates.parse_tm(bare)
        if moment is None or not re.fullmatch(r"[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?", bare):
            plain = bare.replace(":", "") if moment is not None else ""
            report.add(
                "vr.time",
                tag,
                shown(bare),
                "a time as HHMMSS.FFFFFF",
                f"Write {plain}" if plain else "Write the time, or leave the value empty where it is of type 2",
                path=path,
                change=Change(tag, "TM", plain) if plain and len(values) == 1 else None,
            )
            return


def _date_time(report: Report, tag: int, text: str, path: Path) -> None:
    for value in _values(text):
        bare = value.strip(_END)
        if not _DT(bare) or dates.parse_dt(bare) is None:
            report.add(
                "vr.date-time", tag, shown(bare), "YYYYMMDDHHMMSS.FFFFFF&ZZXX", "Write the moment anew", path=path
            )
            return


def _age(report: Report, tag: int, text: str, path: Path) -> None:
    values = _values(text)
    for value in values:
        bare = value.strip(_END)
        if not _AS(bare):
            short = re.fullmatch(r"([0-9]{1,2})([DWMYdwmy])|([0-9]{3})([dwmy])", bare)
            plain = f"{int(short[1] or short[3]):03d}{(short[2] or short[4]).upper()}" if short else ""
            report.add(
                "vr.age",
                tag,
                shown(bare),
                "nnnD, nnnW, nnnM or nnnY",
                f"Write {plain}" if plain else "Write the age anew",
                path=path,
                change=Change(tag, "AS", plain) if plain and len(values) == 1 else None,
            )
            return


def _title(report: Report, tag: int, text: str, path: Path) -> None:
    for value in _values(text):
        if _too_long(report, tag, "AE", value.strip(" "), path, "Use an AE title of at most 16 characters"):
            return


_QUICK: dict[str, Callable[[bytes], object]] = {
    "DS": _DS,
    "IS": _IS,
    "CS": _CS,
    "DA": _DA,
    "TM": _TM,
    "DT": lambda raw: not raw,
    "AS": lambda raw: not raw,
    "AE": lambda raw: True,
}
_RULES: dict[str, Rule] = {
    "DS": _decimal,
    "IS": _integer,
    "CS": _code,
    "DA": _date,
    "TM": _time,
    "DT": _date_time,
    "AS": _age,
    "AE": _title,
}
