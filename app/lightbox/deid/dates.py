"""Moving DA and DT values by whole days (PS3.5 6.2): format, precision, fraction and time zone stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

DUMMY_DA = "20000101"
DUMMY_TM = "000000"
DUMMY_DT = "20000101000000"

_DA = re.compile(r"(\d{4})([.\-]?)(\d{2})\2(\d{2})")
_IN_TEXT = re.compile(
    r"(?<!\d)(?:(?P<y>(?:19|20)\d\d)(?P<s>[./-]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])"
    r"|(?P<a>[0-3]?\d)(?P<t>[./-])(?P<b>[0-3]?\d)(?P=t)(?P<z>(?:19|20)\d\d))(?!\d)"
)
_DT = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{0,6}(?:\.\d{1,6})?)([+-]\d{4})?")


def parse_da(text: str) -> date | None:
    """Return the date of a DA value (``YYYYMMDD``, retired ``YYYY.MM.DD`` and ``YYYY-MM-DD``), or None."""
    found = _DA.fullmatch(text.strip(" \0"))
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        return None


def shift_da(text: str, days: int) -> str | None:
    """Return a DA value moved by `days`; empty stays empty; None when the value is no date."""
    stripped = text.strip(" \0")
    if not stripped:
        return ""
    found = parse_da(stripped)
    if found is None:
        return None
    moved = _add(found, days)
    return None if moved is None else f"{moved:%Y%m%d}".zfill(8)


def shift_dt(text: str, days: int) -> str | None:
    """Return a DT value moved by `days`.

    A value without a day is moved from the middle of its period and keeps its precision; time, fraction and offset
    from UTC are kept as written. Empty stays empty; None when the value is no date.
    """
    stripped = text.strip(" \0")
    if not stripped:
        return ""
    found = _DT.fullmatch(stripped)
    if found is None:
        return None
    year, month, day, clock, zone = found.groups()
    if clock and not day:
        return None
    try:
        start = date(int(year), int(month or 7), int(day or (15 if month else 1)))
    except ValueError:
        return None
    moved = _add(start, days)
    if moved is None:
        return None
    whole = f"{moved:%Y%m%d}".zfill(8)
    kept = whole if day else whole[:6] if month else whole[:4]
    return kept + (clock or "") + (zone or "")


def day_of_dt(text: str) -> str:
    """Return ``YYYYMMDD`` of a DT value that names a day, else an empty string."""
    found = _DT.fullmatch(text.strip(" \0"))
    return f"{found[1]}{found[2]}{found[3]}" if found and found[2] and found[3] else ""


def days_in(text: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Yield where text holds a numeric date, and the days (``YYYYMMDD``) that it may mean.

    Found are ``20180326``, ``2018-03-26`` and, day or month first, ``26.03.2018`` (also with ``/``).
    """
    for found in _IN_TEXT.finditer(text):
        year, month, day = found["y"], found["m"], found["d"]
        if year:
            days = frozenset((year + month + day,))
        else:
            first, second, year = found["a"].zfill(2), found["b"].zfill(2), found["z"]
            days = frozenset((f"{year}{second}{first}", f"{year}{first}{second}"))
        yield found.start(), found.end(), days


def _add(start: date, days: int) -> date | None:
    try:
        return start + timedelta(days=days)
    except OverflowError:
        return None
