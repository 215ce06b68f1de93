"""Getting past an archive that cuts its answers off: ask again in parts, by date, then by modality, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from lightbox.dicom.dates import parse_da
from lightbox.network.querying import relative

ROUND_LIMITS = frozenset(
    {50, 100, 128, 150, 200, 250, 256, 300, 400, 500, 512, 1000, 1024, 1500, 2000, 2500, 5000, 10000}
)
"""Numbers of answers that archives are set to; exactly so many answers may have been cut off."""
MOST_QUERIES = 64
"""How many queries one question may become."""
SPLIT_MODALITIES = ("CT", "MR", "US", "CR", "DX", "MG", "XA", "RF", "NM", "PT", "OT", "SC", "SR", "ES", "RTSTRUCT")
_EARLIEST = date(1990, 1, 1)

Keys = Mapping[str, str]
Row = Mapping[str, str]


@dataclass(slots=True)
class Ending:
    """How one query ended: whether the archive said that it did not send everything, or our own limit was reached."""

    count: int = 0
    cut: bool = False
    words: str = ""
    limited: bool = False


@dataclass(slots=True)
class Outcome:
    """How a question ended: `truncated` in words (empty: complete), and what the archive's limit seems to be."""

    truncated: str = ""
    notes: list[str] = field(default_factory=list)
    queries: int = 0
    learned_limit: int = 0


Ask = Callable[[Keys, Ending, int], Iterator[Row]]
"""Yields the answers to keys, at most so many, and writes into the `Ending` how it ended."""


class Splitter:
    """Asks one question completely.

    Parameters
    ----------
    ask : callable
        One query; see `Ask`.
    limit : int
        How many studies are wanted at most.
    known_limit : int
        A limit of this archive that was seen before, 0 when none is known.
    """

    def __init__(self, ask: Ask, limit: int, known_limit: int = 0) -> None:
        self._ask = ask
        self._limit = limit
        self._known_limit = known_limit
        self._seen: set[str] = set()
        self.outcome = Outcome()

    def rows(self, keys: Keys) -> Iterator[Row]:
        """Yield every study once, as the answers come in."""
        yield from self._complete(dict(keys))

    @property
    def full(self) -> bool:
        """Whether as many studies as wanted have come."""
        return len(self._seen) >= self._limit

    def _complete(self, keys: dict[str, str]) -> Iterator[Row]:
        if self.outcome.queries >= MOST_QUERIES:
            self._truncate(
                f"The archive cuts its answers off: some may be missing after {MOST_QUERIES} partial queries"
            )
            return
        ending = Ending()
        self.outcome.queries += 1
        dates: list[date] = []
        for row in self._ask(keys, ending, self._limit - len(self._seen) + 1):
            day = parse_da(row.get("StudyDate", ""))
            if day is not None:
                dates.append(day)
            uid = row.get("StudyInstanceUID", "")
            if uid in self._seen:
                continue
            if self.full:
                self._truncate(f"More than the {self._limit} studies that were asked for")
                return
            self._seen.add(uid)
            yield row
        if ending.limited:
            self._truncate(f"More than the {self._limit} studies that were asked for")
            return
        suspected = ending.count > 0 and (ending.count == self._known_limit or ending.count in ROUND_LIMITS)
        if not ending.cut and not suspected:
            return
        parts = list(parts_of(keys, dates))
        if not parts:
            words = ending.words or f"Exactly {ending.count} studies came, which may be the limit of the archive"
            self._truncate(words)
            return
        came = len(self._seen)
        yield from self._in_parts(parts)
        grown = len(self._seen) > came
        if grown and ending.count:
            self.outcome.learned_limit = max(self.outcome.learned_limit, ending.count)
        if grown or ending.cut:
            self._note("The archive cuts its answers off: it was asked in parts. Studies without a date may be missing")
            if "ModalitiesInStudy" in parts[0] and parts[0]["ModalitiesInStudy"] != keys.get("ModalitiesInStudy", ""):
                self._truncate(
                    f"More studies on one day than the archive sends: of kinds besides {', '.join(SPLIT_MODALITIES)}"
                    " some may be missing"
                )

    def _in_parts(self, parts: list[dict[str, str]]) -> Iterator[Row]:
        for part in parts:
            if self.outcome.truncated and (self.full or self.outcome.queries >= MOST_QUERIES):
                return
            yield from self._complete(part)

    def _truncate(self, text: str) -> None:
        self.outcome.truncated = self.outcome.truncated or text

    def _note(self, text: str) -> None:
        if text not in self.outcome.notes:
            self.outcome.notes.append(text)


def parts_of(keys: Keys, dates: list[date]) -> Iterator[dict[str, str]]:
    """Yield `keys` in parts that together ask for the same: two or three spans of dates, or one modality each.

    Nothing is yielded when a single day and a single modality are asked for: that cannot be divided.

    Parameters
    ----------
    keys : mapping
        Of a study-level query; StudyDate is empty, a day or a range.
    dates : list of date
        The dates of the answers that came.
    """
    first, last = bounds(keys.get("StudyDate", ""))
    if first is not None and first == last:
        if not keys.get("ModalitiesInStudy"):
            for modality in SPLIT_MODALITIES:
                yield {**keys, "ModalitiesInStudy": modality}
        return
    within = sorted(day for day in dates if (first is None or day >= first) and (last is None or day <= last))
    if within:
        pivot = within[len(within) // 2]
    else:
        low, high = first or _EARLIEST, last or relative.today()
        pivot = low + (high - low) // 2 if high > low else low
    spans: list[tuple[date | None, date | None]] = []
    if within and within[0] == within[-1]:
        spans = [(first, pivot - timedelta(1)), (pivot, pivot), (pivot + timedelta(1), last)]
    elif last is not None and pivot >= last:
        spans = [(first, pivot - timedelta(1)), (pivot, last)]
    else:
        spans = [(first, pivot), (pivot + timedelta(1), last)]
    for low, high in spans:
        if low is not None and high is not None and low > high:
            continue
        yield {**keys, "StudyDate": _range(low, high)}


def bounds(text: str) -> tuple[date | None, date | None]:
    """Return the days of a DICOM date range, None where it is open."""
    if "-" not in text:
        day = parse_da(text) if text else None
        return day, day
    first, _, last = text.partition("-")
    return parse_da(first), parse_da(last)


def _range(first: date | None, last: date | None) -> str:
    if first is not None and first == last:
        return f"{first:%Y%m%d}"
    start = "" if first is None else f"{first:%Y%m%d}"
    return f"{start}-{'' if last is None else f'{last:%Y%m%d}'}"
