"""Dates, times and ages (VR DA, TM, DT, AS; PS3.5 clause 6.2). What is not understood is shown as it is."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone

_DA = re.compile(r"^(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})$")
_TM = re.compile(r"^(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?$")
_DT = re.compile(r"^(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?(?:([+-])(\d{2})(\d{2}))?$")
_AS = re.compile(r"^(\d{1,3})([DWMY])$")


def parse_da(text: str) -> date | None:
    """Return a DA value (also the old form 2001.02.03) as a date, or None."""
    match = _DA.match(text.strip(" \x00"))
    if not match:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None


def parse_tm(text: str) -> time | None:
    """Return a TM value as a time, or None; a leap second becomes second 59."""
    match = _TM.match(text.strip(" \x00"))
    if not match:
        return None
    hour, minute, second, fraction = match.groups()
    try:
        return time(int(hour), int(minute or 0), min(59, int(second or 0)), int((fraction or "").ljust(6, "0")))
    except ValueError:
        return None


def parse_dt(text: str) -> datetime | None:
    """Return a DT value as a moment, or None. It is aware exactly when the value has an offset from UTC."""
    match = _DT.match(text.strip(" \x00"))
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, sign, east_hours, east_minutes = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            min(59, int(second or 0)),
            int((fraction or "").ljust(6, "0")),
        )
        if sign:
            east = timedelta(hours=int(east_hours), minutes=int(east_minutes))
            moment = moment.replace(tzinfo=timezone(east if sign == "+" else -east))
    except ValueError:
        return None
    return moment


def format_da(text: str) -> str:
    """Return a DA value as "2004-01-19"; anything else unchanged."""
    found = parse_da(text)
    return found.isoformat() if found else text.strip(" \x00")


def format_tm(text: str) -> str:
    """Return a TM value as "14:05:09", shorter when the value is; fractions are dropped; anything else unchanged."""
    cleaned = text.strip(" \x00")
    match = _TM.match(cleaned)
    if not match or parse_tm(cleaned) is None:
        return cleaned
    hour, minute, second, _ = match.groups()
    return ":".join(part for part in (hour, minute or "00", second) if part)


def format_dt(text: str) -> str:
    """Return a DT value as "2004-01-19 14:05:09", as precise as the value is; anything else unchanged."""
    cleaned = text.strip(" \x00")
    match = _DT.match(cleaned)
    if not match or parse_dt(cleaned) is None:
        return cleaned
    year, month, day, hour, minute, second, _, sign, east_hours, east_minutes = match.groups()
    shown = "-".join(part for part in (year, month, day) if part)
    if hour:
        shown += " " + ":".join(part for part in (hour, minute or "00", second) if part)
    return shown + (f" {sign}{east_hours}:{east_minutes}" if sign else "")


def format_as(text: str) -> str:
    """Return an AS value as "45 years" or "3 months"; anything else unchanged."""
    cleaned = text.strip(" \x00")
    match = _AS.match(cleaned)
    if not match:
        return cleaned
    count = int(match.group(1))
    unit = {"D": "day", "W": "week", "M": "month", "Y": "year"}[match.group(2)]
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def age(birth_date: str, at: str) -> str:
    """Return the age in the form that clinicians use on the day `at`, or "" when it cannot be told.

    Days up to 4 weeks, weeks up to 3 months, months up to 2 years, then years: "12 d", "7 w", "18 m", "45 y".

    Parameters
    ----------
    birth_date, at : str
        DA values: Patient's Birth Date and, as a rule, Study Date.
    """
    born, day = parse_da(birth_date), parse_da(at)
    if born is None or day is None or day < born:
        return ""
    months = (day.year - born.year) * 12 + day.month - born.month - (day.day < born.day)
    days = (day - born).days
    if days < 28:
        return f"{days} d"
    if months < 3:
        return f"{days // 7} w"
    return f"{months} m" if months < 24 else f"{months // 12} y"
