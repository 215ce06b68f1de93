"""The gate before objects are sent: what is known of them, and a look at those that it has not seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.library.quality.gate import examine
from lightbox.library.quality.model import QualityIssue, Severity, worst_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightbox.library.library import Library

_GRAVE = (Severity.ERROR,)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A fault that may make a peer refuse objects, or misfile them; once for all objects that share it.

    ``count`` is the number of objects.
    """

    issue: QualityIssue
    count: int


def doubts(
    items: Iterable[str | Path],
    library: Callable[[], Library],
    *,
    severities: tuple[Severity, ...] = _GRAVE,
    progress: Callable[[int], None] | None = None,
) -> list[Doubt]:
    """Return what is wrong with objects that are to be sent, worst first; nothing is changed or held back.

    Parameters
    ----------
    items : iterable of str or Path
        SOP Instance UIDs of the library, or files. What cannot be opened is left to the sender to tell.
    library : callable
        Returns the library; called when the first object of it comes. What the library knows already is not looked at
        again.
    severities : tuple of Severity
        What is asked for.
    progress : callable, optional
        Gets the number of objects looked at.
    """
    found: dict[tuple[str, str, str], list[QualityIssue]] = {}
    for number, item in enumerate(items, 1):
        for issue in _issues(item, library):
            if issue.severity in severities:
                found.setdefault((issue.code, issue.where, issue.found), []).append(issue)
        if progress is not None:
            progress(number)
    groups = {id(entries[0]): len(entries) for entries in found.values()}
    return [Doubt(issue, groups[id(issue)]) for issue in worst_first([entries[0] for entries in found.values()])]


def _issues(item: str | Path, library: Callable[[], Library]) -> list[QualityIssue]:
    try:
        if isinstance(item, Path):
            with item.open("rb") as file:
                return [issue.of(path=str(item)) for issue in examine(file).issues]
        kept = library().quality_issues_of(item) if library().quality_seen(item) else None
        if kept is not None:
            return kept
        with library().open_object(item) as file:
            return examine(file).issues
    except (OSError, LightboxError):
        return []  # the sender opens it, too, and says why it cannot
