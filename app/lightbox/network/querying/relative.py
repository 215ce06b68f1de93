"""Dates relative to the day on which a query runs: "today", "last 7 days", "this month", "past 6 months"."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from lightbox.core import clock
from lightbox.core.errors import UsageError

_SPAN = re.compile(r"(?:the\s+)?(?:last|past|previous)\s+(?:(\d{1,4}|[a-z]+)\s+)?(day|week|month|year)s?")
_CALENDAR = re.compile(r"(this|last|previous)\s+(week|month|year)")
_SINCE = re.compile(r"since\s+(.+)")
_DAYS = re.compile(r"(\d{4}-\d{2}-\d{2})?(\.\.)?(\d{4}-\d{2}-\d{2})?")
_NUMBERS = {
    word: number
    for number, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 1
    )
}
EXAMPLES = "today, yesterday, last 7 days, past 6 months, this month, since 2024-01-01, 2024-01-01..2024-03-31"


def today() -> date:
    """Return the day it is at this workstation."""
    return clock.now().astimezone().date()


def resolve(text: str, day: date | None = None) -> tuple[str, str]:
    """Return the first and last day (DA, empty where open) that `text` means on `day` (default: today).

    "last 7 days" begins seven days ago and includes today; "last month" without a number is the calendar month before
    this one, "last 1 months" the time since the same day of it. Weeks begin on Monday.

    Raises
    ------
    UsageError
        It is not understood.
    """
    day = day or today()
    words = " ".join(text.casefold().split())
    if words in ("", "any", "any time", "ever"):
        return "", ""
    if words == "today":
        return _da(day), _da(day)
    if words == "yesterday":
        return _da(day - timedelta(1)), _da(day - timedelta(1))
    found = _CALENDAR.fullmatch(words)
    if found:
        return _calendar(found[2], day, before=found[1] != "this")
    found = _SPAN.fullmatch(words)
    if found:
        count = _NUMBERS.get(found[1]) or (int(found[1]) if found[1] and found[1].isdigit() else 0) if found[1] else 1
        if count:
            return _da(back(day, count, found[2])), _da(day)
    found = _SINCE.fullmatch(words)
    if found:
        return resolve(found[1], day)[0], ""
    return _absolute(text)


def back(day: date, count: int, unit: str) -> date:
    """Return the day `count` days, weeks, months or years before `day` (the last of a shorter month)."""
    try:
        if unit in ("day", "week"):
            return day - timedelta(days=count * (7 if unit == "week" else 1))
        months = day.year * 12 + day.month - 1 - count * (12 if unit == "year" else 1)
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    except (ValueError, OverflowError, IndexError) as error:
        raise UsageError("This is too long ago", where=f"{count} {unit}s") from error


def _calendar(unit: str, day: date, *, before: bool) -> tuple[str, str]:
    if unit == "week":
        first = day - timedelta(day.weekday() + (7 if before else 0))
        return _da(first), _da(first + timedelta(6))
    if unit == "year":
        year = day.year - before
        return f"{year:04d}0101", f"{year:04d}1231"
    first = back(day.replace(day=1), 1, "month") if before else day.replace(day=1)
    return _da(first), _da(first.replace(day=calendar.monthrange(first.year, first.month)[1]))


def _absolute(text: str) -> tuple[str, str]:
    compact = text.strip()
    days = _DAYS.fullmatch(compact)
    if days and (days[1] or days[3]) and bool(days[2]) >= bool(days[3]):
        try:
            first, last = (f"{date.fromisoformat(part):%Y%m%d}" if part else "" for part in (days[1], days[3]))
        except ValueError as error:
            raise UsageError("There is no such day", where=text, todo="Write year-month-day") from error
        if first and last and first > last:
            raise UsageError("The time span ends before it begins", where=text)
        return (first, last) if days[2] else (first, first)
    from lightbox.network.query_keys import date_range

    if re.fullmatch(r"\d{4}-\d{2}", compact):
        year, month = int(compact[:4]), int(compact[5:])
        if 1 <= month <= 12:
            return f"{year:04d}{month:02d}01", f"{year:04d}{month:02d}{calendar.monthrange(year, month)[1]:02d}"
    try:
        found = date_range(compact)
    except UsageError as error:
        raise UsageError("This is not a date or a time span", where=text, todo=f"Write for example: {EXAMPLES}") from (
            error
        )
    first, dash, last = found.partition("-")
    return (first, last) if dash else (first, first)


def _da(day: date) -> str:
    return f"{day:%Y%m%d}" if day.year >= 1000 else f"{day.year:04d}{day.month:02d}{day.day:02d}"
