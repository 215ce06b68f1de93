"""What a person has to do about the rows of a report: what asks for the same is said once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lightbox.network.preflight import services, vocabulary
from lightbox.network.preflight.pairs import SCP, SCU
from lightbox.network.preflight.verdicts import BLOCKED, OK, TRANSCODE, Row

_TOGETHER = 3
"""From so many SOP classes on that are refused altogether, they are one task."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something to change at the peer, or to know.

    Parameters
    ----------
    verdict, title, reason : str
        What it is about, and why it matters to us.
    advice : list of str
        What to change.
    failing : bool
        Whether the pre-flight fails because of it.
    rows : int
        How many pairs it stands for.
    items : list of str
        The SOP classes, where there are several.
    """

    verdict: str
    title: str
    reason: str
    advice: list[str]
    failing: bool
    rows: int
    items: tuple[str, ...] = ()


def of(rows: Iterable[Row], failing: Collection[int], peer: str, own_title: str) -> list[Task]:
    """Return the tasks in `rows`, in their order; `failing` holds the ids of the rows that fail."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.verdict != OK and (row.needed or row.declared):
            found.setdefault((row.verdict, row.pair.sop_class), []).append(row)
    groups = [Group(entries, any(id(row) in failing for row in entries)) for entries in found.values()]
    gone = [group for group in groups if group.altogether]
    if len(gone) < _TOGETHER:
        gone = []
    tasks: list[Task] = []
    for group in groups:
        if group not in gone:
            count = len(group.rows)
            tasks.append(Task(group.verdict, group.title(), group.reason(), group.advice(), group.failing, count))
        elif group is gone[0]:
            items = tuple(f"{entry.title()}" + (f" ({entry.reason()})" if entry.reason() else "") for entry in gone)
            advice = f"At {peer}, accept them in Implicit VR Little Endian at least, for AE {own_title}."
            title = f"{len(gone)} SOP classes are refused in every encoding that was probed"
            count = sum(len(entry.rows) for entry in gone)
            tasks.append(Task(BLOCKED, title, "", [advice], any(entry.failing for entry in gone), count, items))
    return tasks


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one SOP class with the same verdict."""

    rows: list[Row]
    failing: bool

    @property
    def altogether(self) -> bool:
        """Whether the peer refuses the SOP class in every encoding, as it was not declared otherwise."""
        first = self.rows[0]
        return (
            first.verdict == BLOCKED
            and first.pair.sop_class not in services.BY_CLASS
            and all("every encoding" in row.advice and not row.declared for row in self.rows)
        )

    @property
    def verdict(self) -> str:
        """What they have in common."""
        return self.rows[0].verdict

    def title(self) -> str:
        """Return SOP class, transfer syntaxes and direction."""
        sop_class = self.rows[0].pair.sop_class
        service = services.BY_CLASS.get(sop_class)
        if service is not None:
            return service.name
        syntaxes = ", ".join(dict.fromkeys(vocabulary.short(row.pair.transfer_syntax) for row in self.rows))
        roles = {row.pair.role for row in self.rows}
        way = {SCP: "", SCU: ", when fetched from it"}[roles.pop()] if len(roles) == 1 else ", sent to it and fetched"
        return f"{vocabulary.class_name(sop_class)} in {syntaxes}{way}"

    def reason(self) -> str:
        """Return why they are needed."""
        counts: dict[str, int] = {}
        for row in self.rows:
            counts[row.pair.transfer_syntax] = max(counts.get(row.pair.transfer_syntax, 0), row.count)
        held = sum(counts.values())
        others = [part for row in self.rows for part in row.reason.split("; ") if part and "in the library" not in part]
        return "; ".join(dict.fromkeys(([f"{held:,} in the library"] if held else []) + others))

    def advice(self) -> list[str]:
        """Return what to change, each piece once."""
        if self.verdict == TRANSCODE and len(self.rows) > 2:
            return self._conversions()
        return list(dict.fromkeys(row.advice for row in self.rows if row.advice))

    def _conversions(self) -> list[str]:
        ways: dict[tuple[str, str], list[str]] = {}
        for row in self.rows:
            ways.setdefault((row.pair.role, row.convert_to), []).append(vocabulary.short(row.pair.transfer_syntax))
        texts = []
        for (role, target), syntaxes in ways.items():
            instead = vocabulary.short(target)
            if role == SCP:
                texts.append(
                    f"Objects in {', '.join(syntaxes)} are converted to {instead} without loss before they are sent."
                    " To send them unchanged, enable these at the peer."
                )
            else:
                texts.append(f"The peer has to send {', '.join(syntaxes)} as {instead}.")
        return texts
