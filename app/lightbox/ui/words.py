"""Numbers, dates and errors as a person reads them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.dicom.person_name import display

SOMETHING_WRONG = "Something went wrong inside Lightbox"


def count(number: int) -> str:
    """Return 1,234,567."""
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """Return ``1 study`` or ``3 studies`` (`many` defaults to `one` with an s)."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Return a number of bytes as 812 B, 3.4 MB or 41 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if number >= 10 or unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def duration(seconds: float) -> str:
    """Return 5 s, 2 min 10 s or 1 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def place(path: Path) -> str:
    """Return a path for the screen, with ``~`` for the person's own folder."""
    own = Path.home()
    return str(Path("~") / path.relative_to(own)) if path.is_relative_to(own) else str(path)


def parse_date(da: str) -> date | None:
    """Return a DICOM date (``YYYYMMDD``, PS3.5 6.2; also the old ``YYYY.MM.DD``) or None when it is not one."""
    digits = da.replace(".", "").strip()
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None


def day(da: str) -> str:
    """Return a DICOM date as 2026-11-18; what is not a date comes back as it is."""
    parsed = parse_date(da)
    return parsed.isoformat() if parsed else da.strip()


def moment(da: str, tm: str) -> str:
    """Return a DICOM date and time as 2026-11-18 09:42."""
    digits = tm.replace(":", "").strip()
    clock = f"{digits[:2]}:{digits[2:4]}" if len(digits) >= 4 and digits[:4].isdigit() else ""
    return f"{day(da)} {clock}".strip()


def stamp(text: str) -> str:
    """Return a moment (UTC, ISO 8601) as date and time of this place."""
    try:
        return f"{datetime.fromisoformat(text.replace('Z', '+00:00')).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return text


def name(pn: str) -> str:
    """Return a DICOM person name (PS3.5 6.2.1) as people read it: ``Doe, Jane``."""
    return display(pn)


def age_years(birth: str, at: str) -> int | None:
    """Return whole years from `birth` to `at` (DICOM dates), or None when one is missing."""
    born, then = parse_date(birth), parse_date(at)
    if born is None or then is None or then < born:
        return None
    return then.year - born.year - ((then.month, then.day) < (born.month, born.day))


def age(age_string: str, birth: str, at: str) -> str:
    """Return the age at the study: years from the dates, otherwise Patient's Age (``045Y``), with a unit under two."""
    text = age_string.strip().upper()
    stated = f"{int(text[:3])} {text[3].lower()}" if len(text) == 4 and text[:3].isdigit() and text[3] in "DWMY" else ""
    if stated == "0 y":
        stated = ""
    years = age_years(birth, at)
    if years is not None and years >= 2:
        return str(years)
    if stated:
        return stated.removesuffix(" y")
    born, then = parse_date(birth), parse_date(at)
    if born and then and then >= born:
        days = (then - born).days
        return f"{days} d" if days < 60 else f"{days // 30} m"
    return ""


def sex_age(sex: str, years: str) -> str:
    """Return F 65."""
    return f"{sex} {years}".strip()


def apart(first: str, second: str) -> str:
    """Return how long before `second` the date `first` was, in words: 18 months earlier."""
    a, b = parse_date(first), parse_date(second)
    if a is None or b is None:
        return ""
    days = abs((b - a).days)
    word = "earlier" if a < b else "later"
    if days == 0:
        return "same day"
    if days < 60:
        return f"{plural(days, 'day')} {word}"
    if days < 730:
        return f"{plural(round(days / 30.44), 'month')} {word}"
    return f"{plural(round(days / 365.25), 'year')} {word}"


def days_back(days: int, today: date | None = None) -> str:
    """Return the DICOM date `days` before today."""
    return ((today or date.today()) - timedelta(days=days)).strftime("%Y%m%d")


def error(problem: BaseException) -> str:
    """Return an error as one sentence for a person; what we did not foresee says so plainly."""
    if isinstance(problem, Cancelled):
        return "Cancelled"
    if isinstance(problem, LightboxError):
        return problem.sentence()
    if isinstance(problem, OSError) and problem.strerror:
        where = f" ({problem.filename})" if problem.filename else ""
        return f"{problem.strerror}{where}"
    return f"{SOMETHING_WRONG}: {type(problem).__name__}"
